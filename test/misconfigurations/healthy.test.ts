// Where nothing is wrong, doctor finds nothing: in each of the ten ways, and in what there is besides.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AZURE_DOCUMENTDB } from 'mongodb-workload-identity/azure';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startAzureImds } from '../emulators/azure.js';
import { createCertificates } from '../emulators/certificates.js';
import { type DnsEmulator, startDns } from '../emulators/dns.js';
import { startIssuer } from '../emulators/issuer.js';
import { type MongoServerOptions, startMongoServer } from '../emulators/mongodb/index.js';
import { placeEnv } from '../emulators/place.js';
import { connectionString } from '../ways/run-way.js';
import { identityParameters, ways } from '../ways/ways.js';
import { secretsIn } from './canary.js';
import { Project } from './project.js';
import type { Check } from './run-case.js';
import { objectId, tenantId } from './workloads.js';

// Each case runs several processes at once.
vi.setConfig({ maxConcurrency: 3, testTimeout: 120_000 });

let project: Project;
beforeAll(async () => {
  project = await Project.create();
});
afterAll(() => project.close());

/** Runs doctor as a program would, which finds nothing; who it is at the server. */
async function cleanBillOf(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ callback: unknown; users: unknown }> {
  const json = await project.doctor([...args, '--json'], env);
  const { ok, steps } = JSON.parse(json.stdout) as { ok: boolean; steps: { checks: Check[] }[] };
  const checks = steps.flatMap((step) => step.checks) as (Check & { details?: Record<string, unknown> })[];
  expect(checks.filter(({ status }) => status === 'failed' || status === 'warning')).toEqual([]);
  expect({ ok, exitCode: json.code }).toEqual({ ok: true, exitCode: 0 });
  expect(json.stderr).toBe('');
  expect(await secretsIn(json.stdout, { args, env })).toEqual([]);
  const detail = (check: string, name: string) => checks.find((each) => each.name === check)?.details?.[name];
  return { callback: detail('detection', 'callback'), users: detail('authentication', 'users') };
}

const { clientId, targetPrincipal } = identityParameters;
const azure = ['--environment', 'azure'];
const gcp = ['--environment', 'gcp'];
const k8s = ['--environment', 'k8s'];

/**
 * What doctor is told where the program has it in its code: by id of the way. With a place that is found out, or a
 * connection string, there is nothing to tell. It cannot be told of resource IDs, object IDs, or an SDK's credential.
 */
const saidInCode: Readonly<Record<string, (audience: string, tokenFile: string) => readonly string[]>> = {
  'azure-vm': (audience) => [...azure, '--client-id', clientId, '--audience', audience],
  'azure-vm-options': (audience) => [...azure, '--client-id', clientId, '--audience', audience],
  'azure-vm-uri': () => [],
  'azure-vm-uri-system-assigned': () => [],
  gcp: (audience) => [...gcp, '--audience', audience],
  'gcp-options': (audience) => [...gcp, '--audience', audience],
  'gcp-uri': () => [],
  functions: (audience) => ['--audience', audience],
  'app-service': (audience) => ['--client-id', clientId, '--audience', audience],
  aks: (audience) => ['--audience', audience],
  'aks-uri': () => [],
  gke: (audience, tokenFile) => ['--token-file', tokenFile, '--audience', audience],
  kubernetes: (audience, tokenFile) => ['--token-file', tokenFile, '--audience', audience],
  'kubernetes-options': () => k8s,
  'kubernetes-uri': () => [],
  'gcp-impersonation': (audience) => [
    ...['--environment', 'developer', '--target-principal', targetPrincipal],
    ...['--audience', audience],
  ],
  'found-app-service': (audience) => ['--audience', audience],
  'found-gcp-uri': () => [],
  'found-eks': (audience) => ['--audience', audience],
};

const told = ways.flatMap((way) => {
  const said = saidInCode[way.id];
  return said ? [{ ...way, said }] : [];
});

it('is tried in each of the ten ways', () => {
  expect([...new Set(told.map(({ number }) => number))].sort()).toEqual([
    1,
    10,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    undefined,
  ]);
});

describe.concurrent('a way', () => {
  it.each(told.map((way) => [way.id, way] as const))('%s', async (_, way) => {
    const source = await way.start(way.audience, 3_600);
    const { provider } = source;
    const user = `${provider.authNamePrefix}/${way.subject}`;
    const server = await startMongoServer({ identityProviders: [provider], users: [user] });
    try {
      const uri = connectionString(way, server);
      const args = way.said(way.audience, source.parameters.tokenFile ?? '');
      const { users } = await cleanBillOf([uri, ...args], source.env);
      expect(users).toEqual([user]);
    } finally {
      await Promise.all([server.close(), source.close()]);
    }
  });
});

describe.concurrent('besides', () => {
  it("a laptop with az's login", async () => {
    const folder = await mkdtemp(join(tmpdir(), 'laptop-'));
    const entra = await startIssuer({ issuer: `https://sts.windows.net/${tenantId}/` });
    const audience = 'api://mongodb';
    const accessToken = await entra.sign(
      { aud: audience, sub: 'a-person', oid: objectId, ver: '1.0' },
      { lifeSeconds: 3_600 },
    );
    const answer = JSON.stringify({
      accessToken,
      expires_on: Math.floor(Date.now() / 1000) + 3_600,
      tokenType: 'Bearer',
    });
    await writeFile(join(folder, 'az'), `#!/bin/sh\ncat <<'END'\n${answer}\nEND\n`, { mode: 0o755 });
    const server = await startMongoServer(serverOf(entra, audience));
    try {
      const uri = `${server.uri}?authMechanismProperties=TOKEN_RESOURCE:${audience}`;
      const env = { MONGODB_OIDC_ENVIRONMENT: 'developer', PATH: `${folder}:/usr/bin:/bin` };
      const { callback, users } = await cleanBillOf([uri], env);
      expect({ callback, users }).toEqual({ callback: 'AzureCallback', users: ['test/a-person'] });
    } finally {
      await Promise.all([server.close(), entra.close()]);
      await rm(folder, { recursive: true });
    }
  });

  it('Azure DocumentDB, whose host tells the audience, by its SRV record and over TLS', async () => {
    const node = 'fc-1.global.mongocluster.cosmos.azure.com';
    const cluster = 'orders.global.mongocluster.cosmos.azure.com';
    const [imds, certificates] = await Promise.all([startAzureImds(), createCertificates([node])]);
    const server = await startMongoServer({
      ...serverOf(imds, AZURE_DOCUMENTDB.public.audience),
      tls: certificates,
    });
    const dns: DnsEmulator = await startDns({
      srv: { [`_mongodb._tcp.${cluster}`]: [{ target: node, port: server.port }] },
    });
    try {
      const uri = `mongodb+srv://${cluster}/?authMechanism=MONGODB-OIDC&tlsCAFile=${certificates.caFile}`;
      const place = placeEnv({ hosts: { [node]: '127.0.0.1' }, dnsServer: dns.address });
      const { users } = await cleanBillOf([uri, ...azure], { ...imds.env, ...place });
      expect(users).toEqual([`test/${objectId}`]);
    } finally {
      await Promise.all([server.close(), dns.close(), imds.close()]);
      certificates.close();
    }
  });
});

function serverOf(source: { issuer: string; jwksUri: string }, audience: string): MongoServerOptions {
  const { issuer, jwksUri } = source;
  return {
    identityProviders: [{ issuer, jwksUri, audience, authNamePrefix: 'test', useAuthorizationClaim: false }],
  };
}
