// One token and its life: handed out from memory, doubted, refreshed ahead, kept through an outage.

import { AsyncResource } from 'node:async_hooks';
import { type RefreshEvent, reportOutage, reportRefresh, toDate } from './diagnostics.js';
import type { OIDCCallbackError } from './errors.js';
import { nextLookMS, refreshDelayMS } from './refresh-delay.js';
import { TokenFetch } from './token-fetch.js';
import type { CachedToken, Patience, TokenKey, TokenSource } from './token-source.js';
import { isExpired, isUsable } from './token-validity.js';

/**
 * The driver asks again only when a token was refused, so a token that was handed out before is in doubt;
 * it is not doubted more often than this, so that many clients which start together cost one request.
 */
const DOUBT_INTERVAL_MS = 5_000;

/** A timer would hold on to the context of the request that came first (`AsyncLocalStorage`), for ever. */
const ownContext = new (class extends AsyncResource {
  /** Jest takes every resource without this for a handle that is left open. */
  hasRef(): boolean {
    return false;
  }
})('mongodb-workload-identity.refresh');

export class KeptToken {
  readonly #fetch: TokenFetch;
  readonly #refreshAhead: boolean;
  #token: CachedToken | undefined;
  #isHandedOut = false;
  #timer: NodeJS.Timeout | undefined;
  #isOutageReported = false;

  /** @param skipCache - whether the source's own cache, if it has one, is not to be believed */
  constructor(key: TokenKey, source: TokenSource, skipCache: boolean) {
    this.#refreshAhead = source.refreshAhead;
    const keeper = {
      token: () => this.#token,
      keep: (token: CachedToken) => this.#keep(token),
      onOutage: (failure: OIDCCallbackError, token: CachedToken) => this.#reportOutage(failure, token),
    };
    this.#fetch = new TokenFetch(key, source, keeper, skipCache);
  }

  /** The token in memory if it is valid; nothing is awaited for it. Whoever doubts it is served meanwhile. */
  take(): CachedToken | undefined {
    if (!isUsable(this.#token)) return undefined;
    if (this.#isHandedOut && performance.now() - this.#fetch.askedAt >= DOUBT_INTERVAL_MS)
      this.#fetch.doubt();
    this.#isHandedOut = true;
    return this.#token;
  }

  /**
   * The source's next answer.
   *
   * @throws OIDCCallbackError as {@link TokenFetch.wait}
   */
  async wait(patience: Patience): Promise<CachedToken> {
    const token = await this.#fetch.wait(patience);
    this.#isHandedOut = true;
    return token;
  }

  /** Ends its life: those who wait get their answer, and nothing is fetched any more. */
  forget(): void {
    this.#fetch.forget();
    clearTimeout(this.#timer);
  }

  #keep(token: CachedToken): void {
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
    this.#refreshIn(refreshDelayMS(token, Date.now(), this.#fetch.tookMS));
  }

  /** The timer keeps neither the process nor the callback alive. */
  #refreshIn(delayMS: number | undefined): void {
    clearTimeout(this.#timer);
    if (delayMS === undefined || this.#fetch.isForgotten || !this.#refreshAhead) return;
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
      await this.#fetch.ask();
      // The SDK of Azure hands out the old token once more while it fetches the next.
      if (this.#token?.value === old) await this.#fetch.ask();
    } catch {
      outcome = 'failed';
    }
    if (this.#token?.value !== old) outcome = 'renewed';
    else if (this.#token) this.#refreshIn(nextLookMS(this.#token, Date.now(), outcome === 'failed'));
    reportRefresh({ ...this.#fetch.about, outcome });
  }

  /** Once for each outage. */
  #reportOutage(error: OIDCCallbackError, { expiresAt }: CachedToken): void {
    if (this.#isOutageReported) return;
    this.#isOutageReported = true;
    reportOutage({ ...this.#fetch.about, code: error.code, error, expiresAt: toDate(expiresAt) });
  }
}
