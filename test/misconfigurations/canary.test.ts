// That the catalogue's search for secrets finds what it is there for.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { issueAccessToken } from '../emulators/gcp/service-account.js';
import { type GcpIamEmulator, startGcpIam } from '../emulators/gcp.js';
import { createTokenDirectory, type KubernetesTokens } from '../emulators/kubernetes.js';
import { secretsIn } from './canary.js';

let tokens: KubernetesTokens;
let iam: GcpIamEmulator;
beforeAll(async () => {
  [tokens, iam] = await Promise.all([createTokenDirectory(), startGcpIam()]);
});
afterAll(() => Promise.all([tokens.close(), iam.close()]));

const password = 'S3cret-of-0rders!';
const header = '0F1E2D3C4B5A69788796A5B4C3D2E1F0';
const nothing = { args: [], env: {} };

it('finds a token that was issued, and its parts', async () => {
  const token = await tokens.issue();
  for (const part of [token, ...token.split('.').slice(1)]) {
    expect(await secretsIn(`"summary": "${part}"`, nothing)).not.toEqual([]);
  }
});

it('finds an access token', async () => {
  expect(await secretsIn(issueAccessToken('a@example.com', 60), nothing)).not.toEqual([]);
});

it('finds a password of a connection string and of a proxy', async () => {
  const args = [`mongodb://orders:${password}@db.example.com/`];
  expect(await secretsIn(password, { args, env: {} })).not.toEqual([]);
  const env = { HTTPS_PROXY: 'http://orders:Pr0xy%2FPassw0rd%2B1@proxy:3128' };
  expect(await secretsIn('Pr0xy/Passw0rd+1', { args: [], env })).not.toEqual([]);
});

it('finds what variables hold', async () => {
  expect(await secretsIn(header, { args: [], env: { IDENTITY_HEADER: header } })).not.toEqual([]);
});

it('finds what credentials hold', async () => {
  const env = { GOOGLE_APPLICATION_CREDENTIALS: join(iam.keyFile, '..', 'own.json') };
  const secrets = { private_key: 'PR1VATE-KEY-0F-TEST', refresh_token: '1//REFRESH-T0KEN-OF-TEST' };
  await writeFile(env.GOOGLE_APPLICATION_CREDENTIALS, JSON.stringify(secrets));
  for (const secret of Object.values(secrets)) {
    expect(await secretsIn(secret, { args: [], env })).not.toEqual([]);
  }
});

it('finds nothing where there is nothing', async () => {
  const args = ['mongodb+srv://cluster0.abcde.mongodb.net/?authMechanism=MONGODB-OIDC'];
  expect(await secretsIn('"summary": "The server refuses the token"', { args, env: {} })).toEqual([]);
});
