/**
 * A program that takes tokens and looks at everything it can see of that. It does what its parent tells it,
 * and says nothing on standard output and standard error by itself.
 */
import { type ChannelListener, subscribe } from 'node:diagnostics_channel';
import { readFile } from 'node:fs/promises';
import type { OIDCCallback, OIDCCallbackOptions } from 'mongodb-workload-identity';
import type { Command, Reply } from './child.js';
import { renderings } from './renderings.js';

const CHANNELS = [
  ...['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map(
    (moment) => `tracing:mongodb-workload-identity.fetch:${moment}`,
  ),
  ...['retry', 'refresh', 'outage'].map((name) => `mongodb-workload-identity.${name}`),
];

const { kind, options: givenOptions } = JSON.parse(process.env.SECRETS_PROGRAM ?? '{}') as {
  kind: string;
  options: OIDCCallbackOptions & Record<string, string>;
};

const events: Record<string, number> = {};
/** What has not been reported yet, and what has. */
let seen = new Map<string, string>();
const reported = new Set<string>();
let holder: OIDCCallback | undefined;

const listener: ChannelListener = (event, name) => {
  events[String(name)] = (events[String(name)] ?? 0) + 1;
  look(event, String(name));
};
for (const channel of CHANNELS) subscribe(channel, listener);

function look(value: unknown, where = 'value'): void {
  for (const text of renderings(value)) {
    const key = `${where}\0${text}`;
    if (!reported.has(key)) seen.set(key, where);
    reported.add(key);
  }
}

type Make = (options: OIDCCallbackOptions) => Promise<OIDCCallback>;

const makers: Record<string, Make> = {
  managedIdentity: async (options) =>
    new (await import('mongodb-workload-identity/azure')).AzureManagedIdentityCallback(options),
  workloadIdentity: async (options) =>
    new (await import('mongodb-workload-identity/azure')).AzureWorkloadIdentityCallback(options),
  async clientSecret({ timeoutMS, audience }) {
    const { AzureCallback } = await import('mongodb-workload-identity/azure');
    const credential = await clientSecretCredential();
    return new AzureCallback({ credential, audience, timeoutMS });
  },
  gcpMetadata: async (options) =>
    new (await import('mongodb-workload-identity/gcp')).GcpMetadataCallback(options),
  gcp: async (options) => new (await import('mongodb-workload-identity/gcp')).GcpCallback(options),
  kubernetes: async (options) =>
    new (await import('mongodb-workload-identity/kubernetes')).KubernetesCallback(options),
  own: (options) => ownCallback(options),
};

async function clientSecretCredential() {
  const { ClientSecretCredential } = await import('@azure/identity');
  const { tenantId = '', clientId = '', clientSecret = '' } = givenOptions;
  return new ClientSecretCredential(tenantId, clientId, clientSecret);
}

/** The same token from the SDK itself, to see that there is something to be hidden. */
const sdks: Record<string, () => Promise<unknown>> = {
  async managedIdentity() {
    const { ManagedIdentityCredential } = await import('@azure/identity');
    return new ManagedIdentityCredential().getToken(`${givenOptions.audience}/.default`);
  },
  async workloadIdentity() {
    const { WorkloadIdentityCredential } = await import('@azure/identity');
    return new WorkloadIdentityCredential().getToken(`${givenOptions.audience}/.default`);
  },
  clientSecret: async () => (await clientSecretCredential()).getToken(`${givenOptions.audience}/.default`),
  async gcpMetadata() {
    const { Compute } = await import('google-auth-library');
    return new Compute().fetchIdToken(givenOptions.audience ?? '');
  },
  async gcp() {
    const { GoogleAuth, Impersonated } = await import('google-auth-library');
    const client = await new GoogleAuth({
      scopes: 'https://www.googleapis.com/auth/cloud-platform',
    }).getClient();
    const { targetPrincipal, audience = '' } = givenOptions;
    if (!targetPrincipal)
      return (client as unknown as { fetchIdToken(a: string): unknown }).fetchIdToken(audience);
    return new Impersonated({ sourceClient: client, targetPrincipal, targetScopes: [] }).fetchIdToken(
      audience,
    );
  },
  kubernetes: async () => JSON.parse(await readFile(`${givenOptions.tokenFile}`, 'utf8')),
  own: () => misbehave(0),
};

/** What an environment of the user's own may do with a token instead of returning it. */
const misbehaviours: ((token: string) => unknown)[] = [
  (token) => {
    throw Object.assign(new Error(`refused ${token}`, { cause: new Error(token) }), {
      code: token,
      response: { data: { access_token: token }, config: { headers: { authorization: `Bearer ${token}` } } },
      [Symbol('token')]: token,
    });
  },
  (token) => {
    const error = new Error('x');
    error.name = `Refused ${token}`;
    error.stack = `${token}\n    at ${token}`;
    throw error;
  },
  (token) => {
    throw token;
  },
  (token) => {
    throw { toString: () => `refused: ${token}`, token };
  },
  (token) => {
    throw new AggregateError([new Error(token), { token }], `all of ${token}`);
  },
  (token) => {
    throw Object.defineProperty(new Error('x'), 'token', { value: token });
  },
  (token) => ({ token: `${token}.${token}` }),
  (token) => ({ token: token.slice(0, token.lastIndexOf('.')) }),
  (token) => ({ token: token.split('.').reverse().join('.') }),
  (token) => ({ token: `Bearer ${token}` }),
  (token) => ({ token: { token } }),
  (token) => ({ access_token: token }),
  (token) => token,
  (token) => ({ token: '', refreshToken: token, expiresOnTimestamp: token, refreshAfterTimestamp: token }),
];

async function misbehave(index: number): Promise<unknown> {
  return misbehaviours[index % misbehaviours.length]?.(`${givenOptions.ownToken}`);
}

async function ownCallback(options: OIDCCallbackOptions): Promise<OIDCCallback> {
  const { OIDCCallback } = await import('mongodb-workload-identity');
  let calls = 0;
  class OwnCallback extends OIDCCallback {
    protected override async getToken() {
      return (await misbehave(calls++)) as { token: string };
    }
  }
  return new OwnCallback(options);
}

function callback(timeoutMS: number): Promise<OIDCCallback> {
  const { ownToken, tenantId, clientId, clientSecret, ...options } = givenOptions;
  return (makers[kind] as Make)({ ...options, timeoutMS });
}

/** Asks in each of the ways there are, and looks at all that came of it but a token that it was given. */
async function ask(source: OIDCCallback): Promise<string> {
  look(source);
  const code = await source.fetch().then(
    () => 'token',
    (error) => {
      look(error);
      return String(error.code);
    },
  );
  const result = await source({ version: 1, timeoutContext: new AbortController().signal });
  if (code !== 'token') look(result);
  look(source);
  return code;
}

/** Until every attempt at the source has ended, or none will. */
async function settled(): Promise<void> {
  const [begun, ended] = ['start', 'asyncEnd'].map(
    (moment) => `tracing:mongodb-workload-identity.fetch:${moment}`,
  );
  const deadline = performance.now() + 3_000;
  while ((events[`${begun}`] ?? 0) > (events[`${ended}`] ?? 0) && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function eventsOn(channel: string, count: number): Promise<void> {
  const deadline = performance.now() + 20_000;
  while ((events[channel] ?? 0) < count && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function obey(command: Command): Promise<string> {
  switch (command.do) {
    case 'fetch': {
      const source = await callback(command.timeoutMS);
      const code = await ask(source);
      source.invalidate();
      await settled();
      return code;
    }
    case 'hold':
      holder = await callback(command.timeoutMS);
      return ask(holder);
    case 'refresh':
      await eventsOn('mongodb-workload-identity.refresh', 1);
      await eventsOn('mongodb-workload-identity.outage', 1);
      look(holder);
      return holder ? ask(holder) : '';
    case 'sdk':
      return (sdks[kind] as () => Promise<unknown>)().then(
        () => 'token',
        (error) => {
          look(error);
          return 'error';
        },
      );
    case 'leak':
      setImmediate(() => {
        throw new Error(`refused ${givenOptions.ownToken}`);
      });
      return '';
    case 'crash': {
      const source = await callback(command.timeoutMS);
      setImmediate(() => void source.fetch());
      return '';
    }
    case 'crashDriver': {
      const { MongoClient } = await import('mongodb');
      const client = new MongoClient(command.uri, {
        authMechanism: 'MONGODB-OIDC',
        authMechanismProperties: { OIDC_CALLBACK: await callback(command.timeoutMS) },
        serverSelectionTimeoutMS: 60_000,
      });
      setImmediate(() => void client.db('test').command({ ping: 1 }));
      return '';
    }
  }
}

process.on('message', async (command: Command) => {
  const outcome = await obey(command);
  const texts = [...seen].map(([key, where]) => ({ where, text: key.slice(where.length + 1) }));
  seen = new Map();
  process.send?.({ outcome, texts, events } satisfies Reply);
});
