import { channel, tracingChannel } from 'node:diagnostics_channel';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type AccessToken, OIDCCallback, type OIDCCallbackOptions } from '../../src/callback.js';
import {
  type FetchEvent,
  reportOutage,
  reportRefresh,
  reportRetry,
  toDate,
  traceAttempt,
} from '../../src/diagnostics.js';
import { OIDCCallbackError } from '../../src/errors.js';
import { jwtFor } from './jwts.js';
import { deferred, failureOf } from './promises.js';
import { published } from './token-source.js';

const ABOUT = { environment: 'TestCallback', audience: 'mongodb', username: 'someone' };
const NAMES = ['retry', 'refresh', 'outage'] as const;

const throttled = () => new OIDCCallbackError('ERR_OIDC_RATE_LIMITED', 'throttled');

/** A copy of each event of the tracing channel as it was then, and the objects that were published. */
function traced() {
  const events: [name: string, event: Record<string, unknown>][] = [];
  const objects: object[] = [];
  const note = (name: string) => (event: object) => {
    events.push([name, { ...event }]);
    objects.push(event);
  };
  const listeners = {
    start: note('start'),
    end: note('end'),
    asyncStart: note('asyncStart'),
    asyncEnd: note('asyncEnd'),
    error: note('error'),
  };
  const fetches = tracingChannel('mongodb-workload-identity.fetch');
  fetches.subscribe(listeners);
  onTestFinished(() => void fetches.unsubscribe(listeners));
  return { events, objects };
}

beforeEach(() => {
  vi.useFakeTimers();
  // Such a clock begins at 0, which would hide what is measured from there.
  vi.advanceTimersByTime(12_345);
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

class TestCallback extends OIDCCallback {
  count = 0;
  readonly #answer: (count: number) => AccessToken;

  constructor(answer: (count: number) => AccessToken, options?: OIDCCallbackOptions) {
    super({ audience: 'mongodb', ...options });
    this.#answer = answer;
  }
  protected override async getToken(): Promise<AccessToken> {
    return this.#answer(++this.count);
  }
}

describe('the tracing channel mongodb-workload-identity.fetch', () => {
  const begin = (): FetchEvent => ({ ...ABOUT, attempt: 1 });

  test('is around each attempt: what it is for, how long it took, and until when its token is good', async () => {
    const { events, objects } = traced();
    const answer = deferred<{ value: string; expiresAt: number | undefined }>();
    const result = traceAttempt(begin, () => answer.promise);
    expect(events).toEqual([
      ['start', { ...ABOUT, attempt: 1 }],
      ['end', { ...ABOUT, attempt: 1 }],
    ]);
    await vi.advanceTimersByTimeAsync(400);
    const loaded = { value: 'secret', expiresAt: 1_800_000_000_000 };
    answer.resolve(loaded);
    expect(await result).toBe(loaded);
    const full = {
      ...ABOUT,
      attempt: 1,
      outcome: 'token',
      durationMS: 400,
      expiresAt: new Date(1_800_000_000_000),
    };
    expect(events.slice(2)).toEqual([
      ['asyncStart', { ...full, result: undefined }],
      ['asyncEnd', { ...full, result: undefined }],
    ]);
    expect(new Set(objects).size).toBe(1);
  });

  test('publishes no result, which would be the token', async () => {
    const { events } = traced();
    await traceAttempt(begin, async () => ({ value: 'secret', expiresAt: undefined }));
    for (const [, event] of events) expect(event.result).toBeUndefined();
    expect(inspect(events, { depth: null, showHidden: true })).not.toContain('secret');
    expect(events.at(-1)?.[1]).toMatchObject({ outcome: 'token', expiresAt: undefined });
  });

  test('has the code of a failure, which goes on to the caller', async () => {
    const { events } = traced();
    const error = throttled();
    const failure = failureOf(
      traceAttempt(begin, async () => {
        await new Promise((resolve) => setTimeout(resolve, 200));
        throw error;
      }),
    );
    await vi.advanceTimersByTimeAsync(200);
    expect(await failure).toBe(error);
    expect(events.map(([name]) => name)).toEqual(['start', 'end', 'error', 'asyncStart', 'asyncEnd']);
    expect(events.at(-1)?.[1]).toEqual({
      ...ABOUT,
      attempt: 1,
      outcome: 'error',
      code: 'ERR_OIDC_RATE_LIMITED',
      durationMS: 200,
      error,
    });
  });

  test('shows no error but ours: what an SDK throws carries requests and responses', async () => {
    const { events } = traced();
    const raw = Object.assign(new Error('no answer'), { response: { body: 'secret' } });
    const failure = await failureOf(traceAttempt(begin, () => Promise.reject(raw)));
    expect(failure).toBeInstanceOf(OIDCCallbackError);
    expect(events.at(-1)?.[1]).toMatchObject({ code: 'ERR_OIDC_SOURCE_UNREACHABLE', error: failure });
    expect(inspect(events, { depth: null, showHidden: true })).not.toContain('secret');
  });

  test('is free when no one listens: nothing is made, and the source’s own outcome comes out', async () => {
    const make = vi.fn(begin);
    const now = vi.spyOn(performance, 'now');
    const loaded = { expiresAt: undefined };
    expect(await traceAttempt(make, async () => loaded)).toBe(loaded);
    const raw = new Error('raw');
    expect(await failureOf(traceAttempt(make, () => Promise.reject(raw)))).toBe(raw);
    expect(make).not.toHaveBeenCalled();
    expect(now).not.toHaveBeenCalled();
  });
});

describe('the channels', () => {
  test.each([
    ['retry', () => reportRetry({ ...ABOUT, attempt: 1, code: 'ERR_OIDC_TIMEOUT', backoffMS: 5 })],
    ['refresh', () => reportRefresh({ ...ABOUT, outcome: 'renewed' })],
    [
      'outage',
      () => reportOutage({ ...ABOUT, code: 'ERR_OIDC_TIMEOUT', error: throttled(), expiresAt: undefined }),
    ],
  ] as const)('mongodb-workload-identity.%s has its own events', (own, report) => {
    const heard = NAMES.map((name) => published(`mongodb-workload-identity.${name}`));
    report();
    expect(heard.map((events) => events.length)).toEqual(NAMES.map((name) => (name === own ? 1 : 0)));
    expect(heard.flat()[0]).toMatchObject(ABOUT);
  });

  test('are free when no one listens', () => {
    for (const name of NAMES) expect(channel(`mongodb-workload-identity.${name}`).hasSubscribers).toBe(false);
    expect(() => reportRefresh({ ...ABOUT, outcome: 'failed' })).not.toThrow();
  });
});

test('times are dates, where they are known', () => {
  expect(toDate(0)).toEqual(new Date(0));
  expect(toDate(1_800_000_000_000)).toEqual(new Date('2027-01-15T08:00:00.000Z'));
  expect(toDate(undefined)).toBeUndefined();
});

describe('a callback reports', () => {
  const context = { username: 'someone' };

  test('each attempt, each retry, each refresh and each outage, by the name of its class', async () => {
    const { events } = traced();
    const [retries, refreshes, outages] = NAMES.map((name) => published(`mongodb-workload-identity.${name}`));
    const tokens: string[] = [];
    let isDown = true;
    const callback = new TestCallback(() => {
      if (isDown) throw throttled();
      tokens.push(jwtFor(600, { n: tokens.length, canary: 'do-not-tell' }));
      return { token: tokens.at(-1) ?? '' };
    });

    const first = callback.fetch(context);
    await vi.advanceTimersByTimeAsync(50);
    isDown = false;
    await vi.advanceTimersByTimeAsync(50);
    await first;
    const expiresAt = callback.expiresAt;
    expect(retries).toEqual([{ ...ABOUT, attempt: 1, code: 'ERR_OIDC_RATE_LIMITED', backoffMS: 100 }]);
    const ended = () => events.filter(([name]) => name === 'asyncEnd').map(([, event]) => event);
    expect(ended()).toMatchObject([
      { ...ABOUT, attempt: 1, outcome: 'error', code: 'ERR_OIDC_RATE_LIMITED' },
      { ...ABOUT, attempt: 2, outcome: 'token', expiresAt },
    ]);

    isDown = true;
    await vi.advanceTimersByTimeAsync(550_000);
    expect(outages).toEqual([
      { ...ABOUT, code: 'ERR_OIDC_RATE_LIMITED', error: expect.any(OIDCCallbackError), expiresAt },
    ]);
    isDown = false;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(refreshes?.at(0)).toEqual({ ...ABOUT, outcome: 'failed' });
    expect(refreshes?.at(-1)).toEqual({ ...ABOUT, outcome: 'renewed' });

    expect(tokens.length).toBeGreaterThan(1);
    const everything = [events, retries, refreshes, outages];
    const shown = `${inspect(everything, { depth: null, showHidden: true, maxStringLength: null })} ${JSON.stringify(everything)}`;
    for (const secret of tokens.flatMap((token) => [token, ...token.split('.').slice(1)]))
      expect(shown).not.toContain(secret);
    expect(shown).not.toContain('do-not-tell');
  });

  test('the audience and the username that the driver gave', async () => {
    const { events } = traced();
    const callback = new TestCallback(() => ({ token: jwtFor(600) }), { audience: undefined });
    await callback.fetch({ tokenAudience: 'theirs' });
    await callback.fetch({ username: 'them' });
    const started = events.filter(([name]) => name === 'start').map(([, event]) => event);
    expect(started).toEqual([
      { environment: 'TestCallback', audience: 'theirs', username: undefined, attempt: 1 },
      { environment: 'TestCallback', audience: undefined, username: 'them', attempt: 1 },
    ]);
    callback.invalidate();
  });

  test('nothing where a token is handed out from memory', async () => {
    const callback = new TestCallback(() => ({ token: jwtFor(600) }));
    await callback.fetch();
    const { events } = traced();
    const heard = NAMES.map((name) => published(`mongodb-workload-identity.${name}`));
    for (let call = 0; call < 10; call++) await callback.fetch();
    expect([events, ...heard].flat()).toEqual([]);
  });
});
