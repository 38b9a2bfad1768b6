// One token request where many ask for the same token, and never one token for two different askers.

import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { defaultIdentities, startAzureImds } from '../emulators/azure.js';
import { type GcpMetadataEmulator, startGcpMetadata } from '../emulators/gcp.js';
import { type IdentityProvider, type MongoServer, startMongoServer } from '../emulators/mongodb/index.js';
import { HttpCallback } from '../life/http-callback.mjs';
import { Service } from '../life/service.js';
import { type Arrival, startTokenSource } from '../life/token-source.js';

/** Longer than anything here takes. */
const WAIT = { timeout: 30_000, interval: 50 };
const audience = 'https://mongodb.example.com';
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start<T extends { close(): Promise<void> }>(starting: T | Promise<T>): Promise<T> {
  const started = await starting;
  closers.push(() => started.close());
  return started;
}

function startServer(
  { issuer, jwksUri }: { readonly issuer: string; readonly jwksUri: string },
  audiences: readonly string[],
): Promise<MongoServer> {
  const identityProviders = audiences.map((audience): IdentityProvider => {
    return { issuer, jwksUri, audience, authNamePrefix: 'one' };
  });
  return start(startMongoServer({ identityProviders }));
}

function tokensOf(server: MongoServer): Set<unknown> {
  return new Set(server.claims.map(({ jti }) => jti));
}

describe('one request', () => {
  let metadata: GcpMetadataEmulator;
  let server: MongoServer;
  let service: Service;

  const setTheStage = async () => {
    metadata = await start(startGcpMetadata({ latencyMS: 200 }));
    server = await startServer(metadata, [audience]);
    service = await start(new Service(metadata.env));
  };
  const uriFor = (server: MongoServer) =>
    `${server.uri}?authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:gcp,TOKEN_RESOURCE:${audience}`;

  it('serves a thousand clients that start at once on one callback', async () => {
    await setTheStage();
    await service.call('callback', { id: 'gcp', kind: 'GcpMetadataCallback', options: { audience } });
    await service.call('crowd', { count: 1_000, callback: 'gcp', uri: server.uri });
    expect(server.stats.authentications).toBe(1_000);
    expect(tokensOf(server).size).toBe(1);
    expect(metadata.requests).toHaveLength(1);
  }, 120_000);

  it('serves a thousand users of one connection string', async () => {
    await setTheStage();
    const crowd = { count: 1_000, clients: 20, uri: uriFor(server) };
    expect(await service.call('crowdOfURIs', crowd)).toBe(1);
    expect(server.stats.authentications).toBe(20);
    expect(tokensOf(server).size).toBe(1);
    expect(metadata.requests).toHaveLength(1);
  });

  it('serves a program that imports and requires the package', async () => {
    await setTheStage();
    await service.call('bothFormats', { uri: uriFor(server) });
    expect(server.stats.authentications).toBe(2);
    expect(metadata.requests).toHaveLength(1);
  });

  it.each(['fetch', 'call'] as const)('serves the hundredth caller when 99 give up (%s)', async (way) => {
    const source = await start(startTokenSource({ lifeMS: 60_000, workMS: 1_000 }));
    const callback = new HttpCallback({ url: source.url, audience });
    const ask = async (timeoutContext: AbortSignal): Promise<string> => {
      const asked =
        way === 'fetch' ? callback.fetch({ timeoutContext }) : callback({ timeoutContext, version: 1 });
      return (await asked).accessToken;
    };
    const impatient = Array.from({ length: 99 }, () => new AbortController());
    const callers = impatient.map(({ signal }) => ask(signal));
    let hasToken = false;
    const patient = ask(new AbortController().signal).finally(() => {
      hasToken = true;
    });
    await vi.waitFor(() => expect(source.arrivals).toHaveLength(1), WAIT);
    for (const one of impatient) one.abort();
    for (const outcome of await Promise.allSettled([...callers, ask(AbortSignal.abort())])) {
      expect(outcome).toMatchObject({ reason: { name: 'OIDCCallbackError', code: 'ERR_OIDC_ABORTED' } });
    }
    expect(hasToken).toBe(false);
    expect(await patient).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    expect(source.arrivals).toHaveLength(1);
  });
});

it('replaces a token that the server refuses early, at most 5 s after it was had', async () => {
  const latencyMS = 400;
  const source = await start(startTokenSource({ lifeMS: 3_600_000, workMS: latencyMS }));
  const server = await startServer(source, [audience]);
  const client = new MongoClient(server.uri, {
    authMechanism: 'MONGODB-OIDC',
    authMechanismProperties: { OIDC_CALLBACK: new HttpCallback({ url: source.url, audience }) },
  });
  closers.push(() => client.close());
  const operate = () => client.db('shop').command({ ping: 1 });
  await operate();
  await sleep(1_000);
  server.revokeTokens();
  const revokedAt = performance.now();
  let failures = 0;
  await vi.waitFor(async () => {
    try {
      await operate();
    } catch (error) {
      expect(error).toMatchObject({ name: 'MongoServerError', code: 18 });
      failures += 1;
      throw error;
    }
  }, WAIT);
  const healedAfterMS = performance.now() - revokedAt;
  expect(failures).toBeGreaterThan(0);
  // 5 s from the first request, which was before; two seconds are for a machine that is busy.
  expect(healedAfterMS).toBeLessThan(5_000 + latencyMS + 2_000);
  for (let i = 0; i < 10; i++) await operate();
  expect(source.arrivals).toHaveLength(2);
  expect(tokensOf(server).size).toBe(2);
});

it('keeps audiences and usernames apart, on one callback', async () => {
  const imds = await start(startAzureImds({ latencyMS: 100 }));
  const audiences = ['api://orders', 'api://stock'];
  const server = await startServer(imds, audiences);
  const service = await start(new Service(imds.env));
  await service.call('callback', { id: 'azure', kind: 'AzureManagedIdentityCallback', options: {} });
  const clients = audiences.flatMap((tokenAudience) =>
    defaultIdentities.map(({ clientId, objectId }) => ({ tokenAudience, username: clientId, objectId })),
  );
  await Promise.all(
    clients.map(({ tokenAudience, username }) =>
      service.call('connect', {
        id: `${tokenAudience} ${username}`,
        callback: 'azure',
        uri: server.uri,
        poolSize: 3,
        tokenAudience,
        username,
      }),
    ),
  );
  const pairs = new Set(server.claims.map(({ aud, oid }) => `${aud} ${oid}`));
  expect([...pairs].sort()).toEqual(clients.map((one) => `${one.tokenAudience} ${one.objectId}`).sort());
  expect(new Set(server.claims.map(({ uti }) => uti)).size).toBe(4);
  expect(imds.requests).toHaveLength(4);
  expect(server.authFailures).toEqual([]);
});

describe('50 processes that start together', () => {
  const pods = Array.from({ length: 50 }, (_, index) => `pod-${index}`);

  /** How many there are in each stretch of time, as a plot to look at where the test fails. */
  function plot(timesMS: readonly number[], bucketMS: number): string {
    const first = Math.min(...timesMS);
    const counts: number[] = [];
    for (const time of timesMS) {
      const bucket = Math.floor((time - first) / bucketMS);
      counts[bucket] = (counts[bucket] ?? 0) + 1;
    }
    const line = (count = 0, bucket = 0) =>
      `${String(bucket * bucketMS).padStart(6)} ms ${'#'.repeat(count)}`;
    return `\n${Array.from(counts, line).join('\n')}\n`;
  }

  /** The most in any stretch of that length. */
  function densest(timesMS: readonly number[], stretchMS: number): number {
    return Math.max(
      ...timesMS.map((from) => timesMS.filter((time) => time >= from && time < from + stretchMS).length),
    );
  }

  it('spread their requests at a source that throttles, and their refreshes', async () => {
    const steady = await start(startTokenSource({ lifeMS: 12_000 }));
    const throttled = await start(startTokenSource({ lifeMS: 3_600_000, workMS: 50, limit: 0 }));
    const services = pods.map(() => new Service());
    closers.push(() => Promise.all(services.map((service) => service.close())));
    const each = (action: string, parameters: (pod: string) => object) =>
      Promise.all(services.map((service, index) => service.call(action, parameters(pods[index] as string))));
    for (const { url } of [steady, throttled]) {
      await each('callback', (pod) => ({ id: url, kind: 'HttpCallback', options: { url, audience: pod } }));
    }
    /** When each pod's request of that number came, after its first: they are not told to start at one instant. */
    const nth = (number: number, arrivals: readonly Arrival[]) =>
      pods.flatMap((pod) => {
        const [first, ...others] = arrivals.filter((one) => one.audience === pod).map(({ at }) => at);
        const time = others[number - 2];
        return first === undefined || time === undefined ? [] : [time - first];
      });
    await each('fetch', () => ({ callback: steady.url }));

    // Five at a time are served when everybody was refused four times.
    const fetched = each('fetch', () => ({ callback: throttled.url }));
    await vi.waitFor(() => expect(nth(4, throttled.arrivals)).toHaveLength(pods.length), WAIT);
    throttled.options.limit = 5;
    await fetched;
    expect(throttled.arrivals.filter(({ status }) => status === 200)).toHaveLength(pods.length);
    const retries = nth(5, throttled.arrivals);
    expect(densest(retries, 250), plot(retries, 100)).toBeLessThan(pods.length / 2);

    await vi.waitFor(() => expect(nth(2, steady.arrivals)).toHaveLength(pods.length), WAIT);
    const refreshes = nth(2, steady.arrivals);
    expect(densest(refreshes, 200), plot(refreshes, 100)).toBeLessThan(pods.length / 2);
  });
});
