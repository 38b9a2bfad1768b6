// The packed tarball, and projects of other people that install it from the npm registry.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { run } from '../emulators/child.js';

export interface Tarball {
  /** Where it was packed. */
  readonly folder: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly files: readonly string[];
}

export interface Manifest {
  readonly version: string;
  readonly engines?: { readonly node?: string };
}

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** An empty temporary folder, by its real path: that is how Node.js names the modules in it. */
export async function makeFolder(): Promise<string> {
  return realpath(await mkdtemp(join(tmpdir(), 'package-')));
}

/** Builds and packs a copy of the repository, so that nothing left over in `dist` is packed and nobody misses it. */
export async function pack(destination: string): Promise<Tarball> {
  const copy = join(destination, 'repository');
  await cp(repository, copy, {
    recursive: true,
    filter: (path) => !['node_modules', 'dist', '.git'].includes(relative(repository, path)),
  });
  await symlink(join(repository, 'node_modules'), join(copy, 'node_modules'));
  await npm(copy, 'run', 'prepack');
  const output = await npm(copy, 'pack', '--ignore-scripts', '--json', '--pack-destination', destination);
  const [packed] = JSON.parse(output) as [{ filename: string; size: number; files: { path: string }[] }];
  return {
    folder: copy,
    path: join(destination, packed.filename),
    sizeBytes: packed.size,
    files: packed.files.map(({ path }) => path),
  };
}

/** A project that installs nothing but `packages`. */
export class Project {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** @param flags - further ones of `npm install` */
  static async create(
    folder: string,
    packages: readonly string[],
    flags: readonly string[] = [],
  ): Promise<Project> {
    const project = new Project(folder);
    await project.write('package.json', JSON.stringify({ private: true }));
    await npm(folder, 'install', '--prefer-offline', '--no-audit', '--no-fund', ...flags, ...packages);
    return project;
  }

  /** The same with pnpm, whose layout lets nobody load what it does not depend on. */
  static async createWithPnpm(folder: string, packages: readonly string[]): Promise<Project> {
    const installer = await Project.create(`${folder}-installer`, ['pnpm@10']);
    const project = new Project(folder);
    await project.write('package.json', JSON.stringify({ private: true }));
    const pnpm = installer.path('node_modules', 'pnpm', 'bin', 'pnpm.cjs');
    // By default it hides a folder with everything beside the packages, where each of them would look too.
    const flags = ['--prefer-offline', '--ignore-scripts', '--config.hoist=false'];
    await node([pnpm, '--dir', folder, 'add', ...flags, ...packages]);
    return project;
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  async write(name: string, text: string): Promise<void> {
    await mkdir(dirname(this.path(name)), { recursive: true });
    await writeFile(this.path(name), text);
  }

  /** What an installed package says of itself. */
  manifest(name: string): Manifest {
    return readManifest(this.path('node_modules', name));
  }

  /** Runs one of its files with Node.js; returns what that printed. */
  node(file: string, env: Record<string, string> = {}): Promise<string> {
    return node([this.path(file)], env);
  }
}

/** Runs a program with Node.js; returns what that printed. */
export async function node(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await run(process.execPath, args, { env, timeoutMS: 100_000 });
  if (code !== 0) throw new Error(`${args.join(' ')} exited with ${code}:\n${stdout}\n${stderr}`);
  return stdout;
}

/** The version that this repository develops with: an installation finds it in npm's cache. */
export function pinned(name: string): string {
  return `${name}@${readManifest(join(repository, 'node_modules', name)).version}`;
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** Runs npm in a folder; returns what that printed. */
export async function npm(folder: string, ...args: string[]): Promise<string> {
  // `npm run`, under which this may be running, hands its own project and log level down.
  const own = ['--prefix', folder, '--loglevel', 'error'];
  try {
    const options = { cwd: folder, maxBuffer: 10_000_000 };
    return (await promisify(execFile)('npm', [...args, ...own], options)).stdout;
  } catch (error) {
    const { message, stdout } = error as Error & { stdout: string };
    throw new Error(`${message}\n${stdout}`, { cause: error });
  }
}

export function remove(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true });
}
