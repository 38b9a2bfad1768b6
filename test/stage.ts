// What a program of somebody else's runs against: a place with tokens, and a MongoDB server that trusts it.

import { expect } from 'vitest';
import { createCertificates } from './emulators/certificates.js';
import { startDns } from './emulators/dns.js';
import { type MongoServer, startMongoServer } from './emulators/mongodb/index.js';
import { nameEnv } from './emulators/names.js';
import type { Source, StartSource } from './ways/sources.js';

/** A place, and who the program is there. */
export interface Place {
  readonly start: StartSource;
  readonly audience: string;
  /** The `sub` of its tokens. */
  readonly subject: string;
  /** The server is found by this name, as mongodb+srv and with TLS. Default: by its address, without. */
  readonly host?: string;
}

/** Longer than any test. */
const LIFE_SECONDS = 3600;

export class Stage {
  readonly source: Source;
  readonly server: MongoServer;
  readonly uri: string;
  readonly #place: Place;
  readonly #env: Readonly<Record<string, string>>;
  readonly #closers: readonly (() => unknown)[];

  private constructor(place: Place, source: Source, { server, uri, env = {}, closers = [] }: Found) {
    this.#place = place;
    this.source = source;
    this.server = server;
    this.uri = uri;
    this.#env = env;
    this.#closers = closers;
  }

  static async open(place: Place): Promise<Stage> {
    const source = await place.start(place.audience, LIFE_SECONDS);
    const identityProviders = [source.provider];
    if (place.host !== undefined)
      return new Stage(place, source, await startNamed(place.host, identityProviders));
    const server = await startMongoServer({ identityProviders });
    return new Stage(place, source, { server, uri: server.uri });
  }

  get audience(): string {
    return this.#place.audience;
  }

  /** As the server calls it. */
  get user(): string {
    return `${this.source.provider.authNamePrefix}/${this.#place.subject}`;
  }

  /** What the place sets, and what a program needs to know. */
  get env(): Record<string, string> {
    return { ...this.source.env, ...this.#env, MONGODB_URI: this.uri, MONGODB_AUDIENCE: this.audience };
  }

  /** How often the place was asked for a token. */
  get tokenRequests(): number {
    return this.source.requests?.filter((request) => this.source.isTokenRequest(request)).length ?? 0;
  }

  /** Each of the program's connections arrived with the claims of this place; returns what the program does. */
  async expectArrival<T>(program: () => Promise<T>): Promise<T> {
    const { claims, authFailures } = this.server;
    const before = claims.length;
    // Why the server refused somebody says more than how the program failed.
    const result = await program().finally(() => expect(authFailures).toEqual([]));
    const arrived = claims.slice(before);
    expect(arrived).not.toEqual([]);
    for (const { iss, aud, sub } of arrived) {
      expect({ iss, aud: [aud].flat(), sub }).toEqual({
        iss: this.source.provider.issuer,
        aud: [this.audience],
        sub: this.#place.subject,
      });
    }
    return result;
  }

  async close(): Promise<void> {
    await Promise.all([this.server.close(), this.source.close(), ...this.#closers.map((close) => close())]);
  }
}

/** A server, and what leads a program there. */
interface Found {
  readonly server: MongoServer;
  readonly uri: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly closers?: readonly (() => unknown)[];
}

async function startNamed(host: string, identityProviders: Source['provider'][]): Promise<Found> {
  const [, ...domain] = host.split('.');
  const target = `node-1.${domain.join('.')}`;
  const certificates = await createCertificates([target]);
  const server = await startMongoServer({ identityProviders, tls: certificates });
  const dns = await startDns({ srv: { [`_mongodb._tcp.${host}`]: [{ target, port: server.port }] } });
  return {
    server,
    uri: `mongodb+srv://${host}/`,
    env: { NODE_EXTRA_CA_CERTS: certificates.caFile, ...nameEnv(dns) },
    closers: [() => dns.close(), () => certificates.close()],
  };
}
