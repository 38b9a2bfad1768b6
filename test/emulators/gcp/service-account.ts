/** Service accounts, and the ID and access tokens that Google makes out to them. */
import { randomBytes } from 'node:crypto';
import type { JWTPayload } from 'jose';

export interface ServiceAccount {
  email: string;
  /** The numeric ID that is the `sub` of its tokens. */
  uniqueId: string;
}

export const googleIssuer = 'https://accounts.google.com';

export const defaultServiceAccount: ServiceAccount = {
  email: 'app@project-1.iam.gserviceaccount.com',
  uniqueId: '100000000000000000001',
};

/** The claims of cloud.google.com/compute/docs/instances/verifying-instance-identity, "Token contents". */
export function idTokenClaims(account: ServiceAccount, audience: string, includeEmail: boolean): JWTPayload {
  return {
    iss: googleIssuer,
    aud: audience,
    azp: account.uniqueId,
    sub: account.uniqueId,
    ...(includeEmail ? { email: account.email, email_verified: true } : {}),
  };
}

/** Known to every emulator of this process: a metadata server's access token is good for IAM. */
const accessTokens = new Map<string, { owner: string; expiresAtMS: number }>();

export function issueAccessToken(owner: string, lifeSeconds: number): string {
  const token = `ya29.c.${randomBytes(48).toString('base64url')}`;
  accessTokens.set(token, { owner, expiresAtMS: Date.now() + lifeSeconds * 1000 });
  return token;
}

/** Every access token that was issued in this process. */
export function issuedAccessTokens(): Iterable<string> {
  return accessTokens.keys();
}

/** Whose access token this is; undefined where it is unknown or expired. */
export function ownerOf(accessToken: string): string | undefined {
  const known = accessTokens.get(accessToken);
  return known !== undefined && known.expiresAtMS > Date.now() ? known.owner : undefined;
}
