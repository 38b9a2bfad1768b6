// Finds out which driver and SDKs are installed, and in what versions.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** A package that is installed. */
export interface Installed {
  readonly version: string;
  /** Loads it. */
  readonly load: () => unknown;
  /** The package that brings it, where the program does not depend on it itself. */
  readonly through?: string;
}

/** The program's own is what counts; what is found from here alone is what this package would load. */
const fromProgram = () => join(process.cwd(), 'package.json');
const fromHere = () => __filename;

/** The driver: the program's, that of its mongoose, or the one beside this package. */
export function findDriver(): Installed | undefined {
  return (
    find('mongodb', fromProgram()) ??
    findThrough('mongoose', fromProgram()) ??
    find('mongodb', fromHere()) ??
    findThrough('mongoose', fromHere())
  );
}

/** An SDK, as this package loads it. */
export function findSDK(name: string): Installed | undefined {
  return find(name, fromHere());
}

function findThrough(name: string, from: string): Installed | undefined {
  const found = resolve(name, from);
  const driver = found === undefined ? undefined : find('mongodb', found);
  return driver && { ...driver, through: name };
}

function find(name: string, from: string): Installed | undefined {
  const path = resolve(name, from);
  const version = path && versionAt(name, path);
  return version ? { version, load: () => createRequire(from)(name) } : undefined;
}

function resolve(name: string, from: string): string | undefined {
  try {
    return createRequire(from).resolve(name);
  } catch {
    return undefined;
  }
}

/** Not every package exports its `package.json`, so it is looked for above the file that is loaded. */
function versionAt(name: string, path: string): string | undefined {
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      if (manifest.name === name) return manifest.version;
    } catch {
      // a folder inside the package
    }
  }
  return undefined;
}

/** Whether a version is that or later. */
export function isAtLeast(version: string, major: number, minor: number): boolean {
  const [ours = 0, ourMinor = 0] = version.split('.').map(Number);
  return ours > major || (ours === major && ourMinor >= minor);
}
