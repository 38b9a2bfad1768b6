// Each of the ten ways, with its variants, end to end: the real driver, the real SDK, real sockets.

import { decodeJwt } from 'jose';
import { describe, expect, it } from 'vitest';
import type { RecordedRequest } from '../emulators/http.js';
import { runWay, type WayOutcome } from '../ways/run-way.js';
import { impersonation, type Source } from '../ways/sources.js';
import { identityParameters, type Way, ways } from '../ways/ways.js';

/** An expiry takes as long as a life does; a fifth of it is the time that a busy machine has for the next token. */
const lifeSeconds = 6;
const { clientId, objectId, resourceId } = identityParameters;
const exchangeAudience = 'api://AzureADTokenExchange';

/** What matters of a request; of its headers those that are expected. */
interface TokenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Record<string, string>;
  readonly headers: Record<string, string | undefined>;
  readonly body: Record<string, unknown>;
}

type Expect = (way: Way, source: Source) => TokenRequest[];

const imds =
  (identity: Record<string, string>): Expect =>
  ({ audience }) => [
    {
      method: 'GET',
      // The SDK ends it in a slash where AZURE_POD_IDENTITY_AUTHORITY_HOST is set.
      path: '/metadata/identity/oauth2/token/',
      query: { 'api-version': '2018-02-01', resource: audience, ...identity },
      headers: { metadata: 'true' },
      body: {},
    },
  ];

const appService =
  (identity: Record<string, string>): Expect =>
  ({ audience }, { env }) => [
    {
      method: 'GET',
      path: '/msi/token',
      query: { 'api-version': '2019-08-01', resource: audience, ...identity },
      headers: { 'x-identity-header': env.IDENTITY_HEADER },
      body: {},
    },
  ];

const entra: Expect = ({ audience }) => [
  {
    method: 'POST',
    path: '/72a0b1c3-5d4e-4f6a-8b9c-0d1e2f3a4b5c/oauth2/v2.0/token',
    query: {},
    headers: { host: 'login.microsoftonline.com' },
    body: {
      client_id: clientId,
      scope: `${audience}/.default`,
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: expect.objectContaining({
        iss: 'https://kubernetes.default.svc.cluster.local',
        sub: 'system:serviceaccount:default:app',
        aud: [exchangeAudience],
      }),
    },
  },
];

const metadataServer: Expect = ({ audience }) => [
  {
    method: 'GET',
    path: '/computeMetadata/v1/instance/service-accounts/default/identity',
    query: { audience, format: 'full' },
    headers: { 'metadata-flavor': 'Google' },
    body: {},
  },
];

const assertion = (email: string, claims: Record<string, string>): TokenRequest => ({
  method: 'POST',
  path: '/token',
  query: {},
  headers: { host: 'oauth2.googleapis.com' },
  body: {
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    assertion: expect.objectContaining({ iss: email, aud: 'https://oauth2.googleapis.com/token', ...claims }),
  },
});

const keyFile: Expect = ({ audience }) => [
  assertion('app@project-1.iam.gserviceaccount.com', { target_audience: audience }),
];

const impersonated: Expect = ({ audience }) => {
  const [caller, target] = impersonation;
  const accessToken = assertion(caller.email, { scope: 'https://www.googleapis.com/auth/cloud-platform' });
  return [
    // Once for itself and once for its request: the SDK holds no access token that lives so short.
    accessToken,
    accessToken,
    {
      method: 'POST',
      path: `/v1/projects/-/serviceAccounts/${target.email}:generateIdToken`,
      query: {},
      headers: {
        host: 'iamcredentials.googleapis.com',
        authorization: expect.stringMatching(/^Bearer ya29\./),
      },
      body: { audience, delegates: [], includeEmail: true, useEmailAzp: true },
    },
  ];
};

/** The requests for one token, by way; a token file is read without any. */
const expectedRequests: Record<string, Expect> = {
  'azure-vm': imds({ client_id: clientId }),
  'azure-vm-options': imds({ client_id: clientId }),
  'azure-vm-uri': imds({ client_id: clientId }),
  'azure-vm-uri-system-assigned': imds({}),
  gcp: metadataServer,
  'gcp-options': metadataServer,
  'gcp-uri': metadataServer,
  functions: appService({}),
  'functions-default': appService({}),
  'app-service': appService({ client_id: clientId }),
  'app-service-resource-id': appService({ mi_res_id: resourceId }),
  'app-service-object-id': appService({ object_id: objectId }),
  'app-service-default': appService({ client_id: clientId }),
  'app-service-default-resource-id': appService({ mi_res_id: resourceId }),
  aks: entra,
  'aks-default': entra,
  'aks-uri': entra,
  'gcp-key-file': keyFile,
  'gcp-impersonation': impersonated,
  'azure-credential': entra,
  'found-aks': entra,
  'found-app-service': appService({ client_id: clientId }),
  'found-gcp': metadataServer,
  'found-gcp-uri': metadataServer,
};

const issuers: Record<string, string> = {
  azure: 'https://sts.windows.net/72a0b1c3-5d4e-4f6a-8b9c-0d1e2f3a4b5c/',
  gcp: 'https://accounts.google.com',
  kubernetes: 'https://oidc.example.com/cluster-1',
};

it('covers the ten ways', () => {
  expect(new Set(ways.map(({ number }) => number))).toEqual(
    new Set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, undefined]),
  );
});

describe('the real driver, in a process of its own,', () => {
  it.concurrent.each(ways)('authenticates by $id, and again when its token has expired', async (way) => {
    const { report, failure, warnings, server, source } = await runWay(way, { lifeSeconds });
    if (!report) throw new Error(`${failure}\nRefused by the server: ${server.authFailures}`);
    const { authNamePrefix } = source.provider;
    const user = `${authNamePrefix}/${way.subject}`;

    // At the program.
    expect(report.callback).toBe(way.callback);
    expect(report.users).toEqual([user]);
    expect(report.found).toEqual({ _id: way.id, articles: 3 });
    expect(warnings).toBe('');

    // At the server: one token, and another on the same connection whenever the last had expired.
    const [connection, ...others] = server.connections.filter(({ authentications }) => authentications > 0);
    const reauthentications = connection?.reauthentications ?? 0;
    const tokens = 1 + reauthentications;
    expect(connection).toMatchObject({ user, authentications: 1 });
    expect(others).toEqual([]);
    expect(reauthentications).toBeGreaterThanOrEqual(1);
    // Not what the server refused: it may refuse the last command, endSessions, for which no driver reauthenticates.
    expect(report.reauthenticationsRequired).toBe(reauthentications);
    expect(server.authFailures).toEqual([]);
    const arrived = {
      iss: issuers[authNamePrefix],
      sub: way.subject,
      // Kubernetes writes an array.
      aud: authNamePrefix === 'kubernetes' ? [way.audience] : way.audience,
    };
    expect(server.claims).toEqual(Array.from({ length: tokens }, () => expect.objectContaining(arrived)));
    expect(new Set(server.claims.map(({ jti }) => jti)).size).toBe(tokens);

    // At the source: for each of the tokens just what it takes. One more may be there ahead of its use, and on a
    // busy machine the life of one can pass unused.
    const expected = expectedRequests[way.id]?.(way, source);
    const requests = tokenRequests(source, expected);
    const fetched = (count: number) => expected && Array.from({ length: count }, () => expected).flat();
    expect([tokens, tokens + 1, tokens + 2].map(fetched)).toContainEqual(requests);
  });

  it('is reported with what it wrote to standard error when it fails', async () => {
    const [way] = ways.filter(({ id }) => id === 'kubernetes');
    if (!way) throw new Error('no such way');
    const elsewhere: Way = {
      ...way,
      start: async (audience, life) => {
        const source = await way.start(audience, life);
        return { ...source, provider: { ...source.provider, audience: 'another' } };
      },
    };
    const outcome: WayOutcome = await runWay(elsewhere, { lifeSeconds });
    expect(outcome.report).toBeUndefined();
    expect(outcome.failure).toMatch(/MongoServerError: Authentication failed/);
    expect(outcome.server.authFailures).toContain(
      'no provider for audience mongodb of issuer https://oidc.example.com/cluster-1',
    );
  });
});

/** Everything that arrived at the source, each request with the headers that are expected of it. */
function tokenRequests({ requests }: Source, expected: TokenRequest[] = []): TokenRequest[] | undefined {
  return requests?.map((request, index) => {
    const names = Object.keys(expected[index % expected.length]?.headers ?? {});
    // Azure's SDK gives each request to Entra an ID.
    const { 'client-request-id': _, ...query } = request.query;
    return {
      method: request.method,
      path: request.path,
      query,
      headers: Object.fromEntries(names.map((name) => [name, request.headers[name]?.toString()])),
      body: readBody(request),
    };
  });
}

/** With assertions decoded, and without what Azure's SDK says of itself. */
function readBody({ body, headers }: RecordedRequest): Record<string, unknown> {
  if (body === '') return {};
  if (headers['content-type']?.startsWith('application/json')) return JSON.parse(body);
  const fields = [...new URLSearchParams(body)].filter(([name]) => !/^(x-|client-request-id$)/.test(name));
  return Object.fromEntries(
    fields.map(([name, value]) => [name, name.endsWith('assertion') ? decodeJwt(value) : value]),
  );
}
