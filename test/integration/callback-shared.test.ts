// One callback object among several users: clients at once, whoever is not the driver, and callbacks that are
// not this package's own.

import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient, type OIDCCallbackFunction } from 'mongodb';
import {
  type AccessToken,
  type GetTokenRequest,
  OIDCCallback,
  OIDCCallbackError,
} from 'mongodb-workload-identity';
import {
  AzureCallback,
  AzureManagedIdentityCallback,
  AzureWorkloadIdentityCallback,
} from 'mongodb-workload-identity/azure';
import { GcpCallback, GcpMetadataCallback, GkeCallback } from 'mongodb-workload-identity/gcp';
import { KubernetesCallback } from 'mongodb-workload-identity/kubernetes';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type GcpMetadataEmulator, startGcpMetadata } from '../emulators/gcp.js';
import { type Issuer, startIssuer } from '../emulators/issuer.js';
import { type MongoServer, startMongoServer } from '../emulators/mongodb/index.js';

const audience = 'https://mongodb.example.com';
const closers: (() => unknown)[] = [];

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const close of closers.splice(0).reverse()) await close();
});

function connect(server: MongoServer, callback: OIDCCallbackFunction): MongoClient {
  const client = new MongoClient(server.uri, {
    authMechanism: 'MONGODB-OIDC',
    authMechanismProperties: { OIDC_CALLBACK: callback },
    serverSelectionTimeoutMS: 10_000,
  });
  closers.push(() => client.close());
  return client;
}

/** A callback that ends with its test: it would refresh its token at the next one's source. */
function own<T extends OIDCCallback>(callback: T): T {
  closers.push(() => callback.invalidate());
  return callback;
}

async function start<T extends { close(): Promise<void> }>(starting: Promise<T>): Promise<T> {
  const started = await starting;
  closers.push(() => started.close());
  return started;
}

it('is taken by the driver without a cast, whichever class it is of', () => {
  const callbacks: OIDCCallbackFunction[] = [
    new AzureCallback(),
    new AzureManagedIdentityCallback(),
    new AzureWorkloadIdentityCallback(),
    new GcpCallback(),
    new GcpMetadataCallback(),
    new GkeCallback(),
    new KubernetesCallback(),
  ];
  for (const callback of callbacks) {
    const client = new MongoClient('mongodb://127.0.0.1/', {
      authMechanism: 'MONGODB-OIDC',
      authMechanismProperties: { OIDC_CALLBACK: callback },
    });
    expect(client.options.credentials?.mechanismProperties.OIDC_CALLBACK).toBe(callback);
  }
});

describe('a callback that several clients share', () => {
  let metadata: GcpMetadataEmulator;
  let server: MongoServer;
  let callback: GcpMetadataCallback;
  const tokens = () => new Set(server.claims.map(({ jti }) => jti)).size;

  beforeEach(async () => {
    metadata = await start(startGcpMetadata({ lifeSeconds: 6, latencyMS: 200 }));
    vi.stubEnv('GCE_METADATA_HOST', metadata.env.GCE_METADATA_HOST);
    const { issuer, jwksUri } = metadata;
    server = await start(
      startMongoServer({ identityProviders: [{ issuer, jwksUri, audience, authNamePrefix: 'gcp' }] }),
    );
    callback = own(new GcpMetadataCallback({ audience }));
  });

  it('asks for one token, and for one more when that has expired', async () => {
    const clients = Array.from({ length: 5 }, () => connect(server, callback));
    await Promise.all(clients.map((client) => client.db('shop').command({ ping: 1 })));
    expect(metadata.requests).toHaveLength(1);
    expect(tokens()).toBe(1);
    expect(server.stats.authentications).toBe(5);

    // The server refuses the expired token with 391, of which an operation must notice nothing.
    const work = async (client: MongoClient) => {
      while (server.stats.reauthentications < clients.length) {
        await client.db('shop').command({ ping: 1 });
        await sleep(20);
      }
    };
    await Promise.all(clients.map(work));
    const reauthenticated = server.connections.filter(({ reauthentications }) => reauthentications > 0);
    expect(reauthenticated).toHaveLength(5);
    expect(metadata.requests).toHaveLength(2);
    expect(tokens()).toBe(2);
    expect(server.authFailures).toEqual([]);
  });

  it('hands the same token to whoever is not the driver', async () => {
    const client = connect(server, callback);
    const [{ accessToken }] = await Promise.all([callback.fetch(), client.db('shop').command({ ping: 1 })]);
    expect(JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString()).jti).toBe(
      server.claims[0]?.jti,
    );
    expect(metadata.requests).toHaveLength(1);
    expect(callback.expiresAt?.getTime()).toBe((server.claims[0]?.exp ?? 0) * 1000);
  });

  it('takes its audience from the client where it has none itself', async () => {
    const client = new MongoClient(server.uri, {
      authMechanism: 'MONGODB-OIDC',
      authMechanismProperties: { OIDC_CALLBACK: own(new GcpMetadataCallback()), TOKEN_RESOURCE: audience },
    });
    closers.push(() => client.close());
    await client.db('shop').command({ ping: 1 });
    expect(server.claims[0]?.aud).toBe(audience);
  });

  it('serves clients beside a bound and a called copy of itself', async () => {
    const bound: OIDCCallbackFunction = callback.bind(undefined);
    const client = connect(server, bound);
    await client.db('shop').command({ ping: 1 });
    const params = { timeoutContext: new AbortController().signal, version: 1 as const };
    const { accessToken } = await callback.call(undefined, params);
    expect(accessToken).toBe((await callback.fetch()).accessToken);
    expect(metadata.requests).toHaveLength(1);
  });
});

describe('a subclass of OIDCCallback with one getToken', () => {
  let issuer: Issuer;
  let server: MongoServer;

  beforeEach(async () => {
    issuer = await start(startIssuer({ issuer: 'https://id.example.com' }));
    server = await start(
      startMongoServer({
        identityProviders: [
          { issuer: issuer.issuer, jwksUri: issuer.jwksUri, audience, authNamePrefix: 'own' },
        ],
      }),
    );
  });

  it('is an environment of its own', async () => {
    const asked: Pick<GetTokenRequest, 'audience' | 'username'>[] = [];
    class OwnCallback extends OIDCCallback {
      readonly #subject = 'orders';

      protected override async getToken({ audience, username }: GetTokenRequest): Promise<AccessToken> {
        asked.push({ audience, username });
        return { token: await issuer.sign({ aud: `${audience}`, sub: this.#subject }, { lifeSeconds: 60 }) };
      }
    }
    const client = connect(server, new OwnCallback({ audience }));
    const { authInfo } = await client.db('shop').command({ connectionStatus: 1 });
    expect(authInfo.authenticatedUsers).toEqual([{ user: 'own/orders', db: '$external' }]);
    expect(asked).toEqual([{ audience, username: undefined }]);
  });

  it('fails the operation with its very error, and works again when that is no longer shared', async () => {
    const refusal = new OIDCCallbackError('ERR_OIDC_ACCESS_DENIED', 'Ask the administrator.');
    let isRefused = true;
    class OwnCallback extends OIDCCallback {
      protected override async getToken(): Promise<AccessToken> {
        if (isRefused) throw refusal;
        return { token: await issuer.sign({ aud: audience, sub: 'orders' }, { lifeSeconds: 60 }) };
      }
    }
    const client = connect(server, new OwnCallback());
    await expect(client.db('shop').command({ ping: 1 })).rejects.toBe(refusal);
    isRefused = false;
    await vi.waitFor(async () => expect(await client.db('shop').command({ ping: 1 })).toEqual({ ok: 1 }), {
      timeout: 10_000,
    });
  });
});
