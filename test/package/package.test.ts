// The packed tarball in other people's projects: from ECMAScript modules, from CommonJS and from TypeScript.
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { publint } from 'publint';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startAzureImds } from '../emulators/azure.js';
import { run } from '../emulators/child.js';
import { startGcpMetadata } from '../emulators/gcp.js';
import { createTokenDirectory } from '../emulators/kubernetes.js';
import { type MongoServer, startMongoServer } from '../emulators/mongodb/index.js';
import { makeFolder, node, Project, pack, pinned, remove, type Tarball } from './npm.js';
import {
  clouds,
  connectInJavaScript,
  connectInTypeScript,
  failWithoutSDK,
  importAndRequire,
  listExports,
  listModules,
} from './programs.js';

const packageName = 'mongodb-workload-identity';
const audience = 'api://mongodb';
const cloudNames = ['azure', 'gcp', 'kubernetes'] as const;
const entries = [packageName, ...cloudNames.map((name) => `${packageName}/${name}`)];
type CloudName = (typeof cloudNames)[number];

const sdks = {
  azure: {
    name: '@azure/identity',
    classes: ['AzureCallback', 'AzureManagedIdentityCallback', 'AzureWorkloadIdentityCallback'],
  },
  gcp: { name: 'google-auth-library', classes: ['GcpCallback', 'GcpMetadataCallback'] },
} as const;

/** How people compile. TypeScript 7 has no `node10` any more, and 6 calls it deprecated. */
const compilations = [
  {
    title: '5, node10',
    compiler: '5.9.3',
    type: 'commonjs',
    options: { module: 'commonjs', moduleResolution: 'node10' },
  },
  { title: '6, nodenext, module', compiler: '6.0.3', type: 'module', options: { module: 'nodenext' } },
  { title: '6, nodenext, commonjs', compiler: '6.0.3', type: 'commonjs', options: { module: 'nodenext' } },
  {
    title: '7, bundler',
    compiler: '7.0.2',
    type: 'module',
    options: { module: 'esnext', moduleResolution: 'bundler' },
  },
] as const;

let folder: string;
let tarball: Tarball;
let projects: Record<CloudName, Project>;
/** Has the package and nothing else. */
let bare: Project;
let compilers: Project;

beforeAll(async () => {
  folder = await makeFolder();
  tarball = await pack(folder);
  const install = (name: string, packages: string[]) => Project.create(join(folder, name), packages);
  const withDriver = (name: CloudName, ...others: string[]) =>
    install(name, [tarball.path, pinned('mongodb'), pinned('@types/node'), ...others]);
  const versions = [...new Set(compilations.map(({ compiler }) => compiler))];
  [projects, bare, compilers] = await Promise.all([
    Promise.all([
      withDriver('azure', pinned(sdks.azure.name)),
      withDriver('gcp', pinned(sdks.gcp.name)),
      withDriver('kubernetes'),
    ]).then(([azure, gcp, kubernetes]) => ({ azure, gcp, kubernetes })),
    install('bare', [tarball.path]),
    install(
      'compilers',
      versions.map((version) => `typescript-${version}@npm:typescript@${version}`),
    ),
  ]);
});

afterAll(() => remove(folder));

describe('the tarball', () => {
  test('has what it should and nothing else', () => {
    const others = tarball.files.filter((path) => !/^dist\/[\w-]+(\.d)?\.m?[jt]s$/.test(path));
    expect(others.sort()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'dist/package.json',
      'package.json',
    ]);
    expect(tarball.files).toEqual(expect.arrayContaining(['dist/index.js', 'dist/index.mjs']));
  });

  test('is small', () => {
    expect(tarball.sizeBytes).toBeLessThan(60_000);
  });

  test('runs nothing when it is installed, and brings nothing', () => {
    const { scripts = {}, dependencies } = manifest();
    expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$/.test(name))).toEqual([]);
    expect(dependencies).toBeUndefined();
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
    expect(Object.keys(typesVersions['*']).sort()).toEqual([...cloudNames]);
  });

  describe.each(['module', 'commonjs'] as const)('loaded as %s', (format) => {
    test.each(entries)('%s loads nothing but this package', async (entry) => {
      const name = `modules-${entry.replace('/', '-')}.${format === 'module' ? 'mjs' : 'cjs'}`;
      for (const project of Object.values(projects)) {
        await project.write(name, listModules(entry, format));
        const loaded = (await project.node(name)).trim().split('\n');
        const own = pathToFileURL(project.path('node_modules', packageName, '/')).href;
        expect(loaded).toContain(`${own}dist/callback.js`);
        expect(loaded.filter((url) => !url.startsWith(own))).toEqual([]);
      }
    });
  });
});

describe.each(cloudNames)('a project for %s', (name) => {
  const cloud = clouds[name];
  let source: Source;
  let server: MongoServer;
  let env: Record<string, string>;

  beforeAll(async () => {
    source = await sources[name]();
    const { issuer, jwksUri } = source;
    server = await startMongoServer({
      identityProviders: [
        { issuer, jwksUri, audience, authNamePrefix: 'test', useAuthorizationClaim: false },
      ],
    });
    env = { ...source.env, MONGODB_URI: server.uri, AUDIENCE: audience };
  });

  afterAll(() => Promise.all([server?.close(), source?.close()]));

  test('has the SDK of no other cloud', () => {
    const present = Object.values(sdks).filter((sdk) =>
      existsSync(projects[name].path('node_modules', sdk.name)),
    );
    expect(present).toEqual(name === 'kubernetes' ? [] : [sdks[name]]);
  });

  test.each(['module', 'commonjs'] as const)('connects from JavaScript: %s', async (format) => {
    const file = `connect.${format === 'module' ? 'mjs' : 'cjs'}`;
    await projects[name].write(file, connectInJavaScript(cloud, format));
    await expectArrival(() => projects[name].node(file, env));
  });

  test.each(compilations.map((compilation) => [compilation.title, compilation] as const))(
    'connects from TypeScript: %s',
    async (title, { compiler, type, options }) => {
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
      await expectArrival(() => project.node(`${inner}/program.js`, env));
    },
  );

  test('shares classes, callbacks and tokens between import and require', async () => {
    await projects[name].write('both.mjs', importAndRequire(cloud));
    const before = source.tokenRequests();
    const output = await projects[name].node('both.mjs', env);
    expect(JSON.parse(output)).toEqual(Array(7).fill(true));
    expect(source.tokenRequests() - before).toBe(name === 'kubernetes' ? 0 : 1);
  });

  const missing = (['azure', 'gcp'] as const).filter((other) => other !== name);
  test.each(missing)('says which package %s needs', async (other) => {
    await projects[name].write(`without-${other}.mjs`, failWithoutSDK(other));
    const output = await projects[name].node(`without-${other}.mjs`, {
      MONGODB_URI: server.uri,
      AUDIENCE: audience,
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

  /** The program prints the server's answer to who it is; each of its connections arrived with the same claims. */
  async function expectArrival(program: () => Promise<string>): Promise<void> {
    const before = server.claims.length;
    const output = await program();
    const arrived = server.claims.slice(before);
    expect(server.authFailures).toEqual([]);
    expect(output).toBe(`test/${source.subject}\n`);
    expect(arrived).not.toEqual([]);
    for (const { iss, aud, sub } of arrived) {
      expect({ iss, aud: [aud].flat(), sub }).toEqual({
        iss: source.issuer,
        aud: [audience],
        sub: source.subject,
      });
    }
  }
});

interface Source {
  readonly issuer: string;
  readonly jwksUri: string;
  readonly env: Record<string, string>;
  readonly subject: string | undefined;
  tokenRequests(): number;
  close(): Promise<void>;
}

const sources: Record<CloudName, () => Promise<Source>> = {
  async azure() {
    const imds = await startAzureImds();
    return {
      issuer: imds.issuer,
      jwksUri: imds.jwksUri,
      env: imds.env,
      subject: imds.identities.find(({ systemAssigned }) => systemAssigned)?.objectId,
      tokenRequests: () => imds.requests.length,
      close: () => imds.close(),
    };
  },
  async gcp() {
    const metadata = await startGcpMetadata();
    return {
      issuer: metadata.issuer,
      jwksUri: metadata.jwksUri,
      env: metadata.env,
      subject: metadata.serviceAccounts[0]?.uniqueId,
      tokenRequests: () => metadata.requests.filter(({ path }) => path.endsWith('/identity')).length,
      close: () => metadata.close(),
    };
  },
  async kubernetes() {
    const { issuer, jwksUri, env, subject, close } = await createTokenDirectory({ audience });
    return { issuer, jwksUri, env, subject, tokenRequests: () => 0, close };
  },
};

const compilerOptions = {
  target: 'es2022',
  lib: ['es2022'],
  types: ['node'],
  strict: true,
  skipLibCheck: false,
};

/** All that the SDKs' types want of `lib.dom`, which alone takes most of the time to check. */
const domTypes = 'interface JsonWebKey {}\n';

interface Manifest {
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
