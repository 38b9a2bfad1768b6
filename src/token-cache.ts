// Keeps tokens in memory, one for each audience and username.

import { KeptToken } from './kept-token.js';
import type { CachedToken, Patience, TokenKey, TokenSource } from './token-source.js';

export class TokenCache {
  readonly #source: TokenSource;
  readonly #kept = new Map<string, KeptToken>();
  #latest: CachedToken | undefined;
  #wasCleared = false;

  constructor(source: TokenSource) {
    this.#source = source;
  }

  /** The token that was handed out last. */
  get latest(): CachedToken | undefined {
    return this.#latest;
  }

  /** Forgets every token. A fetch under way still answers those who wait for it, and nobody else. */
  clear(): void {
    for (const kept of this.#kept.values()) kept.forget();
    this.#kept.clear();
    this.#wasCleared = true;
    this.#latest = undefined;
  }

  /**
   * A valid token in memory at once, with nothing awaited on the way; else the source's answer.
   *
   * @throws OIDCCallbackError what the source fails with; `ERR_OIDC_TIMEOUT` and `ERR_OIDC_ABORTED` for this
   *   caller's patience, while the fetch goes on for the others
   */
  async get(key: TokenKey, patience: Patience): Promise<CachedToken> {
    const name = JSON.stringify([key.audience, key.username]);
    const kept = this.#kept.get(name) ?? this.#add(name, key);
    const token = kept.take() ?? (await kept.wait(patience));
    if (this.#kept.get(name) === kept) this.#latest = token;
    return token;
  }

  #add(name: string, key: TokenKey): KeptToken {
    const kept = new KeptToken(key, this.#source, this.#wasCleared);
    this.#kept.set(name, kept);
    return kept;
  }
}
