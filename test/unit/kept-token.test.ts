import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { OIDCCallbackError } from '../../src/errors.js';
import { KeptToken } from '../../src/kept-token.js';
import type { CachedToken, Patience, TokenSource } from '../../src/token-source.js';
import { type CompiledSource, compileSource } from './compiled-source.js';
import { useFakeClock } from './fake-clock.js';
import { failureOf, microtasksUntilSettled } from './promises.js';
import {
  type Asked,
  denied,
  KEY,
  patient,
  published,
  throttled,
  token,
  tokenSource,
  tokenWithoutExpiry,
} from './token-source.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const ABOUT = { environment: 'TestCallback', ...KEY };

const random = useFakeClock();

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
/** The wall clock alone: what a sleeping machine, or somebody who sets it, does to timers. */
const jump = (ms: number) => vi.setSystemTime(Date.now() + ms);
const settle = () => pass(0);

type Answer = (request: Asked, count: number) => void;

function withSource(answer?: Answer, options?: Partial<TokenSource>, skipCache = false) {
  const source = tokenSource(answer, options);
  const kept = new KeptToken(KEY, source.source, skipCache);
  /** As the cache asks for it. */
  const get = async (patience: Patience = patient) => kept.take() ?? (await kept.wait(patience));
  return { ...source, kept, get };
}

/** One that holds `first`, which was handed out once. */
async function withToken(first: CachedToken, answer: Answer = () => {}, options?: Partial<TokenSource>) {
  const source = withSource(
    (request, count) => (count === 1 ? request.resolve(first) : answer(request, count)),
    options,
  );
  await source.get();
  return source;
}

const STILL = { refreshAhead: false };
const renew: Answer = (request, count) => request.resolve(token(`token ${count}`, HOUR));
const same =
  (value: CachedToken): Answer =>
  (request) =>
    request.resolve({ ...value, receivedAt: Date.now() });
const refuse: Answer = (request) => request.reject(denied());
const throttle: Answer = (request) => request.reject(throttled());
const hang: Answer = () => {};

describe('a token in memory', () => {
  test('is none before the first fetch', () => {
    const { kept, asked } = withSource();
    expect(kept.take()).toBeUndefined();
    expect(asked).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('is taken as it is: nothing awaited, timed or asked', async () => {
    const first = token('a');
    const { kept, asked } = await withToken(first);
    const timers = vi.getTimerCount();
    for (let call = 0; call < 3; call++) expect(kept.take()).toBe(first);
    expect(vi.getTimerCount()).toBe(timers);
    expect(asked).toHaveLength(1);
  });

  test('is handed out until the instant at which it expires', async () => {
    const { kept } = await withToken(token('a', MINUTE), hang, STILL);
    await pass(MINUTE - 1);
    expect(kept.take()).toMatchObject({ value: 'a' });
    await pass(1);
    expect(kept.take()).toBeUndefined();
  });

  test.each([
    ['nobody says when it expires', tokenWithoutExpiry],
    ['it expired an hour before its receipt: a clock is wrong', (value: string) => token(value, -HOUR)],
    ['it expired just before', (value: string) => token(value, -1)],
    ['it expired on arrival', (value: string) => token(value, 0)],
  ])('counts as fresh for 30 s where %s', async (_, make) => {
    const { get, kept, asked } = await withToken(make('a'), refuse);
    await pass(30 * SECOND - 1);
    expect(kept.take()).toMatchObject({ value: 'a' });
    await pass(1);
    expect(kept.take()).toBeUndefined();
    expect(asked).toHaveLength(2);
    await failureOf(get());
    expect(asked).toHaveLength(3);
  });

  test('of a known life that is shorter than 30 s is not kept longer than it lives', async () => {
    const { kept } = await withToken(token('a', 2 * SECOND), hang, STILL);
    await pass(2 * SECOND - 1);
    expect(kept.take()).toBeDefined();
    await pass(1);
    expect(kept.take()).toBeUndefined();
  });

  test('that the source brings again after its 30 s is good for another 30 s', async () => {
    const { get, kept, asked } = await withToken(tokenWithoutExpiry('a'), (request) =>
      request.resolve(tokenWithoutExpiry('a')),
    );
    await pass(30 * SECOND);
    expect(await get()).toMatchObject({ value: 'a' });
    expect(vi.getTimerCount()).toBe(0);
    await pass(30 * SECOND - 1);
    expect(kept.take()).toBeDefined();
    expect(asked).toHaveLength(3);
  });

  test('that was expired on arrival, by a wrong clock, is handed out again where the source brings it again', async () => {
    const first = token('a', -MINUTE);
    const { get, asked } = await withToken(first, same(first), STILL);
    await pass(30 * SECOND);
    expect(await get()).toMatchObject({ value: 'a' });
    expect(asked.length).toBeGreaterThan(1);
  });

  test('that the source brings again once it expired is a failure, until there is another', async () => {
    const first = token('a', MINUTE);
    const { get } = await withToken(
      first,
      (request, count) => request.resolve(count < 5 ? { ...first, receivedAt: Date.now() } : token('b')),
      STILL,
    );
    await pass(MINUTE);
    const got = get();
    await pass(10 * SECOND);
    expect(await got).toMatchObject({ value: 'b' });
  });

  test('that the source brings again for good is said to be one that nobody renews', async () => {
    const first = token('a', MINUTE);
    const { get, kept } = await withToken(first, same(first), { ...STILL, timeoutMS: SECOND });
    await pass(MINUTE);
    const failure = failureOf(get());
    await pass(SECOND);
    expect(await failure).toMatchObject({
      code: 'ERR_OIDC_TOKEN_INVALID',
      message: expect.stringMatching(/still answers with the token that expired at \d{4}-.*Z\..*subPath/),
    });
    expect(kept.take()).toBeUndefined();
  });
});

describe('a token that was handed out before is in doubt', () => {
  test('once the source was not asked for 5 s: one fetch begins, and nobody waits for it', async () => {
    const { kept, asked } = await withToken(token('a'));
    await pass(5 * SECOND);
    const timers = vi.getTimerCount();
    for (let call = 0; call < 1_000; call++) expect(kept.take()).toMatchObject({ value: 'a' });
    expect(asked).toHaveLength(2);
    // Those of the fetch: nothing of it concerns the callers.
    expect(vi.getTimerCount()).toBe(timers + 2);
  });

  test('not before these 5 s are over, counted from when the source was asked', async () => {
    const { kept, asked } = await withToken(token('a'));
    await pass(5 * SECOND - 1);
    kept.take();
    expect(asked).toHaveLength(1);
  });

  test('counted by a clock that nobody sets', async () => {
    const { kept, asked } = await withToken(token('a'));
    jump(30 * MINUTE);
    kept.take();
    expect(asked).toHaveLength(1);
    jump(-30 * MINUTE);
    await pass(5 * SECOND);
    kept.take();
    expect(asked).toHaveLength(2);
  });

  test('not where nobody got it yet', async () => {
    const { kept, asked, get } = withSource((request) => request.resolve(token('a')));
    const controller = new AbortController();
    const failure = failureOf(get({ ...patient, signal: controller.signal }));
    controller.abort();
    expect(await failure).toMatchObject({ code: 'ERR_OIDC_ABORTED' });
    await pass(MINUTE);
    expect(kept.take()).toMatchObject({ value: 'a' });
    expect(asked).toHaveLength(1);
    kept.take();
    expect(asked).toHaveLength(2);
  });

  test('and replaced by what the source has now, which is in no doubt until it was handed out', async () => {
    const { kept, asked } = await withToken(token('a'), renew);
    await pass(5 * SECOND);
    expect(kept.take()).toMatchObject({ value: 'a' });
    await pass(MINUTE);
    expect(kept.take()).toMatchObject({ value: 'token 2' });
    expect(asked).toHaveLength(2);
    expect(kept.take()).toMatchObject({ value: 'token 2' });
    expect(asked).toHaveLength(3);
  });

  test('and stays so where the source has the same one: the next call after 5 s asks again', async () => {
    const first = token('a');
    const { kept, asked } = await withToken(first, same(first));
    for (let fetches = 2; fetches <= 4; fetches++) {
      await pass(5 * SECOND - 1);
      kept.take();
      expect(asked).toHaveLength(fetches - 1);
      await pass(1);
      kept.take();
      expect(asked).toHaveLength(fetches);
      await settle();
    }
  });

  test('and served on where the source fails, without a word', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    try {
      const { get, asked } = await withToken(token('a'), refuse);
      for (let fetches = 2; fetches <= 4; fetches++) {
        await pass(5 * SECOND);
        expect(await get()).toMatchObject({ value: 'a' });
        await settle();
        expect(await get()).toMatchObject({ value: 'a' });
        expect(asked).toHaveLength(fetches);
      }
      vi.useRealTimers();
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off('unhandledRejection', unhandled);
    }
  });

  test('and a fetch that is still under way is not doubled', async () => {
    const { kept, asked } = await withToken(token('a'), hang, { timeoutMS: 59 * SECOND });
    for (let call = 0; call < 3; call++) {
      await pass(5 * SECOND);
      kept.take();
    }
    expect(asked).toHaveLength(2);
  });

  test('and whoever finds it expired waits for the fetch that a doubter began', async () => {
    const { kept, asked, get, request } = await withToken(token('a', 6 * SECOND), hang, STILL);
    await pass(5_500);
    kept.take();
    await pass(500);
    const waiting = get();
    expect(await microtasksUntilSettled(waiting)).toBe(Number.POSITIVE_INFINITY);
    request(1).resolve(token('b'));
    expect(await waiting).toMatchObject({ value: 'b' });
    expect(asked).toHaveLength(2);
  });
});

describe('a cache of the source’s own is skipped', () => {
  test('by whoever doubts, once: the server may have refused what is in it', async () => {
    const first = token('a', HOUR);
    const { kept, asked } = await withToken(first, same(first));
    await pass(5 * SECOND);
    kept.take();
    await pass(48 * MINUTE);
    expect(asked.map(({ skipCache }) => skipCache)).toEqual([false, true, false, false]);
  });

  test('by the first request where all tokens were forgotten', async () => {
    const { get, asked } = withSource(throttle, { timeoutMS: SECOND }, true);
    void get().catch(() => {});
    await pass(SECOND);
    expect(asked.slice(0, 3).map(({ skipCache }) => skipCache)).toEqual([true, true, true]);
  });
});

describe('a token that is expired on arrival does not replace one that is valid', () => {
  test('but goes before one that is not', async () => {
    const { kept, asked, get } = await withToken(token('a', MINUTE), (request, count) =>
      request.resolve(token(`token ${count}`, -HOUR)),
    );
    await pass(5 * SECOND);
    kept.take();
    await settle();
    expect(asked).toHaveLength(2);
    expect(kept.take()).toMatchObject({ value: 'a' });
    await pass(54 * SECOND);
    // The refresh stays due.
    expect(asked.length).toBeGreaterThan(3);
    expect(kept.take()).toMatchObject({ value: 'a' });
    await pass(SECOND);
    expect(await get()).toMatchObject({ value: expect.stringContaining('token') });
  });

  test('nor one that expires at the instant of its receipt', async () => {
    const { kept } = await withToken(token('a', MINUTE), (request) => request.resolve(token('b', 0)), STILL);
    await pass(5 * SECOND);
    kept.take();
    await settle();
    expect(kept.take()).toMatchObject({ value: 'a' });
  });

  test('while it does replace one that looked expired as well: the newest is the best where a clock is wrong', async () => {
    const { kept } = await withToken(
      token('a', -HOUR),
      (request) => request.resolve(token('b', -HOUR)),
      STILL,
    );
    await pass(5 * SECOND);
    kept.take();
    await settle();
    expect(kept.take()).toMatchObject({ value: 'b' });
  });

  test('while one without expiry does', async () => {
    const { kept } = await withToken(token('a'), (request) => request.resolve(tokenWithoutExpiry('b')));
    await pass(5 * SECOND);
    kept.take();
    await settle();
    expect(kept.take()).toMatchObject({ value: 'b' });
  });
});

describe('a token is refreshed ahead', () => {
  test('when 80 % of its life are over, though nobody calls', async () => {
    const refreshes = published('mongodb-workload-identity.refresh');
    const { kept, asked } = await withToken(token('a', HOUR), renew);
    await pass(48 * MINUTE - 1);
    expect(asked).toHaveLength(1);
    await pass(1);
    expect(asked).toHaveLength(2);
    expect(kept.take()).toMatchObject({ value: 'token 2' });
    expect(refreshes).toEqual([{ ...ABOUT, outcome: 'renewed' }]);
  });

  test('with a fetch that is in nobody’s way: the old one is handed out meanwhile', async () => {
    const { kept, request } = await withToken(token('a', HOUR));
    await pass(48 * MINUTE + 5 * SECOND);
    expect(kept.take()).toMatchObject({ value: 'a' });
    request(1).resolve(token('b'));
    await settle();
    expect(kept.take()).toMatchObject({ value: 'b' });
  });

  test('when the source says so', async () => {
    random.mockReturnValue(0);
    const { times } = await withToken(token('a', DAY, { refreshAfter: Date.now() + HOUR }), renew);
    await pass(HOUR);
    expect(times()).toEqual([0, HOUR]);
  });

  test('so early that three fetches as slow as the last one end before its expiry', async () => {
    const slow: Answer = (request, count) =>
      void setTimeout(() => request.resolve(token(`token ${count}`, 20 * SECOND)), 5 * SECOND);
    const { get, times } = withSource(slow);
    void get();
    await pass(11 * SECOND);
    expect(times()).toEqual([0, 10 * SECOND]);
  });

  test('by how slow the answer itself was, not the failures before it', async () => {
    const answer: Answer = (request, count) => {
      if (count === 1) setTimeout(() => request.reject(throttled()), 9 * SECOND);
      else request.resolve(token(`token ${count}`, 20 * SECOND));
    };
    const { get, times } = withSource(answer);
    void get();
    await pass(30 * SECOND);
    expect(times().slice(0, 3)).toEqual([0, 9_100, 25_100]);
  });

  test('once in each life, over many lives of an idle service, and always before expiry', async () => {
    const received: { atMS: number; expiresAt: number }[] = [];
    const answer: Answer = (request, count) => {
      setTimeout(() => {
        const next = token(`token ${count}`, 10 * SECOND);
        received.push({ atMS: Date.now(), expiresAt: next.expiresAt ?? 0 });
        request.resolve(next);
      }, 400);
    };
    let drawn = 0;
    random.mockImplementation(() => {
      drawn = (drawn + 0.618) % 1;
      return drawn;
    });
    const { get, kept, asked } = withSource(answer);
    void get();
    await pass(1_000 * SECOND);
    expect(kept.take()).toBeDefined();
    expect(asked.length).toBeGreaterThan(1_000 / 8.9);
    expect(asked.length).toBeLessThan(1_000 / 7.9 + 2);
    for (const [index, { atMS }] of received.entries())
      expect(atMS).toBeLessThan(received[index - 1]?.expiresAt ?? Number.POSITIVE_INFINITY);
  });

  test('once more at once where the source has the same one: the SDK of Azure fetches meanwhile', async () => {
    const refreshes = published('mongodb-workload-identity.refresh');
    const first = token('a', HOUR);
    const { kept, times } = await withToken(first, (request, count) =>
      count === 2 ? same(first)(request, count) : renew(request, count),
    );
    await pass(48 * MINUTE);
    expect(times()).toEqual([0, 48 * MINUTE, 48 * MINUTE]);
    expect(kept.take()).toMatchObject({ value: 'token 3' });
    expect(refreshes).toEqual([{ ...ABOUT, outcome: 'renewed' }]);
  });

  test('then at half of what remains, again and again, but not up to the instant of expiry', async () => {
    const refreshes = published('mongodb-workload-identity.refresh');
    const first = token('a', 100 * SECOND);
    const { times, kept } = await withToken(first, same(first));
    await pass(99 * SECOND);
    expect(times()).toEqual([0, 80, 80, 90, 90, 95, 95].map((seconds) => seconds * SECOND));
    expect(refreshes).toEqual(Array(3).fill({ ...ABOUT, outcome: 'unchanged' }));
    expect(vi.getTimerCount()).toBe(0);
    expect(kept.take()).toMatchObject({ value: 'a' });
  });

  test('hourly where the source says so of a token that lives for weeks and does not change', async () => {
    random.mockReturnValue(0);
    const hourly = () => token('a', 30 * DAY, { refreshAfter: Date.now() + HOUR });
    const first = hourly();
    const answer: Answer = (request) =>
      request.resolve({ ...first, receivedAt: Date.now(), refreshAfter: Date.now() + HOUR });
    const { times } = await withToken(first, answer);
    await pass(3 * HOUR);
    expect(times()).toEqual([0, 1, 1, 2, 2, 3, 3].map((hours) => hours * HOUR));
  });

  test('twice a day at least, where it lives for a year', async () => {
    const first = token('a', 365 * DAY);
    const { times } = await withToken(first, same(first));
    await pass(DAY);
    expect(times()).toEqual([0, 12, 12, 24, 24].map((hours) => hours * HOUR));
    expect(vi.getTimerCount()).toBe(1);
  });

  test('within 30 s again where that fails, as long as it lives, and not up to the instant of expiry', async () => {
    const refreshes = published('mongodb-workload-identity.refresh');
    const { times, kept } = await withToken(token('a', 10 * MINUTE), refuse);
    await pass(9 * MINUTE);
    expect(times()).toEqual([0, 480, 510, 540].map((seconds) => seconds * SECOND));
    expect(refreshes).toEqual(Array(3).fill({ ...ABOUT, outcome: 'failed' }));
    expect(kept.take()).toMatchObject({ value: 'a' });
    await pass(59 * SECOND);
    expect(times().slice(4)).toEqual([570, 585, 592.5].map((seconds) => seconds * SECOND));
    expect(vi.getTimerCount()).toBe(0);
  });

  test('within 30 s again where it is the second look that fails', async () => {
    const refreshes = published('mongodb-workload-identity.refresh');
    const first = token('a', HOUR);
    const { times } = await withToken(first, (request, count) =>
      count % 2 === 0 ? same(first)(request, count) : refuse(request, count),
    );
    await pass(49 * MINUTE);
    expect(times()).toEqual([0, 2_880, 2_880, 2_910, 2_910, 2_940, 2_940].map((s) => s * SECOND));
    expect(refreshes).toContainEqual({ ...ABOUT, outcome: 'failed' });
  });

  test('and then by its own life', async () => {
    const { times } = await withToken(token('a', 10 * MINUTE), (request, count) =>
      count === 2 ? refuse(request, count) : renew(request, count),
    );
    await pass(HOUR);
    expect(times()).toEqual([0, 480, 510, 510 + 2_880].map((seconds) => seconds * SECOND));
  });

  test('from the receipt of what a doubt brought, and by one timer', async () => {
    const { kept, times } = await withToken(token('a', HOUR), renew);
    await pass(30 * MINUTE);
    kept.take();
    await settle();
    expect(vi.getTimerCount()).toBe(1);
    await pass(48 * MINUTE - 1);
    expect(times()).toHaveLength(2);
    await pass(1);
    expect(times()).toHaveLength(3);
  });

  test('from its first receipt, though a doubt brings the same one', async () => {
    const first = token('a', HOUR);
    const { kept, times } = await withToken(first, same(first));
    await pass(30 * MINUTE);
    kept.take();
    await pass(18 * MINUTE);
    expect(times()).toEqual([0, 30 * MINUTE, 48 * MINUTE, 48 * MINUTE]);
    // 10 % of a life that counted from the doubt would be less.
    const short = token('b', 40 * SECOND);
    const other = await withToken(short, same(short));
    await pass(30 * SECOND);
    other.kept.take();
    await pass(9 * SECOND);
    expect(other.times()).toEqual([0, 30, 32, 32, 36, 36].map((seconds) => seconds * SECOND));
  });

  test('together with a doubt: they share a fetch', async () => {
    const { kept, asked, request } = await withToken(token('a', HOUR));
    await pass(48 * MINUTE - 1);
    kept.take();
    await pass(1);
    expect(asked).toHaveLength(2);
    request(1).resolve(token('b'));
    await settle();
    expect(asked).toHaveLength(2);
    expect(kept.take()).toMatchObject({ value: 'b' });
  });

  test('never, with refreshAhead: false', async () => {
    const { get, kept, asked } = await withToken(token('a', HOUR), renew, STILL);
    expect(vi.getTimerCount()).toBe(0);
    await pass(HOUR);
    expect(asked).toHaveLength(1);
    expect(kept.take()).toBeUndefined();
    expect(await get()).toMatchObject({ value: 'token 2' });
  });

  test.each([
    ['without expiry', tokenWithoutExpiry('a')],
    ['expired on arrival', token('a', -HOUR)],
  ])('never, %s', async (_, first) => {
    const { asked } = await withToken({ ...first, receivedAt: Date.now() }, renew);
    await pass(DAY);
    expect(asked).toHaveLength(1);
  });

  describe('by a timer that fires late, on a machine that slept,', () => {
    test('which brings the next token and goes on', async () => {
      const { kept, times } = await withToken(token('a', HOUR), renew);
      jump(10 * HOUR);
      await pass(48 * MINUTE);
      expect(kept.take()).toMatchObject({ value: 'token 2' });
      await pass(48 * MINUTE);
      expect(times()).toEqual([0, 48 * MINUTE, 96 * MINUTE]);
    });

    test('while who calls before it waits for a token, and moves it', async () => {
      const { get, times } = await withToken(token('a', HOUR), renew);
      await pass(10 * MINUTE);
      jump(10 * HOUR);
      expect(await get()).toMatchObject({ value: 'token 2' });
      expect(vi.getTimerCount()).toBe(1);
      await pass(48 * MINUTE);
      expect(times()).toEqual([0, 10 * MINUTE, 58 * MINUTE]);
    });

    test('and which is not set again where the source is still silent, or has the old token', async () => {
      const first = token('a', HOUR);
      const failing = await withToken(first, refuse);
      const unchanged = await withToken(first, same(first));
      jump(10 * HOUR);
      await pass(48 * MINUTE);
      expect([failing.asked.length, unchanged.asked.length]).toEqual([2, 2]);
      await pass(MINUTE);
      expect(vi.getTimerCount()).toBe(0);
    });
  });
});

describe('an outage while a token is valid', () => {
  const outage = (more: object = {}) => ({
    ...ABOUT,
    code: 'ERR_OIDC_ACCESS_DENIED',
    error: expect.any(OIDCCallbackError),
    ...more,
  });

  test('is one event, however often the source fails, and until when the token serves', async () => {
    const outages = published('mongodb-workload-identity.outage');
    const first = token('a', HOUR);
    const { get } = await withToken(first, refuse);
    for (let minute = 0; minute < 59; minute++) {
      await pass(MINUTE);
      expect(await get()).toBe(first);
    }
    expect(outages).toEqual([outage({ expiresAt: new Date(first.expiresAt ?? 0) })]);
  });

  test('is another event after the source was back, with the same token or with another', async () => {
    const outages = published('mongodb-workload-identity.outage');
    const first = token('a', HOUR);
    let answer: Answer = refuse;
    const { kept } = await withToken(first, (request, count) => answer(request, count));
    for (const next of [refuse, same(first), refuse, renew, refuse, refuse]) {
      answer = next;
      await pass(5 * SECOND);
      kept.take();
      await settle();
      // What a refresh brought was not handed out before.
      kept.take();
    }
    expect(outages).toHaveLength(3);
  });

  test('does not say until when where nobody knows', async () => {
    const outages = published('mongodb-workload-identity.outage');
    const { kept } = await withToken(tokenWithoutExpiry('a'), refuse);
    await pass(5 * SECOND);
    kept.take();
    await settle();
    expect(outages).toEqual([outage({ expiresAt: undefined })]);
  });

  test('is none where no token is left', async () => {
    const outages = published('mongodb-workload-identity.outage');
    const { get } = await withToken(token('a', MINUTE), refuse, STILL);
    await pass(MINUTE);
    await failureOf(get());
    expect(outages).toEqual([]);
  });

  test('leaves nothing behind: what was the failure of a doubt is nobody’s once the token is gone', async () => {
    const { get, kept, asked } = await withToken(token('a', MINUTE), refuse, STILL);
    await pass(59 * SECOND);
    kept.take();
    await pass(SECOND);
    expect(asked).toHaveLength(2);
    await failureOf(get());
    expect(asked).toHaveLength(3);
  });

  test('is forgotten once the source was back: nobody hears of it later', async () => {
    const first = token('a', MINUTE);
    const { kept, get } = await withToken(
      first,
      (request, count) => (count === 2 ? refuse : count === 3 ? same(first) : hang)(request, count),
      STILL,
    );
    for (let doubts = 0; doubts < 2; doubts++) {
      await pass(5 * SECOND);
      kept.take();
      await settle();
    }
    await pass(50 * SECOND);
    const failure = failureOf(get({ timeoutMS: 500, signal: undefined }));
    await pass(500);
    expect(await failure).toMatchObject({ code: 'ERR_OIDC_TIMEOUT' });
  });

  test('starts no attempts of its own: the next doubt asks', async () => {
    const { kept, times } = await withToken(token('a', HOUR), throttle, { timeoutMS: SECOND });
    await pass(5 * SECOND);
    kept.take();
    await pass(2 * SECOND);
    const before = times().length;
    const last = times().at(-1) ?? 0;
    expect(last).toBeLessThanOrEqual(6 * SECOND);
    // The source was asked last when the fetch tried for the last time.
    await pass(last + 5 * SECOND - 1 - 7 * SECOND);
    kept.take();
    expect(times()).toHaveLength(before);
    await pass(1);
    kept.take();
    expect(times()).toHaveLength(before + 1);
  });
});

describe('while a fetch is under way', () => {
  test('those who call join it: one fetch at a time', async () => {
    const { get, asked, request } = withSource();
    const got = Array.from({ length: 50 }, () => get());
    await pass(9 * SECOND);
    got.push(get());
    expect(asked).toHaveLength(1);
    request(0).resolve(token('a'));
    expect(new Set((await Promise.all(got)).map(({ value }) => value))).toEqual(new Set(['a']));
    expect(asked).toHaveLength(1);
  });

  test('its failure is the failure of all who joined', async () => {
    const { get, asked, request } = withSource();
    const error = denied();
    const failures = [get(), get()].map(failureOf);
    request(0).reject(error);
    const [one, two] = await Promise.all(failures);
    expect([one, two]).toEqual([error, error]);
    expect(one).toBe(error);
    expect(asked).toHaveLength(1);
  });

  test('of 100 callers 99 abort: they are answered at once, and the hundredth gets its token', async () => {
    const { get, asked, request } = withSource();
    const callers = Array.from({ length: 99 }, () => new AbortController());
    const leaving = callers.map(({ signal }) => failureOf(get({ ...patient, signal })));
    const staying = get();
    for (const caller of callers) caller.abort();
    expect(await microtasksUntilSettled(Promise.all(leaving))).toBeLessThan(20);
    for (const failure of await Promise.all(leaving))
      expect(failure).toMatchObject({ code: 'ERR_OIDC_ABORTED' });
    expect(request(0).signal.aborted).toBe(false);
    request(0).resolve(token('a'));
    expect(await staying).toMatchObject({ value: 'a' });
    expect(asked).toHaveLength(1);
  });

  test('a caller that has left already is told so, and asks for nothing', async () => {
    const { get, asked } = withSource();
    const failure = failureOf(get({ ...patient, signal: AbortSignal.abort() }));
    expect(await failure).toMatchObject({ code: 'ERR_OIDC_ABORTED' });
    expect(asked).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a token that nobody waits for any more is kept for the next caller', async () => {
    const { get, asked, request } = withSource();
    const controller = new AbortController();
    const failure = failureOf(get({ ...patient, signal: controller.signal }));
    controller.abort();
    await failure;
    request(0).resolve(token('a'));
    await settle();
    expect(await get()).toMatchObject({ value: 'a' });
    expect(asked).toHaveLength(1);
  });

  test('a caller waits no longer than its own time', async () => {
    const { get, asked, request } = withSource();
    const other = get();
    const failure = failureOf(get({ timeoutMS: 500, signal: undefined }));
    await pass(499);
    expect(await microtasksUntilSettled(failure)).toBe(Number.POSITIVE_INFINITY);
    // One timer more, which is due at once: that caller had joined.
    await pass(2);
    expect(await failure).toMatchObject({
      code: 'ERR_OIDC_TIMEOUT',
      message: expect.stringContaining('500 ms'),
    });
    request(0).resolve(token('a'));
    expect(await other).toMatchObject({ value: 'a' });
    expect(asked).toHaveLength(1);
  });

  test('a caller whose time is over hears what the source failed with meanwhile', async () => {
    const { get } = withSource((request, count) => (count === 1 ? throttle : hang)(request, count));
    const failures = [get({ timeoutMS: 500, signal: undefined }), get({ timeoutMS: 700, signal: undefined })];
    const codes = Promise.all(failures.map(failureOf));
    await pass(702);
    for (const failure of await codes) expect(failure).toMatchObject({ code: 'ERR_OIDC_RATE_LIMITED' });
  });

  describe('a caller that joined one which runs out', () => {
    test('waits for the attempts that follow, and gets their token', async () => {
      const { get, asked, request } = withSource();
      const first = failureOf(get());
      await pass(20 * SECOND - 1);
      const joined = [get(), get()];
      await pass(10 * SECOND + 1);
      expect(await first).toMatchObject({ code: 'ERR_OIDC_TIMEOUT' });
      expect(asked).toHaveLength(3);
      await pass(SECOND);
      expect(asked).toHaveLength(4);
      request(3).resolve(token('b'));
      expect((await Promise.all(joined)).map(({ value }) => value)).toEqual(['b', 'b']);
    });

    test('has only what is left of its time, and then hears what the source failed with', async () => {
      const { get } = withSource((request, count) => (count < 4 ? hang : throttle)(request, count));
      void get().catch(() => {});
      await pass(20 * SECOND);
      const failure = failureOf(get());
      await pass(30 * SECOND - 1);
      expect(await microtasksUntilSettled(failure)).toBe(Number.POSITIVE_INFINITY);
      await pass(1);
      expect(await failure).toMatchObject({ code: 'ERR_OIDC_RATE_LIMITED' });
    });

    test('may still leave', async () => {
      const { get } = withSource();
      void get().catch(() => {});
      await pass(20 * SECOND);
      const controller = new AbortController();
      const failure = failureOf(get({ ...patient, signal: controller.signal }));
      await pass(15 * SECOND);
      controller.abort();
      expect(await failure).toMatchObject({ code: 'ERR_OIDC_ABORTED' });
    });

    test('in turn doubts the token that it got', async () => {
      const { get, kept, asked, request } = withSource();
      void get().catch(() => {});
      await pass(20 * SECOND);
      const joined = get();
      await pass(11 * SECOND);
      request(3).resolve(token('b'));
      await joined;
      await pass(5 * SECOND);
      kept.take();
      expect(asked).toHaveLength(5);
    });

    test('does not wait where another attempt makes no sense', async () => {
      const soon = new OIDCCallbackError('ERR_OIDC_IDENTITY_NOT_FOUND', 'not yet', {
        retryForMS: 5 * SECOND,
      });
      for (const error of [denied(), soon]) {
        const { get, request } = withSource();
        const failures = [get(), get()].map(failureOf);
        await pass(6 * SECOND);
        request(0).reject(error);
        expect(await microtasksUntilSettled(Promise.all(failures))).toBeLessThan(30);
        expect(await Promise.all(failures)).toEqual([error, error]);
      }
    });

    test('does not wait where the clock was set back, and the old token is valid again', async () => {
      const { kept } = await withToken(token('a', MINUTE), throttle, { ...STILL, timeoutMS: SECOND });
      const failures = [kept.wait(patient), kept.wait(patient)].map(failureOf);
      await pass(SECOND);
      for (const failure of await Promise.all(failures))
        expect(failure).toMatchObject({ code: 'ERR_OIDC_RATE_LIMITED' });
      expect(kept.take()).toMatchObject({ value: 'a' });
    });
  });
});

describe('an attempt that hangs', () => {
  test('is overtaken after a third of timeoutMS, and never more than two are attended to', async () => {
    const { get, asked, times } = withSource();
    const failure = failureOf(get());
    for (let step = 0; step < 29; step++) {
      await pass(SECOND);
      expect(asked.filter(({ signal }) => !signal.aborted).length).toBeLessThanOrEqual(2);
    }
    expect(times()).toEqual([0, 10 * SECOND, 20 * SECOND]);
    await pass(SECOND);
    expect(await failure).toMatchObject({ code: 'ERR_OIDC_TIMEOUT' });
    expect(asked.map(({ signal }) => signal.aborted)).toEqual([true, true, true]);
  });

  test('and settles late does nothing, and rejects nowhere', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    try {
      const { get, asked, request, times } = await withToken(token('a', 100 * SECOND), hang, {
        timeoutMS: 3 * SECOND,
      });
      await pass(82 * SECOND);
      expect(times()).toEqual([0, 80_000, 81_000, 82_000]);
      request(3).resolve(token('b'));
      await settle();
      const timers = vi.getTimerCount();
      request(1).resolve(token('late'));
      request(2).reject(denied());
      await pass(SECOND);
      expect(await get()).toMatchObject({ value: 'b' });
      expect(vi.getTimerCount()).toBe(timers);
      expect(asked).toHaveLength(4);
      vi.useRealTimers();
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off('unhandledRejection', unhandled);
    }
  });
});

describe('after a failure that can pass', () => {
  const timeoutMS = 3 * SECOND;
  const briefly: Patience = { timeoutMS, signal: undefined };

  /** One whose first fetch just failed. */
  async function withFailure(answer: Answer = throttle, budgetMS = timeoutMS) {
    let current = throttle;
    const source = withSource((request, count) => current(request, count), { timeoutMS: budgetMS });
    const failure = failureOf(source.get({ timeoutMS: budgetMS, signal: undefined }));
    await pass(budgetMS);
    const error = await failure;
    expect(error).toMatchObject({ code: 'ERR_OIDC_RATE_LIMITED' });
    const before = source.asked.length;
    current = answer;
    return {
      ...source,
      error,
      get: () => source.get(briefly),
      /** What the source was asked since. */
      since: () => source.asked.slice(before),
    };
  }

  test('calls that follow get it at once, and the source is not asked for each', async () => {
    const { get, error, since } = await withFailure(hang);
    const failures = Promise.all(Array.from({ length: 100 }, () => failureOf(get())));
    expect(await microtasksUntilSettled(failures)).toBeLessThan(20);
    for (const failure of await failures) expect(failure).toBe(error);
    expect(since()).toEqual([]);
  });

  test('attempts go on, never more than 2 s apart, for 60 s without a call', async () => {
    random.mockReturnValue(0.999999);
    const { since, get } = await withFailure();
    const start = performance.now();
    await pass(70 * SECOND);
    const atMS = since().map((request) => request.atMS);
    const gaps = atMS.slice(1).map((at, index) => at - (atMS[index] ?? 0));
    expect(atMS.length).toBeGreaterThanOrEqual(28);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(2 * SECOND);
    expect((atMS.at(-1) ?? 0) - (atMS[0] ?? 0)).toBeLessThan(60 * SECOND);
    expect(performance.now() - start).toBe(70 * SECOND);
    expect(vi.getTimerCount()).toBe(0);
    // Then the next call asks again, and waits.
    const count = since().length;
    const next = get();
    expect(since()).toHaveLength(count + 1);
    expect(await microtasksUntilSettled(next)).toBe(Number.POSITIVE_INFINITY);
    next.catch(() => {});
  });

  test('these 60 s count from the last call', async () => {
    const { since, get } = await withFailure();
    const counts: number[] = [];
    for (let minute = 0; minute < 3; minute++) {
      await pass(55 * SECOND);
      await failureOf(get());
      counts.push(since().length);
    }
    expect(counts[2]).toBeGreaterThan(150);
    await pass(60 * SECOND);
    const end = since().length;
    await pass(10 * MINUTE);
    expect(since()).toHaveLength(end);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('and end right at 60 s', async () => {
    const { since, get } = await withFailure();
    await pass(500);
    expect(since()).toHaveLength(1);
    await failureOf(get());
    await pass(10 * MINUTE);
    // 1 s apart: 59 after the one that was at the time of the call.
    expect(since()).toHaveLength(60);
  });

  test('until one succeeds: calls get its token, and nothing goes on but the refresh', async () => {
    const { since, get } = await withFailure((request, count) =>
      request.resolve(token(`token ${count}`, HOUR)),
    );
    await pass(2 * SECOND);
    expect(since()).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(1);
    expect(await get()).toMatchObject({ value: expect.stringContaining('token') });
    await pass(47 * MINUTE);
    expect(since()).toHaveLength(1);
  });

  test('calls get the last failure that was seen, and one that cannot pass ends nothing', async () => {
    const { since, get, request, asked } = await withFailure(hang);
    await pass(SECOND);
    expect(since()).toHaveLength(1);
    const error = denied();
    request(asked.length - 1).reject(error);
    await settle();
    expect(await failureOf(get())).toBe(error);
    await pass(SECOND);
    expect(since()).toHaveLength(2);
    request(asked.length - 1).resolve(token('b'));
    await settle();
    expect(await get()).toMatchObject({ value: 'b' });
  });

  test('a failure after the source was back is a new one: a call waits for it', async () => {
    const { get, request, asked, since } = await withFailure(hang);
    await pass(SECOND);
    request(asked.length - 1).resolve(token('b', 8 * SECOND, { refreshAfter: undefined }));
    await settle();
    await get();
    await pass(8 * SECOND);
    const next = get();
    expect(await microtasksUntilSettled(next)).toBe(Number.POSITIVE_INFINITY);
    const failure = failureOf(next);
    await pass(timeoutMS);
    expect(await failure).toMatchObject({ code: 'ERR_OIDC_TIMEOUT' });
    expect(since().length).toBeGreaterThan(2);
  });

  test('a hung attempt is overtaken every 2 s, until more than 20 never settled: then by the budget', async () => {
    const { since, get } = await withFailure(hang);
    const keepCalling = async (seconds: number) => {
      for (let second = 0; second < seconds; second++) {
        await pass(SECOND);
        await failureOf(get());
      }
    };
    await keepCalling(60);
    const gaps = since()
      .map(({ atMS }, index, all) => atMS - (all[index - 1]?.atMS ?? 0))
      .slice(1);
    const quick = gaps.slice(0, 21);
    const slow = gaps.slice(21);
    expect(new Set(quick)).toEqual(new Set([2 * SECOND]));
    expect(slow.length).toBeGreaterThan(3);
    expect(new Set(slow)).toEqual(new Set([timeoutMS]));
    expect(since().filter(({ signal }) => !signal.aborted).length).toBeLessThanOrEqual(2);
    // Those that settle after all make it as quick as before.
    for (const request of since()) request.reject(throttled());
    const before = since().length;
    await keepCalling(9);
    expect(since().length - before).toBeGreaterThanOrEqual(4);
  });

  test('once nobody has called for 10 s, one attempt ends before the next begins', async () => {
    const { since, get } = await withFailure(hang);
    await pass(5 * SECOND);
    await failureOf(get());
    await pass(10 * SECOND);
    const before = since().length;
    await pass(timeoutMS - SECOND);
    expect(since().length).toBe(before);
    await failureOf(get());
    await pass(SECOND + 2 * SECOND);
    expect(since().length).toBeGreaterThan(before);
  });

  test('a hung attempt does not count for longer than 5 minutes: its connection is given up', async () => {
    const { since, get } = await withFailure(hang, 30 * SECOND);
    const attemptsIn = async (seconds: number) => {
      const before = since().length;
      for (let second = 0; second < seconds; second++) {
        await pass(SECOND);
        await failureOf(get());
      }
      return since().length - before;
    };
    await attemptsIn(60);
    expect(await attemptsIn(4 * 60)).toBeLessThanOrEqual(8);
    expect(await attemptsIn(60)).toBeGreaterThan(5);
  });

  test('reports each retry', async () => {
    const retries = published('mongodb-workload-identity.retry');
    await withFailure(hang);
    expect(retries.slice(0, 3)).toEqual([
      { ...ABOUT, attempt: 1, code: 'ERR_OIDC_RATE_LIMITED', backoffMS: 100 },
      { ...ABOUT, attempt: 2, code: 'ERR_OIDC_RATE_LIMITED', backoffMS: 200 },
      { ...ABOUT, attempt: 3, code: 'ERR_OIDC_RATE_LIMITED', backoffMS: 400 },
    ]);
  });
});

describe('after a failure that cannot pass', () => {
  test('calls share it for a second, where it was learnt at once: a busy program asks for each operation', async () => {
    const { get, asked } = withSource(refuse);
    const error = await failureOf(get());
    await pass(SECOND - 1);
    expect(await failureOf(get())).toBe(error);
    expect(asked).toHaveLength(1);
    await pass(1);
    await failureOf(get());
    expect(asked).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('calls share it for as long as it took to learn: those of a pool that queue', async () => {
    const { get, asked } = withSource((request) => void setTimeout(() => request.reject(denied()), 1_700));
    const first = failureOf(get());
    await pass(1_700);
    const error = await first;
    await pass(1_699);
    const second = failureOf(get());
    expect(await microtasksUntilSettled(second)).toBeLessThan(10);
    expect(await second).toBe(error);
    expect(asked).toHaveLength(1);
    await pass(1);
    void get().catch(() => {});
    expect(asked).toHaveLength(2);
    expect(vi.getTimerCount()).toBeGreaterThan(0);
  });

  test('nothing goes on in the background', async () => {
    const { get, asked } = withSource(refuse);
    await failureOf(get());
    await pass(HOUR);
    expect(asked).toHaveLength(1);
  });
});

describe('a token that is forgotten', () => {
  test('is not refreshed any more', async () => {
    const { kept, asked } = await withToken(token('a', HOUR));
    kept.forget();
    expect(vi.getTimerCount()).toBe(0);
    await pass(HOUR);
    expect(asked).toHaveLength(1);
  });

  test('nor after the fetch that was under way, whose token those who wait for it get', async () => {
    const { get, kept, asked, request } = withSource();
    const waiting = get();
    kept.forget();
    request(0).resolve(token('a', HOUR));
    expect(await waiting).toMatchObject({ value: 'a' });
    expect(vi.getTimerCount()).toBe(0);
    await pass(HOUR);
    expect(asked).toHaveLength(1);
  });

  test('nor after the refresh that was under way', async () => {
    const first = token('a', HOUR);
    const { kept, asked, request } = await withToken(first, hang);
    await pass(48 * MINUTE);
    kept.forget();
    request(1).resolve({ ...first, receivedAt: Date.now() });
    await settle();
    request(2).reject(denied());
    await settle();
    expect(vi.getTimerCount()).toBe(0);
    await pass(HOUR);
    expect(asked).toHaveLength(3);
  });

  test('is no reason to go on asking a source that fails', async () => {
    const { get, kept, asked } = withSource(throttle, { timeoutMS: SECOND });
    const failure = failureOf(get());
    await pass(SECOND);
    await failure;
    await pass(5 * SECOND);
    const before = asked.length;
    kept.forget();
    await pass(MINUTE);
    expect(asked).toHaveLength(before);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('in a process of its own', () => {
  let source: CompiledSource;
  const SETUP = `
    const { OIDCCallback } = load('callback');
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    let asked = 0;
    class OwnCallback extends OIDCCallback {
      #answer;
      constructor(answer, options) { super(options); this.#answer = answer; }
      async getToken() { return this.#answer(++asked); }
    }
    const aToken = (lifeMS) => ({
      token: [part({ alg: 'none' }), part({ n: asked }), 'c2ln'].join('.'),
      expiresOnTimestamp: Date.now() + lifeMS,
    });
    const print = (value) => console.log(JSON.stringify(value));
  `;

  beforeAll(() => {
    source = compileSource();
  });
  afterAll(() => source.remove());

  test('a refresh that is due later does not keep it alive', async () => {
    expect(
      await source.run(`${SETUP}
        const callback = new OwnCallback(() => aToken(3_600_000));
        callback.fetch().then(() => print(asked));
        process.on('exit', () => callback.expiresAt);
      `),
    ).toBe(1);
  });

  test('attempts in the background do not keep it alive', async () => {
    expect(
      await source.run(`${SETUP}
        const callback = new OwnCallback(() => { throw new Error('unavailable'); }, { timeoutMS: 50 });
        callback.fetch().catch((error) => print(error.code));
        process.on('exit', () => callback.expiresAt);
      `),
    ).toBe('ERR_OIDC_SOURCE_UNREACHABLE');
  });

  test.each([
    [
      'for the backoff',
      `(count) => { if (count < 3) throw new Error('unavailable'); return aToken(1_000); }`,
      3,
    ],
    ['for a source that hangs', `() => new Promise(() => {})`, 'ERR_OIDC_TIMEOUT'],
    ['for what overtakes it', `(count) => count === 1 ? new Promise(() => {}) : aToken(1_000)`, 2],
  ])('a caller that waits %s does', async (_, answer, expected) => {
    expect(
      await source.run(`${SETUP}
        const callback = new OwnCallback(${answer}, { timeoutMS: 1_500 });
        callback.fetch().then(() => print(asked), (error) => print(error.code));
      `),
    ).toBe(expected);
  });

  test('a refresh is made in a context of its own, not in that of the request that came first', async () => {
    expect(
      await source.run(`${SETUP}
        const context = new (require('node:async_hooks').AsyncLocalStorage)();
        const seen = [];
        const callback = new OwnCallback(() => {
          seen.push(context.getStore() ?? 'none');
          if (seen.length === 3) print(seen);
          return aToken(seen.length < 3 ? 2_000 : 60_000);
        });
        context.run('the first request', () => callback.fetch());
        setTimeout(() => callback.invalidate(), 6_000);
      `),
    ).toEqual(['the first request', 'none', 'none']);
  });

  test('a callback that is dropped is collected, refresh and all; one that is held is refreshed', async () => {
    expect(
      await source.run(
        `${SETUP}
        const collect = async (ref) => {
          for (let round = 0; round < 100 && ref.deref(); round++) {
            await new Promise((resolve) => setImmediate(resolve));
            gc();
          }
          return ref.deref() === undefined;
        };
        async function dropped() {
          const callback = new OwnCallback(() => aToken(3_600_000));
          await callback.fetch();
          return new WeakRef(callback);
        }
        (async () => {
          const collected = await collect(await dropped());
          const refreshed = new Promise((resolve) => {
            globalThis.held = new OwnCallback(() => {
              if (asked > 2) resolve(true);
              return aToken(2_000);
            });
          });
          await globalThis.held.fetch();
          const held = new WeakRef(globalThis.held);
          const lost = await collect(held);
          const alive = setTimeout(() => {}, 15_000);
          const isRefreshed = await refreshed;
          clearTimeout(alive);
          print({ collected, lost, isRefreshed });
        })();
        `,
        ['--expose-gc'],
      ),
    ).toEqual({ collected: true, lost: false, isRefreshed: true });
  });
});
