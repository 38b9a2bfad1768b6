// A service with MongoDB clients, in a process of its own, that does what a test tells it over IPC
// (`service.ts` is the test's side).
import diagnostics from 'node:diagnostics_channel';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

const require = createRequire(import.meta.url);
/** Where the classes are; loaded one by one, because many of these processes start at once. */
const modules = {
  AzureManagedIdentityCallback: 'mongodb-workload-identity/azure',
  GcpMetadataCallback: 'mongodb-workload-identity/gcp',
  HttpCallback: './http-callback.mjs',
};
const callbacks = new Map();
const clients = new Map();

const actions = {
  async callback({ id, kind, options }) {
    const { [kind]: Class } = await import(modules[kind]);
    callbacks.set(id, new Class(options));
  },

  async fetch({ callback }) {
    await callbacks.get(callback).fetch();
  },

  /** A client whose pool is full. */
  async connect({ id, driver = 'mongodb', uri, callback, poolSize, tokenAudience, username }) {
    const { MongoClient } = await import(driver);
    const service = { poolSize, calls: 0, isBusy: false, report: undefined };
    service.client = new MongoClient(uri, {
      ...(username && { auth: { username, password: undefined } }),
      authMechanism: 'MONGODB-OIDC',
      authMechanismProperties: {
        OIDC_CALLBACK: (params) => {
          service.calls += 1;
          return callbacks.get(callback)(params);
        },
        ...(tokenAudience && { TOKEN_RESOURCE: tokenAudience }),
      },
      maxPoolSize: poolSize,
      maxConnecting: poolSize,
    });
    await ping(service.client);
    clients.set(id, service);
    await actions.burst({ id });
  },

  /** One operation on every connection of the pool at the same time. */
  async burst({ id }) {
    const service = clients.get(id);
    service.report = { operations: 0, failures: [] };
    await Promise.all(Array.from({ length: service.poolSize }, () => operate(service)));
    return actions.report({ id });
  },

  /** Keeps every connection of the pool busy from now on. */
  work({ id }) {
    const service = clients.get(id);
    service.isBusy = true;
    service.report = { operations: 0, failures: [] };
    for (let i = 0; i < service.poolSize; i++) void work(service);
  },

  /** What came of it so far. */
  report({ id }) {
    const { calls, report } = clients.get(id);
    return { ...report, calls };
  },

  stop({ id }) {
    clients.get(id).isBusy = false;
    return actions.report({ id });
  },

  /** Many clients at once, of one callback. */
  async crowd({ count, uri, callback }) {
    const { MongoClient } = await import('mongodb');
    const authMechanismProperties = { OIDC_CALLBACK: callbacks.get(callback) };
    const options = { authMechanism: 'MONGODB-OIDC', authMechanismProperties };
    const crowd = Array.from({ length: count }, () => new MongoClient(uri, options));
    await Promise.all(crowd.map(ping));
  },

  /** One connection string, taken as often, for a few clients; the other callbacks are called as a driver does. */
  async crowdOfURIs({ count, clients, uri }) {
    const { MongoClient } = await import('mongodb');
    const { workloadIdentity } = await import('mongodb-workload-identity');
    const crowd = Array.from({ length: count }, () => workloadIdentity(uri));
    const called = crowd.slice(clients).map(async ([, { authMechanismProperties }]) => {
      const timeoutContext = new AbortController().signal;
      return (await authMechanismProperties.OIDC_CALLBACK({ version: 1, timeoutContext })).accessToken;
    });
    await Promise.all(crowd.slice(0, clients).map((one) => ping(new MongoClient(...one))));
    return new Set(await Promise.all(called)).size;
  },

  /** The package in both formats, by connection string. */
  async bothFormats({ uri }) {
    const { MongoClient } = require('mongodb');
    const imported = await import('mongodb-workload-identity');
    const required = require('mongodb-workload-identity');
    const formats = [imported, required];
    await Promise.all(formats.map(({ workloadIdentity }) => ping(new MongoClient(...workloadIdentity(uri)))));
  },

  /** Sends what happens on the channels from now on. */
  listen() {
    const forward = (channel) => (event) => process.send({ event: { channel, ...event } });
    diagnostics.tracingChannel('mongodb-workload-identity.fetch').subscribe({
      start: forward('start'),
      asyncEnd: forward('asyncEnd'),
    });
    for (const name of ['retry', 'refresh', 'outage']) {
      diagnostics.channel(`mongodb-workload-identity.${name}`).subscribe(forward(name));
    }
  },
};

function ping(client) {
  return client.db('shop').command({ ping: 1 });
}

async function operate({ client, report }) {
  try {
    await ping(client);
  } catch (error) {
    report.failures.push({ at: Date.now(), name: error.name, code: error.code, message: error.message });
    await sleep(50);
  } finally {
    report.operations += 1;
  }
}

async function work(service) {
  while (service.isBusy) await operate(service);
}

process.on('message', async ({ number, action, parameters }) => {
  try {
    process.send({ number, result: await actions[action](parameters) });
  } catch (error) {
    process.send({ number, error: `${error.code}: ${error.stack}` });
  }
});
