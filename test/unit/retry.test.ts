import { describe, expect, test, vi } from 'vitest';
import { OIDCCallbackError, type OIDCCallbackErrorCode } from '../../src/errors.js';
import { LONGEST_BACKOFF_MS, type RetryOptions, retry } from '../../src/retry.js';
import { useFakeClock } from './fake-clock.js';
import { type Deferred, deferred, failureOf } from './promises.js';

const transient = (message = 'throttled') => new OIDCCallbackError('ERR_OIDC_RATE_LIMITED', message);
const permanent = () => new OIDCCallbackError('ERR_OIDC_IDENTITY_NOT_FOUND', 'no such identity');
const never = () => new Promise<never>(() => {});

/** A fetch that overtakes nothing. */
const within = (budgetMS: number, more: Partial<RetryOptions> = {}): RetryOptions => ({
  budgetMS,
  overtakeMS: () => 1_000_000,
  ...more,
});

const random = useFakeClock();

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
    expect(await retry(attempt, within(1_000))).toBe('token');
    expect(times).toEqual([0]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each<OIDCCallbackErrorCode>([
    'ERR_OIDC_RATE_LIMITED',
    'ERR_OIDC_SOURCE_UNREACHABLE',
    'ERR_OIDC_TIMEOUT',
    'ERR_OIDC_TOKEN_INVALID',
    'ERR_OIDC_TOKEN_FILE',
  ])('%s, which can pass', async (code) => {
    const { attempt, times } = operation(
      fail(() => new OIDCCallbackError(code, 'x')),
      succeed,
    );
    expect(await run(retry(attempt, within(1_000)))).toBe('token');
    expect(times).toHaveLength(2);
  });

  test.each<OIDCCallbackErrorCode>([
    'ERR_OIDC_AUDIENCE_MISSING',
    'ERR_OIDC_AUDIENCE_MISMATCH',
    'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
    'ERR_OIDC_IDENTITY_NOT_FOUND',
    'ERR_OIDC_ACCESS_DENIED',
    'ERR_OIDC_METADATA_PROXIED',
    'ERR_OIDC_ABORTED',
    'ERR_OIDC_SDK_NOT_INSTALLED',
    'ERR_OIDC_ENVIRONMENT_UNKNOWN',
    'ERR_OIDC_INVALID_OPTION',
    'ERR_OIDC_INVALID_URI',
  ])('not %s, which cannot: it fails at once with that very error', async (code) => {
    const error = new OIDCCallbackError(code, 'x');
    const { attempt, times } = operation(fail(() => error));
    expect(await failureOf(retry(attempt, within(1_000)))).toBe(error);
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
    expect(await run(retry(mayPass.attempt, within(1_000)))).toBe('token');
    const cannotPass = operation(
      fail(() => new OIDCCallbackError('ERR_OIDC_TOKEN_INVALID', 'x', { retryForMS: 0 })),
    );
    await failureOf(run(retry(cannotPass.attempt, within(1_000))));
    expect(cannotPass.times).toEqual([0]);
  });

  test('anything else that is thrown, which comes out as an OIDCCallbackError', async () => {
    const { attempt, times } = operation(fail(() => new TypeError('fetch failed')));
    const error = await failureOf(run(retry(attempt, within(1_000))));
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
    expect(await run(retry(attempt, within(1_000)))).toBe('token');
  });

  test('nothing any more after an error that cannot pass', async () => {
    const { attempt, times } = operation(fail(), fail(permanent), succeed);
    expect(await failureOf(run(retry(attempt, within(10_000))))).toMatchObject({
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
    expect(await failureOf(run(retry(attempt, within(30_000))))).toMatchObject({ message: 'not yet' });
    expect(times).toEqual([0, 100, 300, 700]);
    expect(performance.now() - start).toBe(700);
  });

  test('is not tried again at the very end of that time', async () => {
    const { attempt, times } = operation(fail(retryFor(300)));
    await failureOf(run(retry(attempt, within(30_000))));
    expect(times).toEqual([0, 100]);
    random.mockReturnValue(0);
    const never = operation(fail(retryFor(0)));
    await failureOf(run(retry(never.attempt, within(30_000))));
    expect(never.times).toEqual([0]);
  });

  test('is tried again within the budget where that is shorter', async () => {
    const { attempt, times } = operation(fail(retryFor(60_000)));
    await failureOf(run(retry(attempt, within(500))));
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
    expect(await run(retry(attempt, within(30_000)))).toBe('token');
  });
});

describe('the wait between attempts', () => {
  test('is a random part of a ceiling that doubles from 200 ms to 2 s', async () => {
    random.mockReturnValue(0.999999);
    const { attempt, times } = operation(fail());
    await failureOf(run(retry(attempt, within(9_000))));
    const waits = times.slice(1).map((time, index) => Math.round(time - (times[index] ?? 0)));
    expect(waits.slice(0, 6).map((wait) => Math.ceil(wait / 10) * 10)).toEqual([
      200, 400, 800, 1600, 2000, 2000,
    ]);
  });

  test('is any part of the ceiling, down to none', async () => {
    random.mockReturnValueOnce(0).mockReturnValueOnce(0.25).mockReturnValueOnce(0.75);
    const { attempt, times } = operation(fail(), fail(), fail(), succeed);
    await run(retry(attempt, within(5_000)));
    const [first = 0, second = 0, third = 0, fourth = 0] = times;
    expect(second - first).toBeLessThanOrEqual(1);
    expect(third - second).toBe(100);
    expect(fourth - third).toBe(600);
  });

  test('begins when an attempt ends', async () => {
    const slow = () => new Promise((_, reject) => setTimeout(() => reject(transient()), 700));
    const { attempt, times } = operation(slow, succeed);
    await run(retry(attempt, within(5_000)));
    expect(times).toEqual([0, 800]);
  });
});

describe('the budget', () => {
  test('ends an attempt that does not answer, and says that none did', async () => {
    const { attempt, times } = operation(never);
    const failure = failureOf(retry(attempt, within(1_000)));
    await vi.advanceTimersByTimeAsync(999);
    expect(vi.getTimerCount()).toBeGreaterThan(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(await failure).toMatchObject({
      code: 'ERR_OIDC_TIMEOUT',
      message: expect.stringContaining('1000 ms'),
    });
    expect(times).toEqual([0]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('is that of all attempts together', async () => {
    const { attempt, times } = operation(fail(), never);
    const failure = failureOf(retry(attempt, within(1_000)));
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
    await failureOf(run(retry(attempt, within(150))));
    expect(times).toEqual([0]);
    expect(performance.now() - start).toBe(0);
  });

  test('is spent as long as an attempt can still begin in it, and not at its very end', async () => {
    for (const [budgetMS, expected] of [
      [101, [0, 100]],
      [100, [0]],
    ] as const) {
      const { attempt, times } = operation(fail());
      const start = performance.now();
      await failureOf(run(retry(attempt, within(budgetMS))));
      expect(times).toEqual(expected);
      expect(performance.now() - start).toBe(expected.at(-1));
    }
  });

  test('of an operation that only fails is never exceeded', async () => {
    const start = performance.now();
    const { attempt } = operation(fail());
    await failureOf(run(retry(attempt, within(30_000))));
    expect(performance.now() - start).toBeLessThanOrEqual(30_000);
    expect(performance.now() - start).toBeGreaterThan(28_000);
  });
});

describe('what is thrown at the end', () => {
  test('is the failure of the last attempt', async () => {
    let count = 0;
    const { attempt, times } = operation(fail(() => transient(`failure ${++count}`)));
    const error = await failureOf(run(retry(attempt, within(3_000))));
    expect(times.length).toBeGreaterThan(2);
    expect((error as Error).message).toBe(`failure ${times.length}`);
  });

  test('is the last failure that was seen, where the last attempt never ended', async () => {
    const { attempt } = operation(
      fail(() => transient('first')),
      fail(() => transient('second')),
      never,
    );
    expect(await failureOf(run(retry(attempt, within(3_000))))).toMatchObject({
      code: 'ERR_OIDC_RATE_LIMITED',
      message: 'second',
    });
  });
});

describe('the signal of an attempt', () => {
  test('is not aborted while somebody waits for it', async () => {
    const { attempt, signals } = operation(never);
    const failure = failureOf(retry(attempt, within(1_000)));
    await vi.advanceTimersByTimeAsync(999);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    await vi.advanceTimersByTimeAsync(1);
    await failure;
  });

  test('is aborted when the budget is over', async () => {
    const { attempt, signals } = operation(never);
    await failureOf(run(retry(attempt, within(1_000))));
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
    await run(retry(attempt, within(1_000)));
    expect(seen).toEqual([[false], [true, false]]);
    expect(new Set(signals).size).toBe(2);
  });

  test('is aborted after success too, so that nothing of the attempt lives on', async () => {
    const { attempt, signals } = operation(succeed);
    await retry(attempt, within(1_000));
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  });
});

describe('an attempt that hangs', () => {
  const overtaking = (budgetMS: number, overtakeMS: number) =>
    within(budgetMS, { overtakeMS: () => overtakeMS });
  const aborted = (signals: readonly AbortSignal[]) => signals.map((signal) => signal.aborted);

  test('is overtaken by another, whose answer counts', async () => {
    const { attempt, times, signals } = operation(never, succeed);
    const result = retry(attempt, overtaking(1_000, 300));
    await vi.advanceTimersByTimeAsync(299);
    expect(times).toEqual([0]);
    await vi.advanceTimersByTimeAsync(1);
    expect(await result).toBe('token');
    expect(times).toEqual([0, 300]);
    expect(aborted(signals)).toEqual([true, true]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('is still heard after it was overtaken', async () => {
    const slow = () => new Promise((resolve) => setTimeout(resolve, 500, 'slow'));
    const { attempt, times, signals } = operation(slow, never);
    expect(await run(retry(attempt, overtaking(1_000, 300)))).toBe('slow');
    expect(times).toEqual([0, 300]);
    expect(aborted(signals)).toEqual([true, true]);
  });

  test('and another: never more than two are alive, and the first has its time', async () => {
    const { attempt, times, signals } = operation(never);
    const failure = failureOf(retry(attempt, overtaking(1_000, 300)));
    const seen: boolean[][] = [];
    for (let step = 0; step < 4; step++) {
      seen.push(aborted(signals));
      await vi.advanceTimersByTimeAsync(300);
    }
    expect(seen).toEqual([[false], [false, false], [false, true, false], [false, true, true, false]]);
    expect(await failure).toMatchObject({ code: 'ERR_OIDC_TIMEOUT' });
    expect(times).toEqual([0, 300, 600, 900]);
    expect(aborted(signals)).toEqual([true, true, true, true]);
  });

  test.each<[how: string, settle: (answer: Deferred<unknown>) => void]>([
    ['resolves', (answer) => answer.resolve('late')],
    ['rejects with what can pass', (answer) => answer.reject(transient('late'))],
    ['rejects with what cannot', (answer) => answer.reject(permanent())],
  ])('changes nothing when it %s after another took its place', async (_, settle) => {
    const late = deferred();
    const onRetry = vi.fn();
    const { attempt, times } = operation(never, () => late.promise, never);
    const outcome = vi.fn();
    const failure = failureOf(retry(attempt, { ...overtaking(1_000, 300), onRetry })).finally(outcome);
    await vi.advanceTimersByTimeAsync(650);
    expect(times).toEqual([0, 300, 600]);
    settle(late);
    await vi.advanceTimersByTimeAsync(249);
    expect(times).toEqual([0, 300, 600]);
    expect(outcome).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(101);
    expect(await failure).toMatchObject({ code: 'ERR_OIDC_TIMEOUT' });
    expect(onRetry).not.toHaveBeenCalled();
  });

  test('rejects nowhere when it fails after the end', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    try {
      const [first, second] = [deferred(), deferred()];
      const { attempt, times } = operation(
        () => first.promise,
        () => second.promise,
      );
      await failureOf(run(retry(attempt, overtaking(500, 300))));
      first.reject(transient());
      second.reject(permanent());
      await vi.advanceTimersByTimeAsync(10_000);
      vi.useRealTimers();
      await new Promise((resolve) => setImmediate(resolve));
      expect(times).toEqual([0, 300]);
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off('unhandledRejection', unhandled);
    }
  });

  test('is no reason to wait after the other failed: the next one begins after the backoff', async () => {
    const { attempt, times, signals } = operation(never, fail(), never);
    const failure = failureOf(retry(attempt, overtaking(1_000, 300)));
    await vi.advanceTimersByTimeAsync(699);
    expect(times).toEqual([0, 300, 400]);
    expect(aborted(signals)).toEqual([false, true, false]);
    await vi.advanceTimersByTimeAsync(1);
    expect(times).toEqual([0, 300, 400, 700]);
    await vi.advanceTimersByTimeAsync(300);
    expect(await failure).toMatchObject({ code: 'ERR_OIDC_RATE_LIMITED' });
  });

  test('is given up when another fails with what cannot pass', async () => {
    const { attempt, signals } = operation(never, fail(permanent));
    const failure = failureOf(retry(attempt, overtaking(1_000, 300)));
    await vi.advanceTimersByTimeAsync(300);
    expect(await failure).toMatchObject({ code: 'ERR_OIDC_IDENTITY_NOT_FOUND' });
    expect(aborted(signals)).toEqual([true, true]);
    expect(vi.getTimerCount()).toBe(0);
  });

  describe('while another fails too late for the next', () => {
    function lateFailure(answer: () => unknown) {
      const failing = () => new Promise((_, reject) => setTimeout(reject, 650, transient('late')));
      const overtakeMS = vi.fn(() => 680).mockReturnValueOnce(300);
      const { attempt, times } = operation(answer, failing, succeed);
      const onRetry = vi.fn();
      return { times, onRetry, result: retry(attempt, { budgetMS: 1_000, overtakeMS, onRetry }) };
    }

    test('still has what is left of the budget', async () => {
      const { result, times, onRetry } = lateFailure(
        () => new Promise((resolve) => setTimeout(resolve, 990, 'first')),
      );
      expect(await run(result)).toBe('first');
      expect(times).toEqual([0, 300]);
      expect(onRetry).not.toHaveBeenCalled();
    });

    test('ends in that failure where it is silent to the end', async () => {
      const start = performance.now();
      const { result, times } = lateFailure(never);
      expect(await failureOf(run(result))).toMatchObject({ message: 'late' });
      expect(performance.now() - start).toBe(1_000);
      expect(times).toEqual([0, 300]);
    });
  });
});

describe('onRetry', () => {
  test('hears of each failure that another attempt follows: which one it was, and the wait', async () => {
    const onRetry = vi.fn();
    const { attempt } = operation(
      fail(() => transient('one')),
      fail(() => transient('two')),
      fail(permanent),
    );
    await failureOf(run(retry(attempt, within(10_000, { onRetry }))));
    expect(onRetry.mock.calls).toEqual([
      [expect.objectContaining({ message: 'one' }), 1, 100],
      [expect.objectContaining({ message: 'two' }), 2, 200],
    ]);
  });

  test('is told the number that the attempt itself was given', async () => {
    const numbers: number[] = [];
    const attempt = async (_: AbortSignal, number: number): Promise<string> => {
      numbers.push(number);
      if (number < 3) throw transient();
      return 'token';
    };
    await run(retry(attempt, within(10_000)));
    expect(numbers).toEqual([1, 2, 3]);
  });

  test('does not hear of one that comes too late', async () => {
    const onRetry = vi.fn();
    await failureOf(run(retry(operation(fail()).attempt, within(50, { onRetry }))));
    expect(onRetry).not.toHaveBeenCalled();
  });
});

describe('in the background', () => {
  const background = (more: Partial<RetryOptions> = {}) =>
    within(1_000, { whileWanted: () => true, ...more });

  test('the first attempt waits, too: a random part of two seconds', async () => {
    random.mockReturnValueOnce(0.75);
    const { attempt, times } = operation(succeed);
    expect(await run(retry(attempt, background()))).toBe('token');
    expect(times).toEqual([1_500]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('attempts go on beyond the budget, never more than two seconds apart, until one succeeds', async () => {
    random.mockReturnValue(0.999999);
    const failures = Array.from({ length: 50 }, () => fail());
    const { attempt, times } = operation(...failures, succeed);
    expect(await run(retry(attempt, background()))).toBe('token');
    expect(times).toHaveLength(51);
    const gaps = times.map((time, index) => time - (times[index - 1] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(LONGEST_BACKOFF_MS);
    expect(Math.min(...gaps)).toBeGreaterThan(LONGEST_BACKOFF_MS - 10);
  });

  test('go on whatever the failure, and tell of each', async () => {
    const onRetry = vi.fn();
    const { attempt, times } = operation(fail(permanent), fail(permanent), succeed);
    expect(await run(retry(attempt, background({ onRetry })))).toBe('token');
    expect(times).toEqual([1_000, 2_000, 3_000]);
    expect(onRetry).toHaveBeenCalledTimes(2);
  });

  test('end before the first one that is not wanted, in the last failure', async () => {
    const whileWanted = vi.fn(() => true);
    const { attempt, times } = operation(
      fail(() => transient('one')),
      fail(() => transient('two')),
      succeed,
    );
    const failure = failureOf(retry(attempt, background({ whileWanted })));
    await vi.advanceTimersByTimeAsync(2_000);
    whileWanted.mockReturnValue(false);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await failure).toMatchObject({ message: 'two' });
    expect(times).toEqual([1_000, 2_000]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('end in ERR_OIDC_TIMEOUT where none ever ended', async () => {
    const { attempt, times } = operation(never);
    const whileWanted = () => times.length < 3;
    const options = background({ whileWanted, overtakeMS: () => 5_000 });
    expect(await failureOf(run(retry(attempt, options)))).toMatchObject({ code: 'ERR_OIDC_TIMEOUT' });
    expect(times).toEqual([1_000, 6_000, 11_000]);
  });

  test.each([
    ['at its end', 800],
    ['past its end', 799],
  ])('have a budget each: the older of two gives way %s', async (_, budgetMS) => {
    const { attempt, signals, times } = operation(never);
    const options = { ...background({ overtakeMS: () => 400 }), budgetMS };
    void retry(attempt, options).catch(() => {});
    await vi.advanceTimersByTimeAsync(1_800);
    expect(times).toEqual([1_000, 1_400, 1_800]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false, false]);
  });

  test('leave the older its time', async () => {
    const { attempt, signals } = operation(never);
    const options = { ...background({ overtakeMS: () => 400 }), budgetMS: 801 };
    void retry(attempt, options).catch(() => {});
    await vi.advanceTimersByTimeAsync(1_800);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, true, false]);
    await vi.advanceTimersByTimeAsync(400);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, false, false]);
  });
});

test('the time after which an attempt is overtaken is asked for at each', async () => {
  const overtakeMS = vi.fn().mockReturnValueOnce(100).mockReturnValueOnce(200).mockReturnValue(400);
  const { attempt, times } = operation(never);
  await failureOf(run(retry(attempt, within(1_000, { overtakeMS }))));
  expect(times).toEqual([0, 100, 300, 700]);
});

test('no timer keeps the process alive', async () => {
  const setTimer = vi.spyOn(globalThis, 'setTimeout');
  const { attempt } = operation(never, fail(), never);
  await failureOf(run(retry(attempt, within(1_000, { overtakeMS: () => 300 }))));
  await run(retry(operation(succeed).attempt, within(1_000, { whileWanted: () => true })));
  const timers = setTimer.mock.results.map(({ value }) => value as NodeJS.Timeout);
  setTimer.mockRestore();
  expect(timers.length).toBeGreaterThanOrEqual(5);
  expect(timers.filter((timer) => timer.hasRef())).toEqual([]);
});
