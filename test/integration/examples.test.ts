// Each file in examples/ runs as it stands, told by variables alone where it is; the server says who arrived.
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { type AzureEmulator, type AzureIdentity, startAzureImds } from '../emulators/azure.js';
import { run } from '../emulators/child.js';
import { startGcpMetadata } from '../emulators/gcp.js';
import { createTokenDirectory } from '../emulators/kubernetes.js';
import { type MongoServer, startMongoServer } from '../emulators/mongodb/index.js';

const folder = new URL('../../examples/', import.meta.url);
const audience = 'api://mongodb';

const open: { close(): unknown }[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((emulator) => emulator.close()));
});

describe('azure-vm.ts', () => {
  test('connects as the system-assigned identity', async () => {
    const imds = keep(await startAzureImds());
    const server = await startServer(imds);

    const output = await runExample('azure-vm.ts', {
      ...imds.env,
      MONGODB_URI: server.uri,
      MONGODB_AUDIENCE: audience,
    });

    expectArrival(server, output, {
      iss: imds.issuer,
      aud: audience,
      sub: identityOf(imds, 'system-assigned').objectId,
    });
  });

  test('connects as the user-assigned identity that AZURE_CLIENT_ID names', async () => {
    const imds = keep(await startAzureImds());
    const server = await startServer(imds);

    const output = await runExample('azure-vm.ts', {
      ...imds.env,
      MONGODB_URI: server.uri,
      MONGODB_AUDIENCE: audience,
      AZURE_CLIENT_ID: identityOf(imds, 'user-assigned').clientId,
    });

    expectArrival(server, output, {
      iss: imds.issuer,
      aud: audience,
      sub: identityOf(imds, 'user-assigned').objectId,
    });
  });
});

describe('gke.ts', () => {
  test('connects as the Kubernetes service account', async () => {
    const tokens = keep(await createTokenDirectory({ audience }));
    const server = await startServer(tokens);

    const output = await runExample('gke.ts', {
      MONGODB_URI: server.uri,
      MONGODB_AUDIENCE: audience,
      MONGODB_TOKEN_FILE: tokens.path,
    });

    expectArrival(server, output, { iss: tokens.issuer, aud: [audience], sub: tokens.subject });
  });
});

describe('connection-string.ts', () => {
  test('connects on Azure', async () => {
    const imds = keep(await startAzureImds());
    const server = await startServer(imds);

    const output = await runExample('connection-string.ts', {
      ...imds.env,
      MONGODB_URI: withProperties(server, `ENVIRONMENT:azure,TOKEN_RESOURCE:${audience}`),
    });

    expectArrival(server, output, {
      iss: imds.issuer,
      aud: audience,
      sub: identityOf(imds, 'system-assigned').objectId,
    });
  });

  test('connects on Google Cloud', async () => {
    const metadata = keep(await startGcpMetadata());
    const server = await startServer(metadata);

    const output = await runExample('connection-string.ts', {
      ...metadata.env,
      MONGODB_URI: withProperties(server, `ENVIRONMENT:gcp,TOKEN_RESOURCE:${audience}`),
    });

    expectArrival(server, output, {
      iss: metadata.issuer,
      aud: audience,
      sub: metadata.serviceAccounts[0]?.uniqueId,
    });
  });

  test('connects in Kubernetes', async () => {
    const tokens = keep(await createTokenDirectory({ audience }));
    const server = await startServer(tokens);

    const output = await runExample('connection-string.ts', {
      ...tokens.env,
      MONGODB_URI: withProperties(server, 'ENVIRONMENT:k8s'),
    });

    expectArrival(server, output, { iss: tokens.issuer, aud: [audience], sub: tokens.subject });
  });
});

describe.each(readdirSync(folder))('%s', (name) => {
  test('says which variable is missing', async () => {
    const { code, stderr } = await start(name, {});
    expect(stderr).toContain('Set MONGODB_URI.');
    expect(code).toBe(1);
  });
});

function keep<T extends { close(): unknown }>(emulator: T): T {
  open.push(emulator);
  return emulator;
}

async function startServer({ issuer, jwksUri }: { issuer: string; jwksUri: string }): Promise<MongoServer> {
  return keep(
    await startMongoServer({
      identityProviders: [
        { issuer, jwksUri, audience, authNamePrefix: 'test', useAuthorizationClaim: false },
      ],
    }),
  );
}

function identityOf({ identities }: AzureEmulator, kind: 'system-assigned' | 'user-assigned'): AzureIdentity {
  const found = identities.find(
    ({ systemAssigned = false }) => systemAssigned === (kind === 'system-assigned'),
  );
  if (!found) throw new Error(`the emulator has no ${kind} identity`);
  return found;
}

function withProperties({ uri }: MongoServer, properties: string): string {
  return `${uri}?authMechanism=MONGODB-OIDC&authMechanismProperties=${properties}`;
}

function start(name: string, env: Record<string, string>) {
  // Longer than the package's own budget for a token, so that its error is what the test shows.
  return run(process.execPath, ['--import=tsx', fileURLToPath(new URL(name, folder))], {
    env,
    timeoutMS: 45_000,
  });
}

async function runExample(name: string, env: Record<string, string>): Promise<string> {
  const { code, stdout, stderr } = await start(name, env);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

/** `output` is what the example printed: the server's own answer to who it is. */
function expectArrival(
  server: MongoServer,
  output: string,
  claims: { iss: string; aud: string | string[]; sub: string | undefined },
): void {
  expect(server.authFailures).toEqual([]);
  expect(server.claims.map(({ iss, aud, sub }) => ({ iss, aud, sub }))).toEqual([claims]);
  expect(output).toBe(`Connected as test/${claims.sub}\n`);
}
