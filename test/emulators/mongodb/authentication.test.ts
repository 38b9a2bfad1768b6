import { Binary, serialize } from 'bson';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { MongoClient, type MongoClientOptions } from 'mongodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type MongoServer, type MongoServerOptions, startMongoServer } from './index.js';
import { AUDIENCE, type Issuer, oidcClient, RawClient, startIssuer } from './support.js';

let issuer: Issuer;
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  issuer = await startIssuer();
});
afterAll(() => issuer.close());
// Clients before servers: a client says goodbye.
afterEach(async () => {
  vi.useRealTimers();
  for (const each of open.splice(0).reverse()) await each.close();
});

async function start(options: Partial<MongoServerOptions> = {}): Promise<MongoServer> {
  const server = await startMongoServer({ identityProviders: [issuer.provider()], ...options });
  open.push(server);
  return server;
}

function client(server: MongoServer, token: () => string | Promise<string>, options?: MongoClientOptions) {
  const created = oidcClient(server, token, options);
  open.push(created);
  return created;
}

/** A connection without a driver, which is authenticated if it has a token. */
async function rawClient(server: MongoServer): Promise<RawClient> {
  const raw = await RawClient.connect(server);
  open.push({ close: async () => raw.socket.destroy() as unknown as undefined });
  return raw;
}

const saslStart = (token: string) => ({
  saslStart: 1,
  mechanism: 'MONGODB-OIDC',
  payload: new Binary(serialize({ jwt: token })),
  $db: '$external',
});

describe('a good token', () => {
  it('authenticates the driver, and the server says as whom', async () => {
    const server = await start();
    const driver = client(server, () => issuer.sign({ sub: 'service' }), { appName: 'orders' });
    const status = await driver.db('admin').command({ connectionStatus: 1 });

    expect(status.authInfo).toEqual({
      authenticatedUsers: [{ user: 'test/service', db: '$external' }],
      authenticatedUserRoles: [{ role: 'readWriteAnyDatabase', db: 'admin' }],
    });
    expect(server.claims).toMatchObject([{ iss: issuer.url, aud: AUDIENCE, sub: 'service' }]);
    expect(server.stats).toMatchObject({
      authentications: 1,
      reauthentications: 0,
      authenticationFailures: 0,
    });
    expect(server.connections.filter((each) => each.authentications > 0)).toMatchObject([
      { user: 'test/service', appName: 'orders', open: true, authentications: 1, reauthentications: 0 },
    ]);
    expect(server.authFailures).toEqual([]);
  });

  it('authenticates further connections in their hello, without saslStart', async () => {
    const server = await start();
    const driver = client(server, () => issuer.sign(), { maxPoolSize: 2 });
    await driver.db('test').command({ ping: 1 });
    server.failNext('find', { delayMS: 50 });
    await Promise.all([
      driver.db('test').collection('a').findOne(),
      driver.db('test').collection('a').findOne(),
    ]);

    expect(server.stats.authentications).toBe(2);
    expect(server.stats.commands.saslStart).toBe(1);
    expect(server.claims).toHaveLength(2);
    expect(server.claims[1]).toEqual(server.claims[0]);
  });

  it('names the principal by the claim that is configured, and has its roles from another', async () => {
    const server = await start({
      identityProviders: [
        issuer.provider({
          authNamePrefix: 'entra',
          principalName: 'oid',
          useAuthorizationClaim: true,
          authorizationClaim: 'roles',
        }),
      ],
    });
    const driver = client(server, () => issuer.sign({ oid: 'object', roles: ['reader', 'writer'] }));
    const { authInfo } = await driver.db('admin').command({ connectionStatus: 1 });

    expect(authInfo.authenticatedUsers).toEqual([{ user: 'entra/object', db: '$external' }]);
    expect(authInfo.authenticatedUserRoles).toEqual([
      { role: 'entra/reader', db: 'admin' },
      { role: 'entra/writer', db: 'admin' },
    ]);
  });

  it('is matched with its provider by issuer and audience', async () => {
    const other = await startIssuer();
    open.push(other);
    const server = await start({
      identityProviders: [
        issuer.provider({ audience: 'one', authNamePrefix: 'a' }),
        issuer.provider({ audience: 'two', authNamePrefix: 'b' }),
        other.provider({ audience: 'two', authNamePrefix: 'c' }),
      ],
    });
    const raw = await rawClient(server);
    for (const token of [
      await issuer.sign({ aud: 'one' }),
      await issuer.sign({ aud: ['none', 'two'] }),
      await other.sign({ aud: 'two' }),
    ]) {
      expect(await raw.command(saslStart(token))).toMatchObject({ ok: 1, done: true });
      const { authInfo } = await raw.command({ connectionStatus: 1 });
      expect(authInfo.authenticatedUsers[0].user).toBe(`${'abc'[server.claims.length - 1]}/app`);
    }
  });

  it('is verified with keys that OpenID discovery names, fetched once', async () => {
    const { jwksUri: _, ...provider } = issuer.provider();
    const server = await start({ identityProviders: [provider] });
    const before = issuer.requests.length;
    const raw = await rawClient(server);
    expect(await raw.command(saslStart(await issuer.sign()))).toMatchObject({ ok: 1 });
    expect(await raw.command(saslStart(await issuer.sign()))).toMatchObject({ ok: 1 });
    expect(issuer.requests.slice(before)).toEqual(['/.well-known/openid-configuration', '/keys']);
  });

  it('keeps its place in the claims, however long its verification takes', async () => {
    const slow = await startIssuer();
    open.push(slow);
    const server = await start({ identityProviders: [issuer.provider(), slow.provider()] });
    const [first, second] = [await rawClient(server), await rawClient(server)];
    const release = slow.hold();
    const accepted = first.command(saslStart(await slow.sign({ sub: 'first' })));
    await expect.poll(() => slow.requests).toHaveLength(1);
    expect(await second.command(saslStart(await issuer.sign({ sub: 'second' })))).toMatchObject({ ok: 1 });
    release();
    expect(await accepted).toMatchObject({ ok: 1 });
    expect(server.claims.map(({ sub }) => sub)).toEqual(['first', 'second']);
  });
});

describe('a bad token', () => {
  const now = () => Math.floor(Date.now() / 1000);

  async function foreignToken(): Promise<string> {
    const { privateKey } = await generateKeyPair('ES256');
    return new SignJWT({ iss: issuer.url, aud: AUDIENCE, sub: 'app', exp: now() + 60 })
      .setProtectedHeader({ alg: 'ES256', kid: 'a' })
      .sign(privateKey);
  }

  /** Signed with the public key as if that were a shared secret. */
  async function confusedToken(): Promise<string> {
    const { publicKey } = await generateKeyPair('ES256', { extractable: true });
    const secret = Buffer.from(JSON.stringify(await exportJWK(publicKey)));
    return new SignJWT({ iss: issuer.url, aud: AUDIENCE, sub: 'app', exp: now() + 60 })
      .setProtectedHeader({ alg: 'HS256', kid: 'a' })
      .sign(secret);
  }

  function unsignedToken(): string {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = { iss: issuer.url, aud: AUDIENCE, sub: 'app', exp: now() + 60 };
    return `${part({ alg: 'none', kid: 'a' })}.${part(claims)}.`;
  }

  const signed = (claims: () => JWTPayload) => () => issuer.sign(claims());
  const cases: [name: string, token: () => string | Promise<string>, reason: RegExp][] = [
    ['another audience', signed(() => ({ aud: 'api://other' })), /audience api:\/\/other/],
    ['another issuer', signed(() => ({ iss: 'https://elsewhere.example' })), /issuer https:\/\/elsewhere/],
    ['an expiry in the past', signed(() => ({ exp: now() - 1 })), /"exp"/],
    ['no expiry', signed(() => ({ exp: undefined }) as unknown as JWTPayload), /"exp"/],
    ['a beginning in the future', signed(() => ({ nbf: now() + 60 })), /"nbf"/],
    ['no subject', signed(() => ({ sub: undefined }) as unknown as JWTPayload), /"sub"/],
    ['the signature of another key', foreignToken, /signature/],
    ['the algorithm HS256', confusedToken, /alg/],
    ['no signature', unsignedToken, /alg/],
    ['an unknown key', () => issuer.sign({}, { kid: 'b' }), /no applicable key/],
    ['no key', () => issuer.sign({}, { kid: undefined }), /kid/],
    ['no shape', () => 'nonsense', /not a token/],
  ];

  it.each(cases)('with %s is refused with 18, and no word on why', async (_name, token, reason) => {
    const server = await start();
    const jwt = await token();
    const driver = client(server, () => jwt);
    const error = await driver
      .db('test')
      .command({ ping: 1 })
      .catch((reason: unknown) => reason);

    expect(error).toMatchObject({
      code: 18,
      codeName: 'AuthenticationFailed',
      errmsg: 'Authentication failed.',
    });
    expect(server.authFailures).toHaveLength(1);
    expect(server.authFailures[0]).toMatch(reason);
    expect(server.authFailures[0]).not.toContain(jwt.slice(0, 8));
    expect(server.stats).toMatchObject({ authentications: 0, authenticationFailures: 1 });
    expect(server.claims).toEqual([]);
  });

  it('of a principal who is no user is refused, where the users are known', async () => {
    const server = await start({ users: ['test/known'] });
    const raw = await rawClient(server);
    expect(await raw.command(saslStart(await issuer.sign({ sub: 'unknown' })))).toMatchObject({ code: 18 });
    expect(server.authFailures).toEqual(['no user test/unknown in $external']);
    expect(await raw.command(saslStart(await issuer.sign({ sub: 'known' })))).toMatchObject({ ok: 1 });
  });

  it('without the authorization claim is refused, where roles come from it', async () => {
    const provider = issuer.provider({ useAuthorizationClaim: true, authorizationClaim: 'groups' });
    const server = await start({ identityProviders: [provider] });
    const raw = await rawClient(server);
    expect(await raw.command(saslStart(await issuer.sign()))).toMatchObject({ code: 18 });
    expect(await raw.command(saslStart(await issuer.sign({ groups: 'staff' })))).toMatchObject({ ok: 1 });
    expect(server.authFailures).toEqual(['no claim groups with the roles']);
  });

  it('in a hello leaves the hello without speculativeAuthenticate', async () => {
    const server = await start();
    const raw = await rawClient(server);
    const { $db: db, ...step } = saslStart(await issuer.sign({ aud: 'other' }));
    const refused = await raw.command({ hello: 1, speculativeAuthenticate: { ...step, db } });
    expect(refused).toMatchObject({ ok: 1, isWritablePrimary: true });
    expect(refused).not.toHaveProperty('speculativeAuthenticate');
    expect(server.authFailures).toHaveLength(1);

    const { $db: _, ...good } = saslStart(await issuer.sign());
    const accepted = await raw.command({ hello: 1, speculativeAuthenticate: { ...good, db: '$external' } });
    expect(accepted.speculativeAuthenticate).toMatchObject({ done: true, conversationId: 1, ok: 1 });
    expect(await raw.command({ find: 'a', $db: 'test' })).toMatchObject({ ok: 1 });
  });

  it('is no token at all in the first step of the human flow', async () => {
    const server = await start();
    const raw = await rawClient(server);
    for (const payload of [{}, { n: 'somebody' }]) {
      const start = { ...saslStart(''), payload: new Binary(serialize(payload)) };
      expect(await raw.command(start)).toMatchObject({ ok: 0, code: 18 });
    }
    expect(await raw.command({ ...saslStart(''), payload: new Binary(Buffer.from('x')) })).toMatchObject({
      code: 18,
    });
    expect(server.authFailures).toEqual([
      'no token in the payload',
      'no token in the payload',
      'the payload is not BSON',
    ]);
  });

  it('may be good after the providers have changed', async () => {
    const server = await start({ identityProviders: [issuer.provider({ audience: 'before' })] });
    const raw = await rawClient(server);
    const token = await issuer.sign();
    expect(await raw.command(saslStart(token))).toMatchObject({ code: 18 });
    server.setProviders([issuer.provider()]);
    expect(await raw.command(saslStart(token))).toMatchObject({ ok: 1 });
  });
});

describe('without authentication', () => {
  it('a driver gets 13 from every command that needs it', async () => {
    const server = await start();
    const driver = new MongoClient(server.uri, { serverSelectionTimeoutMS: 5_000 });
    open.push(driver);
    await expect(driver.db('test').collection('a').findOne()).rejects.toMatchObject({
      code: 13,
      codeName: 'Unauthorized',
      errmsg: 'Command find requires authentication',
    });
    await expect(driver.db('test').collection('a').insertOne({})).rejects.toMatchObject({ code: 13 });
    await expect(driver.db('admin').command({ configureFailPoint: 'failCommand' })).rejects.toMatchObject({
      code: 13,
    });
  });

  it('hello, ping, buildInfo and connectionStatus are answered', async () => {
    const server = await start();
    const raw = await rawClient(server);
    expect(await raw.command({ ping: 1 })).toEqual({ ok: 1 });
    expect(await raw.command({ buildInfo: 1 })).toMatchObject({
      ok: 1,
      version: expect.stringMatching(/^7\.0/),
    });
    expect(await raw.command({ connectionStatus: 1 })).toMatchObject({
      authInfo: { authenticatedUsers: [], authenticatedUserRoles: [] },
    });
  });

  it('other mechanisms, another database and a second step are refused', async () => {
    const server = await start();
    const raw = await rawClient(server);
    const token = await issuer.sign();
    expect(await raw.command({ ...saslStart(token), mechanism: 'PLAIN' })).toMatchObject({
      code: 334,
      codeName: 'MechanismUnavailable',
    });
    expect(await raw.command({ ...saslStart(token), $db: 'admin' })).toMatchObject({ code: 18 });
    expect(await raw.command({ saslContinue: 1, conversationId: 1 })).toMatchObject({ code: 17 });

    const disabled = await rawClient(await start({ mechanisms: ['SCRAM-SHA-256'] }));
    expect(await disabled.command(saslStart(token))).toMatchObject({ code: 334 });
    expect(await disabled.command({ hello: 1, saslSupportedMechs: 'a.b' })).toMatchObject({
      saslSupportedMechs: ['SCRAM-SHA-256'],
    });
  });
});

describe('once a token has expired', () => {
  // Only the clock is faked: sockets and the driver's timers go on.
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'] });
  });

  it('each command is answered with 391 until there is a new one', async () => {
    const server = await start();
    const raw = await rawClient(server);
    const exp = Math.floor(Date.now() / 1000) + 10;
    expect(await raw.command(saslStart(await issuer.sign({ exp })))).toMatchObject({ ok: 1 });
    vi.setSystemTime(exp * 1000 - 1);
    expect(await raw.command({ find: 'a', $db: 'test' })).toMatchObject({ ok: 1 });
    vi.setSystemTime(exp * 1000);
    for (const command of [{ find: 'a' }, { ping: 1 }, { find: 'a' }]) {
      expect(await raw.command({ ...command, $db: 'test' })).toMatchObject({
        ok: 0,
        code: 391,
        codeName: 'ReauthenticationRequired',
      });
    }
    expect(server.stats).toMatchObject({ reauthenticationRequired: 3, reauthentications: 0 });
    expect(await raw.command({ hello: 1 })).toMatchObject({ ok: 1 });
    expect(await raw.command(saslStart(await issuer.sign()))).toMatchObject({ ok: 1 });
    expect(await raw.command({ find: 'a', $db: 'test' })).toMatchObject({ ok: 1 });
    expect(server.stats).toMatchObject({ authentications: 1, reauthentications: 1 });
  });

  it('the driver reauthenticates on the same connection and goes on', async () => {
    const server = await start();
    let asked = 0;
    const driver = client(server, () => {
      asked += 1;
      return issuer.sign({ exp: Math.floor(Date.now() / 1000) + 60 });
    });
    const notes = driver.db('test').collection<{ _id: number }>('notes');
    await notes.insertOne({ _id: 1 });
    vi.setSystemTime(Date.now() + 60_000);
    await notes.insertOne({ _id: 2 });

    expect(await notes.countDocuments()).toBe(2);
    expect(asked).toBe(2);
    expect(server.stats).toMatchObject({
      authentications: 1,
      reauthentications: 1,
      reauthenticationRequired: 1,
    });
    expect(server.connections.filter((each) => each.authentications > 0)).toMatchObject([
      { reauthentications: 1 },
    ]);
  });
});

describe('once tokens are revoked', () => {
  it('their connections get 391 and they open no other, while new ones are good', async () => {
    const server = await start();
    const raw = await rawClient(server);
    const token = await issuer.sign();
    await raw.command(saslStart(token));
    server.revokeTokens();

    expect(await raw.command({ find: 'a', $db: 'test' })).toMatchObject({ code: 391 });
    expect(await raw.command(saslStart(token))).toMatchObject({ code: 18 });
    expect(server.authFailures).toEqual(['the token was revoked']);
    expect(await raw.command(saslStart(await issuer.sign()))).toMatchObject({ ok: 1 });
    expect(await raw.command({ find: 'a', $db: 'test' })).toMatchObject({ ok: 1 });
  });

  it('the driver gets another and goes on', async () => {
    const server = await start();
    const driver = client(server, () => issuer.sign());
    await driver.db('test').collection('a').insertOne({});
    server.revokeTokens();
    await driver.db('test').collection('a').insertOne({});
    expect(server.stats).toMatchObject({ authentications: 1, reauthentications: 1 });
  });
});

it('carries a thousand clients that come at once', async () => {
  const server = await start();
  const token = await issuer.sign();
  const clients = await Promise.all(Array.from({ length: 1_000 }, () => rawClient(server)));
  const replies = await Promise.all(clients.map((raw) => raw.command(saslStart(token))));
  expect(replies.every((reply) => reply.ok === 1)).toBe(true);
  expect(server.stats).toMatchObject({ connections: 1_000, authentications: 1_000 });
});
