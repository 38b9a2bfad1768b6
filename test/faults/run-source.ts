// Runs every case of one source in one program: the SDKs keep process-wide state, and most cases only wait.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type RunResult, run } from '../emulators/child.js';
import type { Fault } from '../emulators/http.js';
import { startMongoServer } from '../emulators/mongodb/index.js';
import type { FaultySource, FileFault, StartFaultySource } from './sources.js';

export const drivers = ['mongodb-6.17', 'mongodb-6.22', 'mongodb-7.0', 'mongodb-7.6', 'mongodb'] as const;

/** What happens in a case: `program.mjs` has one function for each. */
export type Course =
  | 'first passing'
  | 'refresh passing'
  | 'refresh valid'
  | 'first lasting'
  | 'refresh lasting'
  | 'first final';

export interface Case {
  readonly course: Course;
  readonly driver: (typeof drivers)[number];
  /** Undefined where the request itself is what fails. */
  readonly fault: Fault | FileFault | undefined;
  /** How often; undefined: until it is told to end. */
  readonly times?: number | undefined;
  /** Options of the callback besides those of the source. */
  readonly options?: Readonly<Record<string, unknown>> | undefined;
  readonly timeoutMS?: number | undefined;
}

/** What came of a case. */
export interface Outcome {
  /** What operations failed with that had to succeed: codes, or what is not ours. */
  readonly failures: readonly string[];
  /** Each attempt at the source, by the events: `token` or a code. */
  readonly attempts: readonly string[];
  readonly outages: readonly { code: string; remainingMS: number }[];
  /** What the operations of the pool failed with, and how many with each. */
  readonly failed?: Readonly<Record<string, number>>;
  /** How many of them before their token had expired. */
  readonly early?: number;
  readonly slowestMS?: number;
  /** From the source's return to the first operation that succeeded, and what those before it failed with. */
  readonly recoveredAfterMS?: number;
  readonly trials?: readonly string[];
  /** At the source; undefined for a file. */
  readonly requests: number | undefined;
  readonly faults: number | undefined;
}

export interface SourceRun {
  outcome(one: Case): Promise<Outcome>;
  /** How the program ended, after every connection to the source was cut. */
  readonly end: Promise<RunResult>;
  /** When no case is left. */
  readonly done: Promise<unknown>;
}

const program = fileURLToPath(new URL('program.mjs', import.meta.url));
const RUN_TIMEOUT_MS = 240_000;
const commonAudience = 'mongodb';

export function runSource(
  start: StartFaultySource,
  cases: readonly Case[],
  options: { lifeSeconds: number; after: Promise<unknown> },
): SourceRun {
  const waiting = new Map(cases.map((one) => [one, deferred<Outcome>()]));
  const done = deferred<void>();
  const end = options.after.then(() => runProgram(start, options.lifeSeconds, waiting, done.resolve));
  end.then(
    ({ stderr, code }) => {
      const error = new Error(`the program ended with ${code}: ${stderr}`);
      for (const { reject } of [...waiting.values(), done]) reject(error);
    },
    (error) => {
      for (const { reject } of [...waiting.values(), done]) reject(error);
    },
  );
  return {
    outcome: (one) => waiting.get(one)?.promise as Promise<Outcome>,
    end,
    done: done.promise,
  };
}

async function runProgram(
  start: StartFaultySource,
  lifeSeconds: number,
  waiting: ReadonlyMap<Case, Deferred<Outcome>>,
  onDone: () => void,
): Promise<RunResult> {
  const cases = [...waiting.keys()];
  const audienceOf = (id: number) => `${commonAudience}-${id}`;
  const audiences = cases.map((_, id) => audienceOf(id));
  const source = await start([...audiences, commonAudience], lifeSeconds);
  const { issuer, jwksUri, className } = source;
  const server = await startMongoServer({
    identityProviders: audiences.map((audience) => ({
      issuer,
      jwksUri,
      audience,
      authNamePrefix: 'source',
      useAuthorizationClaim: false,
    })),
  });
  const control = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { id, ...rest } = JSON.parse(Buffer.concat(chunks).toString());
    const { fault, times } = cases[id] ?? {};
    if (request.url === '/fault' && fault) await source.fail(audienceOf(id), fault, times);
    if (request.url === '/pass') await source.pass(audienceOf(id), rest.unlessCounted === true);
    if (request.url === '/result') settle(waiting, cases[id] as Case, rest, source, audienceOf(id));
    if (request.url === '/done') {
      onDone();
      await source.close();
    }
    response.end();
  });
  control.keepAliveTimeout = RUN_TIMEOUT_MS;
  await new Promise<void>((resolve) => control.listen(0, '127.0.0.1', resolve));
  try {
    const parameters = {
      control: `http://127.0.0.1:${(control.address() as AddressInfo).port}`,
      uri: server.uri,
      className,
      lifeSeconds,
      drivers,
      cases: await Promise.all(
        cases.map(async ({ course, driver, times, timeoutMS, options }, id) => ({
          id,
          course,
          driver,
          times,
          timeoutMS,
          audience: audienceOf(id),
          options: { ...(await source.optionsOf(audienceOf(id))), ...options },
        })),
      ),
    };
    const env = { ...source.env, FAULTS: JSON.stringify(parameters) };
    return await run(process.execPath, [program], { env, timeoutMS: RUN_TIMEOUT_MS });
  } finally {
    control.close();
    await Promise.allSettled([server.close(), source.close()]);
  }
}

function settle(
  waiting: ReadonlyMap<Case, Deferred<Outcome>>,
  one: Case,
  report: Omit<Outcome, 'requests' | 'faults'>,
  source: FaultySource,
  audience: string,
): void {
  const counts = source.counts(audience);
  waiting.get(one)?.resolve({ ...report, requests: counts?.requests, faults: counts?.faults });
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((settle, fail) => {
    resolve = settle;
    reject = fail;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}
