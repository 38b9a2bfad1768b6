// The sources of tokens, each of which can fail one client and serve another: the audience tells them apart.

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startAppService, startAzureImds, startEntra } from '../emulators/azure.js';
import { startGcpIam, startGcpMetadata } from '../emulators/gcp.js';
import type { Fault, HttpEmulator, RecordedRequest } from '../emulators/http.js';
import { createTokenDirectory } from '../emulators/kubernetes.js';
import { impersonation } from '../ways/sources.js';

/** What is wrong with a token file. */
export type FileFault = 'missing' | 'empty' | 'cut' | 'FIFO' | 'directory' | 'other audience' | 'encrypted';

export interface FaultySource {
  readonly className: string;
  readonly env: Readonly<Record<string, string>>;
  readonly issuer: string;
  readonly jwksUri: string;
  /** Options of one client's callback, besides its audience. */
  optionsOf(audience: string): Promise<Readonly<Record<string, unknown>>>;
  /** `times` is undefined for a fault that lasts. */
  fail(audience: string, fault: Fault | FileFault, times: number | undefined): Promise<void>;
  /** Ends the fault; `unlessCounted` where the source can end it by itself after so many times. */
  pass(audience: string, unlessCounted: boolean): Promise<void>;
  /** How many requests for a token there were, and how many of them met the fault; undefined for a file. */
  counts(audience: string): { requests: number; faults: number } | undefined;
  /** Ends every connection. */
  close(): Promise<void>;
}

export type StartFaultySource = (audiences: readonly string[], lifeSeconds: number) => Promise<FaultySource>;

/** A service over HTTP. `audienceOf` is undefined for what is no request for one audience. */
async function httpSource<T extends HttpEmulator & { issuer: string; jwksUri: string }>(
  className: string,
  emulator: T,
  env: Readonly<Record<string, string>>,
  audienceOf: (request: RecordedRequest) => string | undefined,
  options: Readonly<Record<string, unknown>> = {},
): Promise<FaultySource> {
  const failing = new Map<string, { fault: Fault; times: number }>();
  const met = new Map<string, number>();
  emulator.setFault((request) => {
    const audience = audienceOf(request) ?? '';
    const one = failing.get(audience);
    if (!one || one.times === 0) return undefined;
    one.times -= 1;
    met.set(audience, (met.get(audience) ?? 0) + 1);
    return one.fault;
  });
  const { issuer, jwksUri } = emulator;
  return {
    className,
    env,
    issuer,
    jwksUri,
    optionsOf: async () => options,
    async fail(audience, fault, times = Number.POSITIVE_INFINITY) {
      failing.set(audience, { fault: fault as Fault, times });
    },
    async pass(audience, unlessCounted) {
      if (!unlessCounted) failing.delete(audience);
    },
    counts: (audience) => ({
      requests: emulator.requests.filter((request) => audienceOf(request) === audience).length,
      faults: met.get(audience) ?? 0,
    }),
    close: () => emulator.close(),
  };
}

const scopeOf = ({ body }: RecordedRequest) =>
  new URLSearchParams(body).get('scope')?.replace('/.default', '');

export const imds: StartFaultySource = async (_, lifeSeconds) => {
  const emulator = await startAzureImds({ lifeSeconds });
  return httpSource('AzureManagedIdentityCallback', emulator, emulator.env, ({ query }) => query.resource);
};

export const appService: StartFaultySource = async (_, lifeSeconds) => {
  const emulator = await startAppService({ lifeSeconds });
  return httpSource('AzureManagedIdentityCallback', emulator, emulator.env, ({ query }) => query.resource);
};

export const entra: StartFaultySource = async (_, lifeSeconds) => {
  const emulator = await startEntra({ lifeSeconds });
  return httpSource('AzureWorkloadIdentityCallback', emulator, emulator.env, scopeOf);
};

export const gcpMetadata: StartFaultySource = async (_, lifeSeconds) => {
  const emulator = await startGcpMetadata({ lifeSeconds });
  return httpSource('GcpMetadataCallback', emulator, emulator.env, ({ query }) => query.audience);
};

/** A person's credentials that impersonate a service account. */
export const gcpIam: StartFaultySource = async (_, lifeSeconds) => {
  const emulator = await startGcpIam({ lifeSeconds, serviceAccounts: [...impersonation] });
  const env = { ...emulator.env, GOOGLE_APPLICATION_CREDENTIALS: emulator.userFile };
  const audienceOf = ({ path, body }: RecordedRequest) =>
    path.endsWith(':generateIdToken') ? (JSON.parse(body) as { audience: string }).audience : undefined;
  return httpSource('GcpCallback', emulator, env, audienceOf, { targetPrincipal: impersonation[1].email });
};

/** One file for each audience. The kubelet writes the next token after 40 % of a life, because lives are short here. */
export const tokenFile: StartFaultySource = async (audiences, lifeSeconds) => {
  const tokens = await createTokenDirectory({
    issuer: 'https://oidc.example.com/cluster-1',
    audience: [...audiences],
    lifeSeconds,
  });
  const others = await createTokenDirectory({ issuer: tokens.issuer });
  const directory = await mkdtemp(join(tmpdir(), 'faults-'));
  const pathOf = (audience: string) => join(directory, audience);
  const kubelets = new Map<string, NodeJS.Timeout>();
  const writes = new Map<string, Promise<unknown>>();

  /** One write of a file after the other. */
  const inTurn = (audience: string, write: () => Promise<unknown>) => {
    const turn = (writes.get(audience) ?? Promise.resolve()).then(write);
    writes.set(audience, turn);
    return turn;
  };
  const put = async (audience: string, make: (path: string) => Promise<unknown>) => {
    const path = pathOf(audience);
    await make(`${path}.new`);
    await rename(`${path}.new`, path);
  };
  const rotate = async (audience: string) => {
    const token = await tokens.issue();
    await put(audience, (path) => writeFile(path, token));
  };
  const makers: Record<Exclude<FileFault, 'missing'>, (path: string) => Promise<unknown>> = {
    empty: (path) => writeFile(path, ''),
    cut: async (path) => {
      const token = await tokens.issue();
      await writeFile(path, token.slice(0, token.lastIndexOf('.') - 5));
    },
    FIFO: (path) => promisify(execFile)('mkfifo', [path]),
    directory: (path) => mkdir(path),
    'other audience': async (path) => writeFile(path, await others.issue()),
    encrypted: async (path) => writeFile(path, `${await tokens.issue()}.e30.e30`),
  };
  const stop = (audience: string) => clearInterval(kubelets.get(audience));
  const serve = async (audience: string) => {
    stop(audience);
    const again = () => inTurn(audience, () => rotate(audience));
    await again();
    kubelets.set(
      audience,
      setInterval(() => void again(), 0.4 * lifeSeconds * 1000),
    );
  };

  return {
    className: 'KubernetesCallback',
    env: {},
    issuer: tokens.issuer,
    jwksUri: tokens.jwksUri,
    async optionsOf(audience) {
      await serve(audience);
      return { tokenFile: pathOf(audience) };
    },
    async fail(audience, fault) {
      stop(audience);
      await inTurn(audience, async () => {
        await rm(pathOf(audience));
        if (fault !== 'missing') await put(audience, makers[fault as keyof typeof makers]);
      });
    },
    pass: (audience) => serve(audience),
    counts: () => undefined,
    async close() {
      for (const audience of kubelets.keys()) stop(audience);
      await Promise.all(writes.values());
      await Promise.all([tokens.close(), others.close(), rm(directory, { recursive: true, force: true })]);
    },
  };
};
