// Tries an operation again as long as its failure can pass and its time budget lasts.

import { unanswered, within } from './deadline.js';
import { retryForMS, toCallbackError } from './errors.js';

const FIRST_BACKOFF_MS = 200;
/** Short enough that a source which came back is noticed within two seconds. */
const LONGEST_BACKOFF_MS = 2_000;

/**
 * Runs `attempt` until it succeeds, fails with an error that cannot pass, or `budgetMS` milliseconds are
 * over. Between attempts it waits with full jitter: a random part of an exponentially growing time.
 * The signal is aborted when nobody waits for that attempt any more.
 *
 * @throws OIDCCallbackError the last attempt's error; `ERR_OIDC_TIMEOUT` where no attempt ever ended
 */
export async function retry<T>(attempt: (signal: AbortSignal) => Promise<T>, budgetMS: number): Promise<T> {
  const startedAt = performance.now();
  const deadline = startedAt + budgetMS;
  const outOfTime = unanswered(budgetMS);
  let failure = outOfTime;
  for (let ceilingMS = FIRST_BACKOFF_MS; ; ceilingMS = Math.min(LONGEST_BACKOFF_MS, 2 * ceilingMS)) {
    const controller = new AbortController();
    const last = failure;
    try {
      return await within(attempt(controller.signal), deadline - performance.now(), () => last);
    } catch (error) {
      failure = toCallbackError(error);
    } finally {
      controller.abort();
    }
    const backoffMS = Math.random() * ceilingMS;
    if (performance.now() + backoffMS >= Math.min(deadline, startedAt + retryForMS(failure))) throw failure;
    await new Promise((resolve) => setTimeout(resolve, backoffMS));
  }
}
