// mongodb+srv through a DNS server on this machine: who may get a token, and on which port.

import dns from 'node:dns';
import type { LookupFunction } from 'node:net';
import { MongoClient, type MongoClientOptions } from 'mongodb';
import { workloadIdentity } from 'mongodb-workload-identity';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type AzureEmulator, defaultIdentities, startAzureImds } from '../emulators/azure.js';
import { createCertificates } from '../emulators/certificates.js';
import { type DnsEmulator, startDns } from '../emulators/dns.js';
import { type IdentityProvider, type MongoServer, startMongoServer } from '../emulators/mongodb/index.js';

const clientId = defaultIdentities[1]?.clientId;

/** One for all tests, because the SDK remembers where it is. */
let imds: AzureEmulator;
/** Another in each test, because the same callback, with its token, serves the same audience. */
let audience: string;
let audiences = 0;
let server: MongoServer;
let responder: DnsEmulator;
let client: MongoClient | undefined;
let lookedUp: string[];
const systemServers = dns.getServers();

beforeAll(async () => {
  imds = await startAzureImds();
  vi.stubEnv('AZURE_POD_IDENTITY_AUTHORITY_HOST', imds.env.AZURE_POD_IDENTITY_AUTHORITY_HOST);
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await imds.close();
});

beforeEach(async () => {
  audience = `api://mongodb-${++audiences}`;
  server = await startMongoServer({ identityProviders: [provider()] });
  const { port } = server;
  responder = await startDns({
    srv: {
      '_mongodb._tcp.cluster0.shop.test': [{ target: 'node-1.shop.test', port }],
      '_mongodb._tcp.cluster1.shop.test': [
        { target: 'node-1.shop.test', port },
        { target: 'node-1.evilshop.test', port },
      ],
    },
    // As Atlas has it; with MONGODB-OIDC the driver stays with $external.
    txt: { 'cluster0.shop.test': ['authSource=admin'] },
  });
  dns.setServers([responder.address]);
  lookedUp = [];
  client = undefined;
});

afterEach(async () => {
  dns.setServers(systemServers);
  await client?.close();
  await Promise.all([server.close(), responder.close()]);
});

function provider(): IdentityProvider {
  const { issuer, jwksUri } = imds;
  return { issuer, jwksUri, audience, authNamePrefix: 'azure' };
}

const properties = () =>
  `authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:azure,TOKEN_RESOURCE:${audience}`;

const tokenRequests = () => imds.requests.filter(({ query }) => query.resource === audience);

/** Every name leads to this machine. */
const lookup: LookupFunction = (hostname, { all }, callback) => {
  lookedUp.push(hostname);
  if (all) callback(null, [{ address: '127.0.0.1', family: 4 }]);
  else callback(null, '127.0.0.1', 4);
};

function connect(uri: string, options: MongoClientOptions = {}): MongoClient {
  client = new MongoClient(...workloadIdentity(uri, { lookup, serverSelectionTimeoutMS: 5_000, ...options }));
  return client;
}

const allowedHosts = ({ options }: MongoClient) => options.credentials?.mechanismProperties.ALLOWED_HOSTS;

describe('mongodb+srv', () => {
  it('authenticates at the hosts and ports of the SRV record, and trusts its parent domain alone', async () => {
    const connected = connect(`mongodb+srv://${clientId}@cluster0.shop.test/?tls=false&${properties()}`);
    const addresses: string[] = [];
    connected.on('serverOpening', ({ address }) => addresses.push(address));
    const { authInfo } = await connected.db('admin').command({ connectionStatus: 1 });

    expect(authInfo.authenticatedUsers).toEqual([
      { user: `azure/${defaultIdentities[1]?.objectId}`, db: '$external' },
    ]);
    expect(allowedHosts(connected)).toEqual(['*.shop.test']);
    expect(responder.queries).toContain('SRV _mongodb._tcp.cluster0.shop.test');
    expect(addresses).toEqual([`node-1.shop.test:${server.port}`]);
    expect(new Set(lookedUp)).toEqual(new Set(['node-1.shop.test']));
    expect(tokenRequests()).toEqual([
      expect.objectContaining({
        query: { 'api-version': '2018-02-01', resource: audience, client_id: clientId },
      }),
    ]);
  });

  it('makes no connection and asks for no token where the record leads out of the domain', async () => {
    const refused = connect(`mongodb+srv://cluster1.shop.test/?tls=false&${properties()}`);
    await expect(refused.connect()).rejects.toThrow('Server record does not share hostname with parent URI');
    expectNothingSent();
  });

  it('does so too where a validator of the program lets such a record pass', async () => {
    const refused = connect(`mongodb+srv://cluster1.shop.test/?tls=false&${properties()}`, {
      srvHostValidator: () => true,
    });
    await expect(refused.connect()).rejects.toThrow(
      /^Host 'node-1\.evilshop\.test:\d+' is not valid .* ALLOWED_HOSTS of '\*\.shop\.test'/,
    );
    expectNothingSent();
  });

  it('uses TLS unless the connection string turns it off', async () => {
    const certificates = await createCertificates(['node-1.shop.test']);
    const secured = await startMongoServer({ identityProviders: [provider()], tls: certificates });
    const records = await startDns({
      srv: { '_mongodb._tcp.cluster0.shop.test': [{ target: 'node-1.shop.test', port: secured.port }] },
    });
    dns.setServers([records.address]);
    try {
      const connected = connect(`mongodb+srv://cluster0.shop.test/?${properties()}`, {
        tlsCAFile: certificates.caFile,
      });
      await connected.db('shop').command({ ping: 1 });
      expect(connected.options.tls).toBe(true);
      expect(secured.claims).toHaveLength(1);
    } finally {
      await client?.close();
      await Promise.all([secured.close(), records.close()]);
      certificates.close();
    }
  });
});

describe('mongodb', () => {
  it('means port 27017 where it says none, and trusts just that host', () => {
    const { options } = connect(`mongodb://db.shop.test,other.shop.test:27018/?${properties()}`);
    expect(options.hosts.map(({ host, port }) => [host, port])).toEqual([
      ['db.shop.test', 27017],
      ['other.shop.test', 27018],
    ]);
    expect(options.credentials?.mechanismProperties.ALLOWED_HOSTS).toEqual([
      'db.shop.test',
      'other.shop.test',
    ]);
  });
});

function expectNothingSent(): void {
  expect(lookedUp).toEqual([]);
  expect(server.stats.connections).toBe(0);
  expect(tokenRequests()).toEqual([]);
}
