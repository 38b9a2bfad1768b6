// The package's events as OpenTelemetry spans and metrics. Paste `forwardEvents` into a service that has an
// OpenTelemetry SDK set up; what follows it is the smallest program to see it in.
//
// MONGODB_URI       such as mongodb+srv://cluster0.example.mongodb.net/
// MONGODB_AUDIENCE  the audience of the server's identity provider: on Azure the client ID of the application
//                   that stands for MongoDB, such as 66666666-7777-4888-9999-000000000000
//
//   node --import ./your-opentelemetry-setup.js events-opentelemetry.js

import { subscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { type Attributes, metrics, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { MongoClient } from 'mongodb';
import {
  EnvironmentCallback,
  type FetchEvent,
  type OutageEvent,
  type RefreshEvent,
  type RetryEvent,
  type TokenEvent,
} from 'mongodb-workload-identity';

/** To be called once, after the SDK is set up: what is made before measures nothing. */
export function forwardEvents(): void {
  const tracer = trace.getTracer('mongodb-workload-identity');
  const meter = metrics.getMeter('mongodb-workload-identity');
  const attempts = meter.createCounter('mongodb_workload_identity.attempts', {
    description: 'Attempts at a token source that ended',
    unit: '{attempt}',
  });
  const durations = meter.createHistogram('mongodb_workload_identity.attempt.duration', {
    description: 'Duration of the attempts at a token source',
    unit: 's',
    // The SDK's own boundaries are for milliseconds.
    advice: { explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] },
  });
  const retries = meter.createCounter('mongodb_workload_identity.retries', {
    description: 'Failed attempts that another follows',
    unit: '{retry}',
  });
  const refreshes = meter.createCounter('mongodb_workload_identity.refreshes', {
    description: 'Refreshes ahead of expiry, by their outcome',
    unit: '{refresh}',
  });
  const outages = meter.createCounter('mongodb_workload_identity.outages', {
    description: 'Outages of a token source that began while a token in memory serves on',
    unit: '{outage}',
  });
  const remaining = meter.createObservableGauge('mongodb_workload_identity.token.remaining', {
    // Negative in a long outage, and where the client is closed: nobody fetches another then.
    description: 'Time until the newest token expires',
    unit: 's',
  });

  // An event is the same object from `start` to `asyncEnd`.
  const spans = new WeakMap<FetchEvent, Span>();
  const lives = new Map<string, { attributes: Attributes; expiresAt: number }>();

  on<FetchEvent>('tracing:mongodb-workload-identity.fetch:start', (event) => {
    const attributes = { ...attributesOf(event), 'mongodb_workload_identity.attempt': event.attempt };
    spans.set(event, tracer.startSpan('fetch token', { kind: SpanKind.CLIENT, attributes }));
  });

  on<FetchEvent>('tracing:mongodb-workload-identity.fetch:asyncEnd', (event) => {
    const { outcome = 'error', durationMS = 0, expiresAt, code, error } = event;
    const attributes = attributesOf(event);
    const result = { 'mongodb_workload_identity.outcome': outcome, ...(code && { 'error.type': code }) };
    attempts.add(1, { ...attributes, ...result });
    durations.record(durationMS / 1_000, { ...attributes, ...result });
    if (expiresAt) lives.set(JSON.stringify(attributes), { attributes, expiresAt: expiresAt.getTime() });

    const span = spans.get(event);
    span?.setAttributes(result);
    if (error) span?.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    span?.end();
  });

  on<RetryEvent>('mongodb-workload-identity.retry', (event) => {
    retries.add(1, { ...attributesOf(event), 'error.type': event.code });
  });

  on<RefreshEvent>('mongodb-workload-identity.refresh', (event) => {
    refreshes.add(1, { ...attributesOf(event), 'mongodb_workload_identity.outcome': event.outcome });
  });

  on<OutageEvent>('mongodb-workload-identity.outage', (event) => {
    outages.add(1, { ...attributesOf(event), 'error.type': event.code });
  });

  remaining.addCallback((result) => {
    for (const { attributes, expiresAt } of lives.values()) {
      result.observe((expiresAt - Date.now()) / 1_000, attributes);
    }
  });
}

function on<Event>(channel: string, listener: (event: Event) => void): void {
  subscribe(channel, (event) => listener(event as Event));
}

function attributesOf({ environment, audience, username }: TokenEvent): Attributes {
  return {
    'mongodb_workload_identity.environment': environment,
    ...(audience !== undefined && { 'mongodb_workload_identity.audience': audience }),
    ...(username !== undefined && { 'mongodb_workload_identity.username': username }),
  };
}

const { MONGODB_URI, MONGODB_AUDIENCE } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');

forwardEvents();

const client = new MongoClient(MONGODB_URI, {
  authMechanism: 'MONGODB-OIDC',
  authMechanismProperties: { OIDC_CALLBACK: new EnvironmentCallback({ audience: MONGODB_AUDIENCE }) },
});

// Before anything that takes its time, in which it may come.
const stopped = once(process, 'SIGTERM');
try {
  // What a request would be: the attempts that it waits for become its children.
  await trace.getTracer('example').startActiveSpan('connect', async (span) => {
    try {
      const { authInfo } = await client.db().command({ connectionStatus: 1 });
      console.log(`Connected as ${authInfo.authenticatedUsers[0].user}`);
    } finally {
      span.end();
    }
  });
  // Refreshes and outages come later.
  await stopped;
} finally {
  await client.close();
}
