import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type AccessToken,
  type GetTokenRequest,
  OIDCCallback,
  type OIDCCallbackContext,
  type OIDCCallbackOptions,
  type OIDCCallbackResult,
} from '../../src/callback.js';
import { OIDCCallbackError } from '../../src/errors.js';
import { jwt, jwtFor } from './jwts.js';
import { deferred, failureOf, microtasksUntilSettled } from './promises.js';

const NOW = new Date('2026-03-01T12:00:00.000Z');

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

type Answer = (request: GetTokenRequest, count: number) => AccessToken | Promise<AccessToken>;

/** A callback whose source is a function, and which keeps what it was asked. */
class TestCallback extends OIDCCallback {
  readonly requests: GetTokenRequest[] = [];
  readonly #answer: Answer;

  constructor(answer: Answer = () => ({ token: jwtFor(3600) }), options?: OIDCCallbackOptions) {
    super(options);
    this.#answer = answer;
  }

  protected override async getToken(request: GetTokenRequest): Promise<AccessToken> {
    this.requests.push(request);
    return this.#answer(request, this.requests.length);
  }
}

const params = (context: OIDCCallbackContext = {}) => ({
  timeoutContext: new AbortController().signal,
  version: 1 as const,
  ...context,
});
const never = () => new Promise<never>(() => {});
const fail = (error: unknown) => (): never => {
  throw error;
};
const denied = () => new OIDCCallbackError('ERR_OIDC_ACCESS_DENIED', 'no');
const throttled = () => new OIDCCallbackError('ERR_OIDC_RATE_LIMITED', 'throttled');

describe('a callback', () => {
  test('is the function that the driver calls, and an instance of its class', () => {
    const callback = new TestCallback();
    expect(typeof callback).toBe('function');
    for (const type of [TestCallback, OIDCCallback, Function]) expect(callback).toBeInstanceOf(type);
    expect([callback.name, (callback as unknown as () => void).length]).toEqual(['TestCallback', 1]);
  });

  test('answers the driver with the token that fetch() has', async () => {
    const callback = new TestCallback();
    const results = [
      await callback(params()),
      await callback.call(undefined, params()),
      await callback.apply(undefined, [params()]),
      await callback.bind(null)(params()),
      await callback.fetch(),
    ];
    expect(new Set(results.map(({ accessToken }) => accessToken)).size).toBe(1);
    expect(callback.requests).toHaveLength(1);
  });

  test('can be used by several clients at once, and shares nothing with another', async () => {
    const [one, two] = [new TestCallback(() => ({ token: jwt({ n: 1 }) })), new TestCallback()];
    const results = await Promise.all([one(params()), one(params()), two(params())]);
    expect(results[0]).toEqual(results[1]);
    expect(results[2]).not.toEqual(results[0]);
    expect([one.requests.length, two.requests.length]).toEqual([1, 1]);
  });

  test('asks for nothing before it is called', async () => {
    const callback = new TestCallback();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(callback.requests).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('what the source is asked', () => {
  const requestOf = async (options: OIDCCallbackOptions, context?: OIDCCallbackContext) => {
    const callback = new TestCallback(undefined, options);
    await callback.fetch(context);
    return callback.requests[0];
  };

  test('is the audience of the option, else the TOKEN_RESOURCE of the driver', async () => {
    expect(await requestOf({ audience: 'a' })).toMatchObject({ audience: 'a' });
    expect(await requestOf({}, { tokenAudience: 'b' })).toMatchObject({ audience: 'b' });
    expect(await requestOf({ audience: 'a' }, { tokenAudience: 'b' })).toMatchObject({ audience: 'a' });
    expect(await requestOf({})).toMatchObject({ audience: undefined });
  });

  test.each([
    ['true', true],
    ['false', false],
  ])(
    'is the audience %s where the driver has read a boolean from the connection string',
    async (audience, value) => {
      expect(await requestOf({}, { tokenAudience: value as unknown as string })).toMatchObject({ audience });
    },
  );

  test('is the username of the connection string, none where it is empty', async () => {
    expect(await requestOf({}, { username: 'someone' })).toMatchObject({ username: 'someone' });
    expect(await requestOf({}, { username: '' })).toMatchObject({ username: undefined });
    expect(await requestOf({})).toMatchObject({ username: undefined });
  });

  test('comes with a signal of its own, not the caller’s', async () => {
    const context = params();
    const request = await requestOf({}, context);
    expect(request?.signal).toBeInstanceOf(AbortSignal);
    expect(request?.signal).not.toBe(context.timeoutContext);
  });

  test('comes with a signal that is aborted when its attempt is given up', async () => {
    const callback = new TestCallback(never, { timeoutMS: 1_000 });
    const failure = failureOf(callback.fetch());
    await vi.advanceTimersByTimeAsync(999);
    expect(callback.requests[0]?.signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await failure;
    expect(callback.requests[0]?.signal.aborted).toBe(true);
  });

  test('is one token for each audience and username', async () => {
    const callback = new TestCallback(({ audience, username }) => ({ token: jwt({ audience, username }) }));
    const contexts: OIDCCallbackContext[] = [
      {},
      { tokenAudience: 'a' },
      { tokenAudience: 'b' },
      { username: 'a' },
      { tokenAudience: 'a', username: 'a' },
    ];
    const first = await Promise.all(contexts.map((context) => callback(params(context))));
    const second = await Promise.all(contexts.map((context) => callback.fetch(context)));
    expect(new Set(first.map(({ accessToken }) => accessToken)).size).toBe(contexts.length);
    expect(second).toEqual(first);
    expect(callback.requests).toHaveLength(contexts.length);
  });
});

describe('the result', () => {
  test('has accessToken and expiresInSeconds and no other own property, as the driver demands', async () => {
    const token = jwtFor(3600);
    const callback = new TestCallback(() => ({
      token,
      expiresOnTimestamp: Date.now() + 3_600_000,
      refreshAfterTimestamp: Date.now() + 1_800_000,
      tokenType: 'Bearer',
    }));
    for (const result of [await callback(params()), await callback.fetch()]) {
      expect(Object.getOwnPropertyNames(result).sort()).toEqual(['accessToken', 'expiresInSeconds']);
      expect(result).toEqual({ accessToken: token, expiresInSeconds: 3600 });
    }
  });

  test('has accessToken alone where nobody says when the token expires', async () => {
    const result = await new TestCallback(() => ({ token: jwt() })).fetch();
    expect(Object.getOwnPropertyNames(result)).toEqual(['accessToken']);
  });

  test('is an object of its own for each caller', async () => {
    const callback = new TestCallback();
    const first = (await callback.fetch()) as { accessToken: string };
    first.accessToken = 'changed';
    expect((await callback.fetch()).accessToken).not.toBe('changed');
  });

  test('says how long the token still lives: whole seconds, never more than are left, never less than none', async () => {
    const callback = new TestCallback(() => ({ token: jwt({ exp: NOW.getTime() / 1000 + 20 }) }));
    const seconds = async () => (await callback.fetch()).expiresInSeconds;
    expect(await seconds()).toBe(20);
    vi.setSystemTime(NOW.getTime() + 1);
    expect(await seconds()).toBe(19);
    vi.setSystemTime(NOW.getTime() + 19_001);
    expect(await seconds()).toBe(0);
    const expired = new TestCallback(() => ({ token: jwtFor(-600) }));
    expect((await expired.fetch()).expiresInSeconds).toBe(0);
  });
});

describe('when a token expires', () => {
  const fetched = async (token: AccessToken) => {
    const callback = new TestCallback(() => token);
    const { expiresInSeconds } = await callback.fetch();
    return { expiresInSeconds, expiresAt: callback.expiresAt };
  };

  test('is what the source says', async () => {
    const expiresAt = new Date(NOW.getTime() + 600_000);
    expect(await fetched({ token: jwtFor(3600), expiresOnTimestamp: expiresAt.getTime() })).toEqual({
      expiresInSeconds: 600,
      expiresAt,
    });
  });

  test('is what the token says where that is earlier: the server goes by it', async () => {
    const expiresAt = new Date(NOW.getTime() + 600_000);
    expect(await fetched({ token: jwtFor(600), expiresOnTimestamp: NOW.getTime() + 601_000 })).toEqual({
      expiresInSeconds: 600,
      expiresAt,
    });
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 9e15, -9e15])(
    'is what the token says where the source says %s',
    async (expiresOnTimestamp) => {
      const expiresAt = new Date(NOW.getTime() + 3_600_000);
      expect(await fetched({ token: jwtFor(3600), expiresOnTimestamp })).toEqual({
        expiresInSeconds: 3600,
        expiresAt,
      });
    },
  );

  test('is what the token says where the source does not', async () => {
    const expiresAt = new Date(NOW.getTime() + 3_600_000);
    expect(await fetched({ token: jwtFor(3600) })).toEqual({ expiresInSeconds: 3600, expiresAt });
    expect(await fetched({ token: jwtFor(3600), expiresOnTimestamp: undefined })).toMatchObject({
      expiresAt,
    });
  });

  test.each([
    ['neither says', { token: jwt() }],
    ['the token says no number', { token: jwt({ exp: 'tomorrow' }) }],
    // What @azure/identity makes of an `expires_on` that it cannot read.
    ['the source says NaN', { token: jwt(), expiresOnTimestamp: Number.NaN }],
  ])('is not known where %s', async (_, token) => {
    expect(await fetched(token)).toEqual({ expiresInSeconds: undefined, expiresAt: undefined });
  });

  test('is not known before the first token and after invalidate()', async () => {
    const callback = new TestCallback();
    expect(callback.expiresAt).toBeUndefined();
    await callback.fetch();
    expect(callback.expiresAt).toEqual(new Date(NOW.getTime() + 3_600_000));
    callback.invalidate();
    expect(callback.expiresAt).toBeUndefined();
  });

  test('is said of the token that was handed out last', async () => {
    const callback = new TestCallback(({ audience }) => ({ token: jwtFor(audience === 'long' ? 7200 : 60) }));
    await callback.fetch({ tokenAudience: 'long' });
    await callback.fetch({ tokenAudience: 'short' });
    expect(callback.expiresAt).toEqual(new Date(NOW.getTime() + 60_000));
    await callback.fetch({ tokenAudience: 'long' });
    expect(callback.expiresAt).toEqual(new Date(NOW.getTime() + 7_200_000));
  });

  test('is a date that the caller may change', async () => {
    const callback = new TestCallback();
    await callback.fetch();
    callback.expiresAt?.setTime(0);
    expect(callback.expiresAt?.getTime()).toBe(NOW.getTime() + 3_600_000);
  });
});

describe('a valid token in memory', () => {
  test('reaches the driver and other callers in a few microtasks, with no timer and nothing asked', async () => {
    const callback = new TestCallback();
    await callback.fetch();
    const timers = vi.getTimerCount();
    expect(await microtasksUntilSettled(callback(params()))).toBeLessThanOrEqual(4);
    expect(await microtasksUntilSettled(callback.fetch())).toBeLessThanOrEqual(3);
    expect(vi.getTimerCount()).toBe(timers);
    expect(callback.requests).toHaveLength(1);
  });

  test('reaches them as fast while it is in doubt', async () => {
    const callback = new TestCallback((_, count) => (count === 1 ? { token: jwtFor(3600) } : never()));
    await callback.fetch();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await microtasksUntilSettled(callback(params()))).toBeLessThanOrEqual(4);
    expect(callback.requests).toHaveLength(2);
    expect(await microtasksUntilSettled(callback(params()))).toBeLessThanOrEqual(4);
    expect(callback.requests).toHaveLength(2);
  });

  test('that the server refused heals: the call after the doubt gets what the source has now', async () => {
    const [refused, renewed] = [jwt({ n: 1 }), jwt({ n: 2 })];
    const callback = new TestCallback((_, count) => ({ token: count === 1 ? refused : renewed }));
    await callback(params());
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await callback(params())).toMatchObject({ accessToken: refused });
    await vi.advanceTimersByTimeAsync(0);
    expect(await callback(params())).toMatchObject({ accessToken: renewed });
  });

  test('is forgotten by invalidate(), so that the next call asks the source', async () => {
    const callback = new TestCallback((_, n) => ({ token: jwt({ n, exp: NOW.getTime() / 1000 + 60 }) }));
    const first = await callback.fetch();
    callback.invalidate();
    const second = await callback.fetch();
    expect(second.accessToken).not.toBe(first.accessToken);
    expect(callback.requests).toHaveLength(2);
  });
});

describe('the next token is fetched ahead', () => {
  test('when the source says that it can be had, else after 80 % of the life', async () => {
    vi.mocked(Math.random).mockReturnValue(0);
    for (const [refreshAfterTimestamp, minutes] of [
      [NOW.getTime() + 1_200_000, 20],
      [undefined, 45.6],
      [Number.NaN, 45.6],
      [Number.POSITIVE_INFINITY, 45.6],
    ] as const) {
      vi.setSystemTime(NOW);
      const callback = new TestCallback(() => ({ token: jwtFor(3600), refreshAfterTimestamp }));
      await callback.fetch();
      await vi.advanceTimersByTimeAsync(minutes * 60_000 - 1);
      expect(callback.requests).toHaveLength(1);
      await vi.advanceTimersByTimeAsync(1);
      expect(callback.requests.length).toBeGreaterThan(1);
      callback.invalidate();
    }
  });

  test('unless refreshAhead is false', async () => {
    const callback = new TestCallback(undefined, { refreshAhead: false });
    await callback.fetch();
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(callback.requests).toHaveLength(1);
  });

  test('and not after invalidate()', async () => {
    const callback = new TestCallback();
    await callback.fetch();
    callback.invalidate();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a source that fails while a token is valid', () => {
  test('fails nobody: the token in memory is handed out until it expires', async () => {
    const token = jwtFor(600);
    const callback = new TestCallback((_, count) => (count === 1 ? { token } : fail(denied())()));
    for (let minute = 0; minute < 10; minute++) {
      expect(await callback(params())).toMatchObject({ accessToken: token });
      await vi.advanceTimersByTimeAsync(60_000);
    }
    expect(await failureOf(callback.fetch())).toMatchObject({ code: 'ERR_OIDC_ACCESS_DENIED' });
  });
});

describe('towards the driver a failing callback never rejects', () => {
  class OwnFetch extends TestCallback {
    override async fetch(): Promise<OIDCCallbackResult> {
      throw new RangeError('a fetch of my own');
    }
  }
  class SynchronousFailure extends OIDCCallback {
    protected override getToken(): never {
      throw denied();
    }
  }

  const failing: [what: string, callback: () => OIDCCallback, code: string][] = [
    ['an error of ours', () => new TestCallback(fail(denied())), 'ERR_OIDC_ACCESS_DENIED'],
    ['an error that is thrown, not rejected', () => new SynchronousFailure(), 'ERR_OIDC_ACCESS_DENIED'],
    ['any other error', () => new TestCallback(fail(new Error('x'))), 'ERR_OIDC_SOURCE_UNREACHABLE'],
    ['undefined', () => new TestCallback(fail(undefined)), 'ERR_OIDC_SOURCE_UNREACHABLE'],
    ['null', () => new TestCallback(fail(null)), 'ERR_OIDC_SOURCE_UNREACHABLE'],
    ['a string', () => new TestCallback(fail('x')), 'ERR_OIDC_SOURCE_UNREACHABLE'],
    ['a symbol', () => new TestCallback(fail(Symbol('x'))), 'ERR_OIDC_SOURCE_UNREACHABLE'],
    [
      'an object without prototype',
      () => new TestCallback(fail(Object.create(null))),
      'ERR_OIDC_SOURCE_UNREACHABLE',
    ],
    ['a token that is none', () => new TestCallback(() => ({ token: '<html>' })), 'ERR_OIDC_TOKEN_INVALID'],
    ['a result that is none', () => new TestCallback(() => undefined as never), 'ERR_OIDC_TOKEN_INVALID'],
    ['no answer', () => new TestCallback(never), 'ERR_OIDC_TIMEOUT'],
    ['a fetch() of a subclass', () => new OwnFetch(), 'ERR_OIDC_SOURCE_UNREACHABLE'],
  ];

  test.each(failing)(
    'for %s: its result is an object whose accessToken throws the error',
    async (_, make, code) => {
      const called = make()(params());
      await vi.advanceTimersByTimeAsync(30_000);
      const result = await called;
      expect(Object.getOwnPropertyNames(result)).toEqual(['accessToken']);
      let thrown: unknown;
      try {
        void result.accessToken;
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(OIDCCallbackError);
      expect(thrown).toMatchObject({ code });
    },
  );

  test('for a caller that had aborted before', async () => {
    const result = await new TestCallback(never)(params({ timeoutContext: AbortSignal.abort() }));
    expect(() => result.accessToken).toThrow(expect.objectContaining({ code: 'ERR_OIDC_ABORTED' }));
  });

  test('and what is thrown is the very error that fetch() rejects with, each time it is read', async () => {
    const callback = new TestCallback(fail(denied()));
    const [result, error] = await Promise.all([callback(params()), failureOf(callback.fetch())]);
    const read = () => {
      try {
        return result.accessToken;
      } catch (thrown) {
        return thrown;
      }
    };
    expect(read()).toBe(error);
    expect(read()).toBe(error);
  });

  test('and a call a second later asks the source again', async () => {
    const token = jwt();
    const callback = new TestCallback((_, count) => (count === 1 ? fail(denied())() : { token }));
    await callback(params());
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await callback(params())).toEqual({ accessToken: token });
  });
});

describe('towards everyone else a failing callback', () => {
  test.each([
    ['an error of ours', denied(), 'ERR_OIDC_ACCESS_DENIED'],
    ['any other error', new Error('x'), 'ERR_OIDC_SOURCE_UNREACHABLE'],
    ['undefined', undefined, 'ERR_OIDC_SOURCE_UNREACHABLE'],
    ['a string', 'x', 'ERR_OIDC_SOURCE_UNREACHABLE'],
    ['an object without prototype', Object.create(null), 'ERR_OIDC_SOURCE_UNREACHABLE'],
  ])('rejects with an OIDCCallbackError for %s', async (_, thrown, code) => {
    const failure = failureOf(new TestCallback(fail(thrown)).fetch());
    await vi.advanceTimersByTimeAsync(30_000);
    expect(await failure).toBeInstanceOf(OIDCCallbackError);
    expect(await failure).toMatchObject({ code });
  });

  test('says whose source it was that has no JSON Web Token', async () => {
    const failure = failureOf(new TestCallback(() => ({ token: 'opaque' })).fetch());
    await vi.advanceTimersByTimeAsync(30_000);
    expect((await failure) as Error).toMatchObject({
      message: expect.stringContaining("TestCallback's token source"),
    });
  });
});

describe('callers at the same time', () => {
  test('cost one request', async () => {
    const answer = deferred<AccessToken>();
    const callback = new TestCallback(() => answer.promise);
    const calls = Array.from({ length: 200 }, (_, n) => (n % 2 ? callback.fetch() : callback(params())));
    await vi.advanceTimersByTimeAsync(9_000);
    answer.resolve({ token: jwt() });
    expect(new Set((await Promise.all(calls)).map(({ accessToken }) => accessToken)).size).toBe(1);
    expect(callback.requests).toHaveLength(1);
  });

  test.each([{}, { addEventListener() {} }, { aborted: false, addEventListener() {} }, 'signal', null])(
    'are refused a signal that is none: %j',
    async (signal) => {
      const context = { timeoutContext: signal as unknown as AbortSignal };
      const failure = failureOf(new TestCallback(() => ({ token: jwt() })).fetch(context));
      expect(await failure).toMatchObject({ code: 'ERR_OIDC_INVALID_OPTION' });
    },
  );

  test('each have a signal: who aborts gets ERR_OIDC_ABORTED at once, the others their token', async () => {
    const answer = deferred<AccessToken>();
    const callback = new TestCallback(() => answer.promise);
    const controller = new AbortController();
    const leaving = failureOf(callback.fetch({ timeoutContext: controller.signal }));
    const staying = callback.fetch();
    controller.abort();
    expect(await microtasksUntilSettled(leaving)).toBeLessThan(10);
    expect(await leaving).toMatchObject({ code: 'ERR_OIDC_ABORTED' });
    expect(callback.requests[0]?.signal.aborted).toBe(false);
    answer.resolve({ token: jwt() });
    expect(await staying).toEqual({ accessToken: jwt() });
    expect(callback.requests).toHaveLength(1);
  });

  test('each have their budget: who joined a fetch that ran out waits for the attempts that follow', async () => {
    const isBack = () => Date.now() > NOW.getTime() + 10_000;
    const callback = new TestCallback(() => (isBack() ? { token: jwt() } : never()), { timeoutMS: 10_000 });
    const first = failureOf(callback.fetch());
    await vi.advanceTimersByTimeAsync(6_000);
    const second = callback.fetch();
    await vi.advanceTimersByTimeAsync(6_000);
    expect(await first).toMatchObject({ code: 'ERR_OIDC_TIMEOUT' });
    expect(await second).toEqual({ accessToken: jwt() });
  });
});

describe('what can pass', () => {
  test('is tried again until the source has a token', async () => {
    const callback = new TestCallback((_, count) => (count < 3 ? fail(throttled())() : { token: jwt() }));
    const result = callback.fetch();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await result).toEqual({ accessToken: jwt() });
    expect(callback.requests).toHaveLength(3);
  });

  test('includes a source that answers no JSON Web Token, but not an encrypted one', async () => {
    const callback = new TestCallback((_, count) => ({ token: count === 1 ? 'opaque' : jwt() }));
    const result = callback.fetch();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await result).toEqual({ accessToken: jwt() });

    const encrypted = new TestCallback(() => ({ token: 'a.b.c.d.e' }));
    expect(await failureOf(encrypted.fetch())).toMatchObject({ code: 'ERR_OIDC_TOKEN_INVALID' });
    expect(encrypted.requests).toHaveLength(1);
  });

  test('is tried within timeoutMS, 30 s by default', async () => {
    for (const [options, timeoutMS] of [
      [{}, 30_000],
      [{ timeoutMS: 1_500 }, 1_500],
      [{ timeoutMS: 59_999 }, 59_999],
    ] as const) {
      const failure = failureOf(new TestCallback(never, options).fetch());
      await vi.advanceTimersByTimeAsync(timeoutMS - 1);
      expect(vi.getTimerCount()).toBeGreaterThan(0);
      await vi.advanceTimersByTimeAsync(1);
      expect(await failure).toMatchObject({
        code: 'ERR_OIDC_TIMEOUT',
        message: expect.stringContaining(`${timeoutMS} ms`),
      });
    }
  });

  test('ends in the last failure, for whoever began the fetch too, although the last attempt hangs', async () => {
    const callback = new TestCallback((_, count) => (count === 1 ? fail(throttled())() : never()), {
      timeoutMS: 1_000,
    });
    const failures = [callback.fetch(), callback.fetch()].map(failureOf);
    // Who joined has waited one timer more, which is due at once.
    await vi.advanceTimersByTimeAsync(1_001);
    for (const failure of failures) expect(await failure).toMatchObject({ code: 'ERR_OIDC_RATE_LIMITED' });
    expect(callback.requests.length).toBeGreaterThan(1);
  });
});

describe('options', () => {
  test('of a subclass are known when it names them', () => {
    class Own extends OIDCCallback {
      constructor(options: OIDCCallbackOptions & { region?: string }) {
        super(options, ['region']);
      }
      protected override async getToken(): Promise<AccessToken> {
        return { token: jwt() };
      }
    }
    expect(() => new Own({ region: 'eu', audience: 'a', timeoutMS: 1, refreshAhead: false })).not.toThrow();
  });

  test('are read once: changing them later changes nothing', async () => {
    const options: OIDCCallbackOptions = { audience: 'a' };
    const callback = new TestCallback(undefined, options);
    options.audience = 'b';
    await callback.fetch();
    expect(callback.requests[0]?.audience).toBe('a');
  });

  test('that are undefined count as left out', () => {
    const options = { audience: undefined, timeoutMS: undefined, refreshAhead: undefined };
    expect(() => new TestCallback(undefined, options)).not.toThrow();
    expect(() => new TestCallback(undefined, undefined)).not.toThrow();
  });
});
