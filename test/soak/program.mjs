// A service with a few clients, of drivers old and new, which share one callback. It works for a while and
// reports on standard output, one JSON object a line. SOAK says what to do.
import { subscribe, tracingChannel } from 'node:diagnostics_channel';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { AzureManagedIdentityCallback, AzureWorkloadIdentityCallback } from 'mongodb-workload-identity/azure';
import { GcpCallback, GcpMetadataCallback } from 'mongodb-workload-identity/gcp';
import { KubernetesCallback } from 'mongodb-workload-identity/kubernetes';

/** Loaded at the first fetch otherwise, which takes its time when all services start at once. */
const sdks = {
  imds: '@azure/identity',
  'app-service': '@azure/identity',
  entra: '@azure/identity',
  'gcp-metadata': 'google-auth-library',
  iam: 'google-auth-library',
};
const callbacks = {
  imds: (options) => new AzureManagedIdentityCallback(options),
  'app-service': (options) => new AzureManagedIdentityCallback(options),
  entra: (options) => new AzureWorkloadIdentityCallback(options),
  'gcp-metadata': (options) => new GcpMetadataCallback(options),
  iam: (options) => new GcpCallback(options),
  'token-file': (options) => new KubernetesCallback(options),
};

/** Operations of one client at a time. */
const WORKERS = 3;
const PAUSE_MS = 200;
/** The last client of each service works now and then. */
const BURST_MS = 1_500;
const REST_MS = 7_000;
const START_MS = 120_000;
const REPORTED_FROM_MS = 500;
/** No operation takes as long as this, not even one that fails. */
const GIVE_UP_MS = 30_000;

const { source, services, drivers, uri, options, durationMS } = JSON.parse(process.env.SOAK);
if (sdks[source]) await import(sdks[source]);
const modules = await Promise.all(drivers.map((driver) => import(driver)));
const callback = callbacks[source](options);

const counts = { attempts: 0, renewed: 0, outages: 0, operations: 0, failures: 0 };
tracingChannel('mongodb-workload-identity.fetch').subscribe({
  asyncEnd({ outcome, code, expiresAt }) {
    counts.attempts += 1;
    if (outcome === 'token') report({ token: { at: Date.now(), expiresAt: expiresAt?.getTime() } });
    else report({ failedAttempt: { at: Date.now(), code } });
  },
});
subscribe('mongodb-workload-identity.refresh', ({ outcome }) => {
  if (outcome === 'renewed') counts.renewed += 1;
});
subscribe('mongodb-workload-identity.outage', () => {
  counts.outages += 1;
});

const clients = drivers.map((driver, index) => {
  const client = new modules[index].MongoClient(uri, {
    authMechanism: 'MONGODB-OIDC',
    authMechanismProperties: { OIDC_CALLBACK: callback },
    appName: `${source} ${index}`,
    maxPoolSize: WORKERS,
    serverSelectionTimeoutMS: 10_000,
  });
  return { driver, client, orders: client.db('shop').collection(source) };
});
await untilItSucceeds(() => Promise.all(clients.map(({ client }) => client.db('shop').command({ ping: 1 }))));
await everyService();

const heapAtStart = heapUsed();
const lag = monitorEventLoopDelay();
lag.enable();
const endsAt = Date.now() + durationMS;
report({ beginsAt: Date.now() });
await Promise.all(clients.flatMap((one, index) => Array.from({ length: WORKERS }, () => work(one, index))));
report({ endedAt: Date.now() });
await Promise.all(clients.map(({ client }) => client.close()));
report({ counts, heapAtStart, heapAtEnd: heapUsed(), longestLagMS: lag.max / 1e6 });
// A request that was never answered holds its socket, and that the process.
process.exit();

/** On a busy machine a token can expire before everything is loaded; what is looked at is what follows. */
async function untilItSucceeds(begin) {
  const givesUpAt = Date.now() + START_MS;
  for (;;) {
    try {
      return await begin();
    } catch (error) {
      if (Date.now() > givesUpAt) throw error;
      await sleep(500);
    }
  }
}

/** Resolves when as many services are there as this one has been told of. */
async function everyService() {
  const there = clients[0].client.db('shop').collection('services');
  await untilItSucceeds(() => there.updateOne({ _id: source }, { $set: { source } }, { upsert: true }));
  await untilItSucceeds(async () => {
    const found = await there.find().toArray();
    if (found.length < services) throw new Error(`only ${found.length} of ${services} services are there`);
  });
}

async function work(one, index) {
  const rests = index === clients.length - 1;
  let restsAt = Date.now() + BURST_MS;
  while (Date.now() < endsAt) {
    await operate(one, `${one.driver} ${index}`);
    await sleep(Math.random() * 2 * PAUSE_MS);
    if (!rests || Date.now() < restsAt) continue;
    await sleep(Math.max(0, Math.min(REST_MS, endsAt - Date.now())));
    restsAt = Date.now() + BURST_MS;
  }
}

async function operate({ driver, orders }, _id) {
  const from = Date.now();
  const startedAt = performance.now();
  let failure;
  const late = setTimeout(() => report({ hung: { driver, from } }), GIVE_UP_MS);
  try {
    if (counts.operations % 2 === 0) await orders.updateOne({ _id }, { $inc: { n: 1 } }, { upsert: true });
    else await orders.findOne({ _id });
  } catch (error) {
    counts.failures += 1;
    failure = { code: error.code, text: `${error.name}: ${error.message}`.slice(0, 300) };
  }
  clearTimeout(late);
  counts.operations += 1;
  const durationMS = performance.now() - startedAt;
  if (!failure && durationMS < REPORTED_FROM_MS) return;
  report({ operation: { driver, from, to: Date.now(), durationMS, failure } });
}

function heapUsed() {
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}

function report(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
