// What the specification's tests have in common: a driver, a server, and a client that is configured in one of the
// ways that the specification has its tests run in.

import type {
  FindOptions,
  MongoClient,
  MongoClientOptions,
  OIDCCallbackFunction,
  OIDCCallbackParams,
} from 'mongodb';
import { type OIDCCallback, workloadIdentity } from 'mongodb-workload-identity';
import { afterAll, beforeAll, type TestContext, vi } from 'vitest';
import { startAzureImds } from '../emulators/azure.js';
import { startGcpMetadata } from '../emulators/gcp.js';
import { createTokenDirectory } from '../emulators/kubernetes.js';
import { type IdentityProvider, type MongoServer, startMongoServer } from '../emulators/mongodb/index.js';
import { type Driver, drivers, loadDriver } from '../life/drivers.js';
import { HttpCallback } from '../life/http-callback.mjs';
import { startTokenSource, type TokenSource } from '../life/token-source.js';

export const audience = 'api://mongodb';
/** Longer than any test. */
const LIFE_MS = 300_000;

type Environment = 'azure' | 'gcp' | 'k8s';
/** A callback of one's own, or an environment's in a connection string. */
type Way = 'callback' | Environment;

/** The oldest and the newest that the package supports. */
export const edges = [drivers[0], drivers.at(-1)] as Driver[];

export const everyWay: readonly { driver: Driver; way: Way; name: string }[] = edges.flatMap((driver) =>
  (['callback', 'azure', 'gcp', 'k8s'] as const).map((way) => {
    const name = `${driver.name}, ${way === 'callback' ? 'a callback' : `ENVIRONMENT:${way}`}`;
    return { driver, way, name };
  }),
);

interface Source extends Pick<IdentityProvider, 'issuer'> {
  readonly jwksUri: string;
  readonly env?: Readonly<Record<string, string>>;
}

const sources = {} as Record<Environment, Source> & { callback: TokenSource };

/** What is asked for tokens, one for a whole file: in one process the SDK of Azure never asks another. */
export function useSources(): void {
  const closers: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    const started = {
      callback: await startTokenSource({ lifeMS: LIFE_MS }),
      azure: await startAzureImds(),
      gcp: await startGcpMetadata(),
      k8s: await createTokenDirectory({ audience }),
    };
    for (const source of Object.values(started)) closers.push(() => source.close());
    for (const { env = {} } of Object.values<Source>(started)) {
      for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    }
    Object.assign(sources, started);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    for (const close of closers) await close();
  });
}

interface Fault {
  errorCode?: number;
  closeConnection?: boolean;
}

interface Stage {
  readonly server: MongoServer;
  readonly client: MongoClient;
  readonly callback: OIDCCallback;
  /** What the driver called the callback with, each time. */
  readonly calls: readonly OIDCCallbackParams[];
  find(options?: FindOptions): Promise<unknown[]>;
  insert(): Promise<unknown>;
  /** Has the client's next command of that name fail, by the fail point that the specification uses. */
  failNext(command: string, fault: Fault): Promise<void>;
}

interface StageOptions {
  driver: Driver;
  way: Way;
  username?: string | undefined;
  /** Added to each of the server's replies. */
  latencyMS?: number;
  monitorCommands?: boolean;
  /** The rest is for the way `callback`. */
  source?: TokenSource;
  timeoutMS?: number;
  allowedHosts?: string[];
}

/** A source of a test's own, for the way `callback`. */
export async function startSource({ onTestFinished }: TestContext): Promise<TokenSource> {
  const source = await startTokenSource({ lifeMS: LIFE_MS });
  onTestFinished(() => source.close());
  return source;
}

export async function setTheStage(context: TestContext, stage: StageOptions): Promise<Stage> {
  const { driver, way, latencyMS = 0, monitorCommands = false } = stage;
  const { MongoClient } = await loadDriver(driver);
  const { issuer, jwksUri }: Source = stage.source ?? sources[way];
  const server = await startMongoServer({
    identityProviders: [{ issuer, jwksUri, audience, authNamePrefix: 'spec' }],
    latencyMS,
  });
  context.onTestFinished(() => server.close());

  const [uri, { authMechanismProperties, ...options }] =
    way === 'callback' ? withCallback(server, stage) : withEnvironment(server, stage);
  const callback = authMechanismProperties?.OIDC_CALLBACK as OIDCCallback;
  context.onTestFinished(() => callback.invalidate());
  const calls: OIDCCallbackParams[] = [];
  const counted = (params: OIDCCallbackParams) => {
    calls.push(params);
    return callback(params);
  };

  function connect(OIDC_CALLBACK: OIDCCallbackFunction, more: MongoClientOptions): MongoClient {
    const client = new MongoClient(uri, {
      ...options,
      authMechanismProperties: { ...authMechanismProperties, OIDC_CALLBACK },
      retryReads: false,
      retryWrites: false,
      ...more,
    });
    context.onTestFinished(() => client.close());
    return client;
  }
  const appName = 'spec';
  const client = connect(counted, { appName, monitorCommands });
  const administrator = connect(callback, {});
  const collection = client.db('test').collection('test');
  return {
    server,
    client,
    callback,
    calls,
    find: (findOptions = {}) => collection.find({}, findOptions).toArray(),
    insert: () => collection.insertOne({}),
    async failNext(command, fault) {
      await administrator.db('admin').command({
        configureFailPoint: 'failCommand',
        mode: { times: 1 },
        data: { failCommands: [command], appName, ...fault },
      });
    },
  };
}

type Arguments = [uri: string, options: MongoClientOptions];

function withEnvironment(server: MongoServer, { way, username }: StageOptions): Arguments {
  const properties = `ENVIRONMENT:${way}${way === 'k8s' ? '' : `,TOKEN_RESOURCE:${audience}`}`;
  return workloadIdentity(
    `mongodb://${userPart(username)}${server.address}/?authMechanism=MONGODB-OIDC&authMechanismProperties=${properties}`,
  );
}

function withCallback(server: MongoServer, stage: StageOptions): Arguments {
  const { source = sources.callback, username, timeoutMS, allowedHosts } = stage;
  const authMechanismProperties = {
    OIDC_CALLBACK: new HttpCallback({ url: source.url, timeoutMS }),
    TOKEN_RESOURCE: audience,
    ...(allowedHosts && { ALLOWED_HOSTS: allowedHosts }),
  };
  return [
    `mongodb://${userPart(username)}${server.address}/`,
    { authMechanism: 'MONGODB-OIDC', authMechanismProperties },
  ];
}

function userPart(username: string | undefined): string {
  return username === undefined ? '' : `${username}@`;
}

interface OIDCProvider {
  workflow: { cache: { put(response: { accessToken: string }): void } };
}

/** The specification's *Client Cache*, which drivers keep to themselves. */
export function clientCacheOf(client: MongoClient): OIDCProvider['workflow']['cache'] {
  const { s, options } = client as unknown as {
    s: { authProviders: { getOrCreateProvider(mechanism: string, properties: unknown): OIDCProvider } };
    options: { credentials: { mechanism: string; mechanismProperties: unknown } };
  };
  const { mechanism, mechanismProperties } = options.credentials;
  return s.authProviders.getOrCreateProvider(mechanism, mechanismProperties).workflow.cache;
}
