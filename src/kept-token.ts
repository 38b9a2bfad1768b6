// One token and its life: handed out from memory, doubted, refreshed ahead, kept through an outage.

import { AsyncResource } from 'node:async_hooks';
import { aborted, unanswered, within } from './deadline.js';
import {
  type RefreshEvent,
  reportOutage,
  reportRefresh,
  reportRetry,
  type TokenEvent,
  toDate,
  traceAttempt,
} from './diagnostics.js';
import { isTransient, OIDCCallbackError, retryForMS, toCallbackError } from './errors.js';
import { nextLookMS, refreshDelayMS } from './refresh-delay.js';
import { LONGEST_BACKOFF_MS, type RetryOptions, retry } from './retry.js';
import type { CachedToken, Patience, TokenKey, TokenSource } from './token-source.js';
import { isExpired, isSpent, isUsable } from './token-validity.js';

/**
 * The driver asks again only when a token was refused, so a token that was handed out before is in doubt;
 * it is not doubted more often than this, so that many clients which start together cost one request.
 */
const DOUBT_INTERVAL_MS = 5_000;
/** A failure that cannot pass is told to those who call within this time: a pool of a failing program asks at once. */
const SHARED_FAILURE_MS = 1_000;
/** How long after the last call a failing source is still asked whether it is back. */
const RECOVERY_MS = 60_000;
/** Calls of an SDK that hang hold sockets: beyond these, a failing source is asked less often. */
const MOST_UNSETTLED = 20;
/** Then the system has given up the connection of one that never ends. */
const LOST_MS = 300_000;

/** A timer would hold on to the context of the request that came first (`AsyncLocalStorage`), for ever. */
const ownContext = new AsyncResource('mongodb-workload-identity.refresh');

export class KeptToken {
  readonly #key: TokenKey;
  readonly #source: TokenSource;
  #token: CachedToken | undefined;
  #isHandedOut = false;
  #timer: NodeJS.Timeout | undefined;
  #isForgotten = false;
  #skipCache: boolean;

  /** The series of attempts under way: a fetch, or after one that failed the recovery. */
  #pending: Promise<CachedToken> | undefined;
  #isRecovering = false;
  #isOutageReported = false;
  /** What the source failed with last, since it last answered. */
  #failure: OIDCCallbackError | undefined;
  /** Calls that begin before this time get that failure. */
  #failsUntil = Number.NEGATIVE_INFINITY;
  #askedAt = Number.NEGATIVE_INFINITY;
  #calledAt = Number.NEGATIVE_INFINITY;
  /** How long the last answer took. */
  #fetchMS = 0;
  /** When the attempts began that have not ended, whether or not they are still waited for. */
  readonly #unsettled = new Set<number>();

  /** @param skipCache - whether the source's own cache, if it has one, is not to be believed */
  constructor(key: TokenKey, source: TokenSource, skipCache: boolean) {
    this.#key = key;
    this.#source = source;
    this.#skipCache = skipCache;
  }

  /** The token in memory if it is valid; nothing is awaited for it. */
  take(): CachedToken | undefined {
    if (!isUsable(this.#token)) return undefined;
    if (this.#isHandedOut && performance.now() - this.#askedAt >= DOUBT_INTERVAL_MS) this.#doubt();
    this.#isHandedOut = true;
    return this.#token;
  }

  /**
   * The source's next answer.
   *
   * @throws OIDCCallbackError what the source fails with; `ERR_OIDC_TIMEOUT` and `ERR_OIDC_ABORTED` for this
   *   caller's patience, while the fetch goes on for the others
   */
  async wait({ timeoutMS, signal }: Patience): Promise<CachedToken> {
    const now = performance.now();
    this.#calledAt = now;
    if (signal?.aborted) throw aborted();
    if (this.#failure && (this.#isRecovering || now < this.#failsUntil)) throw this.#failure;
    const onTimeout = () => this.#failure ?? unanswered(timeoutMS);
    const joined = this.#pending !== undefined;
    try {
      return this.#handOut(await within(this.#ask(), timeoutMS, onTimeout, signal));
    } catch (error) {
      // A fetch that began earlier can run out before this caller does, who then waits for the recovery.
      if (!joined || !this.#pending || this.#isForgotten || !isOutOfTime(error)) throw error;
    }
    const remainingMS = timeoutMS - (performance.now() - now);
    return this.#handOut(await within(this.#pending, remainingMS, onTimeout, signal));
  }

  /** Ends its life: those who wait get their answer, and nothing is fetched any more. */
  forget(): void {
    this.#isForgotten = true;
    clearTimeout(this.#timer);
  }

  /** Whoever doubts is served meanwhile; a failure changes nothing for a token that is still valid. */
  #doubt(): void {
    this.#skipCache = true;
    this.#ask().catch(ignore);
  }

  #handOut(token: CachedToken): CachedToken {
    this.#isHandedOut = true;
    return token;
  }

  /** One series at a time, whoever asks. */
  #ask(): Promise<CachedToken> {
    this.#askedAt = performance.now();
    this.#pending ??= this.#fetch(this.#askedAt);
    return this.#pending;
  }

  async #fetch(startedAt: number): Promise<CachedToken> {
    try {
      return await this.#series({ overtakeMS: () => this.#source.timeoutMS / 3 });
    } catch (reason) {
      this.#failure = toCallbackError(reason);
      if (isUsable(this.#token)) this.#reportOutage(this.#token, this.#failure);
      else if (isTransient(this.#failure)) this.#recover();
      // What took long to learn is not learnt again by each of those who queue.
      else this.#failsUntil = performance.now() + Math.max(SHARED_FAILURE_MS, performance.now() - startedAt);
      throw this.#failure;
    } finally {
      if (!this.#isRecovering) this.#pending = undefined;
    }
  }

  /**
   * The driver queues the calls of a pool: were each to wait for a failure of its own, most would run into the
   * driver's own time limit. So they share one, until the source is back or nobody calls any more.
   */
  #recover(): void {
    this.#isRecovering = true;
    this.#pending = this.#series({
      overtakeMS: () => (this.#isHanging() ? this.#source.timeoutMS : LONGEST_BACKOFF_MS),
      whileWanted: () => performance.now() - this.#calledAt < RECOVERY_MS && !this.#isForgotten,
    }).finally(() => {
      this.#isRecovering = false;
      this.#pending = undefined;
    });
    this.#pending.catch(ignore);
  }

  #isHanging(): boolean {
    const lostBefore = performance.now() - LOST_MS;
    for (const startedAt of this.#unsettled) if (startedAt < lostBefore) this.#unsettled.delete(startedAt);
    return this.#unsettled.size > MOST_UNSETTLED;
  }

  async #series(options: Pick<RetryOptions, 'overtakeMS' | 'whileWanted'>): Promise<CachedToken> {
    const token = await retry((signal, number) => this.#attempt(signal, number), {
      budgetMS: this.#source.timeoutMS,
      onRetry: (failure, attempt, backoffMS) => {
        this.#failure = failure;
        reportRetry({ ...this.#about(), attempt, code: failure.code, backoffMS });
      },
      ...options,
    });
    this.#keep(token);
    return token;
  }

  async #attempt(signal: AbortSignal, attempt: number): Promise<CachedToken> {
    const startedAt = performance.now();
    this.#askedAt = startedAt;
    this.#unsettled.add(startedAt);
    const skipCache = this.#skipCache;
    // The SDKs also keep failures, and have later calls wait for a request that hangs.
    this.#skipCache = true;
    const load = async () => {
      const token = await this.#source.load({ ...this.#key, signal, skipCache });
      if (token.value === this.#token?.value && isSpent(this.#token)) throw notRenewed(this.#token);
      return token;
    };
    try {
      const token = await traceAttempt(() => ({ ...this.#about(), attempt }), load);
      if (!signal.aborted) this.#fetchMS = performance.now() - startedAt;
      return token;
    } finally {
      this.#unsettled.delete(startedAt);
    }
  }

  #keep(token: CachedToken): void {
    this.#failure = undefined;
    this.#skipCache = false;
    this.#isOutageReported = false;
    const old = this.#token;
    if (token.value === old?.value) {
      // Its life counts from when it was first received; one without expiry is good for another while.
      this.#token = isUsable(old) ? { ...token, receivedAt: old.receivedAt } : token;
      return;
    }
    // Where every token looks expired, a clock is wrong, and the newest is the best.
    if (isUsable(old) && !isExpired(old) && isExpired(token)) return;
    this.#token = token;
    this.#isHandedOut = false;
    this.#refreshIn(refreshDelayMS(token, Date.now(), this.#fetchMS));
  }

  /** The timer keeps neither the process nor the callback alive. */
  #refreshIn(delayMS: number | undefined): void {
    clearTimeout(this.#timer);
    if (delayMS === undefined || this.#isForgotten || !this.#source.refreshAhead) return;
    const self = new WeakRef(this);
    const onTime = () => {
      const kept = self.deref();
      if (kept) void kept.#refresh();
    };
    this.#timer = ownContext.runInAsyncScope(() => setTimeout(onTime, delayMS).unref());
  }

  async #refresh(): Promise<void> {
    const old = this.#token?.value;
    let outcome: RefreshEvent['outcome'] = 'unchanged';
    try {
      await this.#ask();
      // The SDK of Azure hands out the old token once more while it fetches the next.
      if (this.#token?.value === old) await this.#ask();
    } catch {
      outcome = 'failed';
    }
    if (this.#token?.value !== old) outcome = 'renewed';
    else if (this.#token) this.#refreshIn(nextLookMS(this.#token, Date.now(), outcome === 'failed'));
    reportRefresh({ ...this.#about(), outcome });
  }

  /** Once for each outage. */
  #reportOutage({ expiresAt }: CachedToken, error: OIDCCallbackError): void {
    if (this.#isOutageReported) return;
    this.#isOutageReported = true;
    reportOutage({ ...this.#about(), code: error.code, error, expiresAt: toDate(expiresAt) });
  }

  #about(): TokenEvent {
    return { environment: this.#source.name, ...this.#key };
  }
}

function notRenewed({ expiresAt }: CachedToken): OIDCCallbackError {
  return new OIDCCallbackError(
    'ERR_OIDC_TOKEN_INVALID',
    `The token source still answers with the token that expired at ${toDate(expiresAt)?.toISOString()}. Whoever renews it has stopped: for a token file, is it a copy, or mounted by subPath?`,
  );
}

/** Whether it was the budget that ended a fetch. */
function isOutOfTime(error: unknown): boolean {
  return retryForMS(toCallbackError(error)) === Number.POSITIVE_INFINITY;
}

function ignore(): void {}
