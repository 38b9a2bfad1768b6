// The one error class of this package and its codes.

import { redact, sanitizeCause, scrub, textOf } from './secrets.js';

/**
 * What went wrong, as a stable string to branch on.
 *
 * | code | meaning |
 * |---|---|
 * | `ERR_OIDC_AUDIENCE_MISSING` | neither the `audience` option nor `TOKEN_RESOURCE` is set |
 * | `ERR_OIDC_AUDIENCE_MISMATCH` | the token is for another audience than the one asked for |
 * | `ERR_OIDC_CREDENTIAL_UNAVAILABLE` | no identity can be had in this place |
 * | `ERR_OIDC_IDENTITY_NOT_FOUND` | the identity asked for is not assigned here, or several are and none was chosen |
 * | `ERR_OIDC_ACCESS_DENIED` | the identity exists and may not have this token |
 * | `ERR_OIDC_RATE_LIMITED` | the token source answered 429 |
 * | `ERR_OIDC_SOURCE_UNREACHABLE` | the token source did not answer, or gave an answer that its SDK hides |
 * | `ERR_OIDC_METADATA_PROXIED` | a proxy variable would send a metadata request to a proxy |
 * | `ERR_OIDC_TIMEOUT` | `timeoutMS` passed without a token |
 * | `ERR_OIDC_ABORTED` | the caller's signal was aborted |
 * | `ERR_OIDC_TOKEN_INVALID` | the source answered something that is no JSON Web Token |
 * | `ERR_OIDC_TOKEN_FILE` | the token file cannot be read |
 * | `ERR_OIDC_SDK_NOT_INSTALLED` | the SDK of this cloud is not installed |
 * | `ERR_OIDC_ENVIRONMENT_UNKNOWN` | the environment could not be told |
 * | `ERR_OIDC_INVALID_OPTION` | an option is unknown or has an illegal value |
 * | `ERR_OIDC_INVALID_URI` | the driver would reject this connection string, or nobody could use it |
 */
export type OIDCCallbackErrorCode =
  | 'ERR_OIDC_AUDIENCE_MISSING'
  | 'ERR_OIDC_AUDIENCE_MISMATCH'
  | 'ERR_OIDC_CREDENTIAL_UNAVAILABLE'
  | 'ERR_OIDC_IDENTITY_NOT_FOUND'
  | 'ERR_OIDC_ACCESS_DENIED'
  | 'ERR_OIDC_RATE_LIMITED'
  | 'ERR_OIDC_SOURCE_UNREACHABLE'
  | 'ERR_OIDC_METADATA_PROXIED'
  | 'ERR_OIDC_TIMEOUT'
  | 'ERR_OIDC_ABORTED'
  | 'ERR_OIDC_TOKEN_INVALID'
  | 'ERR_OIDC_TOKEN_FILE'
  | 'ERR_OIDC_SDK_NOT_INSTALLED'
  | 'ERR_OIDC_ENVIRONMENT_UNKNOWN'
  | 'ERR_OIDC_INVALID_OPTION'
  | 'ERR_OIDC_INVALID_URI';

const TRANSIENT_CODES: ReadonlySet<OIDCCallbackErrorCode> = new Set<OIDCCallbackErrorCode>([
  'ERR_OIDC_RATE_LIMITED',
  'ERR_OIDC_SOURCE_UNREACHABLE',
  'ERR_OIDC_TIMEOUT',
  'ERR_OIDC_TOKEN_INVALID',
  'ERR_OIDC_TOKEN_FILE',
]);

let retryTimeOf: (error: OIDCCallbackError) => number;
let isOurs: (error: object) => error is OIDCCallbackError;

/**
 * Every failure of this package: `code` to branch on, `message` with what happened and what to do next,
 * `cause` (where there is one) a fresh `Error` with the name, the scrubbed message, `status` and `code` of
 * what the SDK threw, never the SDK's own object, which carries requests and responses.
 */
export class OIDCCallbackError extends Error {
  static {
    OIDCCallbackError.prototype.name = 'OIDCCallbackError';
    retryTimeOf = (error) => error.#retryForMS;
    isOurs = (error) => #retryForMS in error;
  }

  /** What went wrong, to branch on. */
  readonly code: OIDCCallbackErrorCode;
  readonly #retryForMS: number;

  /**
   * @param code - one of {@link OIDCCallbackErrorCode}
   * @param message - what happened and what to do; secrets in it are replaced
   * @param options - `cause`: any thrown value, of which a scrubbed copy is kept; `retryForMS`: for how
   *   many milliseconds after the first attempt another one makes sense (default, decided by the code: as
   *   long as the budget lasts where the failure can pass, else 0)
   */
  constructor(
    code: OIDCCallbackErrorCode,
    message: string,
    options: { cause?: unknown; retryForMS?: number } = {},
  ) {
    super(redact(message), options.cause === undefined ? {} : { cause: sanitizeCause(options.cause) });
    this.code = code;
    this.#retryForMS = options.retryForMS ?? (TRANSIENT_CODES.has(code) ? Number.POSITIVE_INFINITY : 0);
  }
}

/** For how many milliseconds after the first attempt another one makes sense. */
export function retryForMS(error: OIDCCallbackError): number {
  return retryTimeOf(error);
}

/** Whether another attempt can succeed. */
export function isTransient(error: OIDCCallbackError): boolean {
  return retryForMS(error) > 0;
}

/** Anything thrown, as an `OIDCCallbackError`. What a custom `getToken` throws may pass, so it is transient. */
export function toCallbackError(error: unknown): OIDCCallbackError {
  if (isOurs(Object(error))) return error as OIDCCallbackError;
  return new OIDCCallbackError(
    'ERR_OIDC_SOURCE_UNREACHABLE',
    `The token source failed: ${scrub(textOf(error))}`,
    {
      cause: error,
    },
  );
}
