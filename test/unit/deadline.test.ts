import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { aborted, unanswered, within } from '../../src/deadline.js';
import { OIDCCallbackError } from '../../src/errors.js';
import { deferred, failureOf, microtasksUntilSettled } from './promises.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const late = () => new Error('late');
const never = () => new Promise<never>(() => {});

describe('a bounded wait', () => {
  test('resolves as the work does', async () => {
    const work = deferred<string>();
    const wait = within(work.promise, 1_000, late);
    await vi.advanceTimersByTimeAsync(999);
    work.resolve('done');
    expect(await wait).toBe('done');
  });

  test('rejects as the work does, with the same error', async () => {
    const error = new Error('broken');
    expect(await failureOf(within(Promise.reject(error), 1_000, late))).toBe(error);
  });

  test('rejects with what the caller makes when the time is over, and not before', async () => {
    const onTimeout = vi.fn(late);
    const failure = failureOf(within(never(), 1_000, onTimeout));
    await vi.advanceTimersByTimeAsync(999);
    expect(onTimeout).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(await failure).toEqual(new Error('late'));
    expect(onTimeout).toHaveBeenCalledOnce();
  });

  test('that is over already still lets finished work through', async () => {
    expect(await within(Promise.resolve('done'), -5, late)).toBe('done');
    const failure = failureOf(within(never(), -5, late));
    await vi.advanceTimersByTimeAsync(1);
    expect(await failure).toEqual(new Error('late'));
  });

  test('makes no error for work that ends in time', async () => {
    const onTimeout = vi.fn(late);
    await within(Promise.resolve(), 1_000, onTimeout);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(onTimeout).not.toHaveBeenCalled();
  });

  test('does not touch the work when the time is over', async () => {
    const work = deferred<string>();
    const failure = failureOf(within(work.promise, 1_000, late));
    await vi.advanceTimersByTimeAsync(1_000);
    await failure;
    work.resolve('done');
    expect(await work.promise).toBe('done');
  });

  test('does not let the failure of work that nobody waits for go unhandled', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    try {
      const work = deferred<never>();
      const failure = failureOf(within(work.promise, 1_000, late));
      await vi.advanceTimersByTimeAsync(1_000);
      await failure;
      work.reject(new Error('broken'));
      vi.useRealTimers();
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off('unhandledRejection', unhandled);
    }
  });
});

describe('a wait with a signal', () => {
  test('rejects at once when the signal is aborted', async () => {
    const controller = new AbortController();
    const wait = within(never(), 1_000, late, controller.signal);
    controller.abort(new Error('a reason that is not passed on'));
    expect(await microtasksUntilSettled(wait)).toBeLessThanOrEqual(2);
    expect(await failureOf(wait)).toMatchObject({ code: 'ERR_OIDC_ABORTED' });
  });

  test('rejects at once when it had been aborted before', async () => {
    const wait = within(never(), 1_000, late, AbortSignal.abort());
    expect(await microtasksUntilSettled(wait)).toBeLessThanOrEqual(2);
    expect(await failureOf(wait)).toMatchObject({ code: 'ERR_OIDC_ABORTED' });
  });

  test('ignores the signal once the work has ended', async () => {
    const controller = new AbortController();
    const wait = within(Promise.resolve('done'), 1_000, late, controller.signal);
    await vi.advanceTimersByTimeAsync(0);
    controller.abort();
    expect(await wait).toBe('done');
  });
});

describe('what a wait leaves behind', () => {
  test('is neither a timer nor a listener when the work resolved', async () => {
    const { signal } = new AbortController();
    const work = deferred<void>();
    const wait = within(work.promise, 1_000, late, signal);
    expect([vi.getTimerCount(), getEventListeners(signal, 'abort').length]).toEqual([1, 1]);
    work.resolve();
    await wait;
    expect([vi.getTimerCount(), getEventListeners(signal, 'abort').length]).toEqual([0, 0]);
  });

  test('is neither a timer nor a listener when the work failed', async () => {
    const { signal } = new AbortController();
    await failureOf(within(Promise.reject(new Error('broken')), 1_000, late, signal));
    expect([vi.getTimerCount(), getEventListeners(signal, 'abort').length]).toEqual([0, 0]);
  });

  test('is no timer when the caller gave up, so that nothing keeps the process alive', async () => {
    const controller = new AbortController();
    const wait = within(never(), 1_000, late, controller.signal);
    controller.abort();
    await failureOf(wait);
    expect(vi.getTimerCount()).toBe(0);
    await failureOf(within(never(), 1_000, late, AbortSignal.abort()));
    expect(vi.getTimerCount()).toBe(0);
  });

  test('is no listener when the time is over', async () => {
    const { signal } = new AbortController();
    const failure = failureOf(within(never(), 1_000, late, signal));
    await vi.advanceTimersByTimeAsync(1_000);
    await failure;
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});

describe('the timer of a wait', () => {
  test('keeps the process alive, because somebody waits', () => {
    vi.useRealTimers();
    const timers: NodeJS.Timeout[] = [];
    const setTimer = vi.spyOn(globalThis, 'setTimeout');
    try {
      const work = deferred<void>();
      void within(work.promise, 1_000, late);
      timers.push(...setTimer.mock.results.map(({ value }) => value as NodeJS.Timeout));
      expect(timers.map((timer) => timer.hasRef())).toEqual([true]);
      work.resolve();
    } finally {
      setTimer.mockRestore();
      for (const timer of timers) clearTimeout(timer);
    }
  });
});

describe('the errors', () => {
  test('of a caller that gave up', () => {
    expect(aborted()).toBeInstanceOf(OIDCCallbackError);
    expect(aborted()).toMatchObject({
      code: 'ERR_OIDC_ABORTED',
      message: 'The caller aborted its wait for a token.',
    });
  });

  test('of a source that never answered: it says how long, which option, and where to look', () => {
    const error = unanswered(2_500);
    expect(error).toBeInstanceOf(OIDCCallbackError);
    expect(error.code).toBe('ERR_OIDC_TIMEOUT');
    expect(error.message).toMatch(/2500 ms \(timeoutMS\).*network policies and firewalls/);
  });
});
