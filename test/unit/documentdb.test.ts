import { MongoClient } from 'mongodb';
import { MongoClient as MongoClient622 } from 'mongodb-6.22';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { workloadIdentity } from '../../src/connection-string.js';
import { AZURE_DOCUMENTDB } from '../../src/documentdb.js';
import { EnvironmentCallback } from '../../src/environment-callback.js';
import { sharedCallback } from '../../src/shared-callback.js';

vi.mock('../../src/shared-callback.js', { spy: true });

const asked = vi.mocked(sharedCallback);
const M = 'authMechanism=MONGODB-OIDC';
const clouds = [
  ['public', 'azure.com', 'https://ossrdbms-aad.database.windows.net'],
  ['usGovernment', 'azure.us', 'https://ossrdbms-aad.database.usgovcloudapi.net'],
  ['china', 'azure.cn', 'https://ossrdbms-aad.database.chinacloudapi.cn'],
] as const;
const AUDIENCE = AZURE_DOCUMENTDB.public.audience;
const withAudience = `authMechanismProperties=ENVIRONMENT:azure,TOKEN_RESOURCE:${AUDIENCE}`;

beforeEach(() => {
  asked.mockClear();
  vi.spyOn(process, 'emitWarning').mockReturnValue(undefined);
});

const refusal = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_OIDC_INVALID_URI', message: expect.stringMatching(message) });

describe.each(clouds)('%s', (name, domain, audience) => {
  const suffix = `mongocluster.cosmos.${domain}`;

  test('has its audience and its hosts, which cannot be changed', () => {
    expect(AZURE_DOCUMENTDB[name]).toEqual({ audience, allowedHosts: [`*.${suffix}`] });
    expect(Object.isFrozen(AZURE_DOCUMENTDB)).toBe(true);
    expect(Object.isFrozen(AZURE_DOCUMENTDB[name])).toBe(true);
    expect(Object.isFrozen(AZURE_DOCUMENTDB[name].allowedHosts)).toBe(true);
  });

  test('is recognised by an SRV host', () => {
    const [uri, options] = workloadIdentity(
      `mongodb+srv://orders.global.${suffix}/?${M}&maxIdleTimeMS=120000`,
    );
    expect(uri).toBe(`mongodb+srv://orders.global.${suffix}/?${M}&maxIdleTimeMS=120000`);
    expect(options).toEqual({
      authMechanismProperties: {
        OIDC_CALLBACK: expect.any(EnvironmentCallback),
        ALLOWED_HOSTS: [`*.global.${suffix}`],
      },
      retryWrites: false,
    });
    expect(asked).toHaveBeenCalledExactlyOnceWith(undefined, { audience });
  });

  test('is recognised by its hosts, and has TLS', () => {
    const [, options] = workloadIdentity(`mongodb://fc-1.${suffix}:10260,FC-2.${suffix.toUpperCase()}/?${M}`);
    expect(options).toMatchObject({
      retryWrites: false,
      tls: true,
      authMechanismProperties: { ALLOWED_HOSTS: [`fc-1.${suffix}`, `fc-2.${suffix}`] },
    });
    expect(process.emitWarning).not.toHaveBeenCalled();
  });
});

describe('what the user says counts', () => {
  const host = 'orders.mongocluster.cosmos.azure.com';

  test('the environment and the client ID', () => {
    workloadIdentity(`mongodb+srv://0f1e@${host}/?${M}&authMechanismProperties=ENVIRONMENT:azure`);
    expect(asked).toHaveBeenCalledExactlyOnceWith('azure', { audience: AUDIENCE, username: '0f1e' });
  });

  test.each([
    ['TOKEN_RESOURCE', `mongodb+srv://${host}/?${M}&authMechanismProperties=TOKEN_RESOURCE:other`, {}],
    ['audience', `mongodb+srv://${host}/?${M}`, { audience: 'other' }],
  ])('%s', (_, uri, options) => {
    workloadIdentity(uri, options);
    expect(asked).toHaveBeenCalledExactlyOnceWith(undefined, { audience: 'other' });
  });

  test.each([
    ['retryWrites=true in the connection string', 'retryWrites=true', {}, true],
    ['retryWrites in the options', 'a=1', { retryWrites: true }, true],
    ['retrywrites in another case', 'a=1', { retrywrites: true }, undefined],
    ['undefined, as if it were not there', 'a=1', { retryWrites: undefined }, false],
  ])('%s', (_, query, options, expected) => {
    const [, { retryWrites }] = workloadIdentity(`mongodb+srv://${host}/?${M}&${query}`, options) as [
      string,
      { retryWrites?: boolean },
    ];
    expect(retryWrites).toBe(query.includes('retryWrites') ? undefined : expected);
  });

  test.each(['tls=false', 'ssl=false'])('%s', (query) => {
    const [, options] = workloadIdentity(`mongodb://${host}/?${M}&${query}`);
    expect(options).not.toHaveProperty('tls');
  });

  test('allowedHosts', () => {
    const [, options] = workloadIdentity(`mongodb://db.example.com/?${M}&tls=true`, {
      audience: AUDIENCE,
      allowedHosts: ['db.example.com'],
    });
    expect(options.authMechanismProperties?.ALLOWED_HOSTS).toEqual(['db.example.com']);
    expect(options).not.toHaveProperty('retryWrites');
  });

  test('allowedHosts for a host of the service', () => {
    const pinned = AZURE_DOCUMENTDB.public.allowedHosts;
    const [, options] = workloadIdentity(`mongodb+srv://orders.global.mongocluster.cosmos.azure.com/?${M}`, {
      allowedHosts: pinned,
    });
    expect(options.authMechanismProperties?.ALLOWED_HOSTS).toEqual(pinned);
    expect(asked).toHaveBeenCalledExactlyOnceWith(undefined, { audience: AUDIENCE });
  });

  test('this machine, for a tunnel', () => {
    const [, options] = workloadIdentity(`mongodb://localhost/?${M}`, { audience: AUDIENCE });
    expect(options.authMechanismProperties?.ALLOWED_HOSTS).toEqual(['localhost']);
    expect(options).not.toHaveProperty('tls');
  });
});

const LOOK_ALIKES = [
  'mongocluster.cosmos.azure.com.evil.test',
  'a.mongocluster.cosmos.azure.com.evil.test',
  'evilmongocluster.cosmos.azure.com',
  'a.evilmongocluster.cosmos.azure.com',
  'mongocluster.cosmos.azure.tk',
  'a.mongocluster.cosmos.azure.tk',
  'a.mongocluster.cosmos.azure.co',
  'a.mongocluster-cosmos.azure.com',
  'cosmos.azure.com',
  'a.cosmos.azure.com',
  'azure.com',
  'a.mongocluster.cosmos.azure.com.',
  'a.mongocluster.cosmos.azure.com%2eevil.test',
  'a.mongocluster.cosmos.azurе.com', // a Cyrillic letter
  '127.0.0.1.evil.test',
];

describe('a look-alike never gets a token', () => {
  test.each(LOOK_ALIKES)('%s is not recognised', (host) => {
    for (const scheme of ['mongodb', 'mongodb+srv']) {
      expect(() => workloadIdentity(`${scheme}://${host}/?${M}`)).toThrow(
        expect.objectContaining({ code: 'ERR_OIDC_INVALID_URI' }),
      );
    }
    expect(asked).not.toHaveBeenCalled();
  });

  test.each(LOOK_ALIKES)('%s is refused where the audience is that of the service', (host) => {
    for (const scheme of ['mongodb', 'mongodb+srv']) {
      expect(() => workloadIdentity(`${scheme}://${host}/?${M}&${withAudience}`)).toThrow(
        expect.objectContaining({ code: 'ERR_OIDC_INVALID_URI' }),
      );
      for (const audience of [AUDIENCE, `${AUDIENCE}/`, AUDIENCE.toUpperCase()]) {
        expect(() => workloadIdentity(`${scheme}://${host}/?${M}`, { audience })).toThrow(
          refusal(/would go to|host of the connection string|not a host/),
        );
      }
    }
    expect(asked).not.toHaveBeenCalled();
  });

  test.each([
    'a.mongocluster.cosmos.azure.com,evilmongocluster.cosmos.azure.com',
    'evil.test,a.mongocluster.cosmos.azure.com',
    'localhost,a.mongocluster.cosmos.azure.com,evil.test',
    'a.mongocluster.cosmos.azure.com,a.mongocluster.cosmos.azure.cn',
  ])('nor one among others: %s', (hosts) => {
    expect(() => workloadIdentity(`mongodb://${hosts}/?${M}`)).toThrow(refusal(/would go to '[^']+'/));
  });

  test('nor a host of another cloud than the audience', () => {
    const { audience } = AZURE_DOCUMENTDB.china;
    expect(() => workloadIdentity(`mongodb://evil.test/?${M}`, { audience })).toThrow(
      refusal(/'evil.test', which is not under mongocluster.cosmos.azure.cn/),
    );
  });

  test.each([
    ['an SRV host that is the suffix itself', 'mongodb+srv://mongocluster.cosmos.azure.com', {}],
    [
      'srvAllowedHostsSuffix',
      'mongodb+srv://a.mongocluster.cosmos.azure.com',
      { srvAllowedHostsSuffix: 'evil.test' },
    ],
    [
      'a wider srvAllowedHostsSuffix',
      'mongodb+srv://a.mongocluster.cosmos.azure.com',
      { srvAllowedHostsSuffix: 'azure.com' },
    ],
  ])('nor one that may come through %s', (_, uri, options) => {
    expect(() => workloadIdentity(`${uri}/?${M}`, options)).toThrow(
      refusal(/allowed are only: '\*\.mongocluster\.cosmos\.azure\.com'/),
    );
  });

  test.each([
    ['6.22, which compares patterns loosely', MongoClient622],
    ['the newest driver', MongoClient],
  ])('the pattern leaves nothing loose to %s', (_, Client) => {
    const client = new Client(
      ...(workloadIdentity(`mongodb://a.mongocluster.cosmos.azure.com/?${M}`) as unknown as [string]),
    );
    expect(client.options.credentials?.mechanismProperties.ALLOWED_HOSTS).toEqual([
      'a.mongocluster.cosmos.azure.com',
    ]);
    expect(client.options).toMatchObject({ tls: true, retryWrites: false });
  });
});
