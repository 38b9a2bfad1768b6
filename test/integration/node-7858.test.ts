// NODE-7858: drivers up to 7.6.0 never call a callback again that rejected while a client refreshed its token.

import type { Document, OIDCCallbackFunction } from 'mongodb';
import { OIDCCallbackError } from 'mongodb-workload-identity';
import { describe, expect, it, type TestContext, vi } from 'vitest';
import type { Fault } from '../emulators/http.js';
import { type MongoServer, startMongoServer } from '../emulators/mongodb/index.js';
import { type Driver, drivers, loadDriver } from '../life/drivers.js';
import { HttpCallback } from '../life/http-callback.mjs';
import { startTokenSource, type TokenSource } from '../life/token-source.js';

const audience = 'mongodb';
/** Far above the time until a source that is back is noticed. */
const WAIT = { timeout: 20_000, interval: 50 };

type Operate = () => Promise<Document>;

interface Stage {
  readonly source: TokenSource;
  readonly server: MongoServer;
  /** What a client does, with one connection. */
  connect(callback: OIDCCallbackFunction): Operate;
}

async function setTheStage(driver: Driver, { onTestFinished }: TestContext): Promise<Stage> {
  const { MongoClient } = await loadDriver(driver);
  const source = await startTokenSource({ lifeMS: 60_000 });
  onTestFinished(() => source.close());
  const { issuer, jwksUri } = source;
  const server = await startMongoServer({
    identityProviders: [{ issuer, jwksUri, audience, authNamePrefix: 'own' }],
  });
  onTestFinished(() => server.close());
  return {
    source,
    server,
    connect(callback) {
      const client = new MongoClient(server.uri, {
        authMechanism: 'MONGODB-OIDC',
        authMechanismProperties: { OIDC_CALLBACK: callback },
        maxPoolSize: 1,
      });
      onTestFinished(() => client.close());
      return () => client.db('shop').command({ ping: 1 });
    },
  };
}

describe.concurrent.each(drivers)('$name', (driver) => {
  it.for<{ fault: Fault; code: string }>([
    { fault: { kind: 'status', status: 403 }, code: 'ERR_OIDC_ACCESS_DENIED' },
    { fault: { kind: 'hang' }, code: 'ERR_OIDC_TIMEOUT' },
  ])('goes on after a refresh that failed with $code', async ({ fault, code }, context) => {
    const { source, server, connect } = await setTheStage(driver, context);
    const callback = new HttpCallback({ url: source.url, audience, timeoutMS: 2_500 });
    const operate = connect(callback);
    await operate();
    source.setFault(fault);
    callback.invalidate();
    server.revokeTokens();
    const failure = await operate().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(OIDCCallbackError);
    expect(failure).toMatchObject({ code });
    expect(server.stats).toMatchObject({ reauthenticationRequired: 1, authenticationFailures: 0 });
    await expect(operate()).rejects.toMatchObject({ code });

    source.setFault(undefined);
    await vi.waitFor(async () => expect(await operate()).toEqual({ ok: 1 }), WAIT);
    expect(server.authFailures).toEqual([]);
  });

  const fate = driver.hasNode7858 ? 'is poisoned' : 'goes on';
  it(`${fate} after a callback that is not of this package rejected`, async (context) => {
    const { source, server, connect } = await setTheStage(driver, context);
    let isDown = false;
    let calls = 0;
    const operate = connect(async () => {
      calls += 1;
      if (isDown) throw new Error('The source is down.');
      return new HttpCallback({ url: source.url, audience, refreshAhead: false }).fetch();
    });
    await operate();
    isDown = true;
    server.revokeTokens();
    await expect(operate()).rejects.toThrow('The source is down.');
    isDown = false;
    const callsUntilThen = calls;
    const outcomes = await Promise.allSettled([operate(), operate(), operate()]);
    if (driver.hasNode7858) {
      const poisoned = { reason: { message: 'The source is down.' } };
      for (const outcome of outcomes) expect(outcome).toMatchObject(poisoned);
      expect(calls).toBe(callsUntilThen);
    } else {
      for (const outcome of outcomes) expect(outcome).toMatchObject({ status: 'fulfilled' });
      expect(calls).toBe(callsUntilThen + 1);
    }
  });
});
