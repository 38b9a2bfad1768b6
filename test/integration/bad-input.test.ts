/** What goes wrong at the source, as the caller sees it: the code and the message, each in a process of its own. */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startAzureImds } from '../emulators/azure.js';
import { run, runModule } from '../emulators/child.js';
import { startGcpMetadata } from '../emulators/gcp.js';
import type { Fault } from '../emulators/http.js';
import { createTokenDirectory } from '../emulators/kubernetes.js';
import { startMongoServer } from '../emulators/mongodb/index.js';
import { redirectEnv } from '../emulators/redirect.js';

interface Failure {
  name: string;
  code: string;
  message: string;
  inspected: string;
}

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const audience = 'api://mongodb';
const unknownClientId = 'a9999999-9999-4999-8999-999999999999';

/** Runs `new <callback>` and reports what its `fetch()` rejected with. */
async function failureOf(
  callback: string,
  env: Record<string, string> = {},
  folder = dist,
  ...launcher: string[]
): Promise<Failure> {
  const program = `
    import { inspect } from 'node:util';
    import * as azure from '${folder}/azure.mjs';
    import * as gcp from '${folder}/gcp.mjs';
    import * as kubernetes from '${folder}/kubernetes.mjs';
    const { AzureCallback, AzureManagedIdentityCallback, AzureWorkloadIdentityCallback } = azure;
    const { GcpCallback, GcpMetadataCallback } = gcp;
    const { KubernetesCallback } = kubernetes;
    try {
      const { accessToken } = await new ${callback}.fetch();
      console.log(JSON.stringify({ name: 'none: a token of ' + accessToken.length + ' characters' }));
    } catch (error) {
      const { name, code, message } = error;
      const inspected = inspect(error, { depth: Infinity, showHidden: true });
      console.log(JSON.stringify({ name, code, message, inspected }));
    }
    process.exit();`;
  const [command = process.execPath, ...args] = [...launcher, process.execPath, '--input-type=module', '-'];
  // Google's SDK looks for credentials in the folder of gcloud.
  const variables = { CLOUDSDK_CONFIG: '/nonexistent', ...env };
  const { code, stdout, stderr } = await run(command, args, { env: variables, input: program });
  if (code !== 0) throw new Error(`child exited with ${code}:\n${stderr}`);
  return JSON.parse(stdout);
}

/** A proxy that answers every request with a token-like document, as a captive one would. */
async function startProxy() {
  let requests = 0;
  const server = createServer((_, response) => {
    requests++;
    response.end('{"access_token":"proxied"}');
  });
  server.on('connect', (_, socket) => {
    requests++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://user:pr0xy-Passw0rd@127.0.0.1:${(server.address() as AddressInfo).port}`,
    get requests() {
      return requests;
    },
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

/** Both classes that come to a managed identity, with the name by which each calls its client ID. */
const azureClasses = [
  ['AzureManagedIdentityCallback', 'clientId'],
  ['AzureCallback', 'managedIdentityClientId'],
] as const;

describe.concurrent('no audience', () => {
  test.for([
    'AzureManagedIdentityCallback',
    'AzureWorkloadIdentityCallback',
    'AzureCallback',
    'GcpMetadataCallback',
    'GcpCallback',
  ])('%s names both places where it can be set', async (name, { expect }) => {
    expect(await failureOf(`${name}()`)).toMatchObject({
      name: 'OIDCCallbackError',
      code: 'ERR_OIDC_AUDIENCE_MISSING',
      message: expect.stringMatching(/`audience` option.*TOKEN_RESOURCE/s),
    });
  });
});

describe('an SDK that is not installed', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'no-sdk-'));
    await cp(dist, folder, { recursive: true });
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.for([
    ['AzureManagedIdentityCallback', '@azure/identity'],
    ['AzureWorkloadIdentityCallback', '@azure/identity'],
    ['AzureCallback', '@azure/identity'],
    ['GcpMetadataCallback', 'google-auth-library'],
    ['GcpCallback', 'google-auth-library'],
  ] as const)('%s says how to install it', async ([name, sdk]) => {
    expect(await failureOf(`${name}({ audience: '${audience}' })`, {}, folder)).toMatchObject({
      code: 'ERR_OIDC_SDK_NOT_INSTALLED',
      message: expect.stringContaining(`npm install ${sdk}`),
    });
  });
});

describe.concurrent('Azure', () => {
  test.for(azureClasses)('%s: nothing answers at the metadata address', async ([name], { expect }) => {
    // In a network of its own that leads nowhere, as on a host that is not Azure's.
    expect(
      await failureOf(`${name}({ audience: '${audience}', timeoutMS: 8_000 })`, {}, dist, 'unshare', '--net'),
    ).toMatchObject({
      code: 'ERR_OIDC_SOURCE_UNREACHABLE',
      message: expect.stringMatching(/Nothing answered.*network policy/s),
    });
  });

  test.for(azureClasses)('%s: no identity on this host', async ([name], { expect }) => {
    const imds = await startAzureImds({ identities: [] });
    expect(await failureOf(`${name}({ audience: '${audience}' })`, imds.env)).toMatchObject({
      code: 'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
      message: expect.stringMatching(/No managed identity on this host.*assign/s),
    });
    await imds.close();
  });

  test.for(azureClasses)('%s: this client ID is not assigned to the host', async ([name, id], { expect }) => {
    const imds = await startAzureImds();
    const callback = `${name}({ audience: '${audience}', ${id}: '${unknownClientId}' })`;
    expect(await failureOf(callback, imds.env)).toMatchObject({
      code: 'ERR_OIDC_IDENTITY_NOT_FOUND',
      message: expect.stringContaining(unknownClientId),
    });
    await imds.close();
  });

  test.for(azureClasses)('%s: several identities and none chosen', async ([name], { expect }) => {
    const identities = ['1', '2'].map((digit) => ({
      clientId: `a${digit}aaaaaa-1111-4111-8111-111111111111`,
      objectId: `b${digit}bbbbbb-1111-4111-8111-111111111111`,
    }));
    const imds = await startAzureImds({ identities });
    expect(await failureOf(`${name}({ audience: '${audience}' })`, imds.env)).toMatchObject({
      code: 'ERR_OIDC_IDENTITY_NOT_FOUND',
      message: expect.stringContaining('set `clientId`'),
    });
    await imds.close();
  });

  const answers: readonly [Fault, string, RegExp][] = [
    [{ kind: 'html' }, 'ERR_OIDC_SOURCE_UNREACHABLE', /Nothing answered.*or the answer was not JSON/s],
    [{ kind: 'noBody' }, 'ERR_OIDC_SOURCE_UNREACHABLE', /without a token, or with an empty/],
    [{ kind: 'emptyToken' }, 'ERR_OIDC_SOURCE_UNREACHABLE', /without a token, or with an empty/],
    [{ kind: 'status', status: 403 }, 'ERR_OIDC_ACCESS_DENIED', /refused/],
  ];
  for (const [fault, code, message] of answers) {
    const what = fault.kind === 'status' ? `status ${fault.status}` : fault.kind;
    test.for(azureClasses)(`%s: the source answers no token (${what})`, async ([name], { expect }) => {
      const imds = await startAzureImds();
      imds.setFault(fault);
      const failure = await failureOf(`${name}({ audience: '${audience}', timeoutMS: 6_000 })`, imds.env);
      expect(failure).toMatchObject({ code, message: expect.stringMatching(message) });
      expect(failure.inspected).not.toContain('<html');
      await imds.close();
    });
  }

  test('AzureWorkloadIdentityCallback: its variables are missing', async ({ expect }) => {
    expect(await failureOf(`AzureWorkloadIdentityCallback({ audience: '${audience}' })`)).toMatchObject({
      code: 'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
      message: expect.stringMatching(/AZURE_CLIENT_ID.*AZURE_TENANT_ID.*AZURE_FEDERATED_TOKEN_FILE.*label/s),
    });
    const options = `{ audience: '${audience}', clientId: '${unknownClientId}' }`;
    const { message } = await failureOf(`AzureWorkloadIdentityCallback(${options})`, {
      AZURE_TENANT_ID: unknownClientId,
    });
    expect(message).toMatch(/not set are AZURE_FEDERATED_TOKEN_FILE[^,]*\. On AKS/);
  });

  test('AzureWorkloadIdentityCallback: its token file is missing', async ({ expect }) => {
    const options = `{ audience: '${audience}', tokenFilePath: '/nonexistent/token' }`;
    const failure = await failureOf(`AzureWorkloadIdentityCallback(${options})`, {
      AZURE_TENANT_ID: unknownClientId,
      AZURE_CLIENT_ID: unknownClientId,
    });
    expect(failure).toMatchObject({
      code: 'ERR_OIDC_TOKEN_FILE',
      message: expect.stringMatching(/'\/nonexistent\/token'.*AZURE_FEDERATED_TOKEN_FILE.*webhook/s),
    });
  });
});

describe.concurrent('Google Cloud', () => {
  test('nothing answers at the metadata address', async ({ expect }) => {
    const callback = `GcpMetadataCallback({ audience: '${audience}', timeoutMS: 8_000 })`;
    expect(await failureOf(callback, { GCE_METADATA_HOST: '127.0.0.1:9' })).toMatchObject({
      code: 'ERR_OIDC_SOURCE_UNREACHABLE',
      message: expect.stringMatching(/did not answer.*network policy/s),
    });
  });

  test('no such service account', async ({ expect }) => {
    const metadata = await startGcpMetadata();
    const email = 'nobody@project.iam.gserviceaccount.com';
    const callback = `GcpMetadataCallback({ audience: '${audience}', serviceAccountEmail: '${email}', timeoutMS: 20_000 })`;
    expect(await failureOf(callback, metadata.env)).toMatchObject({
      code: 'ERR_OIDC_IDENTITY_NOT_FOUND',
      message: expect.stringContaining(email),
    });
    await metadata.close();
  });

  test('GKE without a bound service account is told so', async ({ expect }) => {
    const metadata = await startGcpMetadata();
    metadata.setFault({ kind: 'status', status: 400 });
    expect(await failureOf(`GcpMetadataCallback({ audience: '${audience}' })`, metadata.env)).toMatchObject({
      code: 'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
      message: expect.stringMatching(/GKE.*GkeCallback/s),
    });
    await metadata.close();
  });

  test.for([{ kind: 'html' }, { kind: 'emptyToken' }, { kind: 'noBody' }] as const)(
    'the source answers no token ($kind)',
    async (fault, { expect }) => {
      const metadata = await startGcpMetadata();
      metadata.setFault(fault);
      const callback = `GcpMetadataCallback({ audience: '${audience}', timeoutMS: 6_000 })`;
      const failure = await failureOf(callback, metadata.env);
      expect(failure).toMatchObject({
        code: 'ERR_OIDC_TOKEN_INVALID',
        message: expect.stringMatching(/no JSON Web Token|without a token/),
      });
      expect(failure.inspected).not.toContain('<html');
      await metadata.close();
    },
  );

  test('a token for another audience is not passed on', async ({ expect }) => {
    const other = await startGcpMetadata();
    const { token } = await runModule<{ token: string }>(
      `const response = await fetch('${other.url}/computeMetadata/v1/instance/service-accounts/default/identity?audience=https://other.example', { headers: { 'Metadata-Flavor': 'Google' } });
       console.log(JSON.stringify({ token: await response.text() }));`,
    );
    const metadata = await startGcpMetadata();
    metadata.setFault({ kind: 'status', status: 200, body: token });
    const failure = await failureOf(`GcpMetadataCallback({ audience: '${audience}' })`, metadata.env);
    expect(failure).toMatchObject({
      code: 'ERR_OIDC_AUDIENCE_MISMATCH',
      message: expect.stringMatching(/'https:\/\/other\.example'.*'api:\/\/mongodb'/s),
    });
    expect(failure.inspected).not.toContain(token.split('.')[1]);
    await Promise.all([other.close(), metadata.close()]);
  });

  test('a metadata server that comes up after the first attempt is found', async ({ expect }) => {
    const metadata = await startGcpMetadata();
    for (let n = 0; n < 4; n++) metadata.faults.push({ kind: 'status', status: 404 });
    const callback = `GcpCallback({ audience: '${audience}' })`;
    const failure = await failureOf(callback, metadata.env);
    expect(failure.name).toMatch(/^none: a token/);
    await metadata.close();
  });

  test('a key file that is not there is said to be, at once', async ({ expect }) => {
    const callback = `GcpCallback({ audience: '${audience}' })`;
    const env = { GOOGLE_APPLICATION_CREDENTIALS: '/nonexistent/key.json' };
    expect(await failureOf(callback, env)).toMatchObject({
      code: 'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
      message: expect.stringMatching(/does not exist.*GOOGLE_APPLICATION_CREDENTIALS/s),
    });
  });

  test("a person's credentials are refused before any request", async ({ expect }) => {
    const folder = await mkdtemp(join(tmpdir(), 'gcloud-'));
    const file = join(folder, 'application_default_credentials.json');
    const person = {
      type: 'authorized_user',
      client_id: 'id',
      client_secret: 's3cret-Canary',
      refresh_token: 'r',
    };
    await writeFile(file, JSON.stringify(person));
    const google = await startProxy();
    const address = new URL(google.url).host;
    const failure = await failureOf(`GcpCallback({ audience: '${audience}' })`, {
      GOOGLE_APPLICATION_CREDENTIALS: file,
      GCE_METADATA_HOST: address,
      ...redirectEnv({ 'oauth2.googleapis.com:443': address, '169.254.169.254:80': address }),
    });
    expect(failure).toMatchObject({
      code: 'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
      message: expect.stringMatching(/`targetPrincipal`/),
    });
    expect(failure.inspected).not.toContain('s3cret-Canary');
    expect(google.requests).toBe(0);
    await Promise.all([google.close(), rm(folder, { recursive: true })]);
  });
});

test('a Google key is not taken for a person where a bundler has called all classes the same', async () => {
  const segments = [{ alg: 'RS256' }, { aud: audience, exp: 4_102_444_800 }, {}].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  );
  const callback = `GcpCallback((({ GoogleAuth, JWT, UserRefreshClient, Compute }) => {
    for (const type of [JWT, UserRefreshClient, Compute]) Object.defineProperty(type, 'name', { value: 't' });
    const authClient = Object.assign(new JWT(), { fetchIdToken: async () => '${segments.join('.')}' });
    return { audience: '${audience}', auth: new GoogleAuth({ authClient }) };
  })(await import('google-auth-library')))`;
  expect(await failureOf(callback)).toMatchObject({ name: expect.stringMatching(/^none: a token/) });
});

describe.concurrent('a proxy variable that applies to the metadata address', () => {
  test.for([
    ['AzureManagedIdentityCallback', 'HTTP_PROXY'],
    ['AzureManagedIdentityCallback', 'ALL_PROXY'],
    ['AzureCallback', 'https_proxy'],
    ['GcpMetadataCallback', 'HTTPS_PROXY'],
    ['GcpCallback', 'http_proxy'],
  ] as const)('%s with %s sends nothing', async ([name, variable], { expect }) => {
    const [imds, metadata, proxy] = await Promise.all([startAzureImds(), startGcpMetadata(), startProxy()]);
    const failure = await failureOf(`${name}({ audience: '${audience}' })`, {
      ...imds.env,
      ...metadata.env,
      [variable]: proxy.url,
      NO_PROXY: 'example.com',
    });
    expect(failure).toMatchObject({
      code: 'ERR_OIDC_METADATA_PROXIED',
      message: expect.stringMatching(/NO_PROXY=example\.com,127\.0\.0\.1/),
    });
    expect(failure.message).toContain(variable);
    expect(failure.inspected).not.toContain('pr0xy-Passw0rd');
    expect([proxy.requests, imds.requests.length, metadata.requests.length]).toEqual([0, 0, 0]);
    await Promise.all([imds.close(), metadata.close(), proxy.close()]);
  });

  const identity = 'new (await import("@azure/identity"))';
  const google = 'new (await import("google-auth-library"))';
  const application = { AZURE_CLIENT_ID: 'a', AZURE_TENANT_ID: 'b', AZURE_CLIENT_SECRET: 'c' };
  test.for([
    [
      'a managed identity that was given, whatever DefaultAzureCredential would do',
      `AzureCallback({ audience: '${audience}', credential: ${identity}.ManagedIdentityCredential() })`,
      application,
    ],
    [
      'a chain that was given',
      `AzureCallback({ audience: '${audience}', credential: ${identity}.ChainedTokenCredential(${identity}.ManagedIdentityCredential()) })`,
      application,
    ],
    [
      'a class that extends one of the SDK',
      `AzureCallback({ audience: '${audience}', credential: new (class Own extends (await import("@azure/identity")).ManagedIdentityCredential {})() })`,
      {},
    ],
    [
      'a managed identity in a bundle that was made small and has the SDK twice',
      `AzureCallback({ audience: '${audience}', credential: new (Object.defineProperty((await import("@azure/identity")).ManagedIdentityCredential, 'name', { value: 't' }))() })`,
      {},
    ],
    [
      'a chain in such a bundle',
      `AzureCallback({ audience: '${audience}', credential: new (Object.defineProperty((await import("@azure/identity")).ChainedTokenCredential, 'name', { value: 't' }))({ getToken: async () => null }) })`,
      {},
    ],
    [
      'a chain that is told to use the managed identity',
      `AzureCallback({ audience: '${audience}' })`,
      { ...application, AZURE_TOKEN_CREDENTIALS: 'ManagedIdentityCredential' },
    ],
    [
      'a GoogleAuth that was given',
      `GcpCallback({ audience: '${audience}', auth: ${google}.GoogleAuth() })`,
      {},
    ],
    [
      'a Compute that was given',
      `GcpCallback({ audience: '${audience}', authClient: ${google}.Compute() })`,
      {},
    ],
  ] as const)('%s sends nothing to it', async ([, callback, env], { expect }) => {
    const [imds, metadata, proxy] = await Promise.all([startAzureImds(), startGcpMetadata(), startProxy()]);
    const variables = { ...imds.env, ...metadata.env, ...env, HTTP_PROXY: proxy.url };
    expect(await failureOf(callback, variables)).toMatchObject({ code: 'ERR_OIDC_METADATA_PROXIED' });
    expect([proxy.requests, imds.requests.length, metadata.requests.length]).toEqual([0, 0, 0]);
    await Promise.all([imds.close(), metadata.close(), proxy.close()]);
  });

  test('given as the option proxyOptions of the default chain is refused likewise', async ({ expect }) => {
    const [imds, proxy] = await Promise.all([startAzureImds(), startProxy()]);
    const { hostname, port } = new URL(proxy.url);
    const callback = `AzureCallback({ audience: '${audience}', proxyOptions: { host: 'http://${hostname}', port: ${port} } })`;
    expect(await failureOf(callback, imds.env)).toMatchObject({
      code: 'ERR_OIDC_METADATA_PROXIED',
      message: expect.stringContaining('proxyOptions'),
    });
    expect([proxy.requests, imds.requests.length]).toEqual([0, 0]);
    await Promise.all([imds.close(), proxy.close()]);
  });

  test('stays one when NO_PROXY is set later, which the SDK does not read again', async ({ expect }) => {
    const [imds, proxy] = await Promise.all([startAzureImds(), startProxy()]);
    const again = `(class extends AzureManagedIdentityCallback {
      async fetch() {
        await super.fetch().catch(() => { process.env.NO_PROXY = '127.0.0.1'; });
        return super.fetch();
      }
    })({ audience: '${audience}' })`;
    const env = { ...imds.env, HTTP_PROXY: proxy.url };
    expect(await failureOf(again, env)).toMatchObject({ code: 'ERR_OIDC_METADATA_PROXIED' });
    expect([proxy.requests, imds.requests.length]).toEqual([0, 0]);
    await Promise.all([imds.close(), proxy.close()]);
  });

  test('is no obstacle once NO_PROXY has the line that the error names', async ({ expect }) => {
    const [imds, proxy] = await Promise.all([startAzureImds(), startProxy()]);
    const callback = `AzureManagedIdentityCallback({ audience: '${audience}' })`;
    const env = { ...imds.env, HTTP_PROXY: proxy.url, NO_PROXY: '127.0.0.1' };
    expect((await failureOf(callback, env)).name).toMatch(/^none: a token/);
    expect([proxy.requests, imds.requests.length]).toEqual([0, 1]);
    await Promise.all([imds.close(), proxy.close()]);
  });
});

describe('Kubernetes', () => {
  test('a token without the audience asked for is not passed on', async () => {
    const tokens = await createTokenDirectory({ audience: 'https://kubernetes.default.svc' });
    expect(
      await failureOf(`KubernetesCallback({ audience: 'mongodb', tokenFile: '${tokens.path}' })`),
    ).toMatchObject({
      code: 'ERR_OIDC_AUDIENCE_MISMATCH',
      message: expect.stringMatching(/'https:\/\/kubernetes\.default\.svc'.*'mongodb'.*projected/s),
    });
    await tokens.close();
  });

  test('a file with something else than a token', async () => {
    const tokens = await createTokenDirectory();
    await tokens.write('not.a-token');
    const callback = `KubernetesCallback({ tokenFile: '${tokens.path}', timeoutMS: 300 })`;
    const failure = await failureOf(callback);
    expect(failure).toMatchObject({
      code: 'ERR_OIDC_TOKEN_INVALID',
      message: expect.stringMatching(new RegExp(`${tokens.path}.* holds something that is no JSON`)),
    });
    expect(failure.inspected).not.toContain('not.a-token');
    await tokens.close();
  });
});

describe('through the driver', () => {
  test('the reason of the failed operation is our error, with its code', async () => {
    const [imds, mongo] = await Promise.all([
      startAzureImds({ identities: [] }),
      startMongoServer({ identityProviders: [] }),
    ]);
    const failure = await runModule<{ name: string; code: string; message: string }>(
      `
      import { MongoClient } from 'mongodb';
      import { AzureManagedIdentityCallback } from 'mongodb-workload-identity/azure';
      const client = new MongoClient('${mongo.uri}', {
        authMechanism: 'MONGODB-OIDC',
        authMechanismProperties: { OIDC_CALLBACK: new AzureManagedIdentityCallback({ audience: '${audience}' }) },
      });
      const { name, code, message } = await client.db('test').command({ ping: 1 }).catch((error) => error);
      console.log(JSON.stringify({ name, code, message }));
      await client.close();`,
      imds.env,
    );
    expect(failure).toEqual({
      name: 'OIDCCallbackError',
      code: 'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
      message: expect.stringContaining('No managed identity on this host'),
    });
    await Promise.all([imds.close(), mongo.close()]);
  });
});
