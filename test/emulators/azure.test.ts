import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { createRemoteJWKSet, decodeJwt, type JWTPayload, jwtVerify } from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type AzureEmulator,
  applicationId,
  defaultIdentities,
  defaultTenantId,
  type EntraEmulator,
  startAppService,
  startAzureImds,
  startEntra,
} from './azure.js';
import { runModule } from './child.js';
import { startIssuer } from './issuer.js';
import { createTokenDirectory } from './kubernetes.js';
import { redirectEnv } from './redirect.js';

const [systemAssigned, userAssigned] = defaultIdentities as [
  (typeof defaultIdentities)[0],
  (typeof defaultIdentities)[0],
];
const other = {
  clientId: 'a3333333-3333-4333-8333-333333333333',
  objectId: 'b3333333-3333-4333-8333-333333333333',
};

const open: { close(): Promise<void> }[] = [];
const start = async <T extends { close(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
  const started = await starting;
  open.push(started);
  return started;
};

afterEach(async () => {
  await Promise.all(open.splice(0).map((emulator) => emulator.close()));
});

const verify = async (emulator: AzureEmulator, token: string, audience: string): Promise<JWTPayload> => {
  const keys = createRemoteJWKSet(new URL(emulator.jwksUri));
  return (await jwtVerify(token, keys, { issuer: emulator.issuer, audience })).payload;
};

interface AccessToken {
  token: string;
  expiresOnTimestamp: number;
}

interface Failure {
  name: string;
  message: string;
}

/** Asks the bare SDK for a token, in a process of its own. */
const credential = (expression: string, scope: string, env: Record<string, string>) =>
  runModule<AccessToken & Failure>(
    `import * as identity from '@azure/identity';
     const credential = new identity.${expression};
     const result = await credential.getToken(${JSON.stringify(scope)}).catch((error) => ({ name: error.name, message: error.message }));
     console.log(JSON.stringify(result));`,
    env,
  );

const get = async (url: string, headers: Record<string, string> = {}) => {
  const response = await fetch(url, { headers });
  return { status: response.status, body: (await response.json()) as Record<string, string> };
};

describe('IMDS', () => {
  const query = '/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api%3A%2F%2Fmongodb';
  const metadata = { Metadata: 'true' };

  it.each([
    {
      by: 'client ID',
      options: { clientId: userAssigned.clientId },
      parameter: { client_id: userAssigned.clientId },
    },
    {
      by: 'object ID',
      options: { objectId: userAssigned.objectId },
      parameter: { object_id: userAssigned.objectId },
    },
    {
      by: 'resource ID',
      options: { resourceId: userAssigned.resourceId },
      parameter: { msi_res_id: userAssigned.resourceId },
    },
  ])('gives ManagedIdentityCredential a token by $by', async ({ options, parameter }) => {
    const imds = await start(startAzureImds());
    const { token, expiresOnTimestamp } = await credential(
      `ManagedIdentityCredential(${JSON.stringify(options)})`,
      'api://mongodb/.default',
      imds.env,
    );
    const claims = await verify(imds, token, 'api://mongodb');
    expect(claims).toMatchObject({
      iss: `https://sts.windows.net/${defaultTenantId}/`,
      appid: userAssigned.clientId,
      oid: userAssigned.objectId,
      sub: userAssigned.objectId,
      tid: defaultTenantId,
      ver: '1.0',
      xms_mirid: userAssigned.resourceId,
    });
    // The SDK counts from the second in which it sent the request.
    const expiresOnMS = (claims.exp ?? 0) * 1000;
    expect(expiresOnTimestamp).toBeGreaterThanOrEqual(expiresOnMS - 2000);
    expect(expiresOnTimestamp).toBeLessThanOrEqual(expiresOnMS);
    expect(imds.requests).toEqual([
      expect.objectContaining({
        method: 'GET',
        path: '/metadata/identity/oauth2/token/',
        query: { 'api-version': '2018-02-01', resource: 'api://mongodb', ...parameter },
        headers: expect.objectContaining({ metadata: 'true' }),
      }),
    ]);
  });

  it('gives DefaultAzureCredential a token, after a probe without the header', async () => {
    const imds = await start(startAzureImds());
    const { token } = await credential(
      'DefaultAzureCredential()',
      'api://mongodb/.default',
      redirectEnv({ '169.254.169.254:80': `127.0.0.1:${imds.port}` }),
    );
    expect((await verify(imds, token, 'api://mongodb')).oid).toBe(systemAssigned.objectId);
    expect(imds.requests.map(({ rawUrl, headers }) => [rawUrl, headers.metadata])).toEqual([
      ['/metadata/identity/oauth2/token', undefined],
      [query, 'true'],
    ]);
  });

  it('answers in the documented shape and echoes the resource', async () => {
    const imds = await start(startAzureImds({ lifeSeconds: 90 }));
    const { status, body } = await get(`${imds.url}${query.replace('mongodb', 'MongoDB')}`, metadata);
    expect(status).toBe(200);
    expect(body).toEqual({
      access_token: expect.any(String),
      client_id: systemAssigned.clientId,
      expires_in: '90',
      expires_on: String(decodeJwt(body.access_token as string).exp),
      ext_expires_in: '90',
      not_before: String(decodeJwt(body.access_token as string).nbf),
      resource: 'api://MongoDB',
      token_type: 'Bearer',
    });
  });

  it('refuses a request without the header, or forwarded', async () => {
    const imds = await start(startAzureImds());
    for (const headers of [{}, { Metadata: 'TRUE' }, { ...metadata, 'X-Forwarded-For': '10.0.0.1' }]) {
      expect(await get(`${imds.url}${query}`, headers)).toMatchObject({
        status: 400,
        body: { error: 'bad_request_102' },
      });
    }
  });

  it.each([
    {
      title: 'an unknown one',
      identities: [userAssigned],
      id: { clientId: other.clientId },
      error: 'Identity not found',
    },
    { title: 'one that there is not', identities: [], id: {}, error: 'Identity not found' },
    {
      title: 'one of several',
      identities: [userAssigned, other],
      id: {},
      error: 'Multiple user assigned identities exist, please specify the clientId',
    },
  ])('refuses $title', async ({ identities, id, error }) => {
    const imds = await start(startAzureImds({ identities }));
    const failure = await credential(
      `ManagedIdentityCredential(${JSON.stringify(id)})`,
      'api://mongodb/.default',
      imds.env,
    );
    expect(failure.name).toBe('CredentialUnavailableError');
    expect(failure.message).toContain(error);
  });

  it('takes the only user-assigned identity for granted', async () => {
    const imds = await start(startAzureImds({ identities: [userAssigned] }));
    expect((await get(`${imds.url}${query}`, metadata)).body.client_id).toBe(userAssigned.clientId);
  });

  it('makes out v2 tokens to the application that is the resource', async () => {
    const resource = 'api://c4444444-4444-4444-8444-444444444444';
    const imds = await start(startAzureImds({ tokenVersion: '2.0' }));
    const { body } = await get(`${imds.url}${query.replace('mongodb', resource.slice(6))}`, metadata);
    const claims = await verify(imds, body.access_token as string, 'c4444444-4444-4444-8444-444444444444');
    expect(claims).toMatchObject({
      iss: `https://login.microsoftonline.com/${defaultTenantId}/v2.0`,
      azp: systemAssigned.clientId,
      ver: '2.0',
    });
    expect(claims).not.toHaveProperty('appid');
    expect(applicationId('api://mongodb')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('throttles with the body that Azure sends', async () => {
    const imds = await start(startAzureImds());
    imds.faults.push({ kind: 'status', status: 429 });
    expect(await get(`${imds.url}${query}`, metadata)).toEqual({
      status: 429,
      body: { error: 'invalid_request', error_description: 'Temporarily throttled, too many requests' },
    });
  });
});

describe('App Service', () => {
  it.each([
    {
      by: 'client ID',
      options: { clientId: userAssigned.clientId },
      parameter: { client_id: userAssigned.clientId },
    },
    {
      by: 'object ID',
      options: { objectId: userAssigned.objectId },
      parameter: { object_id: userAssigned.objectId },
    },
    {
      by: 'resource ID',
      options: { resourceId: userAssigned.resourceId },
      parameter: { mi_res_id: userAssigned.resourceId },
    },
  ])('gives ManagedIdentityCredential a token by $by', async ({ options, parameter }) => {
    const site = await start(startAppService());
    const { token } = await credential(
      `ManagedIdentityCredential(${JSON.stringify(options)})`,
      'api://mongodb/.default',
      site.env,
    );
    expect(await verify(site, token, 'api://mongodb')).toMatchObject({ sub: userAssigned.objectId });
    expect(site.requests).toEqual([
      expect.objectContaining({
        method: 'GET',
        path: '/msi/token',
        query: { 'api-version': '2019-08-01', resource: 'api://mongodb', ...parameter },
        headers: expect.objectContaining({ 'x-identity-header': site.env.IDENTITY_HEADER }),
      }),
    ]);
  });

  it('gives DefaultAzureCredential a token of the system-assigned identity', async () => {
    const site = await start(startAppService());
    const { token } = await credential('DefaultAzureCredential()', 'api://mongodb/.default', site.env);
    expect(await verify(site, token, 'api://mongodb')).toMatchObject({ sub: systemAssigned.objectId });
  });

  it('refuses a missing and a wrong header', async () => {
    const site = await start(startAppService());
    const url = `${site.env.IDENTITY_ENDPOINT}?api-version=2019-08-01&resource=api%3A%2F%2Fmongodb`;
    expect(await get(url)).toMatchObject({ status: 401, body: { statusCode: 401 } });
    expect(await get(url, { 'X-IDENTITY-HEADER': 'guess' })).toMatchObject({ status: 403 });
  });

  it.each([
    {
      title: 'an unknown identity',
      id: { clientId: other.clientId },
      error: 'No User Assigned or Delegated',
    },
    {
      title: 'none without a system-assigned one',
      id: {},
      error: 'Unable to load the proper Managed Identity',
    },
  ])('refuses $title', async ({ id, error }) => {
    const site = await start(startAppService({ identities: [userAssigned] }));
    const failure = await credential(
      `ManagedIdentityCredential(${JSON.stringify(id)})`,
      'api://mongodb/.default',
      site.env,
    );
    expect(failure.name).toBe('CredentialUnavailableError');
    expect(failure.message).toContain(error);
  });
});

describe('Entra', () => {
  it.each(['WorkloadIdentityCredential()', 'DefaultAzureCredential()', 'ManagedIdentityCredential()'])(
    'gives %s a token, with the variables of AKS',
    async (expression) => {
      const entra = await start(startEntra());
      const { token } = await credential(expression, 'api://mongodb/.default', entra.env);
      expect(await verify(entra, token, 'api://mongodb')).toMatchObject({
        sub: userAssigned.objectId,
        appid: userAssigned.clientId,
      });
      const [posted] = entra.requests.filter(({ method }) => method === 'POST');
      expect(posted?.path).toBe(`/${defaultTenantId}/oauth2/v2.0/token`);
      expect(posted?.headers.host).toBe('login.microsoftonline.com');
      expect(Object.fromEntries(new URLSearchParams(posted?.body))).toMatchObject({
        grant_type: 'client_credentials',
        client_id: userAssigned.clientId,
        scope: 'api://mongodb/.default',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: await readFile(entra.env.AZURE_FEDERATED_TOKEN_FILE as string, 'utf8'),
      });
    },
  );

  it('is found by discovery at its own address', async () => {
    const entra = await start(startEntra());
    const { token } = await credential(
      `WorkloadIdentityCredential({ authorityHost: '${entra.url}', disableInstanceDiscovery: true })`,
      'api://mongodb/.default',
      entra.env,
    );
    await verify(entra, token, 'api://mongodb');
    expect(entra.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `GET /${defaultTenantId}/v2.0/.well-known/openid-configuration`,
      `POST /${defaultTenantId}/oauth2/v2.0/token`,
    ]);
    expect(entra.requests[0]?.headers.host).toBe(entra.url.slice('https://'.length));
  });

  it('is found by instance discovery at an address that MSAL does not know', async () => {
    const entra = await start(startEntra());
    const { token } = await credential('WorkloadIdentityCredential()', 'api://mongodb/.default', {
      ...entra.env,
      AZURE_AUTHORITY_HOST: entra.url,
    });
    await verify(entra, token, 'api://mongodb');
    expect(entra.requests[0]).toMatchObject({
      path: '/common/discovery/instance',
      headers: { host: 'login.microsoftonline.com' },
    });
  });

  it('keeps a slash at the end of the resource', async () => {
    const entra = await start(startEntra());
    const { token } = await credential(
      'WorkloadIdentityCredential()',
      'https://x.example.com//.default',
      entra.env,
    );
    await verify(entra, token, 'https://x.example.com/');
  });

  describe('refuses', () => {
    const good = (assertion: string): Record<string, string> => ({
      grant_type: 'client_credentials',
      client_id: userAssigned.clientId,
      scope: 'api://mongodb/.default',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    });

    const post = async (entra: EntraEmulator, form: Record<string, string>, tenant = defaultTenantId) => {
      const { status, body } = await new Promise<{ status: number | undefined; body: string }>(
        (resolve, reject) => {
          request(
            `${entra.url}/${tenant}/oauth2/v2.0/token`,
            { method: 'POST', agent: new Agent({ ca: entra.certificates.ca }) },
            (response) => {
              let body = '';
              response.on('data', (chunk) => {
                body += chunk;
              });
              response.on('end', () => resolve({ status: response.statusCode, body }));
            },
          )
            .once('error', reject)
            .end(new URLSearchParams(form).toString());
        },
      );
      return {
        status,
        body: JSON.parse(body) as { error: string; error_description: string; error_codes: number[] },
      };
    };

    it('another issuer, subject, audience, key or time', async () => {
      const cluster = await start(createTokenDirectory({ audience: 'api://AzureADTokenExchange' }));
      const forger = await start(startIssuer({ issuer: cluster.issuer }));
      const { issuer, jwksUri, subject } = cluster;
      const entra = await start(startEntra({ federation: [{ issuer, jwksUri, subject }] }));
      expect(entra.env).not.toHaveProperty('AZURE_FEDERATED_TOKEN_FILE');
      expect((await post(entra, good(await cluster.issue()))).status).toBe(200);

      const sign = (claims: object, lifeSeconds = 60) =>
        forger.sign({ sub: subject, aud: ['api://AzureADTokenExchange'], ...claims }, { lifeSeconds });
      const codes: Record<string, number | undefined> = {};
      for (const [what, assertion] of Object.entries({
        issuer: await sign({ iss: 'https://other.example.com' }),
        subject: await sign({ sub: 'system:serviceaccount:default:other' }),
        audience: await sign({ aud: ['sts.amazonaws.com'] }),
        key: await sign({}),
        nothing: 'not a token',
      })) {
        const { body } = await post(entra, good(assertion));
        codes[what] = body.error_codes[0];
      }
      cluster.lifeSeconds = -1;
      codes.time = (await post(entra, good(await cluster.issue()))).body.error_codes[0];
      expect(codes).toEqual({
        issuer: 70021,
        subject: 700213,
        audience: 700212,
        key: 700027,
        nothing: 50027,
        time: 700024,
      });
    });

    it('an unknown client, tenant, grant or scope, in its own shape', async () => {
      const entra = await start(startEntra());
      const form = good((await entra.tokens?.issue()) ?? '');
      const { status, body } = await post(entra, { ...form, client_id: other.clientId });
      expect(status).toBe(400);
      expect(body).toEqual({
        error: 'unauthorized_client',
        error_description: expect.stringMatching(/^AADSTS700016: Application with identifier 'a3333333-/),
        error_codes: [700016],
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$/),
        trace_id: expect.any(String),
        correlation_id: expect.any(String),
        error_uri: 'https://login.microsoftonline.com/error?code=700016',
      });
      expect((await post(entra, form, 'nowhere')).body.error_codes).toEqual([90002]);
      expect((await post(entra, { ...form, grant_type: 'password' })).body.error_codes).toEqual([70003]);
      expect((await post(entra, { ...form, scope: 'api://mongodb' })).body.error_codes).toEqual([1002012]);
    });

    it('so that the SDK names the reason', async () => {
      const entra = await start(startEntra());
      const failure = await credential(
        `WorkloadIdentityCredential({ clientId: '${other.clientId}' })`,
        'api://mongodb/.default',
        entra.env,
      );
      expect(failure.message).toContain('AADSTS700016');
    });
  });
});
