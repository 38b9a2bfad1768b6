import { fileURLToPath } from 'node:url';
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { defaultIdentities, defaultTenantId } from './azure.js';
import { defaultServiceAccount } from './gcp.js';
import { namespaceObstacle, runInNamespace } from './namespace.js';

const script = fileURLToPath(new URL('driver-environment.ts', import.meta.url));
let obstacle: string | undefined;

beforeAll(async () => {
  obstacle = await namespaceObstacle();
  if (obstacle !== undefined) {
    console.error(`NOT TESTED: the driver's own environments at the real addresses (${obstacle})`);
  }
});

beforeEach((context) => {
  if (obstacle !== undefined) context.skip(obstacle);
});

const runDriver = async (...args: string[]) => {
  const { code, stdout, stderr } = await runInNamespace(script, args);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout);
};

it("authenticates the driver's ENVIRONMENT:azure at 169.254.169.254", async () => {
  const userAssigned = defaultIdentities[1];
  const { user, claims, requests, reauthentications, authFailures } = await runDriver(
    'azure',
    'api://mongodb',
    userAssigned?.clientId ?? '',
  );
  expect(authFailures).toEqual([]);
  expect(user).toBe(`azure/${userAssigned?.objectId}`);
  expect(claims).toMatchObject({
    iss: `https://sts.windows.net/${defaultTenantId}/`,
    aud: 'api://mongodb',
    sub: userAssigned?.objectId,
  });
  expect(requests).toEqual([
    {
      method: 'GET',
      rawUrl: `/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api%3A%2F%2Fmongodb&client_id=${userAssigned?.clientId}`,
      headers: {
        metadata: 'true',
        accept: 'application/json',
        host: '169.254.169.254',
        connection: expect.any(String),
      },
    },
  ]);
  expect(reauthentications).toBeGreaterThanOrEqual(1);
});

it("authenticates the driver's ENVIRONMENT:gcp at the host `metadata`", async () => {
  const { user, claims, requests, reauthentications, authFailures } = await runDriver('gcp', 'mongodb');
  expect(authFailures).toEqual([]);
  expect(user).toBe(`gcp/${defaultServiceAccount.uniqueId}`);
  expect(claims).toMatchObject({ iss: 'https://accounts.google.com', aud: 'mongodb' });
  expect(requests).toEqual([
    {
      method: 'GET',
      rawUrl: '/computeMetadata/v1/instance/service-accounts/default/identity?audience=mongodb',
      headers: { 'metadata-flavor': 'Google', host: 'metadata', connection: expect.any(String) },
    },
  ]);
  expect(reauthentications).toBeGreaterThanOrEqual(1);
});
