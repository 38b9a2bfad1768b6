import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { TokenCache } from '../../src/token-cache.js';
import type { TokenKey } from '../../src/token-source.js';
import { failureOf, microtasksUntilSettled } from './promises.js';
import { denied, KEY, patient, token, tokenSource } from './token-source.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const OTHER: TokenKey = { audience: 'other', username: 'someone' };

const keyOf = ({ audience, username }: TokenKey): TokenKey => ({ audience, username });

function withSource() {
  const source = tokenSource();
  return { ...source, cache: new TokenCache(source.source) };
}

/** A cache that holds a token, which was handed out once. */
async function withToken(value = 'a') {
  const source = withSource();
  const got = source.cache.get(KEY, patient);
  source.request(0).resolve(token(value));
  await got;
  return source;
}

const settle = () => vi.advanceTimersByTimeAsync(0);

describe('a token in memory', () => {
  test('is fetched by the first call and handed out to the next ones', async () => {
    const { cache, asked } = await withToken();
    expect(await cache.get(KEY, patient)).toMatchObject({ value: 'a' });
    expect(asked.map(keyOf)).toEqual([KEY]);
  });

  test('is handed out in a microtask, with no timer set and nothing else awaited', async () => {
    const { cache } = await withToken();
    const timers = vi.getTimerCount();
    const got = cache.get(KEY, patient);
    expect(vi.getTimerCount()).toBe(timers);
    expect(await microtasksUntilSettled(got)).toBe(1);
  });

  test('is handed out as fast while it is in doubt', async () => {
    const { cache, asked } = await withToken();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await microtasksUntilSettled(cache.get(KEY, patient))).toBe(1);
    expect(asked).toHaveLength(2);
  });

  test('is handed out to a caller whose signal is aborted already', async () => {
    const { cache } = await withToken();
    const got = cache.get(KEY, { timeoutMS: 1, signal: AbortSignal.abort() });
    expect(await got).toMatchObject({ value: 'a' });
  });
});

describe('tokens of several audiences and usernames', () => {
  const keys: TokenKey[] = [
    { audience: 'a', username: undefined },
    { audience: 'b', username: undefined },
    { audience: undefined, username: undefined },
    { audience: undefined, username: 'a' },
    { audience: 'a', username: 'b' },
    { audience: 'a","b', username: undefined },
    { audience: 'null', username: undefined },
    { audience: 'A', username: undefined },
    { audience: 'ab', username: 'c' },
    { audience: 'a', username: 'bc' },
    { audience: 'a,b', username: 'c' },
    { audience: 'a', username: 'b,c' },
  ];

  test('are never shared', async () => {
    const { cache, asked, request } = withSource();
    const got = keys.map((key) => cache.get(key, patient));
    expect(asked.map(keyOf)).toEqual(keys);
    keys.forEach((_, index) => {
      request(index).resolve(token(`token ${index}`));
    });
    expect((await Promise.all(got)).map(({ value }) => value)).toEqual(keys.map((_, i) => `token ${i}`));
    const again = await Promise.all(keys.map((key) => cache.get({ ...key }, patient)));
    expect(again.map(({ value }) => value)).toEqual(keys.map((_, index) => `token ${index}`));
    expect(asked).toHaveLength(keys.length);
  });

  test('fail apart from each other', async () => {
    const { cache, request } = withSource();
    const error = denied();
    const [a, b] = [cache.get(KEY, patient), cache.get(OTHER, patient)];
    request(0).reject(error);
    request(1).resolve(token('b'));
    expect(await failureOf(a)).toBe(error);
    expect(await b).toMatchObject({ value: 'b' });
  });

  test('are doubted apart from each other', async () => {
    const { cache, asked, request } = await withToken();
    await vi.advanceTimersByTimeAsync(5_000);
    const got = cache.get(OTHER, patient);
    request(1).resolve(token('other'));
    await got;
    await cache.get(OTHER, patient);
    expect(asked).toHaveLength(2);
    await cache.get(KEY, patient);
    expect(asked.map(keyOf)).toEqual([KEY, OTHER, KEY]);
  });
});

describe('clear', () => {
  test('forgets every token: the next calls ask the source', async () => {
    const { cache, asked, request } = await withToken();
    const got = cache.get(OTHER, patient);
    request(1).resolve(token('other'));
    await got;
    cache.clear();
    void cache.get(KEY, patient);
    void cache.get(OTHER, patient);
    expect(asked).toHaveLength(4);
  });

  test('lets a fetch under way answer those who wait for it, and nobody else', async () => {
    const { cache, asked, request } = withSource();
    const before = cache.get(KEY, patient);
    cache.clear();
    const after = cache.get(KEY, patient);
    expect(asked).toHaveLength(2);
    request(0).resolve(token('old'));
    expect(await before).toMatchObject({ value: 'old' });
    request(1).resolve(token('new'));
    expect(await after).toMatchObject({ value: 'new' });
    expect(await cache.get(KEY, patient)).toMatchObject({ value: 'new' });
    expect(asked).toHaveLength(2);
  });

  test('makes no token of before the latest, though it is still handed out', async () => {
    const { cache, request } = withSource();
    const before = cache.get(KEY, patient);
    cache.clear();
    request(0).resolve(token('old'));
    await before;
    expect(cache.latest).toBeUndefined();
  });

  test('is distrust of what the source keeps itself, for each token and once', async () => {
    const { cache, asked, request } = await withToken();
    expect(request(0).skipCache).toBe(false);
    cache.clear();
    for (const key of [KEY, OTHER]) {
      const got = cache.get(key, patient);
      request(asked.length - 1).resolve(token('b'));
      await got;
    }
    await vi.advanceTimersByTimeAsync(48 * 60_000 * 1.05);
    expect(asked.length).toBeGreaterThan(4);
    expect(asked.map(({ skipCache }) => skipCache).slice(0, 4)).toEqual([false, true, true, false]);
  });

  test('drops what a fetch in the background brings', async () => {
    const { cache, asked, request } = await withToken();
    await vi.advanceTimersByTimeAsync(5_000);
    await cache.get(KEY, patient);
    cache.clear();
    request(1).resolve(token('b'));
    await settle();
    expect(cache.latest).toBeUndefined();
    void cache.get(KEY, patient);
    expect(asked).toHaveLength(3);
  });

  test('ends the life of every token: nothing is refreshed any more', async () => {
    const { cache, asked, request } = await withToken();
    const got = cache.get(OTHER, patient);
    request(1).resolve(token('other'));
    await got;
    expect(vi.getTimerCount()).toBe(2);
    cache.clear();
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(asked).toHaveLength(2);
  });
});

describe('latest', () => {
  test('is the token that was handed out last, whatever its audience', async () => {
    const { cache, request } = withSource();
    expect(cache.latest).toBeUndefined();
    const got = [cache.get(KEY, patient), cache.get(OTHER, patient)];
    expect(cache.latest).toBeUndefined();
    request(1).resolve(token('other'));
    await settle();
    expect(cache.latest).toMatchObject({ value: 'other' });
    request(0).resolve(token('a'));
    await Promise.all(got);
    expect(cache.latest).toMatchObject({ value: 'a' });
    await cache.get(OTHER, patient);
    expect(cache.latest).toMatchObject({ value: 'other' });
  });

  test('is not one that was fetched and not handed out', async () => {
    const { cache, request } = await withToken();
    await vi.advanceTimersByTimeAsync(5_000);
    await cache.get(KEY, patient);
    request(1).resolve(token('b'));
    await settle();
    expect(cache.latest).toMatchObject({ value: 'a' });
  });

  test('is forgotten by clear', async () => {
    const { cache } = await withToken();
    cache.clear();
    expect(cache.latest).toBeUndefined();
  });
});
