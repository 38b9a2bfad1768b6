// The programs that other people's projects run, as source text.

export interface Cloud {
  /** The entry of the package that has it, without its SDK's name. */
  readonly entry: 'azure' | 'gcp' | 'kubernetes';
  readonly className: string;
  /** What the driver calls it. */
  readonly environment: 'azure' | 'gcp' | 'k8s';
}

export const clouds = {
  azure: { entry: 'azure', className: 'AzureManagedIdentityCallback', environment: 'azure' },
  gcp: { entry: 'gcp', className: 'GcpMetadataCallback', environment: 'gcp' },
  kubernetes: { entry: 'kubernetes', className: 'KubernetesCallback', environment: 'k8s' },
} as const satisfies Record<string, Cloud>;

export type CloudName = keyof typeof clouds;

export const cloudNames = ['azure', 'gcp', 'kubernetes'] as const satisfies CloudName[];

/** The SDKs that go with the entries, and their classes that need one. */
export const sdks = {
  azure: {
    name: '@azure/identity',
    classes: ['AzureCallback', 'AzureManagedIdentityCallback', 'AzureWorkloadIdentityCallback'],
  },
  gcp: { name: 'google-auth-library', classes: ['GcpCallback', 'GcpMetadataCallback'] },
} as const;

export const name = 'mongodb-workload-identity';

export const entries = [name, ...cloudNames.map((cloud) => `${name}/${cloud}`)];

/** Prints who the server says it is. */
export function connectInJavaScript({ entry, className }: Cloud, format: 'module' | 'commonjs'): string {
  const load = (names: string, from: string) =>
    format === 'module' ? `import { ${names} } from '${from}';` : `const { ${names} } = require('${from}');`;
  return `
${load('MongoClient', 'mongodb')}
${load(className, `${name}/${entry}`)}

const callback = new ${className}({ audience: process.env.MONGODB_AUDIENCE });
// Events call it by this.
if (callback.name !== '${className}') console.log('it is called', callback.name);
const client = new MongoClient(process.env.MONGODB_URI, {
  authMechanism: 'MONGODB-OIDC',
  authMechanismProperties: { OIDC_CALLBACK: callback },
});

client.db().command({ connectionStatus: 1 })
  .then(({ authInfo }) => console.log(authInfo.authenticatedUsers[0].user))
  .finally(() => client.close());
`;
}

/** The same, with every kind of type that the entries export. */
export function connectInTypeScript({ entry, className, environment }: Cloud): string {
  return `
import { type AuthMechanismProperties, MongoClient, type MongoClientOptions } from 'mongodb';
import {
  type AccessToken,
  type GetTokenRequest,
  OIDCCallback,
  type OIDCCallbackContext,
  OIDCCallbackError,
  type OIDCCallbackErrorCode,
  type OIDCCallbackOptions,
  type OIDCCallbackResult,
  workloadIdentity,
} from '${name}';
import { ${className}, type ${className}Options } from '${name}/${entry}';
import { KubernetesCallback as PodCallback } from '${name}/kubernetes';

const audience: string = String(process.env.MONGODB_AUDIENCE);
const settings: ${className}Options & OIDCCallbackOptions = { audience, timeoutMS: 20_000 };

class Wrapped extends OIDCCallback {
  readonly inner: OIDCCallback = new ${className}(settings);

  protected async getToken(request: GetTokenRequest): Promise<AccessToken> {
    const context: OIDCCallbackContext = { timeoutContext: request.signal };
    const { accessToken, expiresInSeconds }: OIDCCallbackResult = await this.inner.fetch(context);
    const seconds: number | undefined = expiresInSeconds;
    return { token: accessToken, expiresOnTimestamp: seconds && Date.now() + seconds * 1000 };
  }
}

export function wrong(): unknown[] {
  return [
    // @ts-expect-error: an option that does not exist
    new ${className}({ audiense: audience }),
    // @ts-expect-error: an option of another type
    new PodCallback({ audience: 1 }),
    // @ts-expect-error: a class without getToken
    new OIDCCallback(),
  ];
}

async function connect(uri: string, options: MongoClientOptions): Promise<string> {
  const client = new MongoClient(uri, options);
  try {
    const { authInfo } = await client.db().command({ connectionStatus: 1 });
    return authInfo.authenticatedUsers[0].user;
  } finally {
    await client.close();
  }
}

async function main(): Promise<void> {
  const uri = String(process.env.MONGODB_URI);
  const users: string[] = [];

  const callbacks: NonNullable<AuthMechanismProperties['OIDC_CALLBACK']>[] = [new ${className}(settings), new Wrapped()];
  for (const OIDC_CALLBACK of callbacks) {
    users.push(await connect(uri, { authMechanism: 'MONGODB-OIDC', authMechanismProperties: { OIDC_CALLBACK } }));
  }

  const [plain, { appName }] = workloadIdentity(uri, {
    appName: 'orders',
    audience,
    authMechanismProperties: { ENVIRONMENT: '${environment}' },
  });
  const same: [string, string] = [plain, appName];
  if (same.join() !== [uri, 'orders'].join()) throw new Error(same.join());
  users.push(await connect(...workloadIdentity(uri, { audience, authMechanismProperties: { ENVIRONMENT: '${environment}' } })));

  try {
    workloadIdentity('');
  } catch (error) {
    if (!(error instanceof OIDCCallbackError)) throw error;
    const code: OIDCCallbackErrorCode = error.code;
    if (code !== 'ERR_OIDC_INVALID_URI') throw error;
  }
  const [user, ...others] = new Set(users);
  if (others.length > 0) throw new Error(users.join());
  console.log(user);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
`;
}

/** Uses the package through `import` and through `require`, and prints what the two have in common. */
export function importAndRequire({ entry, className, environment }: Cloud): string {
  return `
import { createRequire } from 'node:module';
import { MongoClient } from 'mongodb';
import * as importedRoot from '${name}';
import { ${className} as Imported } from '${name}/${entry}';

const require = createRequire(import.meta.url);
const requiredRoot = require('${name}');
const { ${className}: Required } = require('${name}/${entry}');

const { MONGODB_URI, MONGODB_AUDIENCE: audience } = process.env;
const [imported, required] = [importedRoot, requiredRoot].map(({ workloadIdentity }) =>
  workloadIdentity(MONGODB_URI, { audience, authMechanismProperties: { ENVIRONMENT: '${environment}' } }));
for (const clientArguments of [imported, required]) {
  const client = new MongoClient(...clientArguments);
  await client.db().command({ ping: 1 });
  await client.close();
}
const callbackOf = ([, { authMechanismProperties }]) => authMechanismProperties.OIDC_CALLBACK;

const thrown = (call) => {
  try {
    call();
  } catch (error) {
    return error;
  }
};

console.log(JSON.stringify([
  callbackOf(imported) === callbackOf(required),
  new Imported({ audience }) instanceof Required,
  new Required({ audience }) instanceof Imported,
  new Imported({ audience }) instanceof requiredRoot.OIDCCallback,
  new Required({ audience }) instanceof importedRoot.OIDCCallback,
  thrown(() => new Imported({ audience: '' })) instanceof requiredRoot.OIDCCallbackError,
  thrown(() => new Required({ audience: '' })) instanceof importedRoot.OIDCCallbackError,
]));
`;
}

/** Prints the names that `import` and `require` see in each of the entries, but for Node's marks of CommonJS. */
export function listExports(entries: readonly string[]): string {
  return `
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const names = (exports) => Object.keys(exports).filter((name) => !['__esModule', 'module.exports'].includes(name)).sort();
const found = {};
for (const entry of ${JSON.stringify(entries)}) {
  found[entry] = {
    imported: names(await import(entry)),
    required: names(require(entry)),
  };
}
console.log(JSON.stringify(found));
`;
}

/** Prints the modules that an entry loads, a URL on each line, but for itself and for Node's own. */
export function listModules(entry: string, format: 'module' | 'commonjs'): string {
  if (format === 'commonjs') {
    return `
const { pathToFileURL } = require('node:url');

require('${entry}');
for (const path of Object.keys(require.cache)) {
  if (path !== __filename) console.log(pathToFileURL(path).href);
}
`;
  }
  const hooks = `
import { writeSync } from 'node:fs';

export function load(url, context, next) {
  if (url.startsWith('file:')) writeSync(1, url + '\\n');
  return next(url, context);
}
`;
  // The hooks see what `import` loads; what that requires is in the cache.
  return `
import { createRequire, register } from 'node:module';
import { pathToFileURL } from 'node:url';

register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hooks)}`)});
await import('${entry}');
for (const path of Object.keys(createRequire(import.meta.url).cache)) console.log(pathToFileURL(path).href);
`;
}

/** Prints what each class of an entry fails with, asked for a token by the program and by the driver. */
export function failWithoutSDK(entry: string): string {
  return `
import { MongoClient } from 'mongodb';
import { OIDCCallback } from '${name}';
import * as classes from '${name}/${entry}';
import { KubernetesCallback } from '${name}/kubernetes';

const failure = (promise) => promise.then(() => undefined, ({ name, code, message }) => ({ name, code, message }));

const found = {};
for (const [name, Class] of Object.entries(classes)) {
  if (!(Class.prototype instanceof OIDCCallback) || Class.prototype instanceof KubernetesCallback) continue;
  const callback = new Class({ audience: process.env.MONGODB_AUDIENCE });
  const client = new MongoClient(process.env.MONGODB_URI, {
    authMechanism: 'MONGODB-OIDC',
    authMechanismProperties: { OIDC_CALLBACK: callback },
  });
  found[name] = [await failure(callback.fetch()), await failure(client.db().command({ ping: 1 }))];
  await client.close();
}
console.log(JSON.stringify(found));
`;
}

/** The same as a test for Jest, which hands out no output of a program but what is written past its console. */
export function jestTest({ entry, className }: Cloud): string {
  return `
const { MongoClient } = require('mongodb');
const { ${className} } = require('${name}/${entry}');

test('connects', async () => {
  const client = new MongoClient(process.env.MONGODB_URI, {
    authMechanism: 'MONGODB-OIDC',
    authMechanismProperties: { OIDC_CALLBACK: new ${className}({ audience: process.env.MONGODB_AUDIENCE }) },
  });
  const { authInfo } = await client.db().command({ connectionStatus: 1 });
  await client.close();
  process.stdout.write(authInfo.authenticatedUsers[0].user + '\\n');
});
`;
}

/** Bundles `program` into `bundled.cjs`, small, and prints what it is made of. */
export function bundleWithEsbuild(program: string): string {
  return `
import { build } from 'esbuild';

const { metafile } = await build({
  absWorkingDir: import.meta.dirname,
  entryPoints: ['./${program}'],
  outfile: 'bundled.cjs',
  bundle: true,
  minify: true,
  platform: 'node',
  metafile: true,
  logLevel: 'error',
});
console.log(JSON.stringify(Object.keys(metafile.inputs)));
`;
}

/** The same. What the driver can do without and is not installed, webpack only warns of. */
export function bundleWithWebpack(program: string): string {
  return `
import webpack from 'webpack';

const compiler = webpack({
  context: import.meta.dirname,
  entry: './${program}',
  output: { path: import.meta.dirname, filename: 'bundled.cjs' },
  target: 'node',
  mode: 'production',
  optimization: { minimize: false, concatenateModules: false },
});
compiler.run((error, stats) => {
  if (error || stats.hasErrors()) throw error ?? new Error(stats.toString('errors-only'));
  const paths = [...stats.compilation.modules].map((module) => module.nameForCondition()).filter(Boolean);
  console.log(JSON.stringify(paths));
});
`;
}

/** Prints who the server says it is, to a program that has no driver but mongoose's. */
export function connectWithMongoose({ environment }: Cloud): string {
  return `
import mongoose from 'mongoose';
import { workloadIdentity } from '${name}';

const authMechanismProperties = { ENVIRONMENT: '${environment}' };
await mongoose.connect(...workloadIdentity(process.env.MONGODB_URI, { audience: process.env.MONGODB_AUDIENCE, authMechanismProperties }));
const { authInfo } = await mongoose.connection.db.command({ connectionStatus: 1 });
console.log(authInfo.authenticatedUsers[0].user);
await mongoose.disconnect();
`;
}
