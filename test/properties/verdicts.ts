/** What may come out: an error of this package's, or a result that the driver takes. Nothing else. */
import { strict as assert } from 'node:assert';
import type { OIDCCallbackError } from '../../src/errors.js';

const CODES = new Set(
  [
    'AUDIENCE_MISSING',
    'AUDIENCE_MISMATCH',
    'CREDENTIAL_UNAVAILABLE',
    'IDENTITY_NOT_FOUND',
    'ACCESS_DENIED',
    'RATE_LIMITED',
    'SOURCE_UNREACHABLE',
    'METADATA_PROXIED',
    'TIMEOUT',
    'ABORTED',
    'TOKEN_INVALID',
    'TOKEN_FILE',
    'SDK_NOT_INSTALLED',
    'ENVIRONMENT_UNKNOWN',
    'INVALID_OPTION',
    'INVALID_URI',
  ].map((name) => `ERR_OIDC_${name}`),
);

export function assertOurError(error: unknown): asserts error is OIDCCallbackError {
  // By name: a loader may have made two classes of one file.
  const isOurs = error instanceof Error && error.constructor.name === 'OIDCCallbackError';
  assert.ok(isOurs, `not an OIDCCallbackError: ${describe(error)}`);
  const { code, message, cause } = error as OIDCCallbackError;
  assert.ok(CODES.has(code), `no such code: ${code}`);
  assert.equal(typeof message, 'string');
  assert.notEqual(message, '');
  if (cause === undefined) return;
  assert.ok(cause instanceof Error);
  assert.equal(Object.getPrototypeOf(cause), Error.prototype);
  const known = ['stack', 'message', 'name', 'status', 'code'];
  assert.deepEqual(
    Reflect.ownKeys(cause).filter((key) => !known.includes(String(key))),
    [],
  );
}

export function assertResult(result: unknown): void {
  assert.ok(typeof result === 'object' && result !== null);
  const { accessToken, expiresInSeconds } = result as Record<string, unknown>;
  assert.ok(isToken(accessToken), `not a token: ${accessToken}`);
  const names = expiresInSeconds === undefined ? ['accessToken'] : ['accessToken', 'expiresInSeconds'];
  assert.deepEqual(Reflect.ownKeys(result), names);
  if (expiresInSeconds === undefined) return;
  assert.ok(Number.isFinite(expiresInSeconds) && Number(expiresInSeconds) >= 0, `${expiresInSeconds}`);
}

/** Three parts in base64url, with objects in the first two. */
export function isToken(text: unknown): boolean {
  if (typeof text !== 'string') return false;
  const parts = text.split('.');
  return (
    parts.length === 3 &&
    parts.every((part) => part !== '' && !/[^A-Za-z0-9_-]/.test(part)) &&
    parts.slice(0, 2).every((part) => {
      try {
        return /^\s*\{/.test(JSON.stringify(JSON.parse(Buffer.from(part, 'base64url').toString())));
      } catch {
        return false;
      }
    })
  );
}

/** One of the two, whether it is returned or thrown. */
export function assertReturnsOrOurs<T>(attempt: () => T, isGood: (value: T) => void): void {
  let value: T;
  try {
    value = attempt();
  } catch (error) {
    assertOurError(error);
    return;
  }
  isGood(value);
}

function describe(value: unknown): string {
  try {
    return value instanceof Error ? `${value.stack}` : String(value);
  } catch {
    return typeof value;
  }
}
