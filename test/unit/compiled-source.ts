// The source as JavaScript, for tests that need a Node.js process with flags of its own and no loader in it.

import { execFile } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';

const SOURCE = join(import.meta.dirname, '../../src');

export interface CompiledSource {
  readonly folder: string;
  /** Runs a CommonJS script in which `load('name')` is a module of `src`; what it prints, as JSON. */
  run(script: string, flags?: readonly string[]): Promise<unknown>;
  remove(): void;
}

export function compileSource(): CompiledSource {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'compiled-source-'));
  const modules = join(folder, 'src');
  mkdirSync(modules);
  writeFileSync(join(folder, 'package.json'), '{"type":"commonjs"}');
  for (const name of readdirSync(SOURCE).filter((file) => file.endsWith('.ts'))) {
    const { outputText } = ts.transpileModule(readFileSync(join(SOURCE, name), 'utf8'), {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS },
    });
    writeFileSync(join(modules, name.replace(/\.ts$/, '.js')), outputText);
  }
  return {
    folder,
    async run(script, flags = []) {
      const path = join(folder, 'script.js');
      writeFileSync(path, `const load = (name) => require('./src/' + name + '.js');\n${script}`);
      const { stdout } = await promisify(execFile)(process.execPath, [...flags, path], { timeout: 20_000 });
      return JSON.parse(stdout);
    },
    remove() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
