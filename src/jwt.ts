// Reads, and never verifies, JSON Web Tokens: the server is the one that verifies.

import { OIDCCallbackError } from './errors.js';

/** The claims this package looks at. */
export interface Claims {
  readonly iss?: unknown;
  readonly aud?: unknown;
  readonly exp?: unknown;
}

/**
 * The claims of a JSON Web Token: three base64url parts of which the first two hold JSON objects.
 * What is wrong with a token is said without quoting any of it.
 */
export function readClaims(token: unknown, source: string): Claims {
  if (typeof token !== 'string' || token === '') {
    throw invalid(`${source} answered without a token.`);
  }
  const parts = token.split('.');
  if (parts.length === 5) {
    throw new OIDCCallbackError(
      'ERR_OIDC_TOKEN_INVALID',
      `${source} issued an encrypted token (five parts), which MongoDB cannot read. Turn token encryption off for this audience.`,
      { retryForMS: 0 },
    );
  }
  const [header, payload] = parts;
  if (parts.length !== 3 || !parts.every((part) => /^[\w-]+$/.test(part))) {
    throw invalid(
      `${source} answered something that is no JSON Web Token (three base64url parts, separated by dots).`,
    );
  }
  if (!parseObject(header)) throw invalid(`${source} answered a token whose header is not a JSON object.`);
  const claims = parseObject(payload);
  if (!claims) throw invalid(`${source} answered a token whose payload is not a JSON object.`);
  return claims;
}

/** Throws unless the token is for `audience`. Both are named: an audience is no secret. */
export function requireAudienceClaim(claims: Claims, audience: string, source: string, remedy: string): void {
  const found = audiences(claims);
  if (found.includes(audience)) return;
  throw new OIDCCallbackError(
    'ERR_OIDC_AUDIENCE_MISMATCH',
    `${source} has a token for ${found.length ? found.map((aud) => `'${aud}'`).join(', ') : 'no audience'}, and '${audience}' was asked for. ${remedy}`,
  );
}

/** The token's audiences, as a list whichever form the claim has. */
export function audiences({ aud }: Claims): string[] {
  return [aud].flat().filter((value): value is string => typeof value === 'string');
}

/** When the token expires, in milliseconds since the epoch; undefined where it does not say. */
export function expiryOf({ exp }: Claims): number | undefined {
  return typeof exp === 'number' && Number.isFinite(exp) ? exp * 1000 : undefined;
}

function parseObject(part: string | undefined): Claims | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part ?? '', 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function invalid(message: string): OIDCCallbackError {
  return new OIDCCallbackError('ERR_OIDC_TOKEN_INVALID', message);
}
