// Keeps tokens in memory, one for each audience and username, and asks for each one at a time.

import { unanswered, within } from './deadline.js';
import { OIDCCallbackError } from './errors.js';

/** A token in memory. Times are milliseconds since the epoch. */
export interface CachedToken {
  readonly value: string;
  readonly receivedAt: number;
  /** Undefined where neither the source nor the token says. */
  readonly expiresAt: number | undefined;
}

/** What one token is kept under, and what the source is asked for. */
export interface TokenKey {
  readonly audience: string | undefined;
  readonly username: string | undefined;
}

/** How long one caller is ready to wait. */
export interface Patience {
  readonly timeoutMS: number;
  readonly signal: AbortSignal | undefined;
}

/** A token without expiry, or expired on arrival because a clock is wrong, is good for this long. */
const UNKNOWN_LIFE_MS = 30_000;
/**
 * The driver asks again only when a token was refused, so a token that was handed out before is in doubt;
 * it is not doubted more often than this, so that many clients which start together cost one request.
 */
const DOUBT_INTERVAL_MS = 5_000;

/** The fetch that a caller finds or begins ends within that caller's budget, and gets the time to say why. */
const GRACE_MS = 50;

interface Entry {
  token?: CachedToken;
  handedOut?: boolean;
  pending?: Promise<CachedToken> | undefined;
  askedAt: number;
}

/** Tokens by key; `load` asks the source, with its own retries and budget. */
export class TokenCache {
  readonly #load: (key: TokenKey) => Promise<CachedToken>;
  readonly #entries = new Map<string, Entry>();
  #latest: CachedToken | undefined;

  constructor(load: (key: TokenKey) => Promise<CachedToken>) {
    this.#load = load;
  }

  /** The token that was handed out last. */
  get latest(): CachedToken | undefined {
    return this.#latest;
  }

  /** Forgets every token. A fetch under way still answers those who wait for it, and nobody else. */
  clear(): void {
    this.#entries.clear();
    this.#latest = undefined;
  }

  /**
   * A valid token in memory at once, with nothing awaited on the way; else the source's answer.
   *
   * @throws OIDCCallbackError what the source failed with; `ERR_OIDC_TIMEOUT` and `ERR_OIDC_ABORTED` for
   *   this caller's patience, while the fetch goes on for the others
   */
  async get(key: TokenKey, patience: Patience): Promise<CachedToken> {
    const entry = this.#entry(key);
    if (!isUsable(entry.token)) return this.#handOut(entry, await this.#wait(key, entry, patience));
    if (entry.handedOut && Date.now() - entry.askedAt >= DOUBT_INTERVAL_MS) {
      // Whoever doubts is served meanwhile; a failure changes nothing for a token that is still valid.
      this.#ask(key, entry).catch(() => {});
    }
    return this.#handOut(entry, entry.token);
  }

  async #wait(key: TokenKey, entry: Entry, { timeoutMS, signal }: Patience): Promise<CachedToken> {
    const deadline = performance.now() + timeoutMS;
    for (let graceMS = GRACE_MS; ; graceMS = 0) {
      const joined = entry.pending !== undefined;
      const limitMS = deadline - performance.now() + graceMS;
      try {
        return await within(this.#ask(key, entry), limitMS, () => unanswered(timeoutMS), signal);
      } catch (error) {
        // A fetch that began earlier can run out before this caller does, who then starts another.
        const ranOut = error instanceof OIDCCallbackError && error.code === 'ERR_OIDC_TIMEOUT';
        if (!joined || !ranOut || performance.now() >= deadline) throw error;
      }
    }
  }

  #ask(key: TokenKey, entry: Entry): Promise<CachedToken> {
    entry.askedAt = Date.now();
    entry.pending ??= this.#load(key)
      .then((token) => {
        if (token.value !== entry.token?.value) entry.handedOut = false;
        entry.token = token;
        return token;
      })
      .finally(() => {
        entry.pending = undefined;
      });
    return entry.pending;
  }

  #handOut(entry: Entry, token: CachedToken): CachedToken {
    entry.handedOut = true;
    this.#latest = token;
    return token;
  }

  #entry({ audience, username }: TokenKey): Entry {
    const name = JSON.stringify([audience, username]);
    let entry = this.#entries.get(name);
    if (!entry) {
      entry = { askedAt: Number.NEGATIVE_INFINITY };
      this.#entries.set(name, entry);
    }
    return entry;
  }
}

function isUsable(token: CachedToken | undefined): token is CachedToken {
  if (!token) return false;
  const { receivedAt, expiresAt } = token;
  const knownLife = expiresAt !== undefined && expiresAt > receivedAt;
  return Date.now() < (knownLife ? expiresAt : receivedAt + UNKNOWN_LIFE_MS);
}
