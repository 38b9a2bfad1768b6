// Bounds a wait, without touching what is waited for.

import { OIDCCallbackError } from './errors.js';

/**
 * Settles as `work` does, or rejects when `timeoutMS` milliseconds are over (with what `onTimeout` makes)
 * or `signal` is aborted (`ERR_OIDC_ABORTED`), whichever comes first. The work itself goes on. The timer
 * keeps the process alive: somebody waits.
 */
export function within<T>(
  work: Promise<T>,
  timeoutMS: number,
  onTimeout: () => Error,
  signal?: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const settle = <V>(how: (value: V) => void, value: V) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      how(value);
    };
    const onAbort = () => settle(reject, aborted());
    const timer = setTimeout(() => settle(reject, onTimeout()), Math.max(0, timeoutMS));
    signal?.addEventListener('abort', onAbort);
    work.then(
      (value) => settle(resolve, value),
      (error: unknown) => settle(reject, error),
    );
    if (signal?.aborted) onAbort();
  });
}

/** The caller gave up. */
export function aborted(): OIDCCallbackError {
  return new OIDCCallbackError('ERR_OIDC_ABORTED', 'The caller aborted its wait for a token.');
}

/** The budget is spent and no attempt ever ended. */
export function unanswered(timeoutMS: number): OIDCCallbackError {
  return new OIDCCallbackError(
    'ERR_OIDC_TIMEOUT',
    `No token within ${timeoutMS} ms (timeoutMS): the token source gave no answer, or its SDK was still retrying. Check that this program can reach it: network policies and firewalls drop packets to metadata addresses without a word.`,
  );
}
