// An Azure VM and a server that trusts it, and an example that runs there until it is stopped.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { type AzureEmulator, defaultIdentities, startAzureImds } from '../../emulators/azure.js';
import { childEnvironment } from '../../emulators/child.js';
import { startMongoServer } from '../../emulators/mongodb/index.js';
import { issuedTokens } from '../../secrets/issued-tokens.js';
import { Needles } from '../../secrets/needles.js';

export const audience = 'api://mongodb';
/** Which identity the connection string asks for. */
export const username = defaultIdentities[1]?.clientId ?? '';
/** What the server calls it. */
export const user = `azure/${defaultIdentities[1]?.objectId}`;
/** Longer than anything here takes. */
export const WAIT = { timeout: 45_000, interval: 50 };

export interface Example {
  readonly stdout: string;
  readonly stderr: string;
  /** What it has printed as JSON, one value a line. */
  readonly json: readonly Record<string, unknown>[];
  /** Asks it to end, as a platform does, and finds no token in anything that it has printed. */
  stop(): Promise<void>;
}

export interface Stage {
  readonly imds: AzureEmulator;
  /** Starts a file of `examples/` as it stands. */
  start(name: string, options?: { imports?: readonly URL[]; env?: Record<string, string> }): Example;
}

export async function setStage(options: { lifeSeconds?: number; latencyMS?: number } = {}): Promise<Stage> {
  const imds = await startAzureImds(options);
  onTestFinished(() => imds.close());
  const { issuer, jwksUri } = imds;
  const server = await startMongoServer({
    identityProviders: [{ issuer, jwksUri, audience, authNamePrefix: 'azure', useAuthorizationClaim: false }],
  });
  onTestFinished(() => server.close());
  return {
    imds,
    start: (name, { imports = [], env = {} } = {}) =>
      startExample(name, imports, {
        ...imds.env,
        MONGODB_OIDC_ENVIRONMENT: 'azure',
        MONGODB_URI: server.uri.replace('//', `//${username}@`),
        MONGODB_AUDIENCE: audience,
        ...env,
      }),
  };
}

function startExample(name: string, imports: readonly URL[], env: Record<string, string>): Example {
  const path = fileURLToPath(new URL(`../../../examples/${name}`, import.meta.url));
  const flags = ['tsx', ...imports.map(String)].map((specifier) => `--import=${specifier}`);
  const child = spawn(process.execPath, [...flags, path], {
    env: childEnvironment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const closed = once(child, 'close');
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    stderr += chunk;
  });
  return {
    get stdout() {
      return stdout;
    },
    get stderr() {
      return stderr;
    },
    get json() {
      // What follows the last line break may be half a line.
      const lines = stdout.split('\n').slice(0, -1);
      return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
    },
    async stop() {
      child.kill('SIGTERM');
      const [code] = await closed;
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const needles = new Needles();
      for (const token of issuedTokens) needles.addToken('a token', token);
      expect(issuedTokens.size).toBeGreaterThan(0);
      expect(needles.find(stdout)).toEqual([]);
    },
  };
}
