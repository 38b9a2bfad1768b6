import { once } from 'node:events';
import { connect } from 'node:net';
import { Binary, serialize } from 'bson';
import { afterEach, expect, it } from 'vitest';
import { type MongoServer, type MongoServerOptions, startMongoServer } from './index.js';
import { type Issuer, oidcClient, RawClient, startIssuer } from './support.js';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function start(
  options: Partial<MongoServerOptions> = {},
): Promise<{ server: MongoServer; issuer: Issuer }> {
  const issuer = await startIssuer();
  const server = await startMongoServer({ identityProviders: [issuer.provider()], ...options });
  open.push(issuer, server);
  return { server, issuer };
}

async function authenticated(server: MongoServer, issuer: Issuer): Promise<RawClient> {
  const raw = await RawClient.connect(server);
  const payload = new Binary(serialize({ jwt: await issuer.sign() }));
  await raw.command({ saslStart: 1, mechanism: 'MONGODB-OIDC', payload, $db: '$external' });
  return raw;
}

/** A section of kind 1. */
function sequence(name: string, documents: object[]): Buffer {
  const body = Buffer.concat([Buffer.from(`${name}\0`), ...documents.map((document) => serialize(document))]);
  const size = Buffer.alloc(4);
  size.writeInt32LE(4 + body.length);
  return Buffer.concat([Buffer.of(1), size, body]);
}

it('answers the legacy hello in OP_REPLY, in either spelling and wrapped or not', async () => {
  const { server } = await start();
  const raw = await RawClient.connect(server);
  for (const query of [{ isMaster: 1, helloOk: true }, { $query: { ismaster: 1, helloOk: true } }]) {
    const id = raw.query('admin.$cmd', query);
    const { opCode, responseTo, reply } = await raw.reply();
    expect({ opCode, responseTo }).toEqual({ opCode: 1, responseTo: id });
    expect(reply).toMatchObject({ ok: 1, ismaster: true, helloOk: true, maxWireVersion: 21 });
  }
  expect(server.stats.commands).toEqual({ hello: 2 });
});

it('takes nothing else by OP_QUERY', async () => {
  const { server } = await start();
  const raw = await RawClient.connect(server);
  raw.query('admin.$cmd', { ping: 1 });
  expect((await raw.reply()).reply).toMatchObject({
    ok: 0,
    code: 352,
    codeName: 'UnsupportedOpQueryCommand',
  });
});

it('says what a driver has to know, and promises no streaming', async () => {
  const { server } = await start();
  const raw = await RawClient.connect(server);
  const reply = await raw.command({ hello: 1, client: { application: { name: 'orders' } } });
  expect(reply).toMatchObject({
    isWritablePrimary: true,
    maxBsonObjectSize: 16_777_216,
    maxMessageSizeBytes: 48_000_000,
    maxWriteBatchSize: 100_000,
    logicalSessionTimeoutMinutes: 30,
    connectionId: 1,
    minWireVersion: 0,
    maxWireVersion: 21,
    readOnly: false,
    ok: 1,
  });
  for (const field of ['setName', 'topologyVersion', 'compression', 'saslSupportedMechs', 'helloOk']) {
    expect(reply).not.toHaveProperty(field);
  }
  expect(server.connections).toMatchObject([{ id: 1, appName: 'orders', open: true }]);
});

it('is the primary of a replica set of one, where it has a name', async () => {
  const { server, issuer } = await start({ replicaSet: 'rs0', maxWireVersion: 25 });
  const raw = await RawClient.connect(server);
  expect(await raw.command({ hello: 1 })).toMatchObject({
    setName: 'rs0',
    hosts: [server.address],
    primary: server.address,
    me: server.address,
    secondary: false,
    maxWireVersion: 25,
  });
  const driver = oidcClient(server, () => issuer.sign(), { replicaSet: 'rs0' });
  open.push(driver);
  await driver.db('test').collection('a').insertOne({});
  expect(await driver.db('admin').command({ buildInfo: 1 })).toMatchObject({
    version: expect.stringMatching(/^8\.0/),
  });
});

it('reads document sequences, and a checksum it does not ask for', async () => {
  const { server, issuer } = await start();
  const raw = await authenticated(server, issuer);
  const id = raw.message(
    { insert: 'a', $db: 'test' },
    { flags: 1, sections: [sequence('documents', [{ _id: 1 }, { _id: 2 }])], trailer: Buffer.alloc(4) },
  );
  expect(await raw.reply()).toEqual({ opCode: 2013, responseTo: id, reply: { n: 2, ok: 1 } });
});

it('does not answer a message with moreToCome, but does what it says', async () => {
  const { server, issuer } = await start();
  const raw = await authenticated(server, issuer);
  raw.message({ insert: 'a', documents: [{ _id: 1 }], $db: 'test' }, { flags: 2 });
  const id = raw.message({ count: 'a', $db: 'test' });
  expect(await raw.reply()).toMatchObject({ responseTo: id, reply: { n: 1 } });
});

it('answers in order what arrives in pieces and what arrives together', async () => {
  const { server } = await start();
  server.failNext('ping', { delayMS: 100 });
  const raw = await RawClient.connect(server);
  const first = raw.message({ ping: 1, $db: 'admin' });
  await expect.poll(() => server.stats.commands.ping, { interval: 1 }).toBe(1);
  raw.socket.cork();
  const others = [1, 2].map(() => raw.message({ buildInfo: 1, $db: 'admin' }));
  raw.socket.uncork();
  for (const id of [first, ...others]) expect((await raw.reply()).responseTo).toBe(id);

  const body = serialize({ ping: 1, $db: 'admin' });
  const message = Buffer.alloc(21 + body.length);
  message.writeInt32LE(message.length, 0);
  message.writeInt32LE(99, 4);
  message.writeInt32LE(2013, 12);
  message.set(body, 21);
  for (const byte of message) {
    raw.socket.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect((await raw.reply()).responseTo).toBe(99);
});

it.each([
  ['a length below the header', Buffer.alloc(16)],
  ['a length beyond the limit', Buffer.from('ffffff7f01000000ffffffff00000000', 'hex')],
  ['an unknown opcode', Buffer.from('10000000010000000000000001000000', 'hex')],
  ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ['a body that is not BSON', Buffer.from('1a0000000100000000000000dd070000000000000009000000ff', 'hex')],
])('ends the connection at %s, and lives on', async (_name, bytes) => {
  const { server } = await start();
  const socket = connect(server.port, server.host);
  socket.resume().write(bytes);
  await once(socket, 'close');
  await expect.poll(() => server.connections[0]?.open).toBe(false);
  const raw = await RawClient.connect(server);
  expect(await raw.command({ ping: 1 })).toEqual({ ok: 1 });
});

it('refuses what it does not know, as a server does', async () => {
  const { server, issuer } = await start();
  const raw = await authenticated(server, issuer);
  expect(await raw.command({ getParameter: '*' })).toEqual({
    ok: 0,
    errmsg: "no such command: 'getParameter'",
    code: 59,
    codeName: 'CommandNotFound',
  });
  expect(await raw.command({ constructor: 1 })).toMatchObject({ code: 59 });
  raw.message({ ping: 1 });
  expect((await raw.reply()).reply).toMatchObject({ code: 40571 });
});

it('tolerates what drivers send along', async () => {
  const { server, issuer } = await start();
  const driver = oidcClient(server, () => issuer.sign(), {
    serverApi: { version: '1', strict: true, deprecationErrors: true },
    readPreference: 'secondaryPreferred',
    compressors: ['zlib'],
  });
  open.push(driver);
  await driver.withSession(async (session) => {
    await driver.db('test').collection('a').insertOne({ a: 1 }, { session });
    expect(await driver.db('test').collection('a').countDocuments({}, { session })).toBe(1);
  });
});

it('closes every connection and frees its port', async () => {
  const { server } = await start();
  const raw = await RawClient.connect(server);
  const closed = once(raw.socket.resume(), 'close');
  await server.close();
  await closed;
  await server.close();
  const again = await startMongoServer({ identityProviders: [], port: server.port });
  open.push(again);
  expect(again.address).toBe(server.address);
});
