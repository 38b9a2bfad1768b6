/** An OpenID provider: an RSA key, its key set over HTTP, and signed tokens. */
import { randomUUID } from 'node:crypto';
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTPayload,
  SignJWT,
} from 'jose';
import { type Answer, HttpService, json, text } from './http.js';

export interface SignOptions {
  /** May be negative: a token that has expired. Undefined: a token without `exp`. */
  lifeSeconds?: number | undefined;
  /** Seconds since the epoch. Default: now. */
  notBefore?: number | undefined;
  /** False: the header does not name the key. */
  kid?: false;
}

export interface Issuer {
  /** The `iss` of its tokens, unless their claims name another. */
  readonly issuer: string;
  /** Where its key set is; always loopback, whatever `issuer` says. */
  readonly jwksUri: string;
  readonly url: string;
  readonly jwks: { keys: JWK[] };
  sign(claims: JWTPayload, options?: SignOptions): Promise<string>;
  close(): Promise<void>;
}

class IssuerService extends HttpService implements Issuer {
  readonly jwks: { keys: JWK[] };
  readonly #issuer: string | undefined;
  readonly #privateKey: CryptoKey;
  readonly #kid: string;

  constructor(issuer: string | undefined, privateKey: CryptoKey, publicKey: JWK, kid: string) {
    super({});
    this.#issuer = issuer;
    this.#privateKey = privateKey;
    this.#kid = kid;
    this.jwks = { keys: [{ ...publicKey, kid, use: 'sig', alg: 'RS256' }] };
  }

  get issuer(): string {
    return this.#issuer ?? this.url;
  }

  get jwksUri(): string {
    return `${this.url}/keys`;
  }

  sign(claims: JWTPayload, { lifeSeconds, notBefore, kid }: SignOptions = {}): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({
      iss: this.issuer,
      iat: now,
      nbf: notBefore ?? now,
      ...(lifeSeconds === undefined ? {} : { exp: now + lifeSeconds }),
      jti: randomUUID(),
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(kid ?? { kid: this.#kid }) })
      .sign(this.#privateKey);
  }

  protected isTokenRequest(): boolean {
    return true;
  }

  protected errorAnswer(status: number): Answer {
    return text(status, 'error');
  }

  protected answer(request: { path: string }): Answer {
    switch (request.path) {
      case '/.well-known/openid-configuration':
        // The members that OpenID Connect Discovery 1.0, section 3, requires.
        return json(200, {
          issuer: this.issuer,
          jwks_uri: this.jwksUri,
          authorization_endpoint: `${this.url}/authorize`,
          response_types_supported: ['id_token'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: ['RS256'],
        });
      case '/keys':
        return json(200, this.jwks);
      default:
        return text(404, 'not found');
    }
  }
}

/** To make one takes a fifth of a second. Issuers that are started one after the other have different ones. */
const KEY_PAIRS = 8;
const keyPairs: ReturnType<typeof generateKeyPair>[] = [];
let started = 0;

function nextKeys(): ReturnType<typeof generateKeyPair> {
  const index = started++ % KEY_PAIRS;
  keyPairs[index] ??= generateKeyPair('RS256', { extractable: true });
  return keyPairs[index];
}

/** Without `issuer`, tokens carry the loopback address, where OpenID discovery finds the keys. */
export async function startIssuer(options: { issuer?: string | undefined } = {}): Promise<Issuer> {
  const { privateKey, publicKey } = await nextKeys();
  const jwk = await exportJWK(publicKey);
  const service = new IssuerService(options.issuer, privateKey, jwk, await calculateJwkThumbprint(jwk));
  await service.listen({});
  return service;
}
