/**
 * Run in a namespace: a program that finds out where it is, on a machine with the files that a place has and a
 * metadata service at the real address. Prints what came of it as JSON.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { MongoClient } from 'mongodb';
import { EnvironmentCallback, type OIDCCallbackError, workloadIdentity } from 'mongodb-workload-identity';
import { startAzureImds } from '../emulators/azure.js';
import { startGcpMetadata } from '../emulators/gcp.js';
import { createTokenDirectory } from '../emulators/kubernetes.js';
import { startMongoServer } from '../emulators/mongodb/index.js';

/** Where a program finds itself. */
export interface PlaceOptions {
  /** What answers at the metadata address. */
  readonly metadata: 'azure' | 'gce' | 'gke';
  /** By path. */
  readonly files: Readonly<Record<string, string>>;
  /** By path: tokens of a cluster with this issuer, for this audience. */
  readonly tokens: Readonly<Record<string, readonly [issuer: string, audience: string]>>;
  readonly audience: string;
  readonly configured: 'class' | 'connection string';
}

/** What came of it. */
export interface PlaceReport {
  readonly user: string | undefined;
  readonly failure: Pick<OIDCCallbackError, 'code' | 'message'> | undefined;
  readonly metadataRequests: readonly string[];
}

const place: PlaceOptions = JSON.parse(process.argv[2] ?? '');
const { audience } = place;
// Nothing of this machine is to be seen in there, and nothing of it is written to.
for (const folder of ['/run', '/sys/class']) execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', folder]);

const provider = { audience, authNamePrefix: 'test', useAuthorizationClaim: false };
const providers = [];
const open: { close(): Promise<void> }[] = [];
for (const [path, [issuer, aud]] of Object.entries(place.tokens)) {
  const tokens = await createTokenDirectory({ issuer, audience: aud });
  open.push(tokens);
  write(path, await tokens.issue());
  if (aud === audience) providers.push({ ...provider, issuer, jwksUri: tokens.jwksUri });
}
for (const [path, content] of Object.entries(place.files)) write(path, content);

const address = { host: '169.254.169.254', port: 80 };
const metadata = await (place.metadata === 'azure'
  ? startAzureImds(address)
  : startGcpMetadata({ ...address, gke: place.metadata === 'gke' }));
const { issuer, jwksUri } = metadata;
const server = await startMongoServer({
  identityProviders: [...providers, { ...provider, issuer, jwksUri }],
});

const client =
  place.configured === 'class'
    ? new MongoClient(server.uri, {
        authMechanism: 'MONGODB-OIDC',
        authMechanismProperties: { OIDC_CALLBACK: new EnvironmentCallback({ audience }) },
      })
    : new MongoClient(...workloadIdentity(server.uri, { audience }));
let user: string | undefined;
let failure: PlaceReport['failure'];
try {
  const { authInfo } = await client.db('admin').command({ connectionStatus: 1 });
  user = authInfo.authenticatedUsers[0].user;
} catch (error) {
  const { code, message } = error as OIDCCallbackError;
  failure = { code, message };
}
const report: PlaceReport = { user, failure, metadataRequests: metadata.requests.map(({ path }) => path) };
console.log(JSON.stringify(report));
await Promise.all(open.map((each) => each.close()));
process.exit();

function write(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
