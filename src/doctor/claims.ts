// What a token's claims say, in words.

import { type Claims, quote } from '../jwt.js';

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** Whether roles can come from this claim. */
export function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'string');
}

export function show(value: unknown): string {
  return typeof value === 'string' ? quote(value) : value === undefined ? 'missing' : `a ${typeof value}`;
}

/** Names of the claims that roles could come from. */
export function listsOf(claims: Claims): string {
  const names = Object.keys(claims).filter((name) => name !== 'aud' && isTexts(claims[name]));
  return names.slice(0, 5).map(quote).join(', ');
}

/** The claims that can name a user. */
export function principalsOf(claims: Claims): string {
  const names = ['sub', 'oid', 'email', 'azp', 'appid'].filter((name) => isText(claims[name]));
  return names.map((name) => `${name} ${show(claims[name])}`).join(', ') || 'none';
}

export function claimFix(name: string, claims: string): string {
  const instead = name === 'principalName' ? '' : 'useAuthorizationClaim to false (Atlas: User ID)';
  const ofToken = claims && `${name} to one of the token's (${claims})`;
  return `Set the server's ${[ofToken, instead].filter(Boolean).join(', or ')}.`;
}
