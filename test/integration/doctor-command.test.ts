// The command as a process: what is written where, and how it ends.
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { childEnvironment } from '../emulators/child.js';
import { createTokenDirectory, type KubernetesTokens } from '../emulators/kubernetes.js';
import { type MongoServer, startMongoServer } from '../emulators/mongodb/index.js';
import { placeEnv } from '../emulators/place.js';
import { Project } from '../misconfigurations/project.js';

let project: Project;
let tokens: KubernetesTokens;
let withoutOIDC: MongoServer;
beforeAll(async () => {
  [project, tokens, withoutOIDC] = await Promise.all([
    Project.create({ mongodb: 'mongodb' }),
    createTokenDirectory({ audience: 'mongodb' }),
    startMongoServer({ identityProviders: [], mechanisms: ['SCRAM-SHA-256'] }),
  ]);
});
afterAll(() => Promise.all([project.close(), tokens.close(), withoutOIDC.close()]));

const doctor = (...args: readonly string[]) => project.doctor(args, {});

describe('the command', () => {
  it('ends with 0 where all is well, and colours nothing in a pipe', async () => {
    const { code, stdout, stderr } = await project.doctor(
      ['--no-connect', '--token-file', tokens.path, '--audience', 'mongodb'],
      { FORCE_COLOR: '1' },
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/\nAll well\.\n$/);
    expect(stdout).not.toMatch(/[^\P{Cc}\n]/u);
  });

  it('ends with 1 where a check failed', async () => {
    const { code, stdout, stderr } = await doctor(
      ...['--no-connect', '--token-file', tokens.path, '--audience', 'other'],
    );
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toMatch(/\n1 check failed\.\n$/);
  });

  it('ends with 2 where it is used wrongly, and writes that to standard error', async () => {
    const { code, stdout, stderr } = await doctor('--tokenfile');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain("Unknown option '--tokenfile'");
    expect(stderr).toContain('Usage: npx mongodb-workload-identity doctor');
  });

  it('writes its usage and its version to standard output', async () => {
    const [help, version] = await Promise.all([doctor('--help'), doctor('--version')]);
    expect({ ...help, stdout: '' }).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(help.stdout).toContain('Exit code: 0 all well, 1 a check failed, 2 wrong usage.');
    expect({ ...version, stdout: version.stdout.trim() }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      stderr: '',
    });
  });

  it.each(['--no-connect', 'no server', 'no MONGODB-OIDC'])(
    'compares the token with a configuration where the server does not judge it: %s',
    async (how) => {
      const places: Record<string, string> = {
        'no server': 'mongodb://127.0.0.1:1/',
        'no MONGODB-OIDC': withoutOIDC.uri,
      };
      const args = [
        places[how] ?? how,
        '--token-file',
        tokens.path,
        '--audience',
        'mongodb',
        '--json',
        '--server-config',
      ];
      const configure = async (issuer: string) => {
        const file = join(project.folder, 'providers.json');
        const provider = { issuer, audience: 'mongodb', authNamePrefix: 'k8s', useAuthorizationClaim: false };
        await writeFile(file, JSON.stringify([{ ...provider, supportsHumanFlows: false }]));
        const { steps } = JSON.parse((await doctor(...args, file)).stdout);
        return steps
          .flatMap(({ checks }: { checks: object[] }) => checks)
          .find(({ name }: { name: string }) => name === 'configuration');
      };
      expect(await configure(tokens.issuer)).toMatchObject({ status: 'ok' });
      expect(await configure(`${tokens.issuer}/`)).toMatchObject({
        status: 'failed',
        code: 'ISSUER_DIFFERS',
        summary: expect.stringContaining('a slash at the end'),
      });
    },
  );

  it('writes one JSON document and nothing else', async () => {
    const { code, stdout, stderr } = await doctor(
      ...['--json', '--no-connect', '--token-file', tokens.path, '--audience', 'mongodb'],
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { ok, version, steps } = JSON.parse(stdout);
    expect({ ok, version }).toEqual({ ok: true, version: expect.any(String) });
    expect(steps.map(({ step }: { step: string }) => step)).toEqual([
      'environment',
      'source',
      'token',
      'mongodb',
    ]);
  });
});

it('warns of an SDK that is too old, whether it is needed or not', async () => {
  const old = await Project.create({ mongodb: 'mongodb' });
  try {
    // Only its manifest is looked at.
    const folder = join(old.folder, 'node_modules', '@azure', 'identity');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'package.json'), '{ "name": "@azure/identity", "version": "4.6.0" }');
    await writeFile(join(folder, 'index.js'), 'throw new Error("not to be loaded")');
    const { code, stdout } = await old.doctor(['--no-connect', '--token-file', tokens.path], {});
    expect(code).toBe(0);
    expect(stdout).toContain('@azure/identity 4.6.0 is too old');
    expect(stdout).toContain('npm install @azure/identity@latest');
  } finally {
    await old.close();
  }
});

it('ends without a word where its reader has gone', async () => {
  const child = spawn(
    process.execPath,
    [
      join(project.folder, 'node_modules/mongodb-workload-identity/dist/doctor/cli.js'),
      ...['doctor', '--no-connect', '--token-file', tokens.path],
    ],
    { env: childEnvironment(), cwd: project.folder },
  );
  child.stdout.destroy();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  expect(await once(child, 'close')).toEqual([1, null]);
  expect(stderr).toBe('');
});

it('writes its JSON document, and no stack, where the driver cannot be loaded', async () => {
  const server = await startMongoServer({ identityProviders: [] });
  const broken = await Project.create({});
  try {
    const folder = join(broken.folder, 'node_modules', 'mongodb');
    await mkdir(folder);
    await writeFile(join(folder, 'package.json'), '{ "name": "mongodb", "version": "7.0.0" }');
    await writeFile(join(folder, 'index.js'), 'throw new Error("half installed")');
    const args = [server.uri, '--json', '--token-file', tokens.path, '--audience', 'mongodb'];
    const { code, stdout, stderr } = await broken.doctor(args, {});
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    const { ok, steps } = JSON.parse(stdout);
    expect(ok).toBe(false);
    expect(steps.at(-1).checks.at(-1)).toMatchObject({ code: 'UNEXPECTED', summary: 'half installed' });
  } finally {
    await Promise.all([broken.close(), server.close()]);
  }
});

describe('within its timeout it gives up', () => {
  it('a server that says nothing to a token', async () => {
    const server = await startMongoServer({ identityProviders: [] });
    try {
      server.failNext('saslStart', { delayMS: 3_600_000 });
      const { code, stdout } = await doctor(
        ...[server.uri, '--timeout', '1', '--token-file', tokens.path, '--audience', 'mongodb'],
      );
      expect(code).toBe(1);
      expect(stdout).toContain('AUTHENTICATION_NOT_REACHED');
    } finally {
      await server.close();
    }
  });

  it('a DNS server that says nothing', async () => {
    const silent = createSocket('udp4');
    await once(silent.bind(0, '127.0.0.1'), 'listening');
    try {
      const args = [
        'mongodb+srv://cluster0.abcde.mongodb.net/',
        '--timeout',
        '1',
        '--token-file',
        tokens.path,
      ];
      const dnsServer = `127.0.0.1:${silent.address().port}`;
      const { code, stdout } = await project.doctor(
        [...args, '--audience', 'mongodb'],
        placeEnv({ dnsServer }),
      );
      expect(code).toBe(1);
      expect(stdout).toContain('(no answer in 1 s)');
    } finally {
      silent.close();
    }
  });
});
