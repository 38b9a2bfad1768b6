// The MONGODB-OIDC cases of the authentication specification's connection strings, applied to `workloadIdentity`.
// The number is the place in that file's list, counted from 1.
// https://github.com/mongodb/specifications/blob/master/source/auth/tests/legacy/connection-string.yml
// Two more are in the connection strings' own specification.
// https://github.com/mongodb/specifications/tree/master/source/connection-string/tests

import { readFile } from 'node:fs/promises';
import type { MongoClientOptions } from 'mongodb';
import {
  EnvironmentCallback,
  type OIDCCallback,
  OIDCCallbackError,
  workloadIdentity,
} from 'mongodb-workload-identity';
import { AzureManagedIdentityCallback } from 'mongodb-workload-identity/azure';
import { GcpMetadataCallback } from 'mongodb-workload-identity/gcp';
import { KubernetesCallback } from 'mongodb-workload-identity/kubernetes';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type AzureEmulator, defaultIdentities, startAzureImds } from '../emulators/azure.js';
import { type GcpMetadataEmulator, startGcpMetadata } from '../emulators/gcp.js';
import { createTokenDirectory, type KubernetesTokens } from '../emulators/kubernetes.js';
import { loadDriver } from '../life/drivers.js';
import { edges } from './stage.js';

const uri = (properties: string, user = '') =>
  `mongodb://${user}localhost/?authMechanism=MONGODB-OIDC&authMechanismProperties=${properties}`;
const withoutProperties = 'mongodb://localhost/?authMechanism=MONGODB-OIDC';
const azure = (resource: string, user = 'user@') => uri(`ENVIRONMENT:azure,TOKEN_RESOURCE:${resource}`, user);
const gcp = uri('ENVIRONMENT:gcp,TOKEN_RESOURCE:foo');
const k8s = uri('ENVIRONMENT:k8s');

interface Expected {
  readonly Class: new () => OIDCCallback;
  readonly username?: string;
  readonly resource?: string;
}

const VALID: [number: number, what: string, uri: string, expected: Expected][] = [
  [55, 'azure', azure('foo', ''), { Class: AzureManagedIdentityCallback, resource: 'foo' }],
  [56, 'azure with a user name', azure('foo'), ofUser('foo')],
  [57, 'an encoded TOKEN_RESOURCE', azure('mongodb%3A%2F%2Ftest-cluster'), ofUser('mongodb://test-cluster')],
  [58, 'one that is not encoded', azure('mongodb://test-cluster'), ofUser('mongodb://test-cluster')],
  [59, 'one with an encoded % and &', azure('abcd%25ef%3Ag%26hi'), ofUser('abcd%ef:g&hi')],
  [60, 'one with a $', azure('a$b'), ofUser('a$b')],
  [63, 'gcp', gcp, { Class: GcpMetadataCallback, resource: 'foo' }],
  [66, 'k8s', k8s, { Class: KubernetesCallback }],
];

/** `test` is a fixture of the drivers' own tests, so it is refused; k8s, which takes as little, has its place. */
const VALID_FOR_DRIVERS: [number: number, what: string, uri: string][] = [
  [48, 'test', uri('ENVIRONMENT:test')],
  [49, 'test with authSource', `${uri('ENVIRONMENT:test')}&authSource=$external`],
];

const INVALID: [number: number, what: string, uri: string][] = [
  [50, 'a password, for test', uri('ENVIRONMENT:test', 'user:pass@')],
  [51, 'a user name, for test', uri('ENVIRONMENT:test', 'principalName@')],
  [52, 'an unknown ENVIRONMENT', uri('ENVIRONMENT:invalid')],
  [53, 'neither ENVIRONMENT nor callback, nor audience', withoutProperties],
  [54, 'an unknown property alone', uri('UnsupportedProperty:unexisted')],
  [61, 'a password, for azure', azure('foo', 'user:pass@')],
  [62, 'azure without TOKEN_RESOURCE', uri('ENVIRONMENT:azure', 'username@')],
  [64, 'a password, for gcp', uri('ENVIRONMENT:gcp,TOKEN_RESOURCE:foo', 'user:pass@')],
  [65, 'a password, and no TOKEN_RESOURCE, for gcp', uri('ENVIRONMENT:gcp', 'user:pass@')],
  [67, 'a password, for k8s', uri('ENVIRONMENT:k8s', 'user:pass@')],
];

/** What `workloadIdentity` takes besides, as it says. */
const ALLOWED: [number: number, what: string, uri: string, expected: Expected][] = [
  [53, 'no ENVIRONMENT, where audience is given', withoutProperties, { Class: EnvironmentCallback }],
  [62, 'azure without TOKEN_RESOURCE, where audience is given', uri('ENVIRONMENT:azure', 'user@'), ofUser()],
  [65, 'gcp likewise, without the password', uri('ENVIRONMENT:gcp'), { Class: GcpMetadataCallback }],
  [55, 'azure without authMechanism', withoutMechanism(azure('foo')), ofUser('foo')],
  [66, 'k8s without authMechanism', withoutMechanism(k8s), { Class: KubernetesCallback }],
];

/** The third of valid-options.yml, and the seventh of valid-warnings.yml. */
const colon =
  'mongodb://example.com/?authMechanism=MONGODB-OIDC&authMechanismProperties=TOKEN_RESOURCE:mongodb://test-cluster,ENVIRONMENT:azure';
const comma =
  'mongodb://localhost?authMechanism=MONGODB-OIDC&authMechanismProperties=TOKEN_RESOURCE:mongodb://host1%2Chost2,ENVIRONMENT:azure';

const INVALID_URI = expect.objectContaining({ code: 'ERR_OIDC_INVALID_URI' });

describe.each(edges)('with $name', (driver) => {
  async function readByDriver(...[uri, options]: [string, MongoClientOptions?]) {
    const { MongoClient } = await loadDriver(driver);
    const { credentials } = new MongoClient(uri, options).options;
    if (!credentials) throw new Error('no credentials');
    const { username, password, source, mechanism, mechanismProperties } = credentials;
    return { username, password, source, mechanism, mechanismProperties };
  }

  async function expectReading(uri: string, { Class, username, resource }: Expected, audience?: string) {
    const reading = await readByDriver(...workloadIdentity(uri, { audience }));
    expect(reading).toEqual({
      username: username ?? '',
      password: '',
      source: '$external',
      mechanism: 'MONGODB-OIDC',
      mechanismProperties: {
        ...(resource !== undefined && { TOKEN_RESOURCE: resource }),
        OIDC_CALLBACK: expect.any(Class),
        ALLOWED_HOSTS: ['localhost'],
      },
    });
    return reading;
  }

  it.each(VALID)('%i %s is accepted, and read as the driver reads it', async (_, __, uri, expected) => {
    const { mechanismProperties, ...ours } = await expectReading(uri, expected);
    const { mechanismProperties: driversProperties, ...drivers } = await readByDriver(uri);
    expect(ours).toEqual(drivers);
    expect(mechanismProperties.TOKEN_RESOURCE).toBe(driversProperties.TOKEN_RESOURCE);
  });

  it.each(VALID_FOR_DRIVERS)('%i %s is refused; k8s in its place is accepted', async (_, __, uri) => {
    await expect(readByDriver(uri)).resolves.toMatchObject({ source: '$external' });
    expect(() => workloadIdentity(uri)).toThrow(INVALID_URI);
    await expectReading(uri.replace('test', 'k8s'), { Class: KubernetesCallback });
  });

  it.each(INVALID)('%i %s is refused', async (_, __, uri) => {
    await expect(readByDriver(uri)).rejects.toThrow();
    for (const each of new Set([uri, uri.replace('ENVIRONMENT:test', 'ENVIRONMENT:k8s')])) {
      expect(() => workloadIdentity(each)).toThrow(INVALID_URI);
      expect(() => workloadIdentity(each)).toThrow(OIDCCallbackError);
    }
  });

  it.each(ALLOWED)('%i %s is accepted', async (_, __, uri, expected) => {
    await expectReading(uri, expected, expected.resource === undefined ? 'foo' : undefined);
  });

  it('valid-options 3: a colon in TOKEN_RESOURCE, and ENVIRONMENT after it, are read', async () => {
    const { mechanismProperties } = await readByDriver(...workloadIdentity(colon));
    expect(mechanismProperties).toEqual({
      TOKEN_RESOURCE: 'mongodb://test-cluster',
      OIDC_CALLBACK: expect.any(AzureManagedIdentityCallback),
      ALLOWED_HOSTS: ['example.com'],
    });
  });

  it('valid-warnings 7: a comma in TOKEN_RESOURCE, of which drivers are to warn, is refused as theirs is', async () => {
    await expect(readByDriver(comma)).rejects.toThrow(/undefined values/);
    expect(() => workloadIdentity(comma)).toThrow(INVALID_URI);
    expect(() => workloadIdentity(comma)).toThrow(/comma must go into the options/);
  });
});

describe('the token is asked for', () => {
  let imds: AzureEmulator;
  let metadata: GcpMetadataEmulator;
  let tokens: KubernetesTokens;
  const callbacks: OIDCCallback[] = [];

  beforeAll(async () => {
    const identities = defaultIdentities.map((identity) =>
      identity.systemAssigned ? identity : { ...identity, clientId: 'user' },
    );
    imds = await startAzureImds({ identities });
    metadata = await startGcpMetadata();
    tokens = await createTokenDirectory({ audience: 'foo' });
    for (const [name, value] of Object.entries({ ...imds.env, ...metadata.env, ...tokens.env })) {
      vi.stubEnv(name, value);
    }
  });
  afterEach(() => {
    for (const callback of callbacks.splice(0)) callback.invalidate();
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await Promise.all([imds.close(), metadata.close(), tokens.close()]);
  });

  it.each(VALID)(
    '%i %s as the connection string has it',
    async (_, __, uri, { Class, username, resource }) => {
      const [, { authMechanismProperties }] = workloadIdentity(uri);
      const callback = authMechanismProperties?.OIDC_CALLBACK as OIDCCallback;
      callbacks.push(callback);
      const { accessToken } = await callback.fetch({
        ...(username !== undefined && { username }),
        ...(resource !== undefined && { tokenAudience: resource }),
      });
      if (Class === KubernetesCallback) {
        expect(accessToken).toBe(await readFile(tokens.path, 'utf8'));
      } else if (Class === GcpMetadataCallback) {
        expect(metadata.requests.at(-1)?.query).toMatchObject({ audience: resource });
      } else {
        const { resource: asked, client_id } = imds.requests.at(-1)?.query ?? {};
        expect({ asked, client_id }).toEqual({ asked: resource, client_id: username });
      }
    },
  );
});

/** The user name of the specification's examples, which is a client ID. */
function ofUser(resource?: string): Expected {
  return { Class: AzureManagedIdentityCallback, username: 'user', ...(resource && { resource }) };
}

function withoutMechanism(uri: string): string {
  return uri.replace('authMechanism=MONGODB-OIDC&', '');
}
