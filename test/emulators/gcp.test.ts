import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import { runModule } from './child.js';
import { defaultServiceAccount, startGcpIam, startGcpMetadata } from './gcp.js';

const other = { email: 'other@project-1.iam.gserviceaccount.com', uniqueId: '100000000000000000002' };

const open: { close(): Promise<void> }[] = [];
const start = async <T extends { close(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
  const started = await starting;
  open.push(started);
  return started;
};

afterEach(async () => {
  await Promise.all(open.splice(0).map((emulator) => emulator.close()));
});

const verify = async (
  emulator: { jwksUri: string },
  token: string,
  audience: string,
): Promise<JWTPayload> => {
  const keys = createRemoteJWKSet(new URL(emulator.jwksUri));
  return (await jwtVerify(token, keys, { issuer: 'https://accounts.google.com', audience })).payload;
};

/** Runs the bare SDK in a process of its own. */
const library = <T = string>(expression: string, env: Record<string, string>) =>
  runModule<T>(
    `import * as google from 'google-auth-library';
     console.log(JSON.stringify(await (async () => ${expression})().catch((error) => ({ message: error.message }))));`,
    env,
  );

describe('metadata server', () => {
  const identity = '/computeMetadata/v1/instance/service-accounts/default/identity?audience=mongodb';
  const flavor = { 'Metadata-Flavor': 'Google' };

  it('gives Compute.fetchIdToken a token', async () => {
    const metadata = await start(startGcpMetadata({ lifeSeconds: 90 }));
    const token = await library(`new google.Compute().fetchIdToken('mongodb')`, metadata.env);
    const claims = await verify(metadata, token, 'mongodb');
    expect(claims).toMatchObject({
      iss: 'https://accounts.google.com',
      aud: 'mongodb',
      azp: defaultServiceAccount.uniqueId,
      sub: defaultServiceAccount.uniqueId,
      email: defaultServiceAccount.email,
      email_verified: true,
      google: { compute_engine: { project_id: 'project-1', project_number: expect.any(Number) } },
    });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(90);
    expect(metadata.requests).toEqual([
      expect.objectContaining({
        method: 'GET',
        path: '/computeMetadata/v1/instance/service-accounts/default/identity',
        query: { format: 'full', audience: 'mongodb' },
        headers: expect.objectContaining({ 'metadata-flavor': 'Google' }),
      }),
    ]);
  });

  it('gives a service account by name its own token', async () => {
    const metadata = await start(startGcpMetadata({ serviceAccounts: [defaultServiceAccount, other] }));
    const token = await library(
      `new google.Compute({ serviceAccountEmail: '${other.email}' }).fetchIdToken('mongodb')`,
      metadata.env,
    );
    expect((await verify(metadata, token, 'mongodb')).email).toBe(other.email);
  });

  it('is found by Application Default Credentials', async () => {
    const metadata = await start(startGcpMetadata());
    const token = await library(
      `(await new google.GoogleAuth().getIdTokenClient('mongodb')).idTokenProvider.fetchIdToken('mongodb')`,
      metadata.env,
    );
    await verify(metadata, token, 'mongodb');
  });

  it('gives Compute an access token', async () => {
    const metadata = await start(startGcpMetadata());
    expect(await library('new google.Compute().getAccessToken()', metadata.env)).toMatchObject({
      token: expect.stringMatching(/^ya29\./),
    });
  });

  it('leaves the machine and the email out of a token unless asked for its full format', async () => {
    const metadata = await start(startGcpMetadata());
    const response = await fetch(`${metadata.url}${identity}`, { headers: flavor });
    expect(response.headers.get('metadata-flavor')).toBe('Google');
    const claims = await verify(metadata, await response.text(), 'mongodb');
    expect(Object.keys(claims).sort()).toEqual(['aud', 'azp', 'exp', 'iat', 'iss', 'jti', 'nbf', 'sub']);
  });

  it('refuses a request without the header, or forwarded', async () => {
    const metadata = await start(startGcpMetadata());
    for (const headers of [{}, { ...flavor, 'X-Forwarded-For': '10.0.0.1' }]) {
      const response = await fetch(`${metadata.url}${identity}`, { headers });
      expect(response.status).toBe(403);
      expect(response.headers.get('metadata-flavor')).toBe('Google');
    }
  });

  it.each([
    ['/', 200, 'computeMetadata/\n'],
    ['/computeMetadata/v1/instance/', 200, expect.stringContaining('service-accounts/')],
    ['/computeMetadata/v1/instance/service-accounts/', 200, `default/\n${defaultServiceAccount.email}/\n`],
    ['/computeMetadata/v1/instance/service-accounts/default/email', 200, defaultServiceAccount.email],
    ['/computeMetadata/v1/project/project-id', 200, 'project-1'],
    ['/computeMetadata/v1/universe/universe-domain', 404, expect.stringContaining('Error 404 (Not Found)')],
    [
      '/computeMetadata/v1/instance/service-accounts/nobody@example.com/identity?audience=x',
      404,
      expect.any(String),
    ],
    [
      '/computeMetadata/v1/instance/service-accounts/default/identity',
      400,
      'non-empty audience parameter required',
    ],
  ])('answers %s with %i', async (path, status, body) => {
    const metadata = await start(startGcpMetadata());
    const response = await fetch(`${metadata.url}${path}`, { headers: flavor });
    expect(response.status).toBe(status);
    expect(await response.text()).toEqual(body);
  });

  it('has no identity token for an unbound pod on GKE, but an access token', async () => {
    const metadata = await start(startGcpMetadata({ bound: false }));
    const failure = await library<{ message: string }>(
      `new google.Compute().fetchIdToken('mongodb')`,
      metadata.env,
    );
    expect(failure.message).toContain('400');
    const email = await fetch(`${metadata.url}/computeMetadata/v1/instance/service-accounts/default/email`, {
      headers: flavor,
    });
    expect(await email.text()).toBe('project-1.svc.id.goog');
    expect(await library('new google.Compute().getAccessToken()', metadata.env)).toHaveProperty('token');
  });

  it('can answer an empty token, and a page without its own header', async () => {
    const metadata = await start(startGcpMetadata());
    metadata.faults.push({ kind: 'emptyToken' });
    expect(await library(`new google.Compute().fetchIdToken('mongodb')`, metadata.env)).toBe('');
    metadata.faults.push({
      kind: 'status',
      status: 200,
      body: '<html>',
      headers: { 'metadata-flavor': undefined },
    });
    expect(await library(`new google.Compute().fetchIdToken('mongodb')`, metadata.env)).toEqual({
      message: expect.stringContaining('incorrect Metadata-Flavor header'),
    });
  });
});

describe('IAM Credentials and OAuth', () => {
  const fromKeyFile = `(await new google.GoogleAuth().getIdTokenClient('mongodb')).idTokenProvider.fetchIdToken('mongodb')`;

  const impersonate = (target: string) =>
    `new google.Impersonated({
       sourceClient: await new google.GoogleAuth({ scopes: 'https://www.googleapis.com/auth/cloud-platform' }).getClient(),
       targetPrincipal: '${target}',
     }).fetchIdToken('mongodb', { includeEmail: true })`;

  it('give Application Default Credentials of a key file an ID token', async () => {
    const iam = await start(startGcpIam({ lifeSeconds: 90 }));
    const claims = await verify(iam, await library(fromKeyFile, iam.env), 'mongodb');
    expect(claims).toMatchObject({ sub: defaultServiceAccount.uniqueId, email: defaultServiceAccount.email });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(90);
    expect(iam.requests).toHaveLength(1);
    expect(iam.requests[0]).toMatchObject({
      method: 'POST',
      path: '/token',
      headers: { host: 'oauth2.googleapis.com' },
    });
  });

  it('give every account its own key', async () => {
    const iam = await start(startGcpIam({ serviceAccounts: [defaultServiceAccount, other] }));
    const token = await library(fromKeyFile, {
      ...iam.env,
      GOOGLE_APPLICATION_CREDENTIALS: await iam.createKeyFile(other.email),
    });
    expect((await verify(iam, token, 'mongodb')).sub).toBe(other.uniqueId);
  });

  it('refuse a key that has been replaced, and an account that is gone', async () => {
    const iam = await start(startGcpIam());
    await iam.createKeyFile(defaultServiceAccount.email);
    expect(await library(fromKeyFile, iam.env)).toEqual({ message: 'invalid_grant: Invalid JWT Signature.' });
    iam.serviceAccounts = [];
    expect(await library(fromKeyFile, iam.env)).toEqual({
      message: 'invalid_grant: Invalid grant: account not found',
    });
  });

  it('let a key file impersonate another account', async () => {
    const iam = await start(startGcpIam({ serviceAccounts: [defaultServiceAccount, other] }));
    const token = await library(impersonate(other.email), iam.env);
    expect(await verify(iam, token, 'mongodb')).toMatchObject({ sub: other.uniqueId, email: other.email });
    const posted = iam.requests.at(-1);
    expect(posted?.path).toBe(`/v1/projects/-/serviceAccounts/${other.email}:generateIdToken`);
    expect(posted?.headers.host).toBe('iamcredentials.googleapis.com');
    expect(JSON.parse(posted?.body ?? '')).toMatchObject({ audience: 'mongodb', includeEmail: true });
  });

  it('let a user impersonate an account, at an endpoint of its own', async () => {
    const iam = await start(startGcpIam());
    const expression = impersonate(defaultServiceAccount.email).replace(
      'targetPrincipal',
      `endpoint: '${iam.url}', $&`,
    );
    const token = await library(expression, { ...iam.env, GOOGLE_APPLICATION_CREDENTIALS: iam.userFile });
    await verify(iam, token, 'mongodb');
    expect(iam.requests.at(-1)?.headers.host).toBe(iam.url.slice('https://'.length));
  });

  it("know a metadata server's access token", async () => {
    const [metadata, iam] = [await start(startGcpMetadata()), await start(startGcpIam())];
    const { GOOGLE_APPLICATION_CREDENTIALS: _, ...env } = iam.env;
    const token = await library(impersonate(defaultServiceAccount.email), { ...env, ...metadata.env });
    await verify(iam, token, 'mongodb');
  });

  it('refuse a caller that may not impersonate, and one that is unknown', async () => {
    const iam = await start(
      startGcpIam({ serviceAccounts: [defaultServiceAccount, other], tokenCreators: { [other.email]: [] } }),
    );
    const { message } = await library<{ message: string }>(impersonate(other.email), iam.env);
    expect(message).toContain("Permission 'iam.serviceAccounts.getOpenIdToken' denied");
    const unknown = await library<{ message: string }>(
      `(async () => {
         const sourceClient = new google.OAuth2Client();
         sourceClient.setCredentials({ access_token: 'ya29.unknown', expiry_date: Date.now() + 3600000 });
         return new google.Impersonated({ sourceClient, targetPrincipal: '${other.email}' }).fetchIdToken('mongodb');
       })()`,
      iam.env,
    );
    expect(unknown.message).toContain('invalid authentication credentials');
  });

  it("make a user's ID token out to another audience", async () => {
    const iam = await start(startGcpIam());
    const token = await library(`(await new google.GoogleAuth().getClient()).fetchIdToken('mongodb')`, {
      ...iam.env,
      GOOGLE_APPLICATION_CREDENTIALS: iam.userFile,
    });
    await expect(verify(iam, token, 'mongodb')).rejects.toThrow('"aud"');
  });
});
