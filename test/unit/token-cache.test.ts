import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { OIDCCallbackError } from '../../src/errors.js';
import { type CachedToken, type Patience, TokenCache, type TokenKey } from '../../src/token-cache.js';
import { type Deferred, deferred, failureOf, microtasksUntilSettled } from './promises.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const KEY: TokenKey = { audience: 'mongodb', username: undefined };
const patient: Patience = { timeoutMS: 30_000, signal: undefined };

const token = (value: string, lifeMS: number | undefined = 3_600_000): CachedToken => ({
  value,
  receivedAt: Date.now(),
  expiresAt: lifeMS === undefined ? undefined : Date.now() + lifeMS,
});
const tokenWithoutExpiry = (value: string): CachedToken => ({ ...token(value), expiresAt: undefined });

/** A cache over a source whose answers the test gives, in the order in which they were asked for. */
function withSource() {
  const asked: (Deferred<CachedToken> & { key: TokenKey })[] = [];
  const load = vi.fn((key: TokenKey) => {
    const answer = deferred<CachedToken>();
    asked.push({ ...answer, key });
    return answer.promise;
  });
  const cache = new TokenCache(load);
  const answer = (index: number) => {
    const one = asked[index];
    if (!one) throw new Error(`the source was not asked ${index + 1} times`);
    return one;
  };
  return { cache, load, answer };
}

/** A cache that holds `first`, which was handed out once. */
async function withToken(first: CachedToken) {
  const source = withSource();
  const got = source.cache.get(KEY, patient);
  source.answer(0).resolve(first);
  await got;
  return source;
}

const settle = () => vi.advanceTimersByTimeAsync(0);

describe('a token in memory', () => {
  test('is fetched by the first call and handed out to the next ones', async () => {
    const { cache, load } = await withToken(token('a'));
    expect(await cache.get(KEY, patient)).toMatchObject({ value: 'a' });
    expect(load).toHaveBeenCalledOnce();
    expect(load).toHaveBeenCalledWith(KEY);
  });

  test('is handed out in a microtask, with no timer set and nothing else awaited', async () => {
    const { cache } = await withToken(token('a'));
    expect(vi.getTimerCount()).toBe(0);
    const got = cache.get(KEY, patient);
    expect(vi.getTimerCount()).toBe(0);
    expect(await microtasksUntilSettled(got)).toBe(1);
  });

  test('is handed out to a caller whose signal is aborted already', async () => {
    const { cache } = await withToken(token('a'));
    const got = cache.get(KEY, { timeoutMS: 1, signal: AbortSignal.abort() });
    expect(await got).toMatchObject({ value: 'a' });
  });

  test('is handed out until the instant at which it expires', async () => {
    const { cache, load, answer } = await withToken(token('a', 60_000));
    vi.setSystemTime(Date.now() + 59_999);
    expect(await cache.get(KEY, patient)).toMatchObject({ value: 'a' });
    answer(1).reject(new Error('the doubt is not settled'));
    await settle();
    vi.setSystemTime(Date.now() + 1);
    const next = cache.get(KEY, patient);
    expect(load).toHaveBeenCalledTimes(3);
    answer(2).resolve(token('b'));
    expect(await next).toMatchObject({ value: 'b' });
  });

  test('counts as fresh for 30 s where nobody says when it expires', async () => {
    const { cache, answer } = await withToken(tokenWithoutExpiry('a'));
    vi.setSystemTime(Date.now() + 29_999);
    expect(await microtasksUntilSettled(cache.get(KEY, patient))).toBe(1);
    answer(1).reject(new Error('unavailable'));
    await settle();
    vi.setSystemTime(Date.now() + 1);
    const next = cache.get(KEY, patient);
    expect(await microtasksUntilSettled(next)).toBe(Number.POSITIVE_INFINITY);
    answer(2).resolve(token('b'));
    expect(await next).toMatchObject({ value: 'b' });
  });

  test.each([-3_600_000, -1, 0])(
    'counts as fresh for 30 s where it expired %i ms from its receipt: a clock is wrong',
    async (lifeMS) => {
      const { cache, load, answer } = await withToken(token('a', lifeMS));
      vi.setSystemTime(Date.now() + 29_999);
      expect(await cache.get(KEY, patient)).toMatchObject({ value: 'a' });
      answer(1).reject(new Error('unavailable'));
      await settle();
      vi.setSystemTime(Date.now() + 1);
      void cache.get(KEY, patient).catch(() => {});
      expect(load).toHaveBeenCalledTimes(3);
    },
  );

  test('of a known life that is shorter than 30 s is not kept longer than it lives', async () => {
    const { cache, load } = await withToken(token('a', 2_000));
    vi.setSystemTime(Date.now() + 2_000);
    void cache.get(KEY, patient);
    expect(load).toHaveBeenCalledTimes(2);
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
    const { cache, load, answer } = withSource();
    const got = keys.map((key) => cache.get(key, patient));
    expect(load.mock.calls.map(([key]) => key)).toEqual(keys);
    keys.forEach((_, index) => {
      answer(index).resolve(token(`token ${index}`));
    });
    expect((await Promise.all(got)).map(({ value }) => value)).toEqual(keys.map((_, i) => `token ${i}`));
    const again = await Promise.all(keys.map((key) => cache.get({ ...key }, patient)));
    expect(again.map(({ value }) => value)).toEqual(keys.map((_, index) => `token ${index}`));
    expect(load).toHaveBeenCalledTimes(keys.length);
  });

  test('fail apart from each other', async () => {
    const { cache, answer } = withSource();
    const [a, b] = [cache.get(keys[0] ?? KEY, patient), cache.get(keys[1] ?? KEY, patient)];
    answer(0).reject(new Error('not for you'));
    answer(1).resolve(token('b'));
    expect(await failureOf(a)).toEqual(new Error('not for you'));
    expect(await b).toMatchObject({ value: 'b' });
  });
});

describe('while a fetch is under way', () => {
  test('those who call join it: one fetch at a time', async () => {
    const { cache, load, answer } = withSource();
    const got = Array.from({ length: 50 }, () => cache.get(KEY, patient));
    await vi.advanceTimersByTimeAsync(10_000);
    got.push(cache.get(KEY, patient));
    expect(load).toHaveBeenCalledOnce();
    answer(0).resolve(token('a'));
    expect(new Set((await Promise.all(got)).map(({ value }) => value))).toEqual(new Set(['a']));
    expect(load).toHaveBeenCalledOnce();
  });

  test('its failure is the failure of all who joined, and the next call asks again', async () => {
    const { cache, load, answer } = withSource();
    const error = new OIDCCallbackError('ERR_OIDC_ACCESS_DENIED', 'no');
    const failures = [cache.get(KEY, patient), cache.get(KEY, patient)].map(failureOf);
    answer(0).reject(error);
    expect(await Promise.all(failures)).toEqual([error, error]);
    expect(load).toHaveBeenCalledOnce();
    void cache.get(KEY, patient);
    expect(load).toHaveBeenCalledTimes(2);
  });

  test('a caller that aborts is answered at once, and the others get their token', async () => {
    const { cache, load, answer } = withSource();
    const controller = new AbortController();
    const impatient = cache.get(KEY, { ...patient, signal: controller.signal });
    const other = cache.get(KEY, patient);
    controller.abort();
    expect(await microtasksUntilSettled(impatient)).toBeLessThan(10);
    expect(await failureOf(impatient)).toMatchObject({ code: 'ERR_OIDC_ABORTED' });
    answer(0).resolve(token('a'));
    expect(await other).toMatchObject({ value: 'a' });
    expect(load).toHaveBeenCalledOnce();
  });

  test('a token that nobody waits for any more is kept for the next caller', async () => {
    const { cache, load, answer } = withSource();
    const controller = new AbortController();
    const failure = failureOf(cache.get(KEY, { ...patient, signal: controller.signal }));
    controller.abort();
    await failure;
    answer(0).resolve(token('a'));
    await settle();
    expect(await cache.get(KEY, patient)).toMatchObject({ value: 'a' });
    expect(load).toHaveBeenCalledOnce();
  });

  test('a caller waits no longer than its own time and a moment', async () => {
    const { cache, answer } = withSource();
    const patientCaller = cache.get(KEY, patient);
    const failure = failureOf(cache.get(KEY, { timeoutMS: 500, signal: undefined }));
    await vi.advanceTimersByTimeAsync(550);
    expect(await failure).toMatchObject({
      code: 'ERR_OIDC_TIMEOUT',
      message: expect.stringContaining('500 ms'),
    });
    answer(0).resolve(token('a'));
    expect(await patientCaller).toMatchObject({ value: 'a' });
  });

  test('a caller that joined a fetch which ran out starts another, and gets its token', async () => {
    const { cache, load, answer } = withSource();
    const first = failureOf(cache.get(KEY, patient));
    await vi.advanceTimersByTimeAsync(20_000);
    const joined = [cache.get(KEY, patient), cache.get(KEY, patient)];
    await vi.advanceTimersByTimeAsync(5_000);
    expect(load).toHaveBeenCalledOnce();
    answer(0).reject(new OIDCCallbackError('ERR_OIDC_TIMEOUT', 'ran out'));
    expect(await first).toMatchObject({ message: 'ran out' });
    await settle();
    expect(load).toHaveBeenCalledTimes(2);
    answer(1).resolve(token('b'));
    expect((await Promise.all(joined)).map(({ value }) => value)).toEqual(['b', 'b']);
  });

  test('that other fetch has only what is left of the time of the caller', async () => {
    const { cache, answer } = withSource();
    void cache.get(KEY, patient).catch(() => {});
    await vi.advanceTimersByTimeAsync(20_000);
    const startedAt = performance.now();
    const failure = failureOf(cache.get(KEY, patient));
    await vi.advanceTimersByTimeAsync(10_000);
    answer(0).reject(new OIDCCallbackError('ERR_OIDC_TIMEOUT', 'ran out'));
    await vi.advanceTimersByTimeAsync(19_999);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(await failure).toMatchObject({
      code: 'ERR_OIDC_TIMEOUT',
      message: expect.stringContaining('30000 ms'),
    });
    expect(performance.now() - startedAt).toBe(30_000);
  });

  test('a caller that joined starts no other after any other failure', async () => {
    const { cache, load, answer } = withSource();
    const failures = [cache.get(KEY, patient), cache.get(KEY, patient)].map(failureOf);
    answer(0).reject(new OIDCCallbackError('ERR_OIDC_RATE_LIMITED', 'throttled'));
    expect((await Promise.all(failures)).map((error) => (error as Error).message)).toEqual([
      'throttled',
      'throttled',
    ]);
    expect(load).toHaveBeenCalledOnce();
  });

  test('the caller that started the fetch which ran out starts no other', async () => {
    const { cache, load, answer } = withSource();
    const failure = failureOf(cache.get(KEY, patient));
    answer(0).reject(new OIDCCallbackError('ERR_OIDC_TIMEOUT', 'ran out'));
    expect(await failure).toMatchObject({ message: 'ran out' });
    expect(load).toHaveBeenCalledOnce();
  });
});

describe('a token that was handed out before is in doubt', () => {
  test('once the source was not asked for 5 s: one fetch begins, and nobody waits for it', async () => {
    const { cache, load } = await withToken(token('a'));
    vi.setSystemTime(Date.now() + 5_000);
    const got = Array.from({ length: 1_000 }, () => cache.get(KEY, patient));
    expect(await microtasksUntilSettled(Promise.all(got))).toBeLessThan(5);
    expect(new Set((await Promise.all(got)).map(({ value }) => value))).toEqual(new Set(['a']));
    expect(load).toHaveBeenCalledTimes(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('not before these 5 s are over', async () => {
    const { cache, load } = await withToken(token('a'));
    vi.setSystemTime(Date.now() + 4_999);
    await cache.get(KEY, patient);
    expect(load).toHaveBeenCalledOnce();
  });

  test('not where nobody got it yet', async () => {
    const { cache, load, answer } = withSource();
    const controller = new AbortController();
    const failure = failureOf(cache.get(KEY, { ...patient, signal: controller.signal }));
    controller.abort();
    await failure;
    answer(0).resolve(token('a'));
    await settle();
    vi.setSystemTime(Date.now() + 60_000);
    expect(await cache.get(KEY, patient)).toMatchObject({ value: 'a' });
    expect(load).toHaveBeenCalledOnce();
    await cache.get(KEY, patient);
    expect(load).toHaveBeenCalledTimes(2);
  });

  test('and replaced by what the source has now, which is in no doubt until it was handed out', async () => {
    const { cache, load, answer } = await withToken(token('a'));
    vi.setSystemTime(Date.now() + 5_000);
    expect(await cache.get(KEY, patient)).toMatchObject({ value: 'a' });
    answer(1).resolve(token('b'));
    await settle();
    vi.setSystemTime(Date.now() + 60_000);
    expect(await cache.get(KEY, patient)).toMatchObject({ value: 'b' });
    expect(load).toHaveBeenCalledTimes(2);
    expect(await cache.get(KEY, patient)).toMatchObject({ value: 'b' });
    expect(load).toHaveBeenCalledTimes(3);
  });

  test('and stays so where the source has the same one: the next call after 5 s asks again', async () => {
    const { cache, load, answer } = await withToken(token('a'));
    for (let fetches = 2; fetches <= 4; fetches++) {
      vi.setSystemTime(Date.now() + 4_999);
      await cache.get(KEY, patient);
      expect(load).toHaveBeenCalledTimes(fetches - 1);
      vi.setSystemTime(Date.now() + 1);
      await cache.get(KEY, patient);
      expect(load).toHaveBeenCalledTimes(fetches);
      answer(fetches - 1).resolve(token('a'));
      await settle();
    }
  });

  test('and stays so without being handed out again in between', async () => {
    const { cache, load, answer } = await withToken(token('a'));
    for (let fetches = 2; fetches <= 4; fetches++) {
      vi.setSystemTime(Date.now() + 5_000);
      await cache.get(KEY, patient);
      expect(load).toHaveBeenCalledTimes(fetches);
      answer(fetches - 1).resolve(token('a'));
      await settle();
    }
  });

  test('and served on where the source fails, without a word', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    try {
      const { cache, load, answer } = await withToken(token('a'));
      vi.setSystemTime(Date.now() + 5_000);
      await cache.get(KEY, patient);
      answer(1).reject(new Error('unavailable'));
      await settle();
      expect(await cache.get(KEY, patient)).toMatchObject({ value: 'a' });
      expect(load).toHaveBeenCalledTimes(2);
      vi.setSystemTime(Date.now() + 5_000);
      expect(await cache.get(KEY, patient)).toMatchObject({ value: 'a' });
      expect(load).toHaveBeenCalledTimes(3);
      vi.useRealTimers();
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off('unhandledRejection', unhandled);
    }
  });

  test('and a fetch that is still under way is not doubled', async () => {
    const { cache, load } = await withToken(token('a'));
    for (let call = 0; call < 5; call++) {
      vi.setSystemTime(Date.now() + 5_000);
      await cache.get(KEY, patient);
    }
    expect(load).toHaveBeenCalledTimes(2);
  });

  test('while that of another audience is not', async () => {
    const { cache, load, answer } = await withToken(token('a'));
    vi.setSystemTime(Date.now() + 5_000);
    const other: TokenKey = { audience: 'other', username: undefined };
    const got = cache.get(other, patient);
    answer(1).resolve(token('other'));
    await got;
    await cache.get(other, patient);
    expect(load).toHaveBeenCalledTimes(2);
  });

  test('and whoever finds it expired waits for the fetch that a doubter began', async () => {
    const { cache, load, answer } = await withToken(token('a', 6_000));
    vi.setSystemTime(Date.now() + 5_500);
    await cache.get(KEY, patient);
    vi.setSystemTime(Date.now() + 500);
    const waiting = cache.get(KEY, patient);
    expect(await microtasksUntilSettled(waiting)).toBe(Number.POSITIVE_INFINITY);
    answer(1).resolve(token('b'));
    expect(await waiting).toMatchObject({ value: 'b' });
    expect(load).toHaveBeenCalledTimes(2);
  });
});

describe('clear', () => {
  test('forgets every token: the next calls ask the source', async () => {
    const { cache, load, answer } = await withToken(token('a'));
    const other: TokenKey = { audience: 'other', username: 'someone' };
    const got = cache.get(other, patient);
    answer(1).resolve(token('other'));
    await got;
    cache.clear();
    void cache.get(KEY, patient);
    void cache.get(other, patient);
    expect(load).toHaveBeenCalledTimes(4);
  });

  test('lets a fetch under way answer those who wait for it, and nobody else', async () => {
    const { cache, load, answer } = withSource();
    const before = cache.get(KEY, patient);
    cache.clear();
    const after = cache.get(KEY, patient);
    expect(load).toHaveBeenCalledTimes(2);
    answer(0).resolve(token('old'));
    expect(await before).toMatchObject({ value: 'old' });
    answer(1).resolve(token('new'));
    expect(await after).toMatchObject({ value: 'new' });
    expect(await cache.get(KEY, patient)).toMatchObject({ value: 'new' });
    expect(load).toHaveBeenCalledTimes(2);
  });

  test('drops what a fetch in the background brings', async () => {
    const { cache, load, answer } = await withToken(token('a'));
    vi.setSystemTime(Date.now() + 5_000);
    await cache.get(KEY, patient);
    cache.clear();
    answer(1).resolve(token('b'));
    await settle();
    expect(cache.latest).toBeUndefined();
    void cache.get(KEY, patient);
    expect(load).toHaveBeenCalledTimes(3);
  });
});

describe('latest', () => {
  test('is the token that was handed out last, whatever its audience', async () => {
    const { cache, answer } = withSource();
    expect(cache.latest).toBeUndefined();
    const other: TokenKey = { audience: 'other', username: undefined };
    const got = [cache.get(KEY, patient), cache.get(other, patient)];
    expect(cache.latest).toBeUndefined();
    answer(1).resolve(token('other'));
    await settle();
    expect(cache.latest).toMatchObject({ value: 'other' });
    answer(0).resolve(token('a'));
    await Promise.all(got);
    expect(cache.latest).toMatchObject({ value: 'a' });
    await cache.get(other, patient);
    expect(cache.latest).toMatchObject({ value: 'other' });
  });

  test('is not one that was fetched and not handed out', async () => {
    const { cache, answer } = await withToken(token('a'));
    vi.setSystemTime(Date.now() + 5_000);
    await cache.get(KEY, patient);
    answer(1).resolve(token('b'));
    await settle();
    expect(cache.latest).toMatchObject({ value: 'a' });
  });

  test('is forgotten by clear', async () => {
    const { cache } = await withToken(token('a'));
    cache.clear();
    expect(cache.latest).toBeUndefined();
  });
});
