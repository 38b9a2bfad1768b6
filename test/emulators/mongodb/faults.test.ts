import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTLS } from 'node:tls';
import type { MongoClient, MongoClientOptions } from 'mongodb';
import { afterEach, describe, expect, it } from 'vitest';
import { createCertificates } from '../certificates.js';
import { type MongoServer, type MongoServerOptions, startMongoServer } from './index.js';
import { oidcClient, startIssuer } from './support.js';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

interface Setting {
  server: MongoServer;
  driver: MongoClient;
  /** How often the driver has asked for a token. */
  asked(): number;
}

async function start(
  options: Partial<MongoServerOptions> = {},
  driverOptions: MongoClientOptions = {},
): Promise<Setting> {
  const issuer = await startIssuer();
  const server = await startMongoServer({ identityProviders: [issuer.provider()], ...options });
  let asked = 0;
  const driver = oidcClient(
    server,
    () => {
      asked += 1;
      return issuer.sign();
    },
    { retryReads: false, retryWrites: false, ...driverOptions },
  );
  open.push(issuer, server, driver);
  return { server, driver, asked: () => asked };
}

describe('a fault', () => {
  it('fails as many commands as it is told to, and only those of its name', async () => {
    const { server, driver } = await start();
    const a = driver.db('test').collection('a');
    server.failNext('find', { code: 50, errmsg: 'too slow' }, 2);
    await a.insertOne({});
    for (let n = 0; n < 2; n++) {
      await expect(a.findOne()).rejects.toMatchObject({
        code: 50,
        codeName: 'MaxTimeMSExpired',
        errmsg: 'too slow',
      });
    }
    await expect(a.findOne()).resolves.toBeTruthy();
  });

  it('closes the connection instead of answering', async () => {
    const { server, driver } = await start();
    await driver.db('test').command({ ping: 1 });
    server.failNext('insert', { close: true });
    await expect(driver.db('test').collection('a').insertOne({})).rejects.toMatchObject({
      name: 'MongoNetworkError',
    });
    await driver.db('test').collection('a').insertOne({});
    await expect.poll(() => server.connections.filter((each) => each.user && !each.open)).toHaveLength(1);
  });

  it('delays, and then lets pass', async () => {
    const { server, driver } = await start();
    await driver.db('test').command({ ping: 1 });
    server.failNext('ping', { delayMS: 80 });
    const startMS = performance.now();
    await driver.db('test').command({ ping: 1 });
    expect(performance.now() - startMS).toBeGreaterThan(75);
  });

  it('with 391 makes the driver reauthenticate', async () => {
    const { server, driver, asked } = await start();
    await driver.db('test').command({ ping: 1 });
    server.failNext('find', { code: 391 });
    await driver.db('test').collection('a').findOne();
    expect(asked()).toBe(2);
    expect(server.stats).toMatchObject({ reauthentications: 1, reauthenticationRequired: 1 });
  });

  it('at saslStart that is not 18 leaves the driver its token', async () => {
    const { server, driver, asked } = await start();
    server.failNext('saslStart', { code: 20 });
    await expect(driver.db('test').collection('a').findOne()).rejects.toMatchObject({ code: 20 });
    await driver.db('test').collection('a').findOne();
    expect(asked()).toBe(1);
  });

  it('meets every spelling of hello', async () => {
    const { server, driver } = await start({}, { serverSelectionTimeoutMS: 300 });
    server.failNext('isMaster', { close: true }, 1_000);
    await expect(driver.connect()).rejects.toMatchObject({ name: 'MongoServerSelectionError' });
  });

  it('that a write may be retried after says so, and the driver does', async () => {
    const { server, driver } = await start({ replicaSet: 'rs0' }, { retryWrites: true, replicaSet: 'rs0' });
    server.failNext('insert', { code: 91 });
    await driver.db('test').collection('a').insertOne({});
    expect(server.stats.commands.insert).toBe(2);
  });

  it('can be set by a client, as the specification tests do', async () => {
    const { driver, asked } = await start({}, { appName: 'spec' });
    const admin = driver.db('admin');
    const a = driver.db('test').collection('a');
    const failCommand = (data: object, mode: unknown = { times: 1 }) =>
      admin.command({ configureFailPoint: 'failCommand', mode, data });

    await failCommand({ failCommands: ['find'], errorCode: 391, appName: 'spec' });
    await a.findOne();
    expect(asked()).toBe(2);
    await failCommand({ failCommands: ['find'], errorCode: 20, appName: 'other' });
    await a.findOne();
    await failCommand({ failCommands: ['insert', 'find'], closeConnection: true });
    await expect(a.insertOne({})).rejects.toMatchObject({ name: 'MongoNetworkError' });
    await a.findOne();
    await failCommand({ failCommands: ['find'], errorCode: 20 }, 'alwaysOn');
    for (let n = 0; n < 3; n++) await expect(a.findOne()).rejects.toMatchObject({ code: 20 });
    await failCommand({}, 'off');
    await a.findOne();
    await expect(admin.command({ configureFailPoint: 'nothing' })).rejects.toMatchObject({ code: 2 });
  });
});

it('adds its latency to each reply', async () => {
  const { driver } = await start({ latencyMS: 40 });
  await driver.connect();
  const startMS = performance.now();
  await driver.db('test').command({ ping: 1 });
  expect(performance.now() - startMS).toBeGreaterThan(35);
});

describe('with TLS', () => {
  it('serves those who trust its certificate, and nobody in clear', async () => {
    const tls = await createCertificates();
    open.push({ close: async () => tls.close() });
    const { server, driver } = await start({ tls }, { tls: true, ca: tls.ca } as MongoClientOptions);
    await driver.db('test').collection('a').insertOne({});
    expect(server.connections.every((each) => each.open)).toBe(true);

    const before = server.stats.connections;
    const plain = connect(server.port, server.host);
    plain.end(Buffer.alloc(64)).resume();
    await once(plain, 'close');
    const distrusting = connectTLS({ port: server.port, host: server.host });
    await expect(once(distrusting, 'secureConnect')).rejects.toThrow(/certificate/);
    expect(server.stats.connections - before).toBeLessThanOrEqual(1);
  });

  it('closes connections that never shook hands', async () => {
    const tls = await createCertificates();
    open.push({ close: async () => tls.close() });
    const { server } = await start({ tls });
    const idle = connect(server.port, server.host);
    await once(idle, 'connect');
    const closed = once(idle.resume(), 'close');
    await server.close();
    await closed;
  });
});
