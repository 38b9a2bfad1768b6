// The packed tarball in a project for each cloud: from ECMAScript modules, from CommonJS and from TypeScript.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Stage } from '../stage.js';
import { makeFolder, node, Project, pinned, remove } from './npm.js';
import {
  type CloudName,
  cloudNames,
  clouds,
  connectInJavaScript,
  connectInTypeScript,
  entries,
  failWithoutSDK,
  importAndRequire,
  listModules,
  name as packageName,
  sdks,
} from './programs.js';
import { audience, expectToConnect, openStage } from './stage.js';

interface Compilation {
  readonly compiler: string;
  readonly type: 'module' | 'commonjs';
  readonly options: Readonly<Record<string, string>>;
  readonly clouds: readonly CloudName[];
}

const node10 = { module: 'commonjs', moduleResolution: 'node10' };

/**
 * How people compile. TypeScript 7 has no `node10` any more, and 6 calls it deprecated. Under `node16` the types of
 * `@azure/msal-node`, which `@azure/identity` depends on, are in error by themselves (TS1479; `skipLibCheck` helps).
 */
const compilations: readonly Compilation[] = [
  { compiler: '5.4.5', type: 'module', options: { module: 'node16' }, clouds: ['gcp', 'kubernetes'] },
  { compiler: '5.4.5', type: 'commonjs', options: node10, clouds: ['azure'] },
  { compiler: '5.9.3', type: 'commonjs', options: { module: 'node16' }, clouds: ['gcp'] },
  { compiler: '5.9.3', type: 'commonjs', options: node10, clouds: ['azure', 'kubernetes'] },
  { compiler: '6.0.3', type: 'module', options: { module: 'nodenext' }, clouds: ['gcp'] },
  { compiler: '6.0.3', type: 'commonjs', options: { module: 'nodenext' }, clouds: ['azure', 'kubernetes'] },
  {
    compiler: '7.0.2',
    type: 'module',
    options: { module: 'esnext', moduleResolution: 'bundler' },
    clouds: cloudNames,
  },
  {
    compiler: '7.0.2',
    type: 'commonjs',
    options: { module: 'commonjs', moduleResolution: 'bundler' },
    clouds: cloudNames,
  },
  { compiler: '7.0.2', type: 'module', options: { module: 'nodenext' }, clouds: cloudNames },
];

function titleOf({ compiler, type, options }: Compilation): string {
  return [compiler, type, ...Object.values(options)].join(', ');
}

let folder: string;
let projects: Record<CloudName, Project>;
let compilers: Project;

beforeAll(async () => {
  folder = await makeFolder();
  const tarball = inject('tarball');
  const install = (name: string, packages: string[]) => Project.create(join(folder, name), packages);
  const withDriver = (name: CloudName, ...others: string[]) =>
    install(name, [tarball.path, pinned('mongodb'), pinned('@types/node'), ...others]);
  const versions = [...new Set(compilations.map(({ compiler }) => compiler))];
  [projects, compilers] = await Promise.all([
    Promise.all([
      withDriver('azure', pinned(sdks.azure.name)),
      withDriver('gcp', pinned(sdks.gcp.name)),
      withDriver('kubernetes'),
    ]).then(([azure, gcp, kubernetes]) => ({ azure, gcp, kubernetes })),
    install(
      'compilers',
      versions.map((version) => `typescript-${version}@npm:typescript@${version}`),
    ),
  ]);
});

afterAll(() => remove(folder));

describe.each(cloudNames)('a project for %s', (name) => {
  const cloud = clouds[name];
  let stage: Stage;

  beforeAll(async () => {
    stage = await openStage(name);
  });

  afterAll(() => stage?.close());

  test('has the SDK of no other cloud', () => {
    const present = Object.values(sdks).filter((sdk) =>
      existsSync(projects[name].path('node_modules', sdk.name)),
    );
    expect(present).toEqual(name === 'kubernetes' ? [] : [sdks[name]]);
  });

  test.each(['module', 'commonjs'] as const)('connects from JavaScript: %s', async (format) => {
    const file = `connect.${format === 'module' ? 'mjs' : 'cjs'}`;
    await projects[name].write(file, connectInJavaScript(cloud, format));
    await expectToConnect(stage, () => projects[name].node(file, stage.env));
  });

  test.each(
    compilations
      .filter(({ clouds: names }) => names.includes(name))
      .map((compilation) => [titleOf(compilation), compilation] as const),
  )('connects from TypeScript %s', async (title, { compiler, type, options }) => {
    const inner = `typescript-${title.replaceAll(', ', '-')}`;
    const project = projects[name];
    await project.write(`${inner}/package.json`, JSON.stringify({ type }));
    await project.write(`${inner}/program.ts`, connectInTypeScript(cloud));
    await project.write(`${inner}/dom.d.ts`, domTypes);
    await project.write(
      `${inner}/tsconfig.json`,
      JSON.stringify({ compilerOptions: { ...compilerOptions, ...options } }),
    );
    const tsc = compilers.path('node_modules', `typescript-${compiler}`, 'bin', 'tsc');
    await node([tsc, '-p', project.path(inner)]);
    await expectToConnect(stage, () => project.node(`${inner}/program.js`, stage.env));
  });

  describe.each(['module', 'commonjs'] as const)('loaded as %s', (format) => {
    test.each(entries)('%s loads nothing but this package', async (entry) => {
      const file = `modules-${entry.replace('/', '-')}.${format === 'module' ? 'mjs' : 'cjs'}`;
      const project = projects[name];
      await project.write(file, listModules(entry, format));
      const loaded = (await project.node(file)).trim().split('\n');
      const own = pathToFileURL(project.path('node_modules', packageName, '/')).href;
      expect(loaded).toContain(`${own}dist/callback.js`);
      expect(loaded.filter((url) => !url.startsWith(own))).toEqual([]);
    });
  });

  test('shares classes, callbacks and tokens between import and require', async () => {
    await projects[name].write('both.mjs', importAndRequire(cloud));
    const before = stage.tokenRequests;
    const output = await projects[name].node('both.mjs', stage.env);
    expect(JSON.parse(output)).toEqual(Array(7).fill(true));
    expect(stage.tokenRequests - before).toBe(name === 'kubernetes' ? 0 : 1);
  });

  const missing = (['azure', 'gcp'] as const).filter((other) => other !== name);
  test.each(missing)('says which package %s needs', async (other) => {
    await projects[name].write(`without-${other}.mjs`, failWithoutSDK(other));
    const output = await projects[name].node(`without-${other}.mjs`, {
      MONGODB_URI: stage.server.uri,
      MONGODB_AUDIENCE: audience,
    });
    const failure = {
      name: 'OIDCCallbackError',
      code: 'ERR_OIDC_SDK_NOT_INSTALLED',
      message: expect.stringMatching(new RegExp(`npm install ${sdks[other].name}$`)),
    };
    expect(JSON.parse(output)).toEqual(
      Object.fromEntries(sdks[other].classes.map((className) => [className, [failure, failure]])),
    );
  });
});

const compilerOptions = {
  target: 'es2022',
  lib: ['es2022'],
  types: ['node'],
  strict: true,
  skipLibCheck: false,
};

/** All that the SDKs' types want of `lib.dom`, which alone takes most of the time to check. */
const domTypes = 'interface JsonWebKey {}\n';
