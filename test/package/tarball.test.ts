// What is in the packed tarball, and what its entries export.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { publint } from 'publint';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { run } from '../emulators/child.js';
import { makeFolder, node, npm, Project, remove } from './npm.js';
import { cloudNames, entries, listExports, name as packageName } from './programs.js';

const tarball = inject('tarball');
let folder: string;
/** Has the package and nothing else. */
let bare: Project;

beforeAll(async () => {
  folder = await makeFolder();
  bare = await Project.create(join(folder, 'bare'), [tarball.path]);
});

afterAll(() => remove(folder));

describe('the tarball', () => {
  test('has what it should and nothing else', () => {
    const others = tarball.files.filter(
      (path) => !/^dist\/([\w-]+(\.d)?\.m?[jt]s|doctor\/cli\.js)$/.test(path),
    );
    expect(others.sort()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'dist/package.json',
      'package.json',
    ]);
    expect(tarball.files).toEqual(expect.arrayContaining(['dist/index.js', 'dist/index.mjs']));
  });

  test('is small, and what programs load of it smaller', () => {
    const command = gzipSync(readFileSync(installed('dist/doctor/cli.js'))).length;
    expect(tarball.sizeBytes).toBeLessThan(80_000);
    expect(tarball.sizeBytes - command).toBeLessThan(60_000);
  });

  test('has the command, which runs', async () => {
    const command = bare.path('node_modules', '.bin', packageName);
    expect(await node([command, '--version'])).toBe(`${manifest().version}\n`);
  });

  test('runs nothing when it is installed, and brings nothing', () => {
    const { scripts = {}, dependencies } = manifest();
    expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$/.test(name))).toEqual([]);
    expect(dependencies).toBeUndefined();
  });

  test('is all that an installation consists of', async () => {
    const listed = JSON.parse(await npm(bare.folder, 'ls', '--all', '--omit=dev', '--json'));
    expect(listed.problems).toBeUndefined();
    const { [packageName]: own, ...others } = listed.dependencies;
    expect(others).toEqual({});
    expect(own).toMatchObject({ version: manifest().version });
    // Its peers are listed without a version: they are optional, and absent.
    const brought = Object.values(own.dependencies ?? {}).filter(
      (peer) => Object.keys(peer as object).length > 0,
    );
    expect(brought).toEqual([]);
  });

  test('is what `npm pack --dry-run` announces', async () => {
    const output = await npm(tarball.folder, 'pack', '--dry-run', '--ignore-scripts', '--json');
    const [{ files }] = JSON.parse(output) as [{ files: { path: string }[] }];
    expect(files.map(({ path }) => path)).toEqual(tarball.files);
  });

  test('has no map that leads nowhere', () => {
    const lost = tarball.files.flatMap((path) => {
      const text = readFileSync(installed(path), 'utf8');
      const targets = path.endsWith('.map')
        ? (JSON.parse(text) as { sources: string[] }).sources
        : [...text.matchAll(/^\/\/# sourceMappingURL=(?!data:)(.+)$/gm)].map(([, target = '']) => target);
      return targets
        .filter((target) => !tarball.files.includes(join(dirname(path), target)))
        .map((target) => `${path}: ${target}`);
    });
    expect(lost).toEqual([]);
  });

  test('satisfies publint', async () => {
    const data = await readFile(tarball.path);
    const { messages } = await publint({ pack: { tarball: new Uint8Array(data).buffer }, strict: true });
    expect(messages).toEqual([]);
  });

  test('has types that are not wrong under any module resolution', async () => {
    const attw = fileURLToPath(import.meta.resolve('@arethetypeswrong/cli/package.json'));
    const program = join(dirname(attw), 'dist', 'index.js');
    // It fails where it finds problems, which say more.
    const { stdout } = await run(process.execPath, [program, tarball.path, '--format', 'json']);
    const { analysis } = JSON.parse(stdout) as {
      analysis: { entrypoints: Record<string, { resolutions: object }>; problems: unknown[] };
    };
    expect(analysis.problems).toEqual([]);
    for (const name of entries) {
      const { resolutions } = analysis.entrypoints[name.replace(packageName, '.')] ?? {};
      expect(Object.keys(resolutions ?? {})).toEqual(['node10', 'node16-cjs', 'node16-esm', 'bundler']);
    }
  });
});

describe('an entry', () => {
  test('exports the same names to import and to require', async () => {
    await bare.write('exports.mjs', listExports(entries));
    const found = JSON.parse(await bare.node('exports.mjs')) as Record<
      string,
      { imported: string[]; required: string[] }
    >;
    expect(Object.keys(found)).toEqual(entries);
    for (const { imported, required } of Object.values(found)) {
      expect(required).not.toEqual([]);
      expect(imported).toEqual(required);
    }
  });

  test('is every one that package.json names', () => {
    const { exports, typesVersions } = manifest();
    expect(Object.keys(exports).sort()).toEqual(
      ['./package.json', ...entries.map((name) => name.replace(packageName, '.'))].sort(),
    );
    // What the old `node10` reads instead: the same types.
    expect(typesVersions).toEqual({
      '*': Object.fromEntries(
        cloudNames.map((name) => [name, [(exports[`./${name}`] as Entry).require.types]]),
      ),
    });
  });
});

interface Entry {
  readonly require: { readonly types: string };
}

interface Manifest {
  version: string;
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  exports: Record<string, unknown>;
  typesVersions: { '*': Record<string, string[]> };
}

function installed(path: string): string {
  return bare.path('node_modules', packageName, path);
}

function manifest(): Manifest {
  return JSON.parse(readFileSync(installed('package.json'), 'utf8')) as Manifest;
}
