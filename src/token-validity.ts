// When a token counts as valid. Nobody knows better than the server, so a token that looks expired is tried as well.

import type { TokenLife } from './refresh-delay.js';

/** A token without expiry, or expired on arrival because a clock is wrong, is good for this long. */
const UNKNOWN_LIFE_MS = 30_000;

/** Whether a token may be handed out. */
export function isUsable<Token extends TokenLife>(token: Token | undefined): token is Token {
  if (!token) return false;
  const { receivedAt, expiresAt } = token;
  const knownLife = expiresAt !== undefined && expiresAt > receivedAt;
  return Date.now() < (knownLife ? expiresAt : receivedAt + UNKNOWN_LIFE_MS);
}

/** Whether a token that was valid once has expired. */
export function isSpent(token: TokenLife): boolean {
  return !isExpired(token) && token.expiresAt !== undefined && token.expiresAt <= Date.now();
}

/** Whether it looked expired on arrival. */
export function isExpired({ receivedAt, expiresAt }: TokenLife): boolean {
  return expiresAt !== undefined && expiresAt <= receivedAt;
}
