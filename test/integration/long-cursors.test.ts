// Cursors that outlive the token they were opened with: the server refuses their next `getMore` with 391, of which
// whoever reads must notice nothing.

import { setTimeout as sleep } from 'node:timers/promises';
import type { MongoClient } from 'mongodb';
import { describe, expect, it, type TestContext, vi } from 'vitest';
import { type MongoServer, startMongoServer } from '../emulators/mongodb/index.js';
import { type Driver, drivers, loadDriver } from '../life/drivers.js';
import { HttpCallback } from '../life/http-callback.mjs';
import { startTokenSource } from '../life/token-source.js';

const audience = 'mongodb';
const PAUSE_MS = 20;
/** Far above the few lives of a token that it takes. */
const WAIT = { timeout: 30_000, interval: 50 };
/** Reads after an expiry. */
const READS_AFTERWARDS = 5;

interface Order {
  readonly _id: number;
}

interface Stage {
  readonly server: MongoServer;
  readonly client: MongoClient;
  /** How often a command was told to reauthenticate. */
  refusals(command: string): number;
  /** How often a command succeeded. */
  successes(command: string): number;
}

async function setTheStage(driver: Driver, { onTestFinished }: TestContext): Promise<Stage> {
  const { MongoClient } = await loadDriver(driver);
  const source = await startTokenSource({ lifeMS: 2_500 });
  onTestFinished(() => source.close());
  const { issuer, jwksUri } = source;
  const server = await startMongoServer({
    identityProviders: [{ issuer, jwksUri, audience, authNamePrefix: 'own' }],
    replicaSet: 'rs0',
  });
  onTestFinished(() => server.close());
  const callback = new HttpCallback({ url: source.url, audience });
  onTestFinished(() => callback.invalidate());
  const client = new MongoClient(server.uri, {
    authMechanism: 'MONGODB-OIDC',
    authMechanismProperties: { OIDC_CALLBACK: callback },
    monitorCommands: true,
  });
  onTestFinished(() => client.close());
  const refused: string[] = [];
  const succeeded: string[] = [];
  client.on('commandFailed', ({ commandName, failure }) => {
    if ((failure as { code?: unknown }).code === 391) refused.push(commandName);
  });
  client.on('commandSucceeded', ({ commandName }) => succeeded.push(commandName));
  const count = (names: string[]) => (command: string) => names.filter((name) => name === command).length;
  return { server, client, refusals: count(refused), successes: count(succeeded) };
}

describe.concurrent.each([drivers[0], drivers.at(-1)] as Driver[])('with $name', (driver) => {
  it('a cursor is read to its end', async (context) => {
    const { server, client, refusals } = await setTheStage(driver, context);
    const collection = client.db('shop').collection<Order>('orders');
    const ids = Array.from({ length: 500 }, (_, i) => i);
    await collection.insertMany(ids.map((_id) => ({ _id })));

    const cursor = collection.find().batchSize(2);
    const found: unknown[] = [];
    for await (const { _id } of cursor) {
      found.push(_id);
      if (refusals('getMore') === 0) await sleep(PAUSE_MS);
    }
    expect(found).toEqual(ids);
    expect(refusals('getMore')).toBeGreaterThan(0);
    expect(server.authFailures).toEqual([]);
  });

  it('a change stream that is iterated goes on', async (context) => {
    const { server, client, refusals, successes } = await setTheStage(driver, context);
    const collection = client.db('shop').collection<Order>('orders');
    const stream = collection.watch([], { maxAwaitTimeMS: 100 });
    context.onTestFinished(() => stream.close());
    await stream.tryNext();

    for (let written = 1, remaining = READS_AFTERWARDS; remaining > 0; written++) {
      if (refusals('getMore') > 0) remaining -= 1;
      await collection.insertOne({ _id: written });
      await sleep(PAUSE_MS);
      expect(await stream.next()).toMatchObject({ documentKey: { _id: written } });
    }
    // The driver did not open another in its place.
    expect(successes('aggregate')).toBe(1);
    expect(server.authFailures).toEqual([]);
  });

  it('a change stream that is listened to goes on, even if nothing happens until then', async (context) => {
    const { server, client, refusals, successes } = await setTheStage(driver, context);
    const collection = client.db('shop').collection<Order>('orders');
    const stream = collection.watch();
    context.onTestFinished(() => stream.close());
    const seen: unknown[] = [];
    const errors: unknown[] = [];
    stream.on('change', (change) => seen.push((change as unknown as { documentKey: Order }).documentKey._id));
    stream.on('error', (error) => errors.push(error));
    await vi.waitFor(() => expect(refusals('getMore')).toBeGreaterThan(0), WAIT);

    const ids = Array.from({ length: READS_AFTERWARDS }, (_, i) => i);
    for (const _id of ids) await collection.insertOne({ _id });
    await vi.waitFor(() => expect(seen).toEqual(ids), WAIT);
    expect(errors).toEqual([]);
    expect(successes('aggregate')).toBe(1);
    expect(server.authFailures).toEqual([]);
  });
});
