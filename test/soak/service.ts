/** Runs `program.mjs` against one source, in a process of its own: the SDKs keep process-wide state. */
import { fileURLToPath } from 'node:url';
import { run } from '../emulators/child.js';
import type { Source } from './source.js';
import type { IssuedToken } from './source-log.js';

/** An operation that failed or took its time. Times are milliseconds since the epoch. */
export interface Operation {
  readonly driver: string;
  readonly from: number;
  readonly to: number;
  readonly durationMS: number;
  readonly failure?: { readonly code: unknown; readonly text: string };
}

export interface ServiceReport {
  readonly beginsAt: number;
  readonly endedAt: number;
  readonly counts: {
    readonly attempts: number;
    readonly renewed: number;
    readonly outages: number;
    readonly operations: number;
    readonly failures: number;
  };
  readonly operations: readonly Operation[];
  /** Tokens that the callback was given. */
  readonly tokens: readonly IssuedToken[];
  readonly failedAttempts: readonly { readonly at: number; readonly code: string }[];
  readonly hung: readonly { readonly driver: string; readonly from: number }[];
  readonly heapAtStart: number;
  readonly heapAtEnd: number;
  /** How long its event loop stood still: much of it is a machine that is too busy for a verdict. */
  readonly longestLagMS: number;
  /** What it wrote to standard error. */
  readonly warnings: string;
}

/** Longer than it takes to start, to end and to give up on an operation. */
const ALLOWANCE_MS = 180_000;
const LINES_OF_A_CRASH = 10;
const program = fileURLToPath(new URL('program.mjs', import.meta.url));

export async function runService(
  source: Source,
  options: {
    services: number;
    drivers: readonly string[];
    uri: string;
    timeoutMS: number;
    durationMS: number;
  },
): Promise<ServiceReport> {
  const { services, drivers, uri, timeoutMS, durationMS } = options;
  const task = {
    source: source.name,
    services,
    drivers,
    uri,
    durationMS,
    options: { ...source.parameters, audience: source.audience, timeoutMS },
  };
  const { code, stdout, stderr } = await run(process.execPath, ['--expose-gc', program], {
    env: { ...source.env, SOAK: JSON.stringify(task) },
    timeoutMS: durationMS + ALLOWANCE_MS,
  });
  if (code !== 0) {
    const tail = stdout.trim().split('\n').slice(-LINES_OF_A_CRASH).join('\n');
    throw new Error(`the service of ${source.name} ended with ${code}:\n${stderr}${tail}`);
  }
  return { ...read(stdout), warnings: stderr };
}

function read(stdout: string): Omit<ServiceReport, 'warnings'> {
  const lists: Record<string, unknown[]> = { operation: [], token: [], failedAttempt: [], hung: [] };
  const rest = {};
  for (const line of stdout.trim().split('\n')) {
    const entry = JSON.parse(line) as Record<string, unknown>;
    const [name = ''] = Object.keys(entry);
    if (lists[name]) lists[name].push(entry[name]);
    else Object.assign(rest, entry);
  }
  const { operation: operations, token: tokens, failedAttempt: failedAttempts, hung } = lists;
  return { ...rest, operations, tokens, failedAttempts, hung } as unknown as Omit<ServiceReport, 'warnings'>;
}
