// Each manifest is valid, and gives the program beside it what it relies on.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Deployment } from 'kubernetes-models/apps/v1';
import { ServiceAccount } from 'kubernetes-models/v1';
import { describe, expect, it } from 'vitest';
import { run } from '../emulators/child.js';
import { serviceAccount } from '../ways/sources.js';
import { examples } from './examples.js';
import { folder, listFiles } from './files.js';
import { type Manifest, manifests, parseManifest, readPod } from './manifests.js';

const EXCHANGE = 'api://AzureADTokenExchange';

describe.each(manifests)('%s', (path) => {
  const example = path.replace('/deployment.yaml', '');

  it('is a service account and a deployment, by their schemas', () => {
    const [account, deployment, ...others] = parseManifest(path);
    expect(others).toEqual([]);
    expect([account?.kind, deployment?.kind]).toEqual(['ServiceAccount', 'Deployment']);
    validate([account, deployment] as Manifest);
  });

  it('runs the program as that service account, which the server knows by this subject', () => {
    const { account, deployment, labels, spec } = readPod(example);
    const { namespace } = deployment.metadata ?? {};
    expect(spec.serviceAccountName).toBe(account.metadata?.name);
    expect(account.metadata?.namespace).toBe(namespace);
    expect(`system:serviceaccount:${namespace}:${spec.serviceAccountName}`).toBe(serviceAccount);
    expect(labels).toMatchObject(deployment.spec?.selector.matchLabels ?? {});
  });

  it('sets the variables that the program cannot do without, and no others', () => {
    const { variables } = examples.find(({ file }) => file === `${example}/index.ts`) ?? {};
    expect(Object.keys(readPod(example).env)).toEqual(variables);
  });

  it('asks the port on which the program listens', () => {
    const { container } = readPod(example);
    const [, port] = /PORT = '(\d+)'/.exec(readFileSync(join(folder, example, 'index.ts'), 'utf8')) ?? [];
    expect(container.ports).toEqual([{ name: 'http', containerPort: Number(port) }]);
    expect(container.readinessProbe?.httpGet).toEqual({ path: '/', port: 'http' });
  });

  it('gives the program no rights that it does not need', () => {
    const { account, spec, container } = readPod(example);
    expect(account.automountServiceAccountToken).toBe(false);
    // The kubelet makes the token file this user's.
    expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: expect.any(Number) });
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
  });
});

describe.each(['gke', 'kubernetes', 'eks'])('%s/deployment.yaml', (example) => {
  it('mounts a token for the audience where the program looks for it', () => {
    const { spec, container, env } = readPod(example);
    const [mount, ...otherMounts] = container.volumeMounts ?? [];
    const [volume, ...otherVolumes] = spec.volumes ?? [];
    expect([...otherMounts, ...otherVolumes]).toEqual([]);
    const [source] = volume?.projected?.sources ?? [];
    expect(mount).toEqual({ name: volume?.name, mountPath: expect.any(String), readOnly: true });
    expect(`${mount?.mountPath}/${source?.serviceAccountToken?.path}`).toBe(env.MONGODB_TOKEN_FILE);
    expect(source?.serviceAccountToken?.audience).toBe(env.MONGODB_AUDIENCE);
    // Kubernetes' least.
    expect(source?.serviceAccountToken?.expirationSeconds).toBeGreaterThanOrEqual(600);
  });
});

describe('aks/deployment.yaml', () => {
  it('has the label and the annotation that the webhook goes by', () => {
    const { account, labels } = readPod('aks');
    expect(labels).toMatchObject({ 'azure.workload.identity/use': 'true' });
    expect(account.metadata?.annotations).toEqual({
      'azure.workload.identity/client-id': expect.stringMatching(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/),
    });
  });

  it('goes with the federated credential', () => {
    const script = readScript('aks/federated-credential.sh');
    expect(script).toContain(`--subject "${serviceAccount}" `);
    expect(script).toContain(`--audiences ${EXCHANGE} `);
  });
});

describe('gke-workload-identity/deployment.yaml', () => {
  it('goes with the IAM binding, on nodes that have a metadata server for pods', () => {
    const { account, spec } = readPod('gke-workload-identity');
    const script = readScript('gke-workload-identity/iam-binding.sh');
    const [, project] = /^PROJECT=(.+)$/m.exec(script) ?? [];
    const [, email] = /add-iam-policy-binding "(.+?)"/.exec(script) ?? [];
    expect(account.metadata?.annotations).toEqual({ 'iam.gke.io/gcp-service-account': email });
    const [, , namespace, name] = serviceAccount.split(':');
    expect(script).toContain(`--member "serviceAccount:${project}.svc.id.goog[${namespace}/${name}]"`);
    expect(spec.nodeSelector).toEqual({ 'iam.gke.io/gke-metadata-server-enabled': 'true' });
  });
});

it.each(listFiles().filter((path) => path.endsWith('.sh')))('%s is a shell script', async (path) => {
  expect(await run('sh', ['-n', join(folder, path)])).toEqual({ code: 0, stdout: '', stderr: '' });
});

describe('this check', () => {
  it.each([
    ['an expiry that is no number', { expirationSeconds: '1h' }],
    ['a token without a path', { path: undefined }],
  ])('refuses %s', (_, change) => {
    const [account, deployment] = parseManifest('kubernetes/deployment.yaml') as Manifest;
    const source = deployment.spec?.template.spec?.volumes?.[0]?.projected?.sources?.[0];
    Object.assign(source?.serviceAccountToken ?? {}, change);
    expect(() => validate([account, deployment])).toThrow(/serviceAccountToken/);
  });

  it('refuses YAML that says a thing twice', () => {
    const twice = (text: string) => text.replace('kind:', 'apiVersion: v1\nkind:');
    expect(() => parseManifest('kubernetes/deployment.yaml', twice)).toThrow('Map keys must be unique');
  });
});

/** With the values of the variables that it sets in lines of their own. */
function readScript(path: string): string {
  const script = readFileSync(join(folder, path), 'utf8');
  return [...script.matchAll(/^([A-Z_]+)="?([^"(\n]+)"?$/gm)].reduceRight(
    (text, [, name, value]) => text.replaceAll(`$${name}`, `${value}`),
    script,
  );
}

function validate([account, deployment]: Manifest): void {
  new ServiceAccount(account).validate();
  new Deployment(deployment).validate();
}
