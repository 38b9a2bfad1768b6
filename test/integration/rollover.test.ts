// What an application must not notice of a token's expiry: no operation waits for it, no timer holds a program
// up, and no timer lets a program end that waits for a token.

import { fileURLToPath } from 'node:url';
import { describe, expect, it, type TestContext, vi } from 'vitest';
import { run } from '../emulators/child.js';
import { startGcpMetadata } from '../emulators/gcp.js';
import { type MongoServer, startMongoServer } from '../emulators/mongodb/index.js';
import { drivers } from '../life/drivers.js';
import { type Report, Service } from '../life/service.js';
import { startTokenSource, type TokenSource, type TokenSourceOptions } from '../life/token-source.js';

// Two pools in each of two programs are as much as two processors bear.
vi.setConfig({ maxConcurrency: 2 });

type OnTestFinished = TestContext['onTestFinished'];

/** Longer than anything here takes. */
const WAIT = { timeout: 40_000, interval: 50 };
const POOL_SIZE = 50;
/** What an operation takes at the server, so that all connections are in use at the same time. */
const WORK_MS = 200;
/**
 * What makes a stall is that each connection has a call of its own, at least 100 ms after the one before. Where the
 * token is in memory, the first call serves all connections, or nearly all.
 */
const STALLING_CALLS = POOL_SIZE / 2;

async function start<T extends { close(): Promise<void> }>(
  starting: T | Promise<T>,
  onTestFinished: OnTestFinished,
): Promise<T> {
  const started = await starting;
  onTestFinished(() => started.close());
  return started;
}

function startServer(
  { issuer, jwksUri }: { readonly issuer: string; readonly jwksUri: string },
  audiences: readonly string[],
  onTestFinished: OnTestFinished,
): Promise<MongoServer> {
  const identityProviders = audiences.map((audience) => {
    return { issuer, jwksUri, audience, authNamePrefix: 'life' };
  });
  return start(startMongoServer({ identityProviders }), onTestFinished);
}

/** From now on, so that pools fill quickly. */
function makeWork(server: MongoServer): void {
  server.failNext('ping', { delayMS: WORK_MS }, Number.POSITIVE_INFINITY);
}

/** How many different tokens the server accepted. */
function countTokens(server: MongoServer, audience: string): number {
  return new Set(server.claims.filter(({ aud }) => aud === audience).map(({ jti }) => jti)).size;
}

function expectNoStall({ failures, calls }: Report, expiries: number): void {
  expect(failures).toEqual([]);
  expect(calls).toBeLessThan(3 * (expiries + 1));
}

it.concurrent.for(drivers)(
  'a busy pool goes on at expiry with $name, and stalls without a token fetched ahead',
  async ({ name }, { onTestFinished }) => {
    const metadata = await start(startGcpMetadata({ lifeSeconds: 4, latencyMS: 400 }), onTestFinished);
    const server = await startServer(metadata, ['ahead', 'late'], onTestFinished);
    const service = await start(new Service(metadata.env), onTestFinished);
    const connect = async (id: string, refreshAhead: boolean) => {
      const options = { audience: id, refreshAhead };
      await service.call('callback', { id, kind: 'GcpMetadataCallback', options });
      await service.call('connect', { id, callback: id, driver: name, uri: server.uri, poolSize: POOL_SIZE });
    };
    const report = (id: string) => service.call<Report>('report', { id });
    await Promise.all([connect('ahead', true), connect('late', false)]);
    makeWork(server);
    await Promise.all([service.call('work', { id: 'ahead' }), service.call('work', { id: 'late' })]);

    await vi.waitFor(async () => {
      expect(countTokens(server, 'ahead')).toBeGreaterThanOrEqual(3);
      expect((await report('late')).calls).toBeGreaterThan(STALLING_CALLS);
    }, WAIT);

    const ahead = await report('ahead');
    const tokens = countTokens(server, 'ahead');
    expectNoStall(ahead, tokens - 1);
    expect(ahead.operations).toBeGreaterThan(4 * POOL_SIZE);
    // The last one may be waiting for its turn, and on a busy machine the one before was not needed.
    const requests = metadata.requests.filter(({ query }) => query.audience === 'ahead').length;
    expect(requests).toBeLessThanOrEqual(tokens + 2);
  },
);

describe('a callback', () => {
  const audience = 'mongodb';

  interface Stage {
    readonly source: TokenSource;
    readonly server: MongoServer;
    readonly service: Service;
    connect(id: string, poolSize: number): Promise<void>;
    work(id: string): Promise<void>;
    report(id: string): Promise<Report>;
    /** Resolves when the source has renewed a token that often in all. */
    renewals(count: number): Promise<void>;
  }

  async function setTheStage(options: TokenSourceOptions, onTestFinished: OnTestFinished): Promise<Stage> {
    const source = await start(startTokenSource(options), onTestFinished);
    const server = await startServer(source, [audience], onTestFinished);
    const service = await start(new Service(), onTestFinished);
    await service.call('listen');
    await service.call('callback', {
      id: 'own',
      kind: 'HttpCallback',
      options: { url: source.url, audience },
    });
    return {
      source,
      server,
      service,
      connect: (id, poolSize) => service.call('connect', { id, callback: 'own', uri: server.uri, poolSize }),
      work: (id) => service.call('work', { id }),
      report: (id) => service.call('report', { id }),
      renewals: (count) =>
        vi.waitFor(() => {
          const renewed = service.events.filter(({ outcome }) => outcome === 'renewed');
          expect(renewed.length).toBeGreaterThanOrEqual(count);
        }, WAIT),
    };
  }

  it('holds up neither of two busy clients whose tokens expire at different times', async ({
    onTestFinished,
  }) => {
    const options = { lifeMS: 7_500, refreshAfterMS: 500, workMS: 400 };
    const { source, server, connect, work, report, renewals } = await setTheStage(options, onTestFinished);
    await connect('first', POOL_SIZE);
    // The next one is not refreshed until the first client calls again, and by then its freshness is in doubt.
    Object.assign(source.options, { lifeMS: 9_000, refreshAfterMS: undefined });
    await renewals(1);
    await connect('second', POOL_SIZE);
    expect(countTokens(server, audience)).toBe(2);
    makeWork(server);
    await Promise.all([work('first'), work('second')]);

    // The first client's token, then that of both.
    await vi.waitFor(
      () => expect(server.stats.reauthentications).toBeGreaterThanOrEqual(3 * POOL_SIZE),
      WAIT,
    );
    const reports = await Promise.all([report('first'), report('second')]);
    for (const each of reports) expectNoStall(each, 2);
    expect(source.arrivals.length).toBeLessThanOrEqual(5);
  });

  it('makes no burst wait that comes after many idle lives', async ({ onTestFinished }) => {
    const { source, server, service, connect, report, renewals } = await setTheStage(
      { lifeMS: 1_500, workMS: 200 },
      onTestFinished,
    );
    await connect('idle', POOL_SIZE);
    const { calls } = await report('idle');
    const before = server.stats.reauthentications;
    await renewals(6);
    const burst = await service.call<Report>('burst', { id: 'idle' });
    expectNoStall({ ...burst, calls: burst.calls - calls }, 1);
    expect(server.stats.reauthentications - before).toBeGreaterThanOrEqual(POOL_SIZE);
    expect(source.arrivals.length).toBeLessThan(15);
  });

  it('goes on after its process was frozen while the token expired', async ({ onTestFinished }) => {
    const lifeMS = 2_000;
    const { source, server, service, connect, work, report, renewals } = await setTheStage(
      { lifeMS, workMS: 50 },
      onTestFinished,
    );
    await connect('frozen', 5);
    makeWork(server);
    await work('frozen');
    service.signal('SIGSTOP');
    const frozenAt = Date.now();
    const operations = server.stats.commands.ping ?? 0;
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(frozenAt + 2 * lifeMS), WAIT);
    // It was.
    expect(server.stats.commands.ping).toBeLessThanOrEqual(operations + 5);
    expect(source.arrivals).toHaveLength(1);
    service.signal('SIGCONT');

    // The first is the one that was late.
    await renewals(3);
    expect((await report('frozen')).failures).toEqual([]);
    expect(source.arrivals.length).toBeLessThanOrEqual(5);
  });
});

describe.concurrent('a timer', () => {
  const program = fileURLToPath(new URL('../life/alone.mjs', import.meta.url));

  it.each([
    { does: 'holds a callback', says: 'token' },
    { does: 'holds a callback that failed', says: 'ERR_OIDC_SOURCE_UNREACHABLE' },
  ])('lets a program end that $does', async ({ does, says }) => {
    const { code, stdout } = await run(process.execPath, [program, does], { timeoutMS: 20_000 });
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${says}\n` });
  });

  it.each([
    { does: 'waits in a backoff', says: ['ERR_OIDC_SOURCE_UNREACHABLE'] },
    { does: 'waits in a backoff, and gets it', says: ['token'] },
    { does: 'waits for a source that hangs', says: ['ERR_OIDC_TIMEOUT'] },
    { does: 'waits for a source that hangs once', says: ['token'] },
    { does: 'waits for a recovery', says: ['ERR_OIDC_SOURCE_UNREACHABLE', 'token'] },
  ])('keeps a program that $does until it has its answer', async ({ does, says }) => {
    const { code, stdout } = await run(process.execPath, [program, does], { timeoutMS: 20_000 });
    expect({ code, says: stdout.trim().split('\n') }).toEqual({ code: 0, says });
  });
});
