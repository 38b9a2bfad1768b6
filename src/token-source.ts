// Where a token comes from, as the cache sees it, and what is kept of it.

import type { TokenLife } from './refresh-delay.js';

/** A token in memory. */
export interface CachedToken extends TokenLife {
  readonly value: string;
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

/** One question to the source. */
export interface LoadRequest extends TokenKey {
  readonly signal: AbortSignal;
  /** Whether what came last was refused, or a failure, or has not come yet: a cache would repeat it. */
  readonly skipCache: boolean;
}

/** Where tokens come from, and how it is asked. */
export interface TokenSource {
  /** What events call it. */
  readonly name: string;
  /** Asks once. */
  readonly load: (request: LoadRequest) => Promise<CachedToken>;
  /** The budget of one fetch, retries included. */
  readonly timeoutMS: number;
  readonly refreshAhead: boolean;
}
