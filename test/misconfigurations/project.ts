// A folder with what a user has: this package, and the driver and SDKs that a case names.
import { cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type RunResult, run } from '../emulators/child.js';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const name = 'mongodb-workload-identity';

/** What is installed where a case does not say otherwise: by name, the folder in this repository's node_modules. */
export const everything: Readonly<Record<string, string>> = {
  mongodb: 'mongodb',
  '@azure/identity': '@azure/identity',
  'google-auth-library': 'google-auth-library',
};

const PATIENCE_SECONDS = '45';

export class Project {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(packages = everything): Promise<Project> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'doctor-')));
    const own = join(folder, 'node_modules', name);
    await mkdir(own, { recursive: true });
    await writeFile(join(folder, 'package.json'), '{ "private": true }');
    // A link would lead back to this repository, where everything is installed.
    await cp(join(repository, 'dist'), join(own, 'dist'), { recursive: true });
    await cp(join(repository, 'package.json'), join(own, 'package.json'));
    for (const [as, installed] of Object.entries(packages)) {
      const link = join(folder, 'node_modules', as);
      await mkdir(dirname(link), { recursive: true });
      await symlink(join(repository, 'node_modules', installed), link);
    }
    return new Project(folder);
  }

  /** Runs the command as `npx` does. */
  doctor(args: readonly string[], env: Readonly<Record<string, string>>): Promise<RunResult> {
    const command = join(this.folder, 'node_modules', name, 'dist', 'doctor', 'cli.js');
    // On a machine on which much else runs; the last one counts, so a case can have less.
    return run(process.execPath, [command, 'doctor', '--timeout', PATIENCE_SECONDS, ...args], {
      env: { ...env },
      cwd: this.folder,
      timeoutMS: 120_000,
    });
  }

  close(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}
