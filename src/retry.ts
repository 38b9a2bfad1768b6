// Tries an operation again as long as its failure can pass, and overtakes an attempt that hangs.

import { unanswered } from './deadline.js';
import { type OIDCCallbackError, retryForMS, toCallbackError } from './errors.js';

const FIRST_BACKOFF_MS = 200;
/** Short enough that a source which came back is noticed within two seconds. */
export const LONGEST_BACKOFF_MS = 2_000;
const MOST_ALIVE = 2;

/** How a series of attempts goes on, and when it ends. Durations are milliseconds. */
export interface RetryOptions {
  /** No attempt is waited for any longer. */
  readonly budgetMS: number;
  /** An attempt unanswered for this long is overtaken by another. */
  readonly overtakeMS: () => number;
  /** Asked before another attempt overtakes one: where it says no, it is asked again after `overtakeMS`. */
  readonly mayOvertake?: () => boolean;
  /** Told of each failure that another attempt follows. */
  readonly onRetry?: (failure: OIDCCallbackError, attempt: number, backoffMS: number) => void;
  /**
   * For a series in the background: it begins with a wait, goes on whatever the failure and however long it
   * takes, and ends when this says no before an attempt. `budgetMS` is then that of each attempt.
   */
  readonly whileWanted?: () => boolean;
}

interface Attempt {
  readonly startedAt: number;
  readonly controller: AbortController;
}

/**
 * Attempts until one succeeds, one fails with an error that cannot pass, or the budget is spent. Between
 * two it waits with full jitter: a random part of an exponentially growing time. Never more than two are
 * alive: a third replaces the younger, so that a source that is only slow has its time, and one that lost a
 * request is asked again. What an attempt does once its signal is aborted changes nothing.
 *
 * No timer keeps the process alive: whoever waits has one that does.
 *
 * @throws OIDCCallbackError the last failure; `ERR_OIDC_TIMEOUT` where no attempt ever ended
 */
export function retry<T>(
  attempt: (signal: AbortSignal, number: number) => Promise<T>,
  { budgetMS, overtakeMS, mayOvertake, onRetry, whileWanted }: RetryOptions,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const beganAt = performance.now();
    const alive: Attempt[] = [];
    let failure: OIDCCallbackError | undefined;
    let ceilingMS = whileWanted ? LONGEST_BACKOFF_MS : FIRST_BACKOFF_MS;
    let count = 0;
    let next: NodeJS.Timeout | undefined;
    const last = whileWanted ? undefined : setTimeout(fail, budgetMS).unref();

    if (whileWanted) startIn(nextBackoffMS());
    else start();

    function start() {
      if (whileWanted?.() === false) return fail();
      if (alive.length > 0 && mayOvertake?.() === false) return startIn(overtakeMS());
      if (alive.length === MOST_ALIVE) {
        const isOldestSpent = performance.now() - (alive[0]?.startedAt ?? 0) >= budgetMS;
        drop(alive[isOldestSpent ? 0 : 1] as Attempt);
      }
      const one: Attempt = { startedAt: performance.now(), controller: new AbortController() };
      const number = ++count;
      alive.push(one);
      startIn(overtakeMS());
      begin(one, number).then(
        (value) => alive.includes(one) && end(() => resolve(value)),
        (error: unknown) => alive.includes(one) && again(one, number, toCallbackError(error)),
      );
    }

    async function begin({ controller }: Attempt, number: number): Promise<T> {
      return attempt(controller.signal, number);
    }

    function again(failed: Attempt, number: number, error: OIDCCallbackError) {
      drop(failed);
      failure = error;
      const backoffMS = nextBackoffMS();
      const spentMS = performance.now() - beganAt + backoffMS;
      if (!whileWanted && spentMS >= retryForMS(error)) return fail();
      if (!whileWanted && spentMS >= budgetMS) {
        // Another attempt may still answer in what is left of the budget.
        clearTimeout(next);
        return alive.length === 0 ? fail() : undefined;
      }
      onRetry?.(error, number, backoffMS);
      startIn(backoffMS);
    }

    function startIn(delayMS: number) {
      clearTimeout(next);
      next = setTimeout(start, delayMS).unref();
    }

    function nextBackoffMS(): number {
      const backoffMS = Math.random() * ceilingMS;
      ceilingMS = Math.min(LONGEST_BACKOFF_MS, 2 * ceilingMS);
      return backoffMS;
    }

    function fail() {
      end(() => reject(failure ?? unanswered(budgetMS)));
    }

    function end(settle: () => void) {
      clearTimeout(next);
      clearTimeout(last);
      for (const one of [...alive]) drop(one);
      settle();
    }

    function drop(one: Attempt) {
      alive.splice(alive.indexOf(one), 1);
      one.controller.abort();
    }
  });
}
