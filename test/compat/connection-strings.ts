// Connection strings as the cell's driver reads them: through the package it comes to the same client.

import assert from 'node:assert/strict';
import { Program } from './program.js';
import type { Scenario } from './scenario.js';

interface Row {
  readonly what: string;
  readonly uri: string;
  readonly options?: object;
  /** Undefined for what the driver rejects. */
  readonly callback?: string;
  /** The hosts that the driver reads in it. */
  readonly hosts?: readonly string[];
  /** Where a token may go. Default: to the same hosts, without ports. */
  readonly allowedHosts?: readonly string[];
}

type Reading = Readonly<Record<string, unknown>> & { readonly error?: string };

const query = 'authMechanism=MONGODB-OIDC&authMechanismProperties';
const azure = `${query}=ENVIRONMENT:azure,TOKEN_RESOURCE:api://db`;
const managedIdentity = 'AzureManagedIdentityCallback';

// biome-ignore format: a row, a line or two
const rows: readonly Row[] = [
  { what: 'the default port', uri: `mongodb://localhost/?${azure}`, callback: managedIdentity, hosts: ['localhost:27017'] },
  { what: 'an encoded audience', uri: `mongodb://localhost:27018/?${query}=ENVIRONMENT:gcp,TOKEN_RESOURCE:https%3A%2F%2Fdb.example.com%2F%3Fa%3D1%26b%3D%252B`,
    callback: 'GcpMetadataCallback', hosts: ['localhost:27018'] },
  { what: 'an encoded user name', uri: `mongodb://client%2Did%40tenant@127.0.0.1/?${azure}`, callback: managedIdentity, hosts: ['127.0.0.1:27017'] },
  { what: 'several hosts', uri: `mongodb://A.example.com,b.example.com:27018,[::1]:27019/shop?tls=true&${azure}`,
    callback: managedIdentity, hosts: ['a.example.com:27017', 'b.example.com:27018', '[::1]:27019'], allowedHosts: ['a.example.com', 'b.example.com', '::1'] },
  { what: 'an SRV name', uri: `mongodb+srv://cluster0.abcde.mongodb.net/?${query}=ENVIRONMENT:k8s`,
    callback: 'KubernetesCallback', hosts: [], allowedHosts: ['*.abcde.mongodb.net'] },
  { what: 'options before and after', uri: `mongodb://localhost/shop?replicaSet=rs0&readPreference=secondary&readPreferenceTags=dc:ny&${azure}&readPreferenceTags=&w=majority&appName=a%26b+c&maxPoolSize=7`,
    callback: managedIdentity, hosts: ['localhost:27017'] },
  { what: 'everything in the options', uri: 'mongodb://localhost/shop',
    options: { authMechanism: 'MONGODB-OIDC', authMechanismProperties: { ENVIRONMENT: 'azure', TOKEN_RESOURCE: 'api://a,b' }, auth: { username: 'client', password: null }, appName: 'orders', retryWrites: false },
    callback: managedIdentity, hosts: ['localhost:27017'] },
  { what: 'an environment that there is not', uri: `mongodb://localhost/?${query}=ENVIRONMENT:aws` },
  { what: 'no audience', uri: `mongodb://localhost/?${query}=ENVIRONMENT:azure` },
  { what: 'a password', uri: `mongodb://client:secret@localhost/?${azure}` },
  { what: 'a user name on Google Cloud', uri: `mongodb://client@localhost/?${query}=ENVIRONMENT:gcp,TOKEN_RESOURCE:db` },
  { what: 'a % that encodes nothing', uri: `mongodb://client%zz@localhost/?${azure}` },
  { what: 'an SRV name with a port', uri: `mongodb+srv://cluster0.abcde.mongodb.net:27017/?${azure}` },
  { what: 'an option that there is not', uri: `mongodb://localhost/?${azure}&nonsense=1` },
];

export const connectionStrings: Scenario = {
  name: 'connection strings',
  async run({ launch }) {
    const program = new Program(launch('readings.mjs'));
    try {
      for (const { what, uri, options, ...expected } of rows) {
        const { byDriver, byPackage } = await program.ask<Record<'byDriver' | 'byPackage', Reading>>({
          uri,
          options,
        });
        if (expected.callback === undefined) {
          assert.ok(byDriver.error, `${what}: the driver accepts it`);
          assert.ok(byPackage.error, `${what}: the package accepts it`);
          continue;
        }
        const { callback, hosts = [], allowedHosts = hosts.map(withoutPort) } = expected;
        assert.deepEqual(byDriver.hosts, hosts, `${what}: ${byDriver.error}`);
        assert.deepEqual(byPackage, { ...byDriver, callback, allowedHosts }, what);
      }
    } finally {
      await program.close();
    }
  },
};

function withoutPort(host: string): string {
  return host.replace(/:\d+$/, '');
}
