// Packs once for all test files here.

import type { TestProject } from 'vitest/node';
import { makeFolder, pack, remove, type Tarball } from './npm.js';

declare module 'vitest' {
  interface ProvidedContext {
    tarball: Tarball;
  }
}

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const folder = await makeFolder();
  project.provide('tarball', await pack(folder));
  return () => remove(folder);
}
