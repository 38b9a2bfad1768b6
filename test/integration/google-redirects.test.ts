// Google's token endpoints redirect nobody, but a proxy that reads the traffic and wants a login does. What the
// SDK's HTTP client makes of a redirected POST is the end of the process (node-fetch#1616), outside any promise.

import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type Certificates, createCertificates } from '../emulators/certificates.js';
import { runModule } from '../emulators/child.js';
import { redirectEnv } from '../emulators/redirect.js';

const hosts = ['oauth2.googleapis.com', 'sts.googleapis.com', 'iamcredentials.googleapis.com'];

const program = `
  import { GcpCallback } from 'mongodb-workload-identity/gcp';
  const targetPrincipal = 'orders@my-project.iam.gserviceaccount.com';
  const callback = new GcpCallback({ audience: 'mongodb', targetPrincipal, timeoutMS: 4_000 });
  const { code, message } = await callback.fetch().catch((error) => error);
  console.log(JSON.stringify({ code, message }));
  process.exit();`;

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

/** As gcloud writes them. */
const credentials = {
  'a service account': {
    type: 'service_account',
    client_email: 'app@my-project.iam.gserviceaccount.com',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  },
  'a person': {
    type: 'authorized_user',
    client_id: 'id',
    client_secret: 'secret',
    refresh_token: 'refresh',
  },
  'a federated identity': {
    type: 'external_account',
    audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/aks',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: 'https://sts.googleapis.com/v1/token',
    credential_source: { file: 'subject-token' },
  },
};

let folder: string;
let certificates: Certificates;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'redirects-'));
  certificates = await createCertificates(hosts);
});

afterAll(async () => {
  certificates?.close();
  await rm(folder, { recursive: true });
});

describe.concurrent('a redirect of a token request', () => {
  test.for([302, 307].flatMap((status) => Object.keys(credentials).map((whose) => ({ status, whose }))))(
    'with $status is an error, and the credentials of $whose go nowhere else',
    async ({ status, whose }, { expect, onTestFinished }) => {
      const paths: (string | undefined)[] = [];
      const proxy = createServer(certificates, ({ url }, response) => {
        paths.push(url);
        response.writeHead(status, { location: '/login' }).end();
      });
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
      onTestFinished(() => void proxy.close());
      const file = join(folder, `${status} ${whose}.json`);
      const subjectToken = join(folder, 'subject-token');
      await writeFile(subjectToken, 'e30.e30.c2lnbmF0dXJl');
      const text = JSON.stringify(credentials[whose as keyof typeof credentials]);
      await writeFile(file, text.replace('"subject-token"', JSON.stringify(subjectToken)));
      const { port } = proxy.address() as AddressInfo;
      const env = redirectEnv(Object.fromEntries(hosts.map((host) => [`${host}:443`, `127.0.0.1:${port}`])));
      const failure = await runModule<object>(program, {
        ...env,
        GOOGLE_APPLICATION_CREDENTIALS: file,
        NODE_EXTRA_CA_CERTS: certificates.caFile,
      });
      expect(failure).toEqual({
        code: 'ERR_OIDC_SOURCE_UNREACHABLE',
        message: expect.stringMatching(new RegExp(`${status}.*proxy`)),
      });
      expect(paths).not.toEqual([]);
      expect(paths).not.toContain('/login');
    },
  );
});
