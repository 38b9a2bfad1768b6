// Reads, and never verifies, JSON Web Tokens: the server is the one that verifies.

import { OIDCCallbackError } from './errors.js';
import { redact } from './secrets.js';

/** The farthest that a `Date` can hold. */
const LAST_SECOND = 8.64e12;

/** What the payload of a token says. */
export interface Claims {
  readonly [name: string]: unknown;
  readonly iss?: unknown;
  readonly aud?: unknown;
  readonly exp?: unknown;
}

/**
 * The claims of a JSON Web Token: three base64url parts of which the first two hold JSON objects.
 * What is wrong with a token is said without quoting any of it.
 *
 * @param options - `says`: how the error's message goes on; `retryForMS`: for how long another look makes sense
 */
export function readClaims(
  token: unknown,
  source: string,
  { says = 'answered', ...passing }: { says?: string; retryForMS?: number } = {},
): Claims {
  const invalid = (message: string) => new OIDCCallbackError('ERR_OIDC_TOKEN_INVALID', message, passing);
  if (typeof token !== 'string' || token === '') {
    throw invalid(`${source} answered without a token.`);
  }
  const parts = token.split('.');
  const isCompact = parts.every((part) => /^[\w-]*$/.test(part));
  if (parts.length === 5 && isCompact) {
    throw new OIDCCallbackError(
      'ERR_OIDC_TOKEN_INVALID',
      `${source} issued an encrypted token (five parts), which MongoDB cannot read. Turn token encryption off for this audience.`,
      { retryForMS: 0 },
    );
  }
  const [header, payload] = parts;
  if (parts.length !== 3 || !isCompact || parts.includes('')) {
    throw invalid(
      `${source} ${says} something that is no JSON Web Token (three base64url parts, separated by dots).`,
    );
  }
  if (!parseObject(header)) throw invalid(`${source} ${says} a token whose header is not a JSON object.`);
  const claims = parseObject(payload);
  if (!claims) throw invalid(`${source} ${says} a token whose payload is not a JSON object.`);
  return claims;
}

/** Throws unless the token is for `audience`. Both are named: an audience is no secret. */
export function requireAudienceClaim(claims: Claims, audience: string, source: string, remedy: string): void {
  if (audiences(claims).includes(audience)) return;
  throw new OIDCCallbackError(
    'ERR_OIDC_AUDIENCE_MISMATCH',
    `${source} has a token for ${namesOf(claims)}, and '${audience}' was asked for. ${remedy}`,
  );
}

/** The token's audiences, as a list whichever form the claim has. */
export function audiences({ aud }: Claims): string[] {
  return [aud].flat().filter((value): value is string => typeof value === 'string');
}

/** The token's audiences, for a message. */
export function namesOf(claims: Claims): string {
  return audiences(claims).slice(0, 5).map(quote).join(', ') || 'no audience';
}

/** When the token expires, in milliseconds since the epoch; undefined where it does not say. */
export function expiryOf({ exp }: Claims): number | undefined {
  return millisecondsOf(exp);
}

/** A time of a token, which is in seconds, in milliseconds since the epoch; undefined where it is none. */
export function millisecondsOf(seconds: unknown): number | undefined {
  return typeof seconds === 'number' && Math.abs(seconds) <= LAST_SECOND ? seconds * 1000 : undefined;
}

function parseObject(part: string | undefined): Claims | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part ?? '', 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Claims)
      : undefined;
  } catch {
    return undefined;
  }
}

/** A claim in a message. */
export function quote(claim: string): string {
  return `'${oneLine(claim)}'`;
}

/** Foreign text on one line, not endless, and with nothing in it that a terminal would act upon. */
export function oneLine(text: string, limitCharacters = 200): string {
  const shown = onOneLine(redact(text.slice(0, limitCharacters)));
  return text.length > limitCharacters ? `${shown}…` : shown;
}

/** Without what a terminal would act upon. */
export function onOneLine(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, ' ');
}

/** The header of a token whose claims could be read. */
export function readHeader(token: string): Readonly<Record<string, unknown>> {
  return parseObject(token.split('.')[0]) ?? {};
}
