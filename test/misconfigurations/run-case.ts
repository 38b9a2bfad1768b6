// Runs doctor on one mistake, as a person and as a program would.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { WriteStream } from 'node:tty';
import type { Advice } from '../../src/doctor/advice.js';
import type { Step } from '../../src/doctor/report.js';
import { Terminal } from '../../src/doctor/terminal.js';
import type { RunResult } from '../emulators/child.js';
import { startMongoServer } from '../emulators/mongodb/index.js';
import { placeEnv } from '../emulators/place.js';
import { secretsIn } from './canary.js';
import type { Closable, Misconfiguration, SetUp, Stage } from './misconfiguration.js';
import { everything, Project } from './project.js';

export interface Finding {
  readonly code: string;
  readonly summary: string;
  readonly fix: string;
}

/** A check, as `--json` has it. */
export interface Check extends Finding {
  readonly name: string;
  readonly status: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly causes?: readonly Finding[];
  readonly durationMS: number;
}

export interface Diagnosis {
  readonly exitCode: number | null;
  /** Of `--json`. */
  readonly checks: readonly Check[];
  /** For a refusal: what a person is shown without `--server-config`. */
  readonly unaided: string | undefined;
  /** Everything that was printed, on both streams, and what a person is shown. */
  readonly output: string;
  /** What is found in it of any token or other secret. */
  readonly leaks: readonly string[];
  /** The same text on every run. */
  normalize(text: string): string;
}

export const audience = 'api://mongodb';

/** @param projects - of all cases, by what is installed */
export function diagnose(misconfiguration: Misconfiguration, projects: Projects): Promise<Diagnosis> {
  return onStage(misconfiguration, false, (set, stage, replacements) =>
    run(set, stage, projects, replacements),
  );
}

/** What a person is shown where the mistake was not made. */
export function showRepaired(
  misconfiguration: Misconfiguration,
  projects: Projects,
): Promise<RunResult & { readonly leaks: readonly string[] }> {
  return onStage(misconfiguration, true, async ({ args, env = {}, packages, serverConfig }, stage) => {
    const project = await projects.with(packages ?? everything);
    const aided = await withConfig(args, serverConfig, stage);
    const shown = await project.doctor(aided, env);
    return { ...shown, leaks: await secretsIn(shown.stdout + shown.stderr, { args: aided, env }) };
  });
}

async function withConfig(
  args: readonly string[],
  serverConfig: SetUp['serverConfig'],
  stage: Stage,
): Promise<readonly string[]> {
  if (!serverConfig) return args;
  return [...args, '--server-config', await stage.file('providers.json', JSON.stringify(serverConfig))];
}

async function onStage<T>(
  { setUp }: Misconfiguration,
  isRepaired: boolean,
  use: (set: SetUp, stage: Stage, replacements: ReadonlyMap<string, string>) => Promise<T>,
): Promise<T> {
  const open: Closable[] = [];
  const folder = await mkdtemp(join(tmpdir(), 'misconfiguration-'));
  const replacements = new Map([[folder, '/etc/app']]);
  const stage: Stage = {
    isRepaired,
    keep(emulator) {
      open.push(emulator);
      return emulator;
    },
    async server({ issuer, jwksUri }, { provider, ...options } = {}) {
      const identityProviders = [
        { issuer, jwksUri, audience, authNamePrefix: 'test', useAuthorizationClaim: false, ...provider },
      ];
      const server = stage.keep(await startMongoServer({ identityProviders, ...options }));
      replacements.set(`:${server.port}`, ':27017');
      return server;
    },
    async file(name, text, mode = 0o644) {
      const path = join(folder, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text, { mode });
      return path;
    },
    async place({ files = {}, ...names }) {
      for (const [path, text] of Object.entries(files)) await stage.file(join('root', path), text);
      return placeEnv({ root: join(folder, 'root'), ...names });
    },
  };
  try {
    const set = await setUp(stage);
    // What a case names is longer than what holds for all.
    return await use(set, stage, new Map([...Object.entries(set.replace ?? {}), ...replacements]));
  } finally {
    await Promise.all(open.map((each) => each.close()));
    await rm(folder, { recursive: true, force: true });
  }
}

async function run(
  { args, env = {}, packages = everything, serverConfig }: SetUp,
  stage: Stage,
  projects: Projects,
  replacements: ReadonlyMap<string, string>,
): Promise<Diagnosis> {
  const project = await projects.with(packages);
  const aided = await withConfig(args, serverConfig, stage);
  const [json, unaided] = await Promise.all([
    project.doctor([...aided, '--json'], env),
    serverConfig && project.doctor(args, env),
  ]);
  const document = documentIn(json);
  const printed = [json, unaided].flatMap((each) => (each ? [each.stdout, each.stderr] : []));
  const output = [...printed, rendered(document)].join('\n');
  return {
    exitCode: json.code,
    checks: document.steps.flatMap(({ checks }) => checks),
    unaided: unaided?.stdout,
    output,
    leaks: await secretsIn(output, { args: aided, env }),
    normalize: (said) => {
      let normal = said.replaceAll(project.folder, '/app');
      for (const [from, to] of replacements) normal = normal.replaceAll(from, to);
      return normal;
    },
  };
}

/** What `--json` prints. */
interface Document {
  readonly steps: readonly { readonly step: Step; readonly checks: readonly Check[] }[];
  readonly advice?: Advice;
}

function documentIn({ stdout, stderr }: RunResult): Document {
  try {
    return JSON.parse(stdout) as Document;
  } catch {
    throw new Error(`doctor printed no JSON:\n${stdout}\n${stderr}`);
  }
}

/** What a person is shown of the same. */
function rendered({ steps, advice }: Document): string {
  let text = '';
  const terminal = new Terminal({ write: (more: string) => (text += more) } as unknown as WriteStream);
  for (const { step, checks } of steps) for (const check of checks) terminal.end({ step, ...check });
  if (advice) terminal.advise(advice);
  return text;
}

/** One folder for each set of packages. */
export class Projects {
  readonly #made = new Map<string, Promise<Project>>();

  with(packages: Readonly<Record<string, string>>): Promise<Project> {
    const key = JSON.stringify(packages);
    const made = this.#made.get(key) ?? Project.create(packages);
    this.#made.set(key, made);
    return made;
  }

  async close(): Promise<void> {
    for (const project of this.#made.values()) await (await project).close();
  }
}
