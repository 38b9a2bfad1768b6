// Runs one way end to end: starts its source and a MongoDB server that trusts it, and a program in a process
// of its own, because the SDKs keep process-wide state.

import { fileURLToPath } from 'node:url';
import { type Launch, run } from '../emulators/child.js';
import { type MongoServer, startMongoServer } from '../emulators/mongodb/index.js';
import type { Source } from './sources.js';
import { identityParameters, type Way } from './ways.js';

/** What the program saw. */
export interface ProgramReport {
  /** The class of its callback. */
  readonly callback: string;
  /** Who the server says that the program is (`connectionStatus`). */
  readonly users: readonly string[];
  /** What it found after it had inserted it. */
  readonly found: { readonly _id: string; readonly articles: number } | null;
  /** How many operations it did from then on, all of which succeeded. */
  readonly operations: number;
  /** How often an operation was told to reauthenticate first (391). */
  readonly reauthenticationsRequired: number;
}

/** What came of it, at the program, at the server and at the source. */
export interface WayOutcome {
  /** Undefined where the program failed. */
  readonly report: ProgramReport | undefined;
  /** Why the program failed: what it wrote to standard error. */
  readonly failure: string | undefined;
  /** What the program wrote to standard error while it succeeded, such as a process warning. */
  readonly warnings: string;
  readonly server: Pick<MongoServer, 'connections' | 'stats' | 'claims' | 'authFailures'>;
  readonly source: Source;
}

/** Longer than a callback keeps trying, so that the program can say what it failed of. */
const TIMEOUT_MS = 45_000;
/** The program that is configured in each of the ways. */
export const program = fileURLToPath(new URL('client.mjs', import.meta.url));
const ownClient: Launch = { command: process.execPath, args: [program] };

export interface RunWayOptions {
  /** Life of each token. */
  readonly lifeSeconds: number;
  /** Called before the program starts, for whoever wants to watch what arrives at the server. */
  readonly onServer?: (server: MongoServer) => void;
  /** How to start a copy of the program elsewhere. Default: here, with this Node.js. */
  readonly client?: Launch;
}

export async function runWay(way: Way, options: RunWayOptions): Promise<WayOutcome> {
  const source = await way.start(way.audience, options.lifeSeconds);
  try {
    const server = await startMongoServer({ identityProviders: [source.provider] });
    options.onServer?.(server);
    try {
      const parameters = {
        id: way.id,
        lifeSeconds: options.lifeSeconds,
        uri: connectionString(way, server),
        audience: way.audience,
        ...identityParameters,
        ...source.parameters,
      };
      const env = { ...source.env, WAY: JSON.stringify(parameters) };
      const { command, args, cwd } = options.client ?? ownClient;
      const { code, stdout, stderr } = await run(command, args, { env, cwd, timeoutMS: TIMEOUT_MS });
      const succeeded = code === 0;
      return {
        report: succeeded ? readReport(stdout) : undefined,
        failure: succeeded ? undefined : stderr || `the program ended with ${code}`,
        warnings: succeeded ? stderr : '',
        server,
        source,
      };
    } finally {
      await server.close();
    }
  } finally {
    await source.close();
  }
}

export function connectionString({ configured }: Way, server: MongoServer): string {
  if (!configured.startsWith('mongodb://')) return server.uri;
  return configured.replace('<client-id>', identityParameters.clientId).replace('host', server.address);
}

function readReport(stdout: string): ProgramReport {
  const lines = stdout.trim().split('\n');
  return Object.assign({}, ...lines.map((line) => JSON.parse(line))) as ProgramReport;
}
