/** Tells from an access token who somebody is, by the rules of the configured identity providers. */
import { createHash } from 'node:crypto';
import {
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import type { IdentityProvider } from './types.js';

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'];
const REQUEST_TIMEOUT_MS = 5_000;

export interface Identity {
  user: string;
  roles: string[];
  claims: JWTPayload;
  expiresAtMS: number;
  /** A digest: the token itself is not kept. */
  tokenId: string;
}

export class TokenRefused extends Error {}

export class IdentityService {
  #providers: IdentityProvider[] = [];
  readonly #keys = new WeakMap<IdentityProvider, JWTVerifyGetKey>();
  readonly #users: ReadonlySet<string> | undefined;
  readonly #clockOffsetMS: number;
  readonly #accepted = new Set<string>();
  readonly #revoked = new Set<string>();

  constructor(providers: IdentityProvider[], users: string[] | undefined, clockOffsetMS: number) {
    this.#users = users && new Set(users);
    this.#clockOffsetMS = clockOffsetMS;
    this.setProviders(providers);
  }

  setProviders(providers: IdentityProvider[]): void {
    for (const { useAuthorizationClaim, authorizationClaim, issuer } of providers) {
      if (useAuthorizationClaim && authorizationClaim === undefined) {
        throw new TypeError(`the provider of ${issuer} needs an authorizationClaim`);
      }
    }
    this.#providers = providers;
  }

  revokeAll(): void {
    for (const tokenId of this.#accepted) this.#revoked.add(tokenId);
    this.#accepted.clear();
  }

  isCurrent({ tokenId, expiresAtMS }: Identity): boolean {
    return this.#now() < expiresAtMS && !this.#revoked.has(tokenId);
  }

  /** @throws {TokenRefused} which says why */
  async verify(token: string): Promise<Identity> {
    const provider = this.#providerOf(token);
    const tokenId = createHash('sha256').update(token).digest('base64');
    if (this.#revoked.has(tokenId)) throw new TokenRefused('the token was revoked');
    const claims = await this.#verifiedClaims(token, provider);
    const identity = {
      user: this.#userOf(claims, provider),
      roles: rolesOf(claims, provider),
      claims,
      expiresAtMS: (claims.exp as number) * 1000,
      tokenId,
    };
    this.#accepted.add(tokenId);
    return identity;
  }

  #now(): number {
    return Date.now() + this.#clockOffsetMS;
  }

  #providerOf(token: string): IdentityProvider {
    let claims: JWTPayload;
    try {
      // The server's parser has `kid` as a required field of the header.
      if (typeof decodeProtectedHeader(token).kid !== 'string') throw new Error('it names no key (kid)');
      claims = decodeJwt(token);
    } catch (error) {
      throw new TokenRefused(`not a token: ${(error as Error).message}`);
    }
    const ofIssuer = this.#providers.filter(({ issuer }) => issuer === claims.iss);
    if (ofIssuer.length === 0) throw new TokenRefused(`no provider for issuer ${claims.iss}`);
    const audiences = [claims.aud ?? []].flat();
    const provider = ofIssuer.find(({ audience }) => audiences.includes(audience));
    if (!provider) throw new TokenRefused(`no provider for audience ${audiences} of issuer ${claims.iss}`);
    return provider;
  }

  async #verifiedClaims(token: string, provider: IdentityProvider): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(token, await this.#keysOf(provider), {
        issuer: provider.issuer,
        audience: provider.audience,
        algorithms: ALGORITHMS,
        requiredClaims: ['exp', 'sub'],
        currentDate: new Date(this.#now()),
      });
      return payload;
    } catch (error) {
      throw new TokenRefused((error as Error).message);
    }
  }

  async #keysOf(provider: IdentityProvider): Promise<JWTVerifyGetKey> {
    const known = this.#keys.get(provider);
    if (known) return known;
    const url = new URL(provider.jwksUri ?? (await discoverKeys(provider.issuer)));
    // Without a cooldown, so that a key which an issuer has just begun to use is found at once.
    const keys = createRemoteJWKSet(url, { cooldownDuration: 0, timeoutDuration: REQUEST_TIMEOUT_MS });
    // Another verification may have come here first, and its key set has the keys already.
    const first = this.#keys.get(provider) ?? keys;
    this.#keys.set(provider, first);
    return first;
  }

  #userOf(claims: JWTPayload, provider: IdentityProvider): string {
    const claim = provider.principalName ?? 'sub';
    const principal = claims[claim];
    if (typeof principal !== 'string' || principal === '') throw new TokenRefused(`no claim ${claim}`);
    const user = `${provider.authNamePrefix}/${principal}`;
    if (!authorizesByClaim(provider) && this.#users && !this.#users.has(user)) {
      throw new TokenRefused(`no user ${user} in $external`);
    }
    return user;
  }
}

function authorizesByClaim({ authorizationClaim, useAuthorizationClaim }: IdentityProvider): boolean {
  return authorizationClaim !== undefined && useAuthorizationClaim !== false;
}

function rolesOf(claims: JWTPayload, provider: IdentityProvider): string[] {
  if (!authorizesByClaim(provider)) return ['readWriteAnyDatabase'];
  const claim = provider.authorizationClaim as string;
  const values = [claims[claim] ?? []].flat();
  if (values.length === 0 || !values.every((value) => typeof value === 'string')) {
    throw new TokenRefused(`no claim ${claim} with the roles`);
  }
  return values.map((value) => `${provider.authNamePrefix}/${value}`);
}

/** https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig */
async function discoverKeys(issuer: string): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const response = await fetch(url, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  const metadata = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown };
  if (metadata.issuer !== issuer) throw new Error(`${url} is of issuer ${metadata.issuer}`);
  if (typeof metadata.jwks_uri !== 'string') throw new Error(`${url} has no jwks_uri`);
  return metadata.jwks_uri;
}
