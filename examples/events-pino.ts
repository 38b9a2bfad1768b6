// The package's events as log lines of pino. Paste `logEvents` into a service that has a logger; what follows it is
// the smallest program to see it in.
//
// MONGODB_URI       such as mongodb+srv://cluster0.example.mongodb.net/
// MONGODB_AUDIENCE  the audience of the server's identity provider: on Azure the client ID of the application
//                   that stands for MongoDB, such as 66666666-7777-4888-9999-000000000000
// LOG_LEVEL         debug, to see every attempt; default: info

import { subscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { MongoClient } from 'mongodb';
import {
  EnvironmentCallback,
  type FetchEvent,
  type OutageEvent,
  type RefreshEvent,
  type RetryEvent,
  type TokenEvent,
} from 'mongodb-workload-identity';
import { type Logger, pino } from 'pino';

const REFRESH_LEVELS = { renewed: 'info', unchanged: 'debug', failed: 'warn' } as const;

/** To be called once. */
export function logEvents(logger: Logger): void {
  const log = logger.child({ component: 'mongodb-workload-identity' });

  on<FetchEvent>('tracing:mongodb-workload-identity.fetch:asyncEnd', (event) => {
    const { attempt, outcome, durationMS, expiresAt, code, error } = event;
    const oidc = { ...about(event), attempt, outcome, durationMS, expiresAt, code };
    if (outcome === 'token') log.debug({ oidc }, 'The token source answered');
    // Whoever has to act on it is told otherwise: by a retry, by an outage, by the operation that fails with it.
    else log.debug({ oidc, err: error }, 'The token source failed');
  });

  on<RetryEvent>('mongodb-workload-identity.retry', (event) => {
    const { attempt, code, backoffMS } = event;
    log.warn({ oidc: { ...about(event), attempt, code, backoffMS } }, 'The token source is asked again');
  });

  on<RefreshEvent>('mongodb-workload-identity.refresh', (event) => {
    const { outcome } = event;
    log[REFRESH_LEVELS[outcome]]({ oidc: { ...about(event), outcome } }, `Refresh of the token: ${outcome}`);
  });

  on<OutageEvent>('mongodb-workload-identity.outage', (event) => {
    const { code, expiresAt, error } = event;
    const oidc = { ...about(event), code, expiresAt };
    log.error({ oidc, err: error }, 'No new token can be had; the one in memory serves on');
  });
}

function on<Event>(channel: string, listener: (event: Event) => void): void {
  subscribe(channel, (event) => listener(event as Event));
}

function about({ environment, audience, username }: TokenEvent): TokenEvent {
  return { environment, audience, username };
}

const { MONGODB_URI, MONGODB_AUDIENCE, LOG_LEVEL = 'info' } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');

const logger = pino({ level: LOG_LEVEL });
logEvents(logger);

const client = new MongoClient(MONGODB_URI, {
  authMechanism: 'MONGODB-OIDC',
  authMechanismProperties: { OIDC_CALLBACK: new EnvironmentCallback({ audience: MONGODB_AUDIENCE }) },
});

// Before anything that takes its time, in which it may come.
const stopped = once(process, 'SIGTERM');
try {
  const { authInfo } = await client.db().command({ connectionStatus: 1 });
  logger.info(`Connected as ${authInfo.authenticatedUsers[0].user}`);
  // Refreshes and outages come later.
  await stopped;
} finally {
  await client.close();
}
