// Asks the source for a token: one series of attempts at a time, whose answer and whose failure are shared.

import { aborted, unanswered, within } from './deadline.js';
import { reportRetry, type TokenEvent, toDate, traceAttempt } from './diagnostics.js';
import { isTransient, OIDCCallbackError, retryForMS, toCallbackError } from './errors.js';
import { LONGEST_BACKOFF_MS, type RetryOptions, retry } from './retry.js';
import type { CachedToken, Patience, TokenKey, TokenSource } from './token-source.js';
import { isSpent, isUsable } from './token-validity.js';

/** A failure that cannot pass is told to those who call within this time: a pool of a failing program asks at once. */
const SHARED_FAILURE_MS = 1_000;
/** How long after the last call a failing source is still asked whether it is back. */
const RECOVERY_MS = 60_000;
/**
 * A source that hangs is asked past what hangs for as long after a call. Later, one attempt ends before the next
 * begins: between them nothing keeps a process alive whose clients are closed.
 */
const DEMAND_MS = 10_000;
/** Calls of an SDK that hang hold sockets: beyond these, a failing source is asked less often. */
const MOST_UNSETTLED = 20;
/** Then the system has given up the connection of one that never ends. */
const LOST_MS = 300_000;

/** Who keeps the token that is fetched. */
export interface Keeper {
  readonly token: () => CachedToken | undefined;
  readonly keep: (token: CachedToken) => void;
  /** A fetch failed, and the token that is kept serves on. */
  readonly onOutage: (failure: OIDCCallbackError, token: CachedToken) => void;
}

export class TokenFetch {
  /** What its events say of it. */
  readonly about: TokenEvent;
  readonly #key: TokenKey;
  readonly #source: TokenSource;
  readonly #keeper: Keeper;
  #skipCache: boolean;
  #isForgotten = false;

  /** The series of attempts under way: a fetch, or after one that failed the recovery. */
  #pending: Promise<CachedToken> | undefined;
  #isRecovering = false;
  /** What the source failed with last, since it last answered. */
  #failure: OIDCCallbackError | undefined;
  /** Calls that begin before this time get that failure. */
  #failsUntil = Number.NEGATIVE_INFINITY;
  #askedAt = Number.NEGATIVE_INFINITY;
  #calledAt = Number.NEGATIVE_INFINITY;
  #tookMS = 0;
  /** When the attempts began that have not ended, whether or not they are still waited for. */
  readonly #unsettled = new Set<number>();

  /** @param skipCache - whether the source's own cache, if it has one, is not to be believed */
  constructor(key: TokenKey, source: TokenSource, keeper: Keeper, skipCache: boolean) {
    this.about = { environment: source.name, ...key };
    this.#key = key;
    this.#source = source;
    this.#keeper = keeper;
    this.#skipCache = skipCache;
  }

  /** When the source was asked last, by the clock of `performance.now()`. */
  get askedAt(): number {
    return this.#askedAt;
  }

  get isForgotten(): boolean {
    return this.#isForgotten;
  }

  /** How long the last answer took. */
  get tookMS(): number {
    return this.#tookMS;
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
      return await within(this.ask(), timeoutMS, onTimeout, signal);
    } catch (error) {
      // A fetch that began earlier can run out before this caller does, who then waits for the recovery.
      if (!joined || !this.#pending || this.#isForgotten || !isOutOfTime(error)) throw error;
    }
    const remainingMS = timeoutMS - (performance.now() - now);
    return within(this.#pending, remainingMS, onTimeout, signal);
  }

  /** One series at a time, whoever asks. */
  ask(): Promise<CachedToken> {
    this.#askedAt = performance.now();
    this.#pending ??= this.#fetch(this.#askedAt);
    return this.#pending;
  }

  /** Asks in the background for another token than the last: a failure changes nothing while that is valid. */
  doubt(): void {
    this.#skipCache = true;
    this.ask().catch(ignore);
  }

  /** Ends its life: those who wait get their answer, and a source that fails is not asked any more. */
  forget(): void {
    this.#isForgotten = true;
  }

  async #fetch(startedAt: number): Promise<CachedToken> {
    try {
      return await this.#series({ overtakeMS: () => this.#source.timeoutMS / 3 });
    } catch (reason) {
      this.#failure = toCallbackError(reason);
      const token = this.#keeper.token();
      if (isUsable(token)) this.#keeper.onOutage(this.#failure, token);
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
      mayOvertake: () => this.#wasCalledWithin(DEMAND_MS),
      whileWanted: () => this.#wasCalledWithin(RECOVERY_MS) && !this.#isForgotten,
    }).finally(() => {
      this.#isRecovering = false;
      this.#pending = undefined;
    });
    this.#pending.catch(ignore);
  }

  #wasCalledWithin(durationMS: number): boolean {
    return performance.now() - this.#calledAt < durationMS;
  }

  #isHanging(): boolean {
    const lostBefore = performance.now() - LOST_MS;
    for (const startedAt of this.#unsettled) if (startedAt < lostBefore) this.#unsettled.delete(startedAt);
    return this.#unsettled.size > MOST_UNSETTLED;
  }

  async #series(
    options: Pick<RetryOptions, 'overtakeMS' | 'mayOvertake' | 'whileWanted'>,
  ): Promise<CachedToken> {
    const token = await retry((signal, number) => this.#attempt(signal, number), {
      budgetMS: this.#source.timeoutMS,
      onRetry: (failure, attempt, backoffMS) => {
        this.#failure = failure;
        reportRetry({ ...this.about, attempt, code: failure.code, backoffMS });
      },
      ...options,
    });
    this.#failure = undefined;
    this.#skipCache = false;
    this.#keeper.keep(token);
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
      const old = this.#keeper.token();
      if (token.value === old?.value && isSpent(old)) throw notRenewed(old);
      return token;
    };
    try {
      const token = await traceAttempt(() => ({ ...this.about, attempt }), load);
      if (!signal.aborted) this.#tookMS = performance.now() - startedAt;
      return token;
    } finally {
      this.#unsettled.delete(startedAt);
    }
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
