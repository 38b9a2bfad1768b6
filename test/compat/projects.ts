// A project of someone else's for each combination of driver and SDKs: it has the packed package, the others from
// the npm registry, and the programs of the scenarios. All runtimes share it.

import { copyFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Project, type Tarball } from '../package/npm.js';
import { program as client } from '../ways/run-way.js';
import { type Cell, sdkNames } from './cells.js';

/** None of these packages needs its scripts. */
export const installFlags = ['--ignore-scripts'] as const;

const programs = [
  client,
  ...['../life/http-callback.mjs', 'lines.mjs', 'operations.mjs', 'readings.mjs'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  ),
];

/** The same for cells that can share a project. */
export function projectName({ driver, sdks }: Cell): string {
  return ['mongodb', driver, ...sdkNames.map((name) => sdks[name])].join('-');
}

export async function installProject(folder: string, tarball: Tarball, cell: Cell): Promise<Project> {
  const packages = [
    tarball.path,
    `mongodb@${cell.driver}`,
    ...sdkNames.map((name) => `${name}@${cell.sdks[name]}`),
  ];
  const project = await Project.create(folder, packages, installFlags);
  await Promise.all(programs.map((path) => copyFile(path, project.path(basename(path)))));
  return project;
}
