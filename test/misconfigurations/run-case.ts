// Runs doctor on one mistake, as a person and as a program would.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startMongoServer } from '../emulators/mongodb/index.js';
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
  /** The same text on every run. */
  normalize(text: string): string;
}

export const audience = 'api://mongodb';

/** @param projects - of all cases, by what is installed */
export async function diagnose({ setUp }: Misconfiguration, projects: Projects): Promise<Diagnosis> {
  const open: Closable[] = [];
  const folder = await mkdtemp(join(tmpdir(), 'misconfiguration-'));
  const replacements = new Map([[folder, '/etc/app']]);
  const stage: Stage = {
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
    async file(name, text) {
      const path = join(folder, name);
      await writeFile(path, text);
      return path;
    },
  };
  try {
    const set = await setUp(stage);
    for (const [from, to] of Object.entries(set.replace ?? {})) replacements.set(from, to);
    return await run(set, stage, projects, replacements);
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
  const [json, text] = await Promise.all([
    project.doctor([...aided, '--json'], env),
    project.doctor(config ? [...args, '--json'] : args, env),
  ]);
  const output = [json, text].flatMap(({ stdout, stderr }) => [stdout, stderr]).join('\n');
  return {
    exitCode: json.code,
    checks: checksOf(json.stdout || json.stderr),
    unaided: config ? checksOf(text.stdout) : undefined,
    output,
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
