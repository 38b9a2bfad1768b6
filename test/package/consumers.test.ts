// The packed tarball where programs are tested, bundled, locked down, or installed in another layout.
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { run } from '../emulators/child.js';
import type { Stage } from '../stage.js';
import { makeFolder, node, Project, pinned, remove } from './npm.js';
import {
  bundleWithEsbuild,
  bundleWithWebpack,
  type CloudName,
  cloudNames,
  clouds,
  connectInJavaScript,
  connectWithMongoose,
  jestTest,
  sdks,
} from './programs.js';
import { expectToConnect, openStage } from './stage.js';

/** The newest that Jest in CommonJS mode can load: later ones import modules that are none of CommonJS. */
const GOOGLE_AUTH_FOR_JEST = 'google-auth-library@9.15.1';

/** From Node.js 24 on it is not experimental any more, and a later one asks for the network too. */
const permissionModel = [
  knowsFlag('--permission') ? '--permission' : '--experimental-permission',
  '--allow-fs-read=*',
  ...(knowsFlag('--allow-net') ? ['--allow-net'] : []),
].join(' ');

let folder: string;
/** Has all SDKs. */
let everything: Project;
const stages = {} as Record<CloudName, Stage>;

beforeAll(async () => {
  folder = await makeFolder();
  const packages = [
    inject('tarball').path,
    pinned('mongodb'),
    pinned(sdks.azure.name),
    GOOGLE_AUTH_FOR_JEST,
    'jest@30',
    'esbuild@0.28',
    'webpack@5',
  ];
  everything = await Project.create(join(folder, 'everything'), packages);
  for (const name of cloudNames) stages[name] = await openStage(name);
});

afterAll(async () => {
  await Promise.all(Object.values(stages).map((stage) => stage.close()));
  await remove(folder);
});

describe.each(cloudNames)('a program for %s', (name) => {
  const cloud = clouds[name];

  it('is tested by Jest, in CommonJS mode', async () => {
    await everything.write(
      `jest-${name}/package.json`,
      JSON.stringify({ jest: { testEnvironment: 'node' } }),
    );
    await everything.write(`jest-${name}/connect.test.js`, jestTest(cloud));
    const jest = everything.path('node_modules', 'jest', 'bin', 'jest.js');
    await expectToConnect(stages[name], () =>
      node([jest, '--rootDir', everything.path(`jest-${name}`)], stages[name].env),
    );
  });

  const bundlers = [
    { bundler: 'esbuild', format: 'module', bundle: bundleWithEsbuild },
    { bundler: 'esbuild', format: 'commonjs', bundle: bundleWithEsbuild },
    { bundler: 'webpack', format: 'module', bundle: bundleWithWebpack },
  ] as const;

  it.each(bundlers)('is bundled by $bundler, from $format, with no other cloud', async (chosen) => {
    const { bundler, format, bundle } = chosen;
    const inner = `${bundler}-${format}-${name}`;
    const program = `program.${format === 'module' ? 'mjs' : 'cjs'}`;
    await everything.write(`${inner}/${program}`, connectInJavaScript(cloud, format));
    await everything.write(`${inner}/bundle.mjs`, bundle(program));
    const inputs = JSON.parse(await everything.node(`${inner}/bundle.mjs`)) as string[];
    const bundled = Object.values(sdks)
      .map((sdk) => sdk.name)
      .filter((sdk) => inputs.some((path) => path.includes(`node_modules/${sdk}/`)));
    expect(bundled).toEqual(name === 'kubernetes' ? [] : [sdks[name].name]);
    // Away from the project's packages.
    const alone = join(folder, `${inner}.cjs`);
    await copyFile(everything.path(inner, 'bundled.cjs'), alone);
    await expectToConnect(stages[name], () => node([alone], stages[name].env));
  });

  it.each(['--disallow-code-generation-from-strings', '--frozen-intrinsics', permissionModel])(
    'runs under %s',
    async (flags) => {
      await everything.write(`locked-${name}.cjs`, connectInJavaScript(cloud, 'commonjs'));
      await expectToConnect(stages[name], () =>
        node([...flags.split(' '), everything.path(`locked-${name}.cjs`)], stages[name].env),
      );
    },
  );
});

describe("pnpm's layout, in which a package finds nothing but its own dependencies", () => {
  it('connects with what the project has installed', async () => {
    const packages = { mongodb: pinned('mongodb'), sdk: pinned(sdks.azure.name) };
    const project = await Project.createWithPnpm(join(folder, 'pnpm'), [
      inject('tarball').path,
      ...Object.values(packages),
    ]);
    for (const format of ['module', 'commonjs'] as const) {
      const file = `connect.${format === 'module' ? 'mjs' : 'cjs'}`;
      await project.write(file, connectInJavaScript(clouds.azure, format));
      await expectToConnect(stages.azure, () => project.node(file, stages.azure.env));
    }
  });

  it.each(['gcp', 'kubernetes'] as const)('connects with mongoose alone: %s', async (name) => {
    const sdk = name === 'kubernetes' ? [] : [pinned(sdks[name].name)];
    const packages = [inject('tarball').path, 'mongoose@9', ...sdk];
    const project = await Project.createWithPnpm(join(folder, `pnpm-mongoose-${name}`), packages);
    await project.write('connect.mjs', connectWithMongoose(clouds[name]));
    await expectToConnect(stages[name], () => project.node('connect.mjs', stages[name].env));
  });
});

describe('a driver that is too old', () => {
  it('is named in a warning', async () => {
    const packages = [inject('tarball').path, 'mongodb@6.16.0', '--legacy-peer-deps'];
    const project = await Project.create(join(folder, 'old-driver'), packages);
    await project.write('connect.cjs', connectInJavaScript(clouds.kubernetes, 'commonjs'));
    const { stderr } = await run(process.execPath, [project.path('connect.cjs')], {
      env: stages.kubernetes.env,
    });
    expect(stderr).toMatch(
      /\[OIDC_OLD_DRIVER\] Warning: mongodb 6\.16\.0 is installed.+npm install mongodb@/,
    );
    expect(stderr.match(/OIDC_OLD_DRIVER/g)).toHaveLength(1);
  });

  it('is not installed by npm beside this package', async () => {
    const packages = [inject('tarball').path, 'mongodb@6.16.0'];
    await expect(Project.create(join(folder, 'conflict'), packages)).rejects.toThrow(/ERESOLVE|peer/);
  });
});

it('cannot be tested by Jest in CommonJS mode with a later google-auth-library, by itself', async () => {
  const project = await Project.create(join(folder, 'jest-later'), ['google-auth-library@10', 'jest@30']);
  await project.write('package.json', JSON.stringify({ private: true, jest: { testEnvironment: 'node' } }));
  await project.write(
    'load.test.js',
    "test('loads', () => void new (require('google-auth-library').Compute)({}).fetchIdToken('a').catch((error) => { throw error; }));",
  );
  const jest = project.path('node_modules', 'jest', 'bin', 'jest.js');
  await expect(node([jest, '--rootDir', project.folder])).rejects.toThrow(
    /dynamic import|import\(\)|ES module/i,
  );
});

function knowsFlag(name: string): boolean {
  return process.allowedNodeEnvironmentFlags.has(name);
}
