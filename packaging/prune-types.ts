// Part of `npm pack`: of the declarations in dist/ it leaves those that the entries' types lead to.

import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const isDeclaration = (name: string) => /\.d\.m?ts$/.test(name);
const entries = ['index', 'azure', 'gcp', 'kubernetes'].flatMap((name) => [
  join(dist, `${name}.d.ts`),
  join(dist, `${name}.d.mts`),
]);

const program = ts.createProgram(entries, { module: ts.ModuleKind.NodeNext, skipLibCheck: true });
const reached = new Set(program.getSourceFiles().map(({ fileName }) => fileName));
for (const entry of entries) {
  if (!program.getSourceFile(entry)) throw new Error(`${entry} is missing`);
}
// The command exports nothing.
for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter(isDeclaration)) {
  const path = join(dist, name);
  if (!reached.has(path)) rmSync(path);
}
