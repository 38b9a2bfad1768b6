// What other people's programs run against: a place with tokens, and a MongoDB server that trusts it.

import { expect } from 'vitest';
import { startAzureImds } from '../emulators/azure.js';
import { startGcpMetadata } from '../emulators/gcp.js';
import { createTokenDirectory } from '../emulators/kubernetes.js';
import { type MongoServer, startMongoServer } from '../emulators/mongodb/index.js';
import type { CloudName } from './programs.js';

export const audience = 'api://mongodb';

interface Source {
  readonly issuer: string;
  readonly jwksUri: string;
  readonly env: Record<string, string>;
  readonly subject: string | undefined;
  tokenRequests(): number;
  close(): Promise<void>;
}

export class Stage {
  readonly source: Source;
  readonly server: MongoServer;

  private constructor(source: Source, server: MongoServer) {
    this.source = source;
    this.server = server;
  }

  static async open(name: CloudName): Promise<Stage> {
    const source = await sources[name]();
    const { issuer, jwksUri } = source;
    const provider = { issuer, jwksUri, audience, authNamePrefix: 'test', useAuthorizationClaim: false };
    return new Stage(source, await startMongoServer({ identityProviders: [provider] }));
  }

  /** What a program needs to know. */
  get env(): Record<string, string> {
    return { ...this.source.env, MONGODB_URI: this.server.uri, AUDIENCE: audience };
  }

  /** The program prints the server's answer to who it is; each of its connections arrived with the same claims. */
  async expectArrival(program: () => Promise<string>): Promise<void> {
    const { source, server } = this;
    const before = server.claims.length;
    const output = await program();
    const arrived = server.claims.slice(before);
    expect(server.authFailures).toEqual([]);
    expect(output).toBe(`test/${source.subject}\n`);
    expect(arrived).not.toEqual([]);
    for (const { iss, aud, sub } of arrived) {
      expect({ iss, aud: [aud].flat(), sub }).toEqual({
        iss: source.issuer,
        aud: [audience],
        sub: source.subject,
      });
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.server.close(), this.source.close()]);
  }
}

const sources: Record<CloudName, () => Promise<Source>> = {
  async azure() {
    const imds = await startAzureImds();
    return {
      issuer: imds.issuer,
      jwksUri: imds.jwksUri,
      env: imds.env,
      subject: imds.identities.find(({ systemAssigned }) => systemAssigned)?.objectId,
      tokenRequests: () => imds.requests.length,
      close: () => imds.close(),
    };
  },
  async gcp() {
    const metadata = await startGcpMetadata();
    return {
      issuer: metadata.issuer,
      jwksUri: metadata.jwksUri,
      env: metadata.env,
      subject: metadata.serviceAccounts[0]?.uniqueId,
      tokenRequests: () => metadata.requests.filter(({ path }) => path.endsWith('/identity')).length,
      close: () => metadata.close(),
    };
  },
  async kubernetes() {
    const { issuer, jwksUri, env, subject, close } = await createTokenDirectory({ audience });
    return { issuer, jwksUri, env, subject, tokenRequests: () => 0, close };
  },
};
