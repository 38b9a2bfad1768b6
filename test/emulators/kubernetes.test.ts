import { readdir, readFile, readlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { afterEach, expect, it } from 'vitest';
import { runModule } from './child.js';
import { createTokenDirectory, type KubernetesTokens, type TokenDirectoryOptions } from './kubernetes.js';

const made: KubernetesTokens[] = [];
const create = async (options?: TokenDirectoryOptions) => {
  const tokens = await createTokenDirectory(options);
  made.push(tokens);
  return tokens;
};

afterEach(async () => {
  await Promise.all(made.splice(0).map((tokens) => tokens.close()));
});

it('holds a token as Kubernetes makes it', async () => {
  const tokens = await create({
    issuer: 'https://oidc.example.com/cluster',
    audience: 'mongodb',
    subject: 'system:serviceaccount:shop:api',
    lifeSeconds: 600,
  });
  const token = await readFile(tokens.path, 'utf8');
  const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(tokens.jwksUri)), {
    issuer: 'https://oidc.example.com/cluster',
    subject: 'system:serviceaccount:shop:api',
  });
  expect(payload.aud).toEqual(['mongodb']);
  expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(600);
  expect(payload['kubernetes.io']).toMatchObject({
    namespace: 'shop',
    pod: { name: 'api-0' },
    serviceaccount: { name: 'api' },
  });
});

it('keeps the directory as the kubelet does', async () => {
  const tokens = await create();
  const directory = dirname(tokens.path);
  expect(await readlink(tokens.path)).toBe('..data/token');
  const first = await readlink(`${directory}/..data`);
  expect(first).toMatch(/^\.\.\d{4}(_\d\d){5}\.\d+$/);

  const rotated = await tokens.rotate();
  const second = await readlink(`${directory}/..data`);
  expect(second).not.toBe(first);
  expect(await readFile(tokens.path, 'utf8')).toBe(rotated);
  expect((await readdir(directory)).sort()).toEqual(['..data', 'token', second].sort());
});

it('is never without a token while it rotates', async () => {
  const tokens = await create();
  let rotating = true;
  const rotations = (async () => {
    for (let i = 0; i < 20; i++) await tokens.rotate();
    rotating = false;
  })();
  while (rotating) expect(decodeJwt(await readFile(tokens.path, 'utf8')).sub).toBe(tokens.subject);
  await rotations;
});

it('takes any content', async () => {
  const tokens = await create();
  await tokens.write('');
  expect(await readFile(tokens.path, 'utf8')).toBe('');
});

it('is where the driver looks for it', async () => {
  const tokens = await create({ audience: 'mongodb' });
  const result = await runModule<{ accessToken: string }>(
    `import { createRequire } from 'node:module';
     const { k8sCallback } = createRequire(import.meta.url)(process.cwd() + '/node_modules/mongodb/lib/cmap/auth/mongodb_oidc/k8s_machine_workflow.js');
     console.log(JSON.stringify(await k8sCallback({})));`,
    tokens.env,
  );
  expect(result.accessToken).toBe(await readFile(tokens.path, 'utf8'));
});
