// JSON Web Tokens whose signature nobody checks.

export const SIGNATURE = 'c2lnbmF0dXJl';

/** One part of a token: an object as JSON, or text as it is. */
export function part(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}

export function jwt(claims: object = {}, signature = SIGNATURE): string {
  return `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}.${signature}`;
}

/** A token that says when it expires, in seconds from now. */
export function jwtFor(lifeSeconds: number, claims: object = {}): string {
  return jwt({ ...claims, exp: Math.floor(Date.now() / 1000) + lifeSeconds });
}
