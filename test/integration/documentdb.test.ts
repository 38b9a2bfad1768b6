// Azure DocumentDB with a real driver, old and new: its host names lead to this machine, over TLS.

import dns from 'node:dns';
import type { LookupFunction } from 'node:net';
import { type OIDCCallback, workloadIdentity } from 'mongodb-workload-identity';
import { AZURE_DOCUMENTDB } from 'mongodb-workload-identity/azure';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type AzureEmulator, defaultIdentities, startAzureImds } from '../emulators/azure.js';
import { type Certificates, createCertificates } from '../emulators/certificates.js';
import { type DnsEmulator, startDns } from '../emulators/dns.js';
import { type MongoServer, startMongoServer } from '../emulators/mongodb/index.js';
import { drivers, loadDriver } from '../life/drivers.js';

const node = 'fc-1.global.mongocluster.cosmos.azure.com';
const { audience } = AZURE_DOCUMENTDB.public;

let imds: AzureEmulator;
let certificates: Certificates;
let server: MongoServer;
let responder: DnsEmulator;
const systemServers = dns.getServers();
const lookedUp: string[] = [];

beforeAll(async () => {
  imds = await startAzureImds();
  for (const [name, value] of Object.entries(imds.env)) vi.stubEnv(name, value);
  vi.stubEnv('MONGODB_OIDC_ENVIRONMENT', 'azure');
  certificates = await createCertificates([node]);
  const { issuer, jwksUri } = imds;
  server = await startMongoServer({
    tls: certificates,
    identityProviders: [{ issuer, jwksUri, audience, authNamePrefix: 'entra' }],
  });
  const { port } = server;
  responder = await startDns({
    srv: {
      '_mongodb._tcp.orders.global.mongocluster.cosmos.azure.com': [{ target: node, port }],
      '_mongodb._tcp.bent.mongocluster.cosmos.azure.com': [
        { target: 'a.evilmongocluster.cosmos.azure.com', port },
      ],
    },
  });
  dns.setServers([responder.address]);
});

afterAll(async () => {
  dns.setServers(systemServers);
  vi.unstubAllEnvs();
  await Promise.all([server.close(), responder.close(), imds.close()]);
  certificates.close();
});

const lookup: LookupFunction = (hostname, { all }, callback) => {
  lookedUp.push(hostname);
  if (all) callback(null, [{ address: '127.0.0.1', family: 4 }]);
  else callback(null, '127.0.0.1', 4);
};

describe.each(drivers.filter(({ name }) => ['mongodb-6.22', 'mongodb'].includes(name)))('$name', (driver) => {
  let close: (() => Promise<void>) | undefined;

  async function connect(uri: string, options: object = {}) {
    const { MongoClient } = await loadDriver(driver);
    const arguments_ = workloadIdentity(uri, {
      lookup,
      tlsCAFile: certificates.caFile,
      serverSelectionTimeoutMS: 5_000,
      ...options,
    });
    const client = new MongoClient(...arguments_);
    const callback = client.options.credentials?.mechanismProperties.OIDC_CALLBACK as unknown as OIDCCallback;
    close = async () => {
      await client.close();
      callback.invalidate();
    };
    return client;
  }

  afterEach(async () => {
    await close?.();
    lookedUp.length = 0;
  });

  it('connects by the host name alone', async () => {
    const client = await connect('mongodb+srv://orders.global.mongocluster.cosmos.azure.com/');
    const { authInfo } = await client.db('admin').command({ connectionStatus: 1 });
    expect(authInfo.authenticatedUsers).toEqual([
      { user: `entra/${defaultIdentities[0]?.objectId}`, db: '$external' },
    ]);
    expect(client.options).toMatchObject({ tls: true, retryWrites: false });
    expect(new Set(lookedUp)).toEqual(new Set([node]));
    expect(server.claims.at(-1)).toMatchObject({ aud: audience });
  });

  it('connects without SRV, with TLS all the same', async () => {
    const client = await connect(`mongodb://${node}:${server.port}/`);
    await client.db('shop').command({ ping: 1 });
    expect(client.options).toMatchObject({ tls: true, retryWrites: false });
  });

  it('sends nothing where the DNS record leads to a look-alike', async () => {
    const before = { requests: imds.requests.length, connections: server.stats.connections };
    const client = await connect('mongodb+srv://bent.mongocluster.cosmos.azure.com/');
    await expect(client.connect()).rejects.toThrow('Server record does not share hostname with parent URI');
    expect(lookedUp).toEqual([]);
    expect({ requests: imds.requests.length, connections: server.stats.connections }).toEqual(before);
  });

  // Older drivers have no such option.
  if (driver.name === 'mongodb') {
    it('sends nothing there where a validator of the program lets the record pass', async () => {
      const before = { requests: imds.requests.length, connections: server.stats.connections };
      const client = await connect('mongodb+srv://bent.mongocluster.cosmos.azure.com/', {
        srvHostValidator: () => true,
      });
      await expect(client.connect()).rejects.toThrow(/ALLOWED_HOSTS/);
      expect({ requests: imds.requests.length, connections: server.stats.connections }).toEqual(before);
    });
  }
});
