import {
  AggregateAuthenticationError,
  AuthenticationError,
  AuthenticationRequiredError,
  CredentialUnavailableError,
} from '@azure/identity';
import { describe, expect, test } from 'vitest';
import { describeAzureError } from '../../src/azure-errors.js';
import { isTransient, OIDCCallbackError, type OIDCCallbackErrorCode } from '../../src/errors.js';
import { jwt } from './jwts.js';

const AUDIENCE = 'api://mongodb';
const IDENTITY = "client ID '9f3c1d52-0b7e-4c1a-8d3f-5e6a7b8c9d0e'";

const describeError = (error: unknown, identity: string | undefined = IDENTITY) =>
  describeAzureError(error, { audience: AUDIENCE, identity });
const describeForDefault = (error: unknown) =>
  describeAzureError(error, { audience: AUDIENCE, identity: undefined });

/** What MSAL throws. */
const msal = (errorCode: string, text: string, more: object = {}) =>
  Object.assign(new Error(`${errorCode}: ${text}`), { name: 'ServerError', errorCode, ...more });
/** What ManagedIdentityCredential makes of it. */
const managed = (cause: Error) =>
  new CredentialUnavailableError(
    `ManagedIdentityCredential: Authentication failed. Message ${cause.message}`,
    { cause },
  );
/** What the HTTP pipeline throws. */
const rest = (statusCode: number, text = 'The request failed.', code = 'REQUEST_SEND_ERROR') =>
  Object.assign(new Error(text), { name: 'RestError', statusCode, code, request: {}, response: {} });
const entra = (text: string) =>
  msal(
    'invalid_client',
    `400 - [2026-03-01 12:00:00Z]: ${text} Trace ID: 9f3c1d52-0b7e-4c1a-8d3f-5e6a7b8c9d0e`,
    { status: 400 },
  );
const chained = (...errors: Error[]) =>
  new AggregateAuthenticationError(errors, 'ChainedTokenCredential authentication failed.');
const missing = (name: string) =>
  new CredentialUnavailableError(`${name} is unavailable. No environment variables.`);

type Row = [what: string, error: unknown, code: OIDCCallbackErrorCode, message: RegExp, transient?: boolean];

const ROWS: Row[] = [
  [
    'several identities and none chosen',
    managed(
      msal(
        'invalid_request',
        'Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request',
        { status: 400 },
      ),
    ),
    'ERR_OIDC_IDENTITY_NOT_FOUND',
    /Several managed identities.*none was chosen: set `clientId`/,
  ],
  [
    'an identity that IMDS does not know',
    managed(msal('invalid_request', 'Identity not found', { status: 400 })),
    'ERR_OIDC_IDENTITY_NOT_FOUND',
    /client ID '9f3c1d52-.*' is not assigned to this host.*set `clientId`.*not an object \(principal\) ID/,
  ],
  [
    'an identity that App Service does not know',
    managed(
      msal(
        'invalid_request',
        'No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.',
        { status: 400 },
      ),
    ),
    'ERR_OIDC_IDENTITY_NOT_FOUND',
    /client ID '9f3c1d52-/,
  ],
  [
    'an identity that does not exist',
    managed(msal('invalid_request', 'The identity 9f3c does not exist', { status: 400 })),
    'ERR_OIDC_IDENTITY_NOT_FOUND',
    /client ID '9f3c1d52-/,
  ],
  [
    'an identity that was deleted',
    managed(msal('invalid_request', 'The identity 9f3c has been deleted', { status: 400 })),
    'ERR_OIDC_IDENTITY_NOT_FOUND',
    /client ID '9f3c1d52-/,
  ],
  [
    'an application that Entra does not know',
    entra("AADSTS700016: Application with identifier 'x' was not found in the directory 'y'."),
    'ERR_OIDC_IDENTITY_NOT_FOUND',
    /Entra knows no application with client ID '9f3c1d52-.*check the client ID and the tenant ID/,
  ],
  ...['70021', '700211', '700212', '700213', '700222'].map(
    (number): Row => [
      `a federated token that Entra refuses (AADSTS${number})`,
      entra(`AADSTS${number}: No matching federated identity record found for presented assertion.`),
      'ERR_OIDC_ACCESS_DENIED',
      /federated token of client ID '9f3c.*issuer.*subject 'system:serviceaccount:<namespace>:<service account>'.*'api:\/\/AzureADTokenExchange'/,
    ],
  ),
  ...['500011', '65001', '28000', '1002012'].map(
    (number): Row => [
      `an audience for which Entra issues nothing (AADSTS${number})`,
      entra(`AADSTS${number}: The resource principal was not found in the tenant.`),
      'ERR_OIDC_ACCESS_DENIED',
      /no token for the audience 'api:\/\/mongodb'.*Application ID URI/,
    ],
  ),
  [
    'any other refusal of Entra, with its number and what it says',
    entra('AADSTS7000215: Invalid client secret provided.'),
    'ERR_OIDC_ACCESS_DENIED',
    /refused client ID '9f3c.*a token for 'api:\/\/mongodb' \(AADSTS7000215\): .*Invalid client secret provided/,
  ],
  [
    'a number that only begins like one of those',
    entra('AADSTS5000110: x'),
    'ERR_OIDC_ACCESS_DENIED',
    /\(AADSTS5000110\): /,
  ],
  [
    'a number without a status',
    new Error('AADSTS90002: Tenant not found.'),
    'ERR_OIDC_ACCESS_DENIED',
    /\(AADSTS90002\): .*Tenant not found/,
  ],
  [
    'an expired assertion',
    entra('AADSTS700024: Client assertion is not within its valid time range.'),
    'ERR_OIDC_ACCESS_DENIED',
    /\(AADSTS700024\)/,
  ],
  [
    '429',
    managed(msal('too_many_requests', 'x', { status: 429 })),
    'ERR_OIDC_RATE_LIMITED',
    /throttles this host \(429\)/,
    true,
  ],
  ['429 of the HTTP pipeline', rest(429), 'ERR_OIDC_RATE_LIMITED', /429/, true],
  [
    '401',
    managed(msal('unauthorized_client', 'x', { status: 401 })),
    'ERR_OIDC_ACCESS_DENIED',
    /refused client ID '9f3c.*\(401\)/,
  ],
  ['403', rest(403), 'ERR_OIDC_ACCESS_DENIED', /'api:\/\/mongodb' \(403\): .*The request failed\./],
  [
    'the 403 of Docker Desktop, which means that nothing is there',
    rest(403, 'A socket operation was attempted to an unreachable network.'),
    'ERR_OIDC_SOURCE_UNREACHABLE',
    /Nothing answered/,
    true,
  ],
  [
    'the same of a host',
    rest(403, 'A socket operation was attempted to an unreachable host.'),
    'ERR_OIDC_SOURCE_UNREACHABLE',
    /Nothing answered/,
    true,
  ],
  [
    'an answer without a token',
    new AuthenticationRequiredError({ scopes: ['x'], message: 'Response had no "accessToken" property.' }),
    'ERR_OIDC_TOKEN_INVALID',
    /answered without a token/,
    true,
  ],
  ...[404, 408, 410, 500, 502, 503].map(
    (status): Row => [
      String(status),
      managed(msal('server_error', 'x', { status })),
      'ERR_OIDC_SOURCE_UNREACHABLE',
      new RegExp(`answered with status ${status}`),
      true,
    ],
  ),
  [
    'an error of the Entra endpoint without a number',
    new AuthenticationError(500, 'internal'),
    'ERR_OIDC_SOURCE_UNREACHABLE',
    /status 500/,
    true,
  ],
  ...(
    [
      [
        'no network',
        new CredentialUnavailableError('ManagedIdentityCredential: Network unreachable. Message: x', {
          cause: msal('network_error', 'Network request failed'),
        }),
      ],
      ['a code of MSAL alone', Object.assign(new Error('x'), { errorCode: 'network_error' })],
      ['no response', new AuthenticationRequiredError({ scopes: ['x'], message: 'No response.' })],
      [
        'no IMDS',
        new CredentialUnavailableError('Attempted to use the IMDS endpoint, but it is not available.'),
      ],
      ['ECONNREFUSED', rest(0, 'connect ECONNREFUSED 169.254.169.254:80', 'ECONNREFUSED')],
      ['ECONNRESET by its code alone', Object.assign(new Error('x'), { code: 'ECONNRESET' })],
      ['ENOTFOUND', new Error('getaddrinfo ENOTFOUND login.microsoftonline.com')],
      ['EAI_AGAIN', new Error('getaddrinfo EAI_AGAIN login.microsoftonline.com')],
      ['ETIMEDOUT', new Error('connect ETIMEDOUT 169.254.169.254:80')],
      ['EHOSTUNREACH', new Error('connect EHOSTUNREACH 169.254.169.254:80')],
      ['ENETUNREACH', new Error('connect ENETUNREACH 169.254.169.254:80')],
      ['EPIPE', new Error('write EPIPE')],
      ['a request that broke', rest(0, 'socket hang up', 'REQUEST_SEND_ERROR')],
      [
        'TLS that broke',
        new Error('Client network socket disconnected before secure TLS connection was established'),
      ],
      ["fetch's failure", new TypeError('fetch failed')],
      ["undici's time-out", Object.assign(new Error('x'), { code: 'UND_ERR_HEADERS_TIMEOUT' })],
      [
        "a credential's own time-out",
        Object.assign(new Error('The operation was aborted.'), { name: 'AbortError' }),
      ],
      ['no discovery', msal('endpoints_resolution_error', 'Endpoints cannot be resolved')],
    ] as const
  ).map(
    ([what, error]): Row => [
      what,
      error,
      'ERR_OIDC_SOURCE_UNREACHABLE',
      /Nothing answered.*or the connection broke, or the answer was not JSON.*Is this an Azure host/,
      true,
    ],
  ),
  [
    'an empty answer, of which MSAL cannot read the expiry',
    managed(new TypeError("Cannot read properties of undefined (reading 'expires_on')")),
    'ERR_OIDC_SOURCE_UNREACHABLE',
    /without a token, or with an empty or throttled answer: its SDK does not tell these apart/,
    true,
  ],
  [
    'an answer without expiry',
    new AuthenticationRequiredError({ scopes: ['x'], message: 'Response had no "expiresOn" property.' }),
    'ERR_OIDC_SOURCE_UNREACHABLE',
    /does not tell these apart/,
    true,
  ],
  [
    'any other 400, with what it says',
    managed(
      msal('invalid_resource', 'AADSTS is not in this text, the resource is malformed', { status: 400 }),
    ),
    'ERR_OIDC_ACCESS_DENIED',
    /refused client ID '9f3c.*a token for 'api:\/\/mongodb' \(400\): .*the resource is malformed/,
  ],
  [
    'a federated token file that is not there',
    new Error("ENOENT: no such file or directory, open '/var/run/secrets/azure/tokens/azure-identity-token'"),
    'ERR_OIDC_TOKEN_FILE',
    /cannot read.*ENOENT.*open '\/var\/run\/secrets\/azure.*AZURE_FEDERATED_TOKEN_FILE.*tokenFilePath/,
    true,
  ],
  [
    'a federated token file that is a directory',
    new Error('EISDIR: illegal operation on a directory, read'),
    'ERR_OIDC_TOKEN_FILE',
    /cannot read.*EISDIR/,
    true,
  ],
  [
    'a federated token file that is empty',
    new CredentialUnavailableError(
      'WorkloadIdentityCredential: is unavailable. No content on the file /tokens/azure.',
    ),
    'ERR_OIDC_TOKEN_FILE',
    /No content on the file \/tokens\/azure\)/,
    true,
  ],
  [
    'a developer tool that is not there, which is no file of a token',
    managed(new Error('spawn az ENOENT')),
    'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
    /spawn az ENOENT/,
  ],
  [
    'anything else, with what it says last',
    managed(new Error('the dog ate it')),
    'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
    /No Azure credential can be had here: .*the dog ate it/,
  ],
];

describe('what an error of @azure/identity means', () => {
  test.each(ROWS)('%s', (_, error, code, message, transient = false) => {
    const described = describeError(error);
    expect(described).toBeInstanceOf(OIDCCallbackError);
    expect(described.code).toBe(code);
    expect(described.message).toMatch(message);
    expect(isTransient(described)).toBe(transient);
    expect(described.cause).toBeInstanceOf(Error);
    expect(described.cause).not.toBe(error);
  });

  test.each(ROWS)('wherever it is: in the chain of DefaultAzureCredential, %s', (_, error, code, message) => {
    const described = describeError(chained(missing('EnvironmentCredential'), error as Error));
    expect(described.code).toBe(code);
    expect(described.message).toMatch(message);
  });

  test.each(ROWS)('however deep it is: under causes, %s', (_, error, code, message) => {
    const described = describeError(new Error('a', { cause: new Error('b', { cause: error }) }));
    expect(described.code).toBe(code);
    expect(described.message).toMatch(message);
  });
});

describe('without a chosen identity', () => {
  test('an identity that is not found means that the host has none', () => {
    const described = describeForDefault(
      managed(msal('invalid_request', 'Identity not found', { status: 400 })),
    );
    expect(described.code).toBe('ERR_OIDC_CREDENTIAL_UNAVAILABLE');
    expect(described.message).toMatch(
      /No managed identity on this host.*Turn on the system-assigned identity/,
    );
    expect(isTransient(described)).toBe(false);
  });

  test.each<[what: string, error: Error, message: RegExp]>([
    ['an unknown application', entra('AADSTS700016: x'), /no application with this client ID/],
    ['a refused federated token', entra('AADSTS700213: x'), /federated token of this workload/],
    ['403', rest(403), /refused this workload a token/],
    ['400', rest(400), /refused this workload a token for 'api:\/\/mongodb' \(400\)/],
  ])('the error names none: %s', (_, error, message) => {
    expect(describeForDefault(error).message).toMatch(message);
  });
});

describe('of several nested errors', () => {
  test('the one that tells most counts, whatever comes first', () => {
    const unreachable = new CredentialUnavailableError(
      'ManagedIdentityCredential: Network unreachable. Message: x',
    );
    expect(describeError(chained(unreachable, entra('AADSTS700016: x'))).code).toBe(
      'ERR_OIDC_IDENTITY_NOT_FOUND',
    );
    expect(
      describeError(chained(rest(503), managed(msal('x', 'Identity not found', { status: 400 })))).code,
    ).toBe('ERR_OIDC_IDENTITY_NOT_FOUND');
    expect(describeError(chained(missing('A'), unreachable, missing('B'))).code).toBe(
      'ERR_OIDC_SOURCE_UNREACHABLE',
    );
    expect(describeError(chained(rest(403), rest(429))).code).toBe('ERR_OIDC_RATE_LIMITED');
    expect(describeError(chained(rest(403), rest(503)))).toMatchObject({
      code: 'ERR_OIDC_SOURCE_UNREACHABLE',
    });
  });

  test('the status that is named is that of a failure', () => {
    const answered = Object.assign(new Error('x'), { status: 200 });
    expect(describeError(chained(answered, rest(503))).message).toContain('status 503');
  });

  test('a status below 400 is none', () => {
    expect(describeError(Object.assign(new Error('x'), { status: 200 })).code).toBe(
      'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
    );
  });
});

describe('any thrown value is described', () => {
  test('our own error stays what it is', () => {
    const error = new OIDCCallbackError('ERR_OIDC_METADATA_PROXIED', 'x');
    expect(describeError(error)).toBe(error);
  });

  test.each([undefined, null, 'text', 42, {}, new Error('')])('%s', (thrown) => {
    expect(describeError(thrown)).toMatchObject({
      code: 'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
      message: expect.stringContaining('No Azure credential can be had here'),
    });
  });

  test('one without a reason is said to have none', () => {
    expect(describeError({}).message).toMatch(/the SDK gave no reason$/);
  });

  test('one that is its own cause ends', () => {
    const loop: Error & { errors?: unknown } = new Error('round and round');
    loop.cause = loop;
    loop.errors = [loop];
    expect(describeError(loop).message).toContain('round and round');
  });
});

describe('secrets that the SDK mentions', () => {
  const SIGNATURE = 'Zm9vYmFyYmF6Zm9vYmFyYmF6MTIzNDU2Nzg5MA';
  const TOKEN = jwt({ sub: 'someone' }, SIGNATURE);

  test.each([
    ['refused', 400],
    ['unknown', undefined],
  ])('are not in the error that quotes it: %s', (_, status) => {
    for (const text of [`got ${TOKEN} and client_secret=s3cret`, `got a token that ends in ${SIGNATURE}`]) {
      const described = describeError(Object.assign(new Error(text), { status }));
      for (const seen of [described.message, String(described.stack), (described.cause as Error).message]) {
        for (const secret of [...TOKEN.split('.'), 's3cret']) expect(seen).not.toContain(secret);
      }
      expect(described.message).toContain('[redacted]');
    }
  });
});
