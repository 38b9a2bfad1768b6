import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readServerConfig } from '../../../src/doctor/server-config.js';
import { OIDCCallbackError } from '../../../src/errors.js';

const PROVIDERS = [
  {
    issuer: 'https://accounts.google.com',
    audience: 'mongodb',
    authNamePrefix: 'gcp',
    useAuthorizationClaim: false,
    supportsHumanFlows: false,
    JWKSPollSecs: 86_400,
  },
  {
    issuer: 'https://okta.example.com',
    audience: 'humans',
    authNamePrefix: 'okta',
    authorizationClaim: 'groups',
    clientId: 'client',
    matchPattern: '@example\\.com$',
    requestScopes: ['email'],
    principalName: 'email',
  },
];
const JSON_TEXT = JSON.stringify(PROVIDERS);

function failureOf(text: string): string {
  try {
    readServerConfig(text);
  } catch (error) {
    if (!(error instanceof OIDCCallbackError)) throw error;
    expect(error.code).toBe('ERR_OIDC_INVALID_OPTION');
    expect(error.message).toMatch(/^The option '--server-config' needs /);
    return error.message;
  }
  throw new Error('expected an error');
}

describe('the identity providers are read from', () => {
  test.each<[form: string, text: string]>([
    ['the array', JSON_TEXT],
    ['the array, after a byte order mark and spaces', `\uFEFF \n${JSON_TEXT}\n`],
    ['an object with the array', JSON.stringify({ oidcIdentityProviders: PROVIDERS })],
    ['an object with the array as a string', JSON.stringify({ oidcIdentityProviders: JSON_TEXT })],
    [
      'setParameter with the array as a string',
      JSON.stringify({ setParameter: { oidcIdentityProviders: JSON_TEXT } }),
    ],
    ['setParameter with the array', JSON.stringify({ setParameter: { oidcIdentityProviders: PROVIDERS } })],
    ['the array as a JSON string', JSON.stringify(JSON_TEXT)],
    [
      "getParameter's answer",
      JSON.stringify({
        oidcIdentityProviders: PROVIDERS,
        ok: 1,
        $clusterTime: { clusterTime: { $timestamp: { t: 1, i: 1 } } },
      }),
    ],
    [
      'a mongod.conf',
      `net:\n  port: 27017\nsetParameter:\n  authenticationMechanisms: MONGODB-OIDC\n  oidcIdentityProviders: '${JSON_TEXT}'\n`,
    ],
    ['a command line', `mongod --setParameter 'oidcIdentityProviders=${JSON_TEXT}' --port 27017`],
  ])('%s', (_, text) => {
    expect(readServerConfig(text)).toEqual(PROVIDERS);
  });

  test('canonical EJSON, whose numbers are objects', () => {
    const poll = { ...PROVIDERS[0], JWKSPollSecs: { $numberInt: '86400' } };
    expect(
      readServerConfig(JSON.stringify({ oidcIdentityProviders: [poll], ok: { $numberDouble: '1.0' } })),
    ).toMatchObject([{ issuer: 'https://accounts.google.com', useAuthorizationClaim: false }]);
  });

  test('a server that has none', () => {
    expect(readServerConfig('{"oidcIdentityProviders":[],"ok":1}')).toEqual([]);
  });
});

describe('what holds none is refused, saying what to give', () => {
  test.each([
    '',
    '{}',
    'null',
    '7',
    '"x"',
    'oidcIdentityProviders: x',
    "{ issuer: 'https://a' }",
    '{"setParameter":{}}',
  ])('%j', (text) => {
    expect(failureOf(text)).toContain(
      'EJSON.stringify(db.adminCommand({ getParameter: 1, oidcIdentityProviders: 1 }))',
    );
  });

  test('JSON in JSON without end', () => {
    let text = JSON_TEXT;
    for (let depth = 0; depth < 6; depth += 1) text = JSON.stringify(text);
    failureOf(text);
  });
});

describe('a provider that is none is refused, with its place', () => {
  const [provider] = PROVIDERS;

  test.each<[what: string, element: unknown, place: string]>([
    ['no object', 7, 'a string as oidcIdentityProviders[0].issuer'],
    ['null', null, 'a string as oidcIdentityProviders[0].issuer'],
    ['no audience', { ...provider, audience: undefined }, 'a string as oidcIdentityProviders[0].audience'],
    [
      'an empty prefix',
      { ...provider, authNamePrefix: '' },
      'a string as oidcIdentityProviders[0].authNamePrefix',
    ],
    [
      'a list of audiences',
      { ...provider, audience: ['a'] },
      'a string as oidcIdentityProviders[0].audience',
    ],
    [
      'text for a boolean',
      { ...provider, useAuthorizationClaim: 'false' },
      'a boolean as oidcIdentityProviders[0].useAuthorizationClaim',
    ],
    [
      'a number for a name',
      { ...provider, principalName: 1 },
      'a string as oidcIdentityProviders[0].principalName',
    ],
  ])('%s', (_, element, place) => {
    expect(failureOf(JSON.stringify([element]))).toBe(`The option '--server-config' needs ${place}.`);
  });

  test('null is as good as missing where the field is optional', () => {
    expect(readServerConfig(JSON.stringify([{ ...provider, principalName: null }]))).toHaveLength(1);
  });
});

test('whatever it is given, nothing else is thrown and nothing of it is quoted', () => {
  const SECRET = 'hunter2-hunter2-hunter2';
  const json = fc.jsonValue().map((value) => JSON.stringify(value));
  const provider = fc
    .record({ issuer: fc.jsonValue(), audience: fc.jsonValue(), clientSecret: fc.constant(SECRET) })
    .map((value) => JSON.stringify({ oidcIdentityProviders: [value] }));
  const text = fc.oneof(
    fc.string(),
    json,
    provider,
    fc.string().map((rest) => `{"clientSecret":"${SECRET}"${rest}`),
  );
  fc.assert(
    fc.property(text, (given) => {
      try {
        readServerConfig(given);
      } catch (error) {
        expect(error).toBeInstanceOf(OIDCCallbackError);
        expect(String(error)).not.toContain(SECRET);
      }
    }),
    { numRuns: 200 },
  );
});
