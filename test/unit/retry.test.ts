import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { OIDCCallbackError, type OIDCCallbackErrorCode } from '../../src/errors.js';
import { retry } from '../../src/retry.js';
import { failureOf } from './promises.js';

const transient = (message = 'throttled') => new OIDCCallbackError('ERR_OIDC_RATE_LIMITED', message);
const permanent = () => new OIDCCallbackError('ERR_OIDC_IDENTITY_NOT_FOUND', 'no such identity');
const never = () => new Promise<never>(() => {});

const random = vi.spyOn(Math, 'random');

beforeEach(() => {
  vi.useFakeTimers();
  random.mockReturnValue(0.5);
});
afterEach(() => {
  vi.useRealTimers();
});

/** An operation whose n-th attempt does what the n-th step says (the last one for all that follow). */
function operation(...steps: ((signal: AbortSignal) => unknown)[]) {
  const times: number[] = [];
  const signals: AbortSignal[] = [];
  const start = performance.now();
  const attempt = async (signal: AbortSignal): Promise<unknown> => {
    times.push(performance.now() - start);
    signals.push(signal);
    return (steps[times.length - 1] ?? steps.at(-1))?.(signal);
  };
  return { attempt, times, signals };
}

const fail =
  (error: () => unknown = transient) =>
  (): never => {
    throw error();
  };
const succeed = () => 'token';

/** Runs to the end, however long that takes on the clock. */
async function run<T>(result: Promise<T>): Promise<T> {
  const done = result.catch(() => {});
  await vi.runAllTimersAsync();
  await done;
  return result;
}

describe('what is tried again', () => {
  test('nothing, when the first attempt succeeds', async () => {
    const { attempt, times } = operation(succeed);
    expect(await retry(attempt, 1_000)).toBe('token');
    expect(times).toEqual([0]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each<OIDCCallbackErrorCode>([
    'ERR_OIDC_RATE_LIMITED',
    'ERR_OIDC_SOURCE_UNREACHABLE',
    'ERR_OIDC_TOKEN_INVALID',
    'ERR_OIDC_TOKEN_FILE',
  ])('%s, which can pass', async (code) => {
    const { attempt, times } = operation(
      fail(() => new OIDCCallbackError(code, 'x')),
      succeed,
    );
    expect(await run(retry(attempt, 1_000))).toBe('token');
    expect(times).toHaveLength(2);
  });

  test.each<OIDCCallbackErrorCode>([
    'ERR_OIDC_AUDIENCE_MISSING',
    'ERR_OIDC_AUDIENCE_MISMATCH',
    'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
    'ERR_OIDC_IDENTITY_NOT_FOUND',
    'ERR_OIDC_ACCESS_DENIED',
    'ERR_OIDC_METADATA_PROXIED',
    'ERR_OIDC_TIMEOUT',
    'ERR_OIDC_ABORTED',
    'ERR_OIDC_SDK_NOT_INSTALLED',
    'ERR_OIDC_ENVIRONMENT_UNKNOWN',
    'ERR_OIDC_INVALID_OPTION',
    'ERR_OIDC_INVALID_URI',
  ])('not %s, which cannot: it fails at once with that very error', async (code) => {
    const error = new OIDCCallbackError(code, 'x');
    const { attempt, times } = operation(fail(() => error));
    expect(await failureOf(retry(attempt, 1_000))).toBe(error);
    expect(times).toEqual([0]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('an error that says of itself that it can pass, and not one that says it cannot', async () => {
    const mayPass = operation(
      fail(
        () => new OIDCCallbackError('ERR_OIDC_ACCESS_DENIED', 'x', { retryForMS: Number.POSITIVE_INFINITY }),
      ),
      succeed,
    );
    expect(await run(retry(mayPass.attempt, 1_000))).toBe('token');
    const cannotPass = operation(
      fail(() => new OIDCCallbackError('ERR_OIDC_TOKEN_INVALID', 'x', { retryForMS: 0 })),
    );
    await failureOf(run(retry(cannotPass.attempt, 1_000)));
    expect(cannotPass.times).toEqual([0]);
  });

  test('anything else that is thrown, which comes out as an OIDCCallbackError', async () => {
    const { attempt, times } = operation(fail(() => new TypeError('fetch failed')));
    const error = await failureOf(run(retry(attempt, 1_000)));
    expect(error).toBeInstanceOf(OIDCCallbackError);
    expect(error).toMatchObject({
      code: 'ERR_OIDC_SOURCE_UNREACHABLE',
      message: expect.stringContaining('fetch failed'),
    });
    expect(times.length).toBeGreaterThan(1);
  });

  test('an attempt that throws before it returns a promise', async () => {
    const attempt = vi.fn<() => Promise<string>>().mockImplementationOnce(() => {
      throw transient();
    });
    attempt.mockResolvedValue('token');
    expect(await run(retry(attempt, 1_000))).toBe('token');
  });

  test('nothing any more after an error that cannot pass', async () => {
    const { attempt, times } = operation(fail(), fail(permanent), succeed);
    expect(await failureOf(run(retry(attempt, 10_000)))).toMatchObject({
      code: 'ERR_OIDC_IDENTITY_NOT_FOUND',
    });
    expect(times).toHaveLength(2);
  });
});

describe('an error that says for how long it is worth another attempt', () => {
  const retryFor = (retryForMS: number) => () =>
    new OIDCCallbackError('ERR_OIDC_IDENTITY_NOT_FOUND', 'not yet', { retryForMS });

  test('is tried again for that time, counted from the beginning', async () => {
    const { attempt, times } = operation(fail(), fail(retryFor(1_000)));
    const start = performance.now();
    expect(await failureOf(run(retry(attempt, 30_000)))).toMatchObject({ message: 'not yet' });
    expect(times).toEqual([0, 100, 300, 700]);
    expect(performance.now() - start).toBe(700);
  });

  test('is tried again within the budget where that is shorter', async () => {
    const { attempt, times } = operation(fail(retryFor(60_000)));
    await failureOf(run(retry(attempt, 500)));
    expect(times).toEqual([0, 100, 300]);
  });

  test('does not shorten the time of another error that follows', async () => {
    const { attempt } = operation(
      fail(retryFor(1_000)),
      fail(retryFor(1_000)),
      fail(),
      fail(),
      fail(),
      succeed,
    );
    expect(await run(retry(attempt, 30_000))).toBe('token');
  });
});

describe('the wait between attempts', () => {
  test('is a random part of a ceiling that doubles from 200 ms to 2 s', async () => {
    random.mockReturnValue(0.999999);
    const { attempt, times } = operation(fail());
    await failureOf(run(retry(attempt, 9_000)));
    const waits = times.slice(1).map((time, index) => Math.round(time - (times[index] ?? 0)));
    expect(waits.slice(0, 6).map((wait) => Math.ceil(wait / 10) * 10)).toEqual([
      200, 400, 800, 1600, 2000, 2000,
    ]);
  });

  test('is any part of the ceiling, down to none', async () => {
    random.mockReturnValueOnce(0).mockReturnValueOnce(0.25).mockReturnValueOnce(0.75);
    const { attempt, times } = operation(fail(), fail(), fail(), succeed);
    await run(retry(attempt, 5_000));
    const [first = 0, second = 0, third = 0, fourth = 0] = times;
    expect(second - first).toBeLessThanOrEqual(1);
    expect(third - second).toBe(100);
    expect(fourth - third).toBe(600);
  });

  test('begins when an attempt ends', async () => {
    const slow = () => new Promise((_, reject) => setTimeout(() => reject(transient()), 700));
    const { attempt, times } = operation(slow, succeed);
    await run(retry(attempt, 5_000));
    expect(times).toEqual([0, 800]);
  });
});

describe('the budget', () => {
  test('ends an attempt that does not answer, and says that none did', async () => {
    const { attempt, times } = operation(never);
    const failure = failureOf(retry(attempt, 1_000));
    await vi.advanceTimersByTimeAsync(999);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(await failure).toMatchObject({
      code: 'ERR_OIDC_TIMEOUT',
      message: expect.stringContaining('1000 ms'),
    });
    expect(times).toEqual([0]);
  });

  test('is that of all attempts together', async () => {
    const { attempt, times } = operation(fail(), never);
    const failure = failureOf(retry(attempt, 1_000));
    await vi.advanceTimersByTimeAsync(999);
    expect(times).toEqual([0, 100]);
    await vi.advanceTimersByTimeAsync(1);
    await failure;
    expect(vi.getTimerCount()).toBe(0);
  });

  test('is not waited out where the next attempt would begin after it', async () => {
    const start = performance.now();
    random.mockReturnValue(0.9);
    const { attempt, times } = operation(fail());
    await failureOf(run(retry(attempt, 150)));
    expect(times).toEqual([0]);
    expect(performance.now() - start).toBe(0);
  });

  test('is spent as long as an attempt can still begin in it, and not at its very end', async () => {
    for (const [budgetMS, expected] of [
      [101, [0, 100]],
      [100, [0]],
    ] as const) {
      const { attempt, times } = operation(fail());
      await failureOf(run(retry(attempt, budgetMS)));
      expect(times).toEqual(expected);
    }
  });

  test('of an operation that only fails is never exceeded', async () => {
    const start = performance.now();
    const { attempt } = operation(fail());
    await failureOf(run(retry(attempt, 30_000)));
    expect(performance.now() - start).toBeLessThanOrEqual(30_000);
    expect(performance.now() - start).toBeGreaterThan(28_000);
  });
});

describe('what is thrown at the end', () => {
  test('is the failure of the last attempt', async () => {
    let count = 0;
    const { attempt, times } = operation(fail(() => transient(`failure ${++count}`)));
    const error = await failureOf(run(retry(attempt, 3_000)));
    expect(times.length).toBeGreaterThan(2);
    expect((error as Error).message).toBe(`failure ${times.length}`);
  });

  test('is the last failure that was seen, where the last attempt never ended', async () => {
    const { attempt } = operation(
      fail(() => transient('first')),
      fail(() => transient('second')),
      never,
    );
    expect(await failureOf(run(retry(attempt, 3_000)))).toMatchObject({
      code: 'ERR_OIDC_RATE_LIMITED',
      message: 'second',
    });
  });
});

describe('the signal of an attempt', () => {
  test('is not aborted while somebody waits for it', async () => {
    const { attempt, signals } = operation(never);
    const failure = failureOf(retry(attempt, 1_000));
    await vi.advanceTimersByTimeAsync(999);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    await vi.advanceTimersByTimeAsync(1);
    await failure;
  });

  test('is aborted when the budget is over', async () => {
    const { attempt, signals } = operation(never);
    await failureOf(run(retry(attempt, 1_000)));
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  });

  test('is one of its own, aborted before the next attempt begins', async () => {
    const seen: boolean[][] = [];
    const note = () => seen.push(signals.map(({ aborted }) => aborted));
    const { attempt, signals } = operation(
      () => {
        note();
        throw transient();
      },
      () => {
        note();
        return 'token';
      },
    );
    await run(retry(attempt, 1_000));
    expect(seen).toEqual([[false], [true, false]]);
    expect(new Set(signals).size).toBe(2);
  });

  test('is aborted after success too, so that nothing of the attempt lives on', async () => {
    const { attempt, signals } = operation(succeed);
    await retry(attempt, 1_000);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  });
});
