import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { detect, type Place, type Surroundings, TABLE } from '../../src/detection.js';
import { OIDCCallbackError } from '../../src/errors.js';
import { jwt } from './jwts.js';
import { failureOf } from './promises.js';

const AUDIENCE = 'mongodb';
const AKS = {
  AZURE_FEDERATED_TOKEN_FILE: '/var/run/secrets/azure/tokens/azure-identity-token',
  AZURE_CLIENT_ID: '9f3c1d52-0b7e-4c1a-8d3f-5e6a7b8c9d0e',
  AZURE_TENANT_ID: '11111111-2222-3333-4444-555555555555',
};
const APP_SERVICE = { IDENTITY_ENDPOINT: 'http://127.0.0.1:41741/msi/token', IDENTITY_HEADER: 'abc' };
const KUBERNETES = { KUBERNETES_SERVICE_HOST: '10.0.0.1' };
const EKS_FILE = '/var/run/secrets/eks.amazonaws.com/serviceaccount/token';
const EKS = { ...KUBERNETES, AWS_WEB_IDENTITY_TOKEN_FILE: EKS_FILE };
const STANDARD_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/token';
const ASSET_TAG = '/sys/class/dmi/id/chassis_asset_tag';
const PRODUCT_NAME = '/sys/class/dmi/id/product_name';

const ofApiServer = jwt({
  iss: 'https://oidc.example.com/cluster-1',
  aud: ['https://kubernetes.default.svc'],
});
const gkeIssuer = 'https://container.googleapis.com/v1/projects/p/locations/europe-west1/clusters/c';
const ofGke = jwt({ iss: gkeIssuer, aud: [gkeIssuer] });
const ours = jwt({ iss: gkeIssuer, aud: [AUDIENCE, 'another'] });
const azureVm = { [ASSET_TAG]: '7783-7084-3265-9085-8269-3286-77\n', [PRODUCT_NAME]: 'Virtual Machine\n' };
const googleVm = { [ASSET_TAG]: '\n', [PRODUCT_NAME]: 'Google Compute Engine\n' };

const GKE = 'GKE Metadata Server';
const NODE = 'Metadata Server for VM';

interface Scene {
  readonly env?: Record<string, string>;
  readonly files?: Record<string, string>;
  /** What the metadata server calls itself; undefined: it must not be asked. */
  readonly server?: string;
}

const roots: string[] = [];
afterEach(async () => {
  await Promise.all(roots.splice(0).map((root) => rm(root, { recursive: true })));
});

async function surroundings({ env = {}, files = {}, server }: Scene) {
  const root = await mkdtemp(join(tmpdir(), 'detection-'));
  roots.push(root);
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  const askMetadataServer = vi.fn(async () => {
    if (server === undefined) throw new Error('the network was asked');
    return server;
  });
  return { env, root, askMetadataServer } satisfies Surroundings;
}

async function find(scene: Scene, audience = AUDIENCE): Promise<Place> {
  const around = await surroundings(scene);
  const { tokenFile, ...place } = await detect(around, audience);
  expect(around.askMetadataServer.mock.calls.length).toBe(scene.server === undefined ? 0 : 1);
  return { ...place, ...(tokenFile && { tokenFile: tokenFile.slice(around.root.length) }) };
}

async function messageOf(scene: Scene, audience = AUDIENCE): Promise<string> {
  const error = await failureOf(find(scene, audience));
  if (!(error instanceof OIDCCallbackError)) throw error;
  expect(error.code).toBe('ERR_OIDC_ENVIRONMENT_UNKNOWN');
  return error.message;
}

/** The rows of the table, from the first to the last. */
const [FEDERATED, SITE, ARC, RUN, POD, GKE_POD, AZURE_VM, GOOGLE_VM] = TABLE.map(({ name }) => name);

type Case = [
  what: string,
  scene: Scene,
  name: string | undefined,
  environment: string,
  sign: RegExp,
  tokenFile?: string,
];

// biome-ignore format: a case, a line
const CASES: Case[] = [
  ['AKS', { env: { ...AKS, ...KUBERNETES } }, FEDERATED, 'azure', /^AZURE_FEDERATED_TOKEN_FILE, AZURE_CLIENT_ID and AZURE_TENANT_ID are set$/],
  ['a federated cluster that is not AKS', { env: { ...AKS, ...EKS }, files: { [EKS_FILE]: ours } }, FEDERATED, 'azure', /AZURE_CLIENT_ID/],
  ['Functions, App Service, Container Apps', { env: APP_SERVICE }, SITE, 'azure', /^IDENTITY_ENDPOINT and IDENTITY_HEADER are set$/],
  ['an older App Service', { env: { MSI_ENDPOINT: 'http://127.0.0.1:41741/msi/token', MSI_SECRET: 'abc' } }, SITE, 'azure', /^MSI_ENDPOINT is set$/],
  ['Container Apps, which run in Kubernetes', { env: { ...APP_SERVICE, ...KUBERNETES } }, SITE, 'azure', /IDENTITY_HEADER/],
  ['Azure Arc', { env: { IMDS_ENDPOINT: 'http://localhost:40342', IDENTITY_ENDPOINT: 'http://localhost:40342/metadata/identity/oauth2/token' } }, ARC, 'azure', /^IMDS_ENDPOINT is set$/],
  ['Cloud Run', { env: { K_SERVICE: 'orders' } }, RUN, 'gcp', /^K_SERVICE is set$/],
  ['a job of Cloud Run', { env: { CLOUD_RUN_JOB: 'orders' } }, RUN, 'gcp', /^CLOUD_RUN_JOB is set$/],
  ['Cloud Functions', { env: { FUNCTION_TARGET: 'orders' } }, RUN, 'gcp', /^FUNCTION_TARGET is set$/],
  ['Cloud Run, on a machine that has a name of its own', { env: { K_SERVICE: 'orders' }, files: azureVm }, RUN, 'gcp', /K_SERVICE/],
  ['EKS', { env: EKS, files: { [EKS_FILE]: ours, [STANDARD_FILE]: ofApiServer } }, POD, 'k8s', /^the token in .+eks.amazonaws.com.+ is for 'mongodb'$/, EKS_FILE],
  ['a projected volume', { env: KUBERNETES, files: { '/var/run/secrets/tokens/mongodb': ours, [STANDARD_FILE]: ofApiServer } }, POD, 'k8s', /tokens\/mongodb is for/, '/var/run/secrets/tokens/mongodb'],
  ['the right one of several volumes', { env: KUBERNETES, files: { '/var/run/secrets/tokens/a': ofApiServer, '/var/run/secrets/tokens/b': ours } }, POD, 'k8s', /tokens\/b is for/, '/var/run/secrets/tokens/b'],
  ["a volume as Google's documents mount it", { env: KUBERNETES, files: { '/var/run/secrets/tokens/gcp-ksa/token': ours } }, POD, 'k8s', /gcp-ksa\/token/, '/var/run/secrets/tokens/gcp-ksa/token'],
  ['the standard path, where its token is for MongoDB', { env: KUBERNETES, files: { [STANDARD_FILE]: ours } }, POD, 'k8s', /serviceaccount\/token/, STANDARD_FILE],
  ['the file of AKS without the other variables', { env: { ...KUBERNETES, AZURE_FEDERATED_TOKEN_FILE: '/t' }, files: { '/t': ours } }, POD, 'k8s', /^the token in \/t /, '/t'],
  ['a pod on GKE with a token for MongoDB', { env: KUBERNETES, files: { '/var/run/secrets/tokens/m': ours, [STANDARD_FILE]: ofGke } }, POD, 'k8s', /tokens\/m/, '/var/run/secrets/tokens/m'],
  ['Kubernetes without its variables', { files: { '/var/run/secrets/tokens/m': ours, [STANDARD_FILE]: ofApiServer, ...googleVm } }, POD, 'k8s', /tokens\/m/, '/var/run/secrets/tokens/m'],
  ['GKE with Workload Identity Federation', { env: KUBERNETES, files: { [STANDARD_FILE]: ofGke }, server: GKE }, GKE_POD, 'gcp', /GKE Metadata Server answers/],
  ['the same where no token is mounted', { env: KUBERNETES, files: googleVm, server: GKE }, GKE_POD, 'gcp', /GKE Metadata Server answers/],
  ['Knative on GKE', { env: { ...KUBERNETES, K_SERVICE: 'orders' }, files: { [STANDARD_FILE]: ofGke }, server: GKE }, GKE_POD, 'gcp', /GKE Metadata Server answers/],
  ['a virtual machine of Azure', { files: azureVm }, AZURE_VM, 'azure', /^\/sys\/class\/dmi\/id\/chassis_asset_tag is '7783-/],
  ['the same with GCE_METADATA_HOST', { env: { GCE_METADATA_HOST: '127.0.0.1' }, files: azureVm }, AZURE_VM, 'azure', /asset_tag/],
  ['Compute Engine', { files: googleVm }, GOOGLE_VM, 'gcp', /^\/sys\/class\/dmi\/id\/product_name is 'Google Compute Engine'$/],
  ['Compute Engine, by its older name', { files: { [PRODUCT_NAME]: 'Google\n' } }, GOOGLE_VM, 'gcp', /'Google'/],
  ['GCE_METADATA_HOST', { env: { GCE_METADATA_HOST: '127.0.0.1:8080' } }, GOOGLE_VM, 'gcp', /^GCE_METADATA_HOST is set$/],
];

test.each(CASES)('%s', async (_, scene, name, environment, sign, tokenFile) => {
  expect(await find(scene)).toEqual({
    name,
    environment,
    sign: expect.stringMatching(sign),
    ...(tokenFile && { tokenFile }),
  });
});

test('every row of the table has a case', () => {
  const found = new Set(CASES.map(([, , name]) => name));
  expect(TABLE.map(({ name }) => name).filter((name) => !found.has(name))).toEqual([]);
});

describe('in Kubernetes, never the identity of the node', () => {
  test.each<[string, Scene]>([
    ['on Azure', { env: KUBERNETES, files: { [STANDARD_FILE]: ofApiServer, ...azureVm } }],
    ['on Azure, without the variables', { files: { [STANDARD_FILE]: ofApiServer, ...azureVm } }],
    [
      'on AKS with a variable missing',
      { env: { ...AKS, ...KUBERNETES, AZURE_TENANT_ID: '' }, files: azureVm },
    ],
    [
      'on Google Cloud with GCE_METADATA_HOST',
      { env: { ...KUBERNETES, GCE_METADATA_HOST: 'a' }, files: { [STANDARD_FILE]: ofApiServer } },
    ],
    [
      'on Google Cloud, in a cluster that is not GKE',
      { env: KUBERNETES, files: { [STANDARD_FILE]: ofApiServer, ...googleVm }, server: NODE },
    ],
    [
      'on GKE without Workload Identity Federation',
      { env: KUBERNETES, files: { [STANDARD_FILE]: ofGke }, server: NODE },
    ],
    [
      'where a metadata server has no name',
      { env: KUBERNETES, files: { [STANDARD_FILE]: ofGke }, server: '' },
    ],
    ['with K_SERVICE, which Knative sets', { env: { ...KUBERNETES, K_SERVICE: 'orders' } }],
  ])('%s', async (_, scene) => {
    const message = await messageOf(scene);
    expect(message).toContain("This is Kubernetes, where the node's identity is never used");
    expect(message).toContain('`audience: mongodb` under /var/run/secrets/tokens');
  });

  test('and says what is missing on GKE', async () => {
    const message = await messageOf({ env: KUBERNETES, files: { [STANDARD_FILE]: ofGke }, server: NODE });
    expect(message).toContain('(Metadata Server for VM) is the node');
    expect(message).toContain('turn on Workload Identity Federation');
  });
});

describe('a token file counts only if it is for the audience', () => {
  test.each([
    ['another audience', ofApiServer, "is for 'https://kubernetes.default.svc'"],
    ['no audience', jwt({ iss: 'a' }), 'is for no audience'],
    ['an audience that begins alike', jwt({ aud: 'mongodb-2' }), "is for 'mongodb-2'"],
    ['no token', 'hello', 'holds no token that can be read'],
    ['nothing', '', 'holds no token that can be read'],
  ])('not with %s', async (_, content, note) => {
    const message = await messageOf({ env: EKS, files: { [EKS_FILE]: content } });
    expect(message).toContain(`${EKS_FILE} ${note}`);
    if (content.length > 20) expect(message).not.toContain(content.slice(0, 20));
  });

  test('and a file outside Kubernetes does not', async () => {
    const message = await messageOf({ env: { AWS_WEB_IDENTITY_TOKEN_FILE: '/t' }, files: { '/t': ours } });
    expect(message).not.toContain('/t ');
  });

  test('through the links that the kubelet swaps', async () => {
    const around = await surroundings({
      env: KUBERNETES,
      files: { '/var/run/secrets/tokens/..2026_11_24/mongodb': ours },
    });
    const folder = join(around.root, '/var/run/secrets/tokens');
    await symlink('..2026_11_24', join(folder, '..data'));
    await symlink('..data/mongodb', join(folder, 'mongodb'));
    expect(await detect(around, AUDIENCE)).toMatchObject({ tokenFile: join(folder, 'mongodb') });
  });
});

describe('when nothing fits', () => {
  test('the error lists what was looked at and how to say it outright', async () => {
    const message = await messageOf({
      env: { IDENTITY_ENDPOINT: 'a' },
      files: { [PRODUCT_NAME]: 'ThinkPad\n' },
    });
    for (const part of [
      'AZURE_FEDERATED_TOKEN_FILE, AZURE_CLIENT_ID and AZURE_TENANT_ID are not set',
      'IDENTITY_HEADER is not set',
      'MSI_ENDPOINT is not set',
      'IMDS_ENDPOINT is not set',
      'K_SERVICE is not set',
      `${ASSET_TAG} cannot be read`,
      `${PRODUCT_NAME} is 'ThinkPad'`,
      'GCE_METADATA_HOST is not set',
      'the option `environment`, ENVIRONMENT in the connection string, or the variable MONGODB_OIDC_ENVIRONMENT',
      'on a laptop as developer',
    ]) {
      expect(message).toContain(part);
    }
    expect(message).not.toContain('Kubernetes');
  });

  test('a variable that is empty counts as not set', async () => {
    const env = Object.fromEntries(
      Object.keys({ ...AKS, ...APP_SERVICE, K_SERVICE: '' }).map((name) => [name, '']),
    );
    expect(await messageOf({ env })).toContain('K_SERVICE is not set');
  });

  test('another asset tag or product is no cloud', async () => {
    const files = { [ASSET_TAG]: '7783-7084-3265-9085-8269-3286-78', [PRODUCT_NAME]: 'Googleplex' };
    expect(await messageOf({ files })).toContain("product_name is 'Googleplex'");
  });
});

test('what the metadata server fails with is passed on', async () => {
  const around = await surroundings({ env: KUBERNETES, files: { [STANDARD_FILE]: ofGke } });
  await expect(detect(around, AUDIENCE)).rejects.toThrow('the network was asked');
});
