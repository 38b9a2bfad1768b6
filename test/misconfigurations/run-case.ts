// Runs doctor on one mistake, as a person and as a program would.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
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
}

export interface Diagnosis {
  readonly exitCode: number | null;
  /** Of `--json`. */
  readonly checks: readonly Check[];
  /** For a refusal: of a run without `--server-config`. */
  readonly unaided: readonly Check[] | undefined;
  /** Everything that was printed, on both streams, in both forms. */
  readonly output: string;
  /** What is found in it of any token or other secret. */
  readonly leaks: readonly string[];
  /** The same text on every run. */
  normalize(text: string): string;
}

export const audience = 'api://mongodb';

/** @param projects - of all cases, by what is installed */
export async function diagnose(
  { setUp }: Misconfiguration,
  projects: Projects,
  isRepaired = false,
): Promise<Diagnosis> {
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
    return await run(set, stage, projects, new Map([...Object.entries(set.replace ?? {}), ...replacements]));
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
  const config = serverConfig && (await stage.file('providers.json', JSON.stringify(serverConfig)));
  const aided = config ? [...args, '--server-config', config] : args;
  const forms = [
    [...aided, '--json'],
    // The twin is only to be well.
    ...(stage.isRepaired ? [] : [aided]),
    ...(stage.isRepaired || !config ? [] : [[...args, '--json']]),
  ];
  const printed = await Promise.all(forms.map((each) => project.doctor(each, env)));
  const [json, , unaided] = printed as [RunResult, RunResult?, RunResult?];
  const output = printed.flatMap(({ stdout, stderr }) => [stdout, stderr]).join('\n');
  return {
    exitCode: json.code,
    checks: checksOf(json.stdout || json.stderr),
    unaided: unaided && checksOf(unaided.stdout),
    output,
    leaks: await secretsIn(output, { args: aided, env }),
    normalize: (said) => {
      let normal = said.replaceAll(project.folder, '/app');
      for (const [from, to] of replacements) normal = normal.replaceAll(from, to);
      return normal;
    },
  };
}

function checksOf(text: string): Check[] {
  try {
    const { steps } = JSON.parse(text) as { steps: { checks: Check[] }[] };
    return steps.flatMap(({ checks }) => checks);
  } catch {
    throw new Error(`doctor printed no JSON:\n${text}`);
  }
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
