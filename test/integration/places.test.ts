// Places that a program knows by files alone, each in a namespace that has them at their real paths, and a metadata
// service at its real address.
import { fileURLToPath } from 'node:url';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { defaultIdentities } from '../emulators/azure.js';
import { defaultServiceAccount } from '../emulators/gcp.js';
import { namespaceObstacle, runInNamespace } from '../emulators/namespace.js';
import type { PlaceOptions, PlaceReport } from './place.js';

const script = fileURLToPath(new URL('place.ts', import.meta.url));
const audience = 'mongodb';
const gkeIssuer = 'https://container.googleapis.com/v1/projects/p/locations/europe-west1/clusters/c';
const otherIssuer = 'https://oidc.example.com/cluster-1';
const standardToken = '/run/secrets/kubernetes.io/serviceaccount/token';
const azureVm = { '/sys/class/dmi/id/chassis_asset_tag': '7783-7084-3265-9085-8269-3286-77\n' };
const computeEngine = { '/sys/class/dmi/id/product_name': 'Google Compute Engine\n' };
const kubernetes = { KUBERNETES_SERVICE_HOST: '10.0.0.1' };
const podSubject = 'test/system:serviceaccount:default:app';
const identityPath = '/computeMetadata/v1/instance/service-accounts/default/identity';

let obstacle: string | undefined;
beforeAll(async () => {
  obstacle = await namespaceObstacle();
  if (obstacle !== undefined) console.error(`NOT TESTED: places that files tell (${obstacle})`);
});
beforeEach((context) => {
  if (obstacle !== undefined) context.skip(obstacle);
});

async function runAt(place: Partial<PlaceOptions>, env: Record<string, string> = {}): Promise<PlaceReport> {
  const options: PlaceOptions = {
    metadata: 'gce',
    files: {},
    tokens: {},
    audience,
    configured: 'class',
    ...place,
  };
  const { code, stdout, stderr } = await runInNamespace(script, [JSON.stringify(options)], env);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout);
}

describe.each(['class', 'connection string'] as const)('by %s', (configured) => {
  it('connects from an Azure VM', async () => {
    const { user, failure } = await runAt({ metadata: 'azure', files: azureVm, configured });
    expect(failure).toBeUndefined();
    expect(user).toBe(`test/${defaultIdentities[0]?.objectId}`);
  });

  it('connects from Compute Engine', async () => {
    const { user, metadataRequests } = await runAt({ files: computeEngine, configured });
    expect(user).toBe(`test/${defaultServiceAccount.uniqueId}`);
    expect(metadataRequests).toEqual([identityPath]);
  });

  it('connects from a pod with a projected token, whatever the machine is', async () => {
    const { user, metadataRequests } = await runAt(
      {
        metadata: 'gke',
        files: computeEngine,
        tokens: {
          [standardToken]: [gkeIssuer, gkeIssuer],
          '/run/secrets/tokens/mongodb': [otherIssuer, audience],
        },
        configured,
      },
      kubernetes,
    );
    expect(user).toBe(podSubject);
    expect(metadataRequests).toEqual([]);
  });

  it('connects from a pod on GKE with Workload Identity Federation', async () => {
    const { user, metadataRequests } = await runAt(
      { metadata: 'gke', tokens: { [standardToken]: [gkeIssuer, gkeIssuer] }, configured },
      kubernetes,
    );
    expect(user).toBe(`test/${defaultServiceAccount.uniqueId}`);
    expect(metadataRequests).toEqual(['/computeMetadata/v1/', identityPath]);
  });

  it("never takes the node's identity on GKE", async () => {
    const { failure, metadataRequests } = await runAt(
      { files: computeEngine, tokens: { [standardToken]: [gkeIssuer, gkeIssuer] }, configured },
      kubernetes,
    );
    expect(failure).toMatchObject({
      code: 'ERR_OIDC_ENVIRONMENT_UNKNOWN',
      message: expect.stringContaining('turn on Workload Identity Federation'),
    });
    expect(metadataRequests).toEqual(['/computeMetadata/v1/']);
  });

  it("never takes the node's identity on AKS", async () => {
    const { failure, metadataRequests } = await runAt(
      {
        metadata: 'azure',
        files: azureVm,
        tokens: { [standardToken]: [otherIssuer, 'https://kubernetes.default.svc'] },
        configured,
      },
      kubernetes,
    );
    expect(failure).toMatchObject({
      code: 'ERR_OIDC_ENVIRONMENT_UNKNOWN',
      message: expect.stringContaining("is for 'https://kubernetes.default.svc'"),
    });
    expect(metadataRequests).toEqual([]);
  });
});
