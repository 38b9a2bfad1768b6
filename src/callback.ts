// The callback that the MongoDB driver calls for a token, and what every environment shares.

import type { OIDCCallbackParams, OIDCResponse } from 'mongodb';
import { Callable } from './callable.js';
import { warnOfOldDriver } from './driver-version.js';
import { type OIDCCallbackError, toCallbackError } from './errors.js';
import { expiryOf, readClaims } from './jwt.js';
import { invalidOption, requireKnownOptions, requireString } from './options.js';
import { TokenCache } from './token-cache.js';
import type { CachedToken, TokenKey } from './token-source.js';

/** Options that every callback takes. */
export interface OIDCCallbackOptions {
  /**
   * Whom the token is for: the resource (Azure) or audience (Google Cloud, Kubernetes) that the server's
   * identity provider is configured with. Default: the driver's `TOKEN_RESOURCE`; where both are set this
   * one counts. One of the two is needed, except for a token file.
   */
  audience?: string | undefined;
  /**
   * The whole budget of one fetch in milliseconds, retries included: 1 to 59 999 (the driver gives up after
   * 60 000). Default: 30 000.
   */
  timeoutMS?: number | undefined;
  /**
   * Whether the next token is fetched before the current one expires, for as long as this callback is
   * referenced: one request for each token life, and no stall at its end. Default: true.
   */
  refreshAhead?: boolean | undefined;
}

/** What a caller may say when it asks for a token: the driver's parameters, each of them optional. */
export type OIDCCallbackContext = Partial<
  Pick<OIDCCallbackParams, 'username' | 'tokenAudience' | 'timeoutContext'>
>;

/** A token in the driver's own shape: `accessToken` and, where it is known, `expiresInSeconds`. */
export type OIDCCallbackResult = Pick<OIDCResponse, 'accessToken' | 'expiresInSeconds'>;

/** What an environment is asked for. */
export interface GetTokenRequest {
  /** Whom the token is for; undefined only where neither the option nor `TOKEN_RESOURCE` is set. */
  readonly audience: string | undefined;
  /** The connection string's username: the client ID, on Azure. */
  readonly username: string | undefined;
  /** Aborted when the answer does not count any more: another came first, or the time is over. */
  readonly signal: AbortSignal;
  /**
   * Whether the last answer may have been refused by the server, was a failure, or has not come: a cache of the
   * source would only repeat it.
   */
  readonly skipCache: boolean;
}

/** A token as a source hands it out. Every `AccessToken` of `@azure/core-auth` is one. */
export interface AccessToken {
  /** A JSON Web Token. */
  readonly token: string;
  /** Milliseconds since the epoch. The token's `exp` counts where it is earlier, or this is missing. */
  readonly expiresOnTimestamp?: number | undefined;
  /** When to fetch the next one, in milliseconds since the epoch. Default: after 80 % of its life. */
  readonly refreshAfterTimestamp?: number | undefined;
}

/** Asks a callback's source once, past what is kept and tried again: for a callback that stands for others. */
export let getTokenFrom: (callback: OIDCCallback, request: GetTokenRequest) => Promise<AccessToken>;

const DEFAULT_TIMEOUT_MS = 30_000;
const DRIVER_TIMEOUT_MS = 60_000;
const LATEST_DATE_MS = 8.64e15;
const OPTION_NAMES = ['audience', 'timeoutMS', 'refreshAhead'];

// The instance is callable, which a class cannot say of itself.
export interface OIDCCallback {
  /** Called by the driver. Never rejects: a failure reaches the operation through the result (NODE-7858). */
  // biome-ignore lint/style/useShorthandFunctionType: the class below merges with an interface only
  (params: OIDCCallbackParams): Promise<OIDCCallbackResult>;
}

/**
 * A MONGODB-OIDC callback: an object that the driver can call, to be given as `OIDC_CALLBACK`. Subclass it
 * with one method to take tokens from a place of your own.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { MongoClient } from 'mongodb';
 * import { type AccessToken, OIDCCallback } from 'mongodb-workload-identity';
 *
 * class SpiffeCallback extends OIDCCallback {
 *   protected async getToken(): Promise<AccessToken> {
 *     return { token: (await readFile('/run/spiffe/jwt', 'utf8')).trim() };
 *   }
 * }
 *
 * const client = new MongoClient('mongodb://db.example.com/', {
 *   authMechanism: 'MONGODB-OIDC',
 *   authMechanismProperties: { OIDC_CALLBACK: new SpiffeCallback(), ALLOWED_HOSTS: ['db.example.com'] },
 * });
 * ```
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: see above
export abstract class OIDCCallback extends Callable<OIDCCallbackParams, Promise<OIDCCallbackResult>> {
  static {
    getTokenFrom = (callback, request) => callback.getToken(request);
  }

  readonly #audience: string | undefined;
  readonly #timeoutMS: number;
  readonly #cache: TokenCache;

  /**
   * @param options - see {@link OIDCCallbackOptions}
   * @param ownOptionNames - names of the options that the subclass adds; any other is an error
   * @throws OIDCCallbackError `ERR_OIDC_INVALID_OPTION`
   */
  constructor(options: OIDCCallbackOptions = {}, ownOptionNames: readonly string[] = []) {
    super();
    warnOfOldDriver();
    requireKnownOptions(new.target.name, options, [...OPTION_NAMES, ...ownOptionNames]);
    this.#audience = requireString(options, 'audience');
    this.#timeoutMS = readTimeout(options.timeoutMS);
    const { refreshAhead = true } = options;
    if (typeof refreshAhead !== 'boolean') throw invalidOption('refreshAhead', 'must be true or false');
    this.#cache = new TokenCache({
      name: new.target.name,
      load: (request) => this.#load(request),
      timeoutMS: this.#timeoutMS,
      refreshAhead,
    });
  }

  /**
   * Asks the environment for one token, without caching or retrying: both are done for it. The result is
   * checked to be a JSON Web Token.
   */
  protected abstract getToken(request: GetTokenRequest): Promise<AccessToken>;

  /**
   * A token for whoever is not the driver: from memory while one is valid, else from the source.
   *
   * @param context - `tokenAudience` (for a callback without `audience`), `username`, and `timeoutContext`,
   *   a signal that ends the wait
   * @throws OIDCCallbackError
   */
  async fetch(context: OIDCCallbackContext = {}): Promise<OIDCCallbackResult> {
    const key = this.#keyFor(context);
    const signal = requireSignal(context.timeoutContext);
    return toResult(await this.#cache.get(key, { timeoutMS: this.#timeoutMS, signal }));
  }

  /** When the token that was handed out last expires; undefined before the first, or where it is not known. */
  get expiresAt(): Date | undefined {
    const expiresAt = this.#cache.latest?.expiresAt;
    return expiresAt === undefined ? undefined : new Date(expiresAt);
  }

  /** Forgets every token in memory, so that the next call asks the source (which may have a cache too). */
  invalidate(): void {
    this.#cache.clear();
  }

  /** @internal */
  protected override call_(params: OIDCCallbackParams): Promise<OIDCCallbackResult> {
    return this.fetch(params).catch(failingResult);
  }

  #keyFor(context: OIDCCallbackContext): TokenKey {
    if (typeof context !== 'object' || context === null) throw invalidOption('context', 'must be an object');
    const { tokenAudience, username } = context;
    // The driver reads `TOKEN_RESOURCE:true` in a connection string as a boolean.
    const fromDriver = typeof tokenAudience === 'boolean' ? String(tokenAudience) : tokenAudience;
    requireText('tokenAudience', fromDriver);
    requireText('username', username);
    return { audience: this.#audience ?? fromDriver, username: username || undefined };
  }

  async #load(request: GetTokenRequest): Promise<CachedToken> {
    // A class of the program's own may resolve with nothing.
    const answer: AccessToken = Object(await this.getToken(request));
    const { token, expiresOnTimestamp, refreshAfterTimestamp } = answer;
    const claims = readClaims(token, `${this.name}'s token source`);
    return {
      value: token,
      receivedAt: Date.now(),
      expiresAt: earliest(expiresOnTimestamp, expiryOf(claims)),
      refreshAfter: earliest(refreshAfterTimestamp),
    };
  }
}

function requireText(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'string') throw invalidOption(name, 'must be a string');
}

function requireSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal === undefined) return signal;
  const { aborted, addEventListener, removeEventListener } = Object(signal) as AbortSignal;
  const isSignal =
    typeof aborted === 'boolean' &&
    [addEventListener, removeEventListener].every((method) => typeof method === 'function');
  if (isSignal) return signal;
  throw invalidOption('timeoutContext', 'must be an AbortSignal');
}

/**
 * An SDK that adds `expires_in` to the time of receipt comes out later than the token's own `exp`, by which
 * the server goes. What is no time, or none that a `Date` can hold, is not believed.
 */
function earliest(...times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => Math.abs(time ?? Number.NaN) <= LATEST_DATE_MS) as number[];
  return known.length > 0 ? Math.min(...known) : undefined;
}

function toResult({ value, expiresAt }: CachedToken): OIDCCallbackResult {
  if (expiresAt === undefined) return { accessToken: value };
  return {
    accessToken: value,
    expiresInSeconds: Math.max(0, Math.floor((expiresAt - Date.now()) / 1000)),
  };
}

/**
 * Drivers up to 7.6.0 never call a callback again that rejected during a refresh (NODE-7858). They do read
 * `accessToken` of a result, after their lock is released, and fail the operation with what that throws.
 */
function failingResult(error: unknown): OIDCCallbackResult {
  const failure: OIDCCallbackError = toCallbackError(error);
  return Object.defineProperty({} as OIDCCallbackResult, 'accessToken', {
    enumerable: true,
    get() {
      throw failure;
    },
  });
}

function readTimeout(timeoutMS: unknown = DEFAULT_TIMEOUT_MS): number {
  if (typeof timeoutMS === 'number' && timeoutMS >= 1 && timeoutMS < DRIVER_TIMEOUT_MS) return timeoutMS;
  throw invalidOption(
    'timeoutMS',
    `must be a number of milliseconds from 1 to ${DRIVER_TIMEOUT_MS - 1}, because the driver itself gives up after ${DRIVER_TIMEOUT_MS} ms; it is ${typeof timeoutMS === 'number' ? timeoutMS : `a ${typeof timeoutMS}`}`,
  );
}
