// The prose tests of the MONGODB-OIDC specification, under its numbers: the machine flow, as far as callbacks go.
// https://github.com/mongodb/specifications/blob/master/source/auth/tests/mongodb-oidc.md
//
// What is left out, or done in another way:
//
// | what                   | why                                                                                  |
// |------------------------|--------------------------------------------------------------------------------------|
// | `ENVIRONMENT:test`     | a fixture of the drivers' own tests, which `workloadIdentity` refuses                |
// | built-in environments  | `workloadIdentity` puts a callback in their place, and that is what is tested        |
// | 2.2, 2.3               | a callback of this package never returns such a thing; its source does here          |
// | 2.4, 2.5               | Node.js drivers accept some of it, `workloadIdentity` none                           |
// | the human flow         | needs an `OIDC_HUMAN_CALLBACK` and somebody at a browser; these callbacks have none  |

import { OIDCCallbackError, workloadIdentity } from 'mongodb-workload-identity';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { defaultIdentities } from '../emulators/azure.js';
import { loadDriver } from '../life/drivers.js';
import { HttpCallback } from '../life/http-callback.mjs';
import { startTokenSource, type TokenSource } from '../life/token-source.js';
import { audience, clientCacheOf, edges, everyWay, setTheStage, startSource, useSources } from './stage.js';

const AUTHENTICATION_FAILED = 18;
const ILLEGAL_OPERATION = 20;
const REAUTHENTICATION_REQUIRED = 391;
const newest = edges.at(-1);
const INVALID_URI = expect.objectContaining({ code: 'ERR_OIDC_INVALID_URI' });

useSources();

describe.concurrent.each(everyWay)('with $name', (how) => {
  it('1.1 the callback is called when a client authenticates', async (context) => {
    const { find, calls, server } = await setTheStage(context, how);
    await find();
    expect(calls).toHaveLength(1);
    expect(server.claims).toHaveLength(1);
  });

  it('1.2 the callback is called once for many connections', async (context) => {
    const { client, find, calls, server } = await setTheStage(context, { ...how, latencyMS: 1 });
    // Operations that come before the first connection is there have connections of their own, and calls.
    await client.connect();
    // What comes after a token is the same for all; the environments need not take so long.
    const finds = how.way === 'callback' ? 100 : 10;
    const work = async () => {
      for (let i = 0; i < finds; i++) await find();
    };
    await Promise.all(Array.from({ length: 10 }, work));
    expect(calls).toHaveLength(1);
    expect(server.stats.commands.find).toBe(10 * finds);
    expect(server.stats.authentications).toBeGreaterThan(1);
    expect(server.authFailures).toEqual([]);
  });

  it('2.1 the callback gets what the client knows, and its result is accepted', async (context) => {
    const username = {
      callback: 'app',
      azure: `${defaultIdentities[1]?.clientId}`,
      gcp: undefined,
      k8s: undefined,
    };
    const { find, calls, server } = await setTheStage(context, { ...how, username: username[how.way] });
    await find();
    const timeoutContext = expect.objectContaining({ aborted: false });
    const tokenAudience = how.way === 'k8s' ? undefined : audience;
    expect(calls).toEqual([{ version: 1, timeoutContext, username: username[how.way], tokenAudience }]);
    expect(calls[0]?.timeoutContext).toBeInstanceOf(AbortSignal);
    expect(server.claims.flatMap(({ aud }) => aud)).toEqual([audience]);
    if (how.way === 'azure') expect(server.claims[0]?.sub).toBe(defaultIdentities[1]?.objectId);
  });

  it('3.1 a cached token that is refused is replaced, and the operation succeeds', async (context) => {
    const { client, find, calls, server } = await setTheStage(context, how);
    clientCacheOf(client).put({ accessToken: 'poison' });
    await find();
    expect(calls).toHaveLength(1);
    // Once by speculative authentication, once by the driver's cache.
    expect(server.authFailures).toHaveLength(2);
  });

  it('3.3 an unexpected error does not cost the cached token', async (context) => {
    const { find, calls, failNext } = await setTheStage(context, how);
    await failNext('saslStart', { errorCode: ILLEGAL_OPERATION });
    await expect(find()).rejects.toMatchObject({ code: ILLEGAL_OPERATION });
    expect(calls).toHaveLength(1);
    await find();
    expect(calls).toHaveLength(1);
  });

  it('4.1 a connection reauthenticates', async (context) => {
    const { find, calls, failNext, server } = await setTheStage(context, how);
    await failNext('find', { errorCode: REAUTHENTICATION_REQUIRED });
    await find();
    expect(calls).toHaveLength(2);
    expect(server.stats.reauthentications).toBe(1);
  });

  it('4.4 a connection reauthenticates after it authenticated speculatively', async (context) => {
    const { client, callback, insert, calls, failNext, server } = await setTheStage(context, how);
    // Connects the client that sets fail points, which starts a conversation of its own.
    await failNext('insert', {});
    const conversations = server.stats.commands.saslStart;
    clientCacheOf(client).put(await callback.fetch({ tokenAudience: audience }));
    await insert();
    expect(calls).toHaveLength(0);
    expect(server.stats.commands.saslStart).toBe(conversations);

    await failNext('insert', { errorCode: REAUTHENTICATION_REQUIRED });
    await insert();
    expect(calls).toHaveLength(1);
    expect(server.stats.commands.saslStart).toBe((conversations ?? 0) + 1);
  });

  it('4.5 a connection reauthenticates within a session', async (context) => {
    const { client, find, calls, failNext } = await setTheStage(context, how);
    await failNext('find', { errorCode: REAUTHENTICATION_REQUIRED });
    await client.withSession((session) => find({ session }));
    expect(calls).toHaveLength(2);
  });
});

describe.concurrent.each(edges)('with $name, of callbacks', (driver) => {
  const how = { driver, way: 'callback' } as const;

  let stranger: TokenSource;
  beforeAll(async () => {
    stranger = await startTokenSource({ lifeMS: 300_000 });
  });
  afterAll(() => stranger.close());

  /** From now on the source's tokens are signed by somebody whom the server does not know. */
  async function spoil(source: TokenSource): Promise<void> {
    const response = await fetch(`${stranger.url}/?audience=${encodeURIComponent(audience)}`);
    source.setFault({ kind: 'status', status: 200, body: await response.text() });
  }

  it('1.2 ten clients that start at once share one, and one token', async (context) => {
    const { MongoClient } = await loadDriver(driver);
    const source = await startSource(context);
    const { server, callback } = await setTheStage(context, { ...how, source });
    const OIDC_CALLBACK = vi.fn(callback);
    const authMechanismProperties = { OIDC_CALLBACK, TOKEN_RESOURCE: audience };
    const clients = Array.from({ length: 10 }, () => {
      const client = new MongoClient(server.uri, { authMechanism: 'MONGODB-OIDC', authMechanismProperties });
      context.onTestFinished(() => client.close());
      return client;
    });
    const operations = clients.flatMap((client) =>
      Array.from({ length: 5 }, () => client.db('test').collection('test').findOne()),
    );
    await Promise.all(operations);
    expect(OIDC_CALLBACK.mock.calls.length).toBeGreaterThanOrEqual(clients.length);
    expect(new Set(server.claims.map(({ jti }) => jti)).size).toBe(1);
    expect(source.arrivals).toHaveLength(1);
  });

  it.for([
    ['2.2', 'no result', 'null'],
    ['2.3', 'a result without a token', '{"refreshToken":"x"}'],
    ['2.3', 'a result whose token is not one', '{"token":"x"}'],
  ] as const)('%s %s of its source fails the operation', async ([, , body], context) => {
    const source = await startSource(context);
    source.setFault({ kind: 'status', status: 200, body });
    const { find, calls, server } = await setTheStage(context, { ...how, source, timeoutMS: 2_000 });
    const failure = await find().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(OIDCCallbackError);
    expect(failure).toMatchObject({ code: 'ERR_OIDC_TOKEN_INVALID' });
    expect(calls).toHaveLength(1);
    expect(server.stats).toMatchObject({ authentications: 0, authenticationFailures: 0 });
  });

  it('2.4 one beside ENVIRONMENT is refused before it comes to the driver, which may accept it', async () => {
    const { MongoClient } = await loadDriver(driver);
    const OIDC_CALLBACK = new HttpCallback({ url: 'http://127.0.0.1/', audience });
    for (const ENVIRONMENT of ['test', 'k8s']) {
      const options = withProperties({ ENVIRONMENT, OIDC_CALLBACK });
      expect(() => workloadIdentity('mongodb://localhost', options)).toThrow(INVALID_URI);
      const construct = () => new MongoClient('mongodb://localhost', options);
      if (driver === newest) expect(construct).toThrow(/ENVIRONMENT.+OIDC_CALLBACK/);
      else expect(construct).not.toThrow();
    }
  });

  it('2.5 no host in ALLOWED_HOSTS is refused beside ENVIRONMENT, and ends every attempt beside a callback', async (context) => {
    for (const more of [{}, { TOKEN_RESOURCE: audience }]) {
      const options = withProperties({ ENVIRONMENT: 'azure', ALLOWED_HOSTS: [], ...more });
      expect(() => workloadIdentity('mongodb://localhost', options)).toThrow(INVALID_URI);
    }
    const { find, calls } = await setTheStage(context, { ...how, allowedHosts: [] });
    await expect(find()).rejects.toThrow(/ALLOWED_HOSTS/);
    expect(calls).toHaveLength(0);
  });

  it('3.2 a refused token that was not cached fails the operation', async (context) => {
    const source = await startSource(context);
    await spoil(source);
    const { find, calls } = await setTheStage(context, { ...how, source });
    await expect(find()).rejects.toMatchObject({ code: AUTHENTICATION_FAILED });
    expect(calls).toHaveLength(1);
  });

  it.for([
    ['4.2', 'find'],
    ['4.3', 'insert'],
  ] as const)('%s %s fails if the connection cannot reauthenticate', async ([, command], context) => {
    const source = await startSource(context);
    const { [command]: operate, calls, callback, failNext } = await setTheStage(context, { ...how, source });
    await operate();
    await failNext(command, { errorCode: REAUTHENTICATION_REQUIRED });
    await spoil(source);
    callback.invalidate();
    await expect(operate()).rejects.toMatchObject({ code: AUTHENTICATION_FAILED });
    expect(calls).toHaveLength(2);
  });
});

describe.concurrent.each(edges)('with $name, on Azure', (driver) => {
  it('5.1 no user name means the system-assigned identity', async (context) => {
    const { find, server } = await setTheStage(context, { driver, way: 'azure' });
    await find();
    expect(server.claims).toMatchObject([{ aud: audience, sub: defaultIdentities[0]?.objectId }]);
  });

  it('5.2 the user name of no identity fails the operation', async (context) => {
    const { find, server } = await setTheStage(context, { driver, way: 'azure', username: 'bad' });
    await expect(find()).rejects.toMatchObject({ code: 'ERR_OIDC_IDENTITY_NOT_FOUND' });
    expect(server.stats).toMatchObject({ authentications: 0, authenticationFailures: 0 });
  });
});

function withProperties(authMechanismProperties: object): Record<string, unknown> {
  return { authMechanism: 'MONGODB-OIDC', authMechanismProperties };
}
