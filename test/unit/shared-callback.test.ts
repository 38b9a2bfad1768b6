import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AzureCallback } from '../../src/azure-default.js';
import { AzureManagedIdentityCallback } from '../../src/azure-managed-identity.js';
import { AzureWorkloadIdentityCallback } from '../../src/azure-workload-identity.js';
import { OIDCCallback } from '../../src/callback.js';
import type { EnvironmentName } from '../../src/environment.js';
import { EnvironmentCallback } from '../../src/environment-callback.js';
import { GcpCallback } from '../../src/gcp-default.js';
import { GcpMetadataCallback } from '../../src/gcp-metadata.js';
import { GkeCallback, KubernetesCallback } from '../../src/kubernetes-token.js';
import { type SharedCallbackOptions, sharedCallback } from '../../src/shared-callback.js';
import { readTokenFile } from '../../src/token-file.js';
import { jwt } from './jwts.js';

vi.mock('../../src/token-file.js', { spy: true });

const AKS = {
  AZURE_CLIENT_ID: '9f3c1d52-0b7e-4c1a-8d3f-5e6a7b8c9d0e',
  AZURE_TENANT_ID: '11111111-2222-3333-4444-555555555555',
  AZURE_FEDERATED_TOKEN_FILE: '/var/run/secrets/azure/tokens/azure-identity-token',
};

beforeEach(() => {
  for (const name of Object.keys(AKS)) vi.stubEnv(name, undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

function stub(variables: Record<string, string | undefined>): void {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
}

describe('the callback of an environment', () => {
  test('is of the class that its name stands for', () => {
    expect(sharedCallback('azure', {}).constructor).toBe(AzureManagedIdentityCallback);
    expect(sharedCallback('gcp', {}).constructor).toBe(GcpMetadataCallback);
    expect(sharedCallback('k8s', {}).constructor).toBe(KubernetesCallback);
    expect(sharedCallback('k8s', {})).not.toBeInstanceOf(GkeCallback);
    expect(sharedCallback('developer', {}).constructor).toBe(AzureCallback);
    expect(sharedCallback('developer', { targetPrincipal: 'a@b' }).constructor).toBe(GcpCallback);
    expect(sharedCallback(undefined, {}).constructor).toBe(EnvironmentCallback);
    for (const name of ['azure', 'gcp', 'k8s', 'developer', undefined] as const) {
      expect(sharedCallback(name, {})).toBeInstanceOf(OIDCCallback);
    }
  });

  test('is of workload identity on Azure where all variables of AKS are set', () => {
    stub(AKS);
    expect(sharedCallback('azure', {}).constructor).toBe(AzureWorkloadIdentityCallback);
    expect(sharedCallback('gcp', {}).constructor).toBe(GcpMetadataCallback);
    expect(sharedCallback('k8s', {}).constructor).toBe(KubernetesCallback);
  });

  test.each(Object.keys(AKS))('is of managed identity where %s is missing or empty', (name) => {
    stub({ ...AKS, [name]: undefined });
    expect(sharedCallback('azure', {}).constructor).toBe(AzureManagedIdentityCallback);
    stub({ [name]: '' });
    expect(sharedCallback('azure', {}).constructor).toBe(AzureManagedIdentityCallback);
  });

  test('asks for the audience that was given, and for that of the driver where none was', async () => {
    const aud = 'the audience of this test';
    vi.mocked(readTokenFile).mockResolvedValue(jwt({ aud: [aud] }));
    expect(await sharedCallback('k8s', { audience: aud }).fetch()).toEqual({
      accessToken: jwt({ aud: [aud] }),
    });
    const other = sharedCallback('k8s', { audience: 'another' }).fetch();
    await expect(other).rejects.toMatchObject({
      code: 'ERR_OIDC_AUDIENCE_MISMATCH',
      message: expect.stringContaining("'another' was asked for"),
    });
    await expect(sharedCallback('k8s', {}).fetch({ tokenAudience: 'a third' })).rejects.toMatchObject({
      message: expect.stringContaining("'a third' was asked for"),
    });
  });

  test('must have an audience that a callback takes', () => {
    expect(() => sharedCallback('gcp', { audience: '' })).toThrow(
      expect.objectContaining({ code: 'ERR_OIDC_INVALID_OPTION' }),
    );
  });
});

describe('callbacks are shared', () => {
  const kinds: [EnvironmentName | undefined, SharedCallbackOptions][] = [
    ['azure', {}],
    ['azure', { audience: 'a' }],
    ['azure', { audience: 'b' }],
    ['azure', { username: 'a' }],
    ['azure', { audience: 'a', username: 'a' }],
    ['azure', { audience: 'a', username: 'b' }],
    ['azure', { audience: 'null' }],
    ['gcp', {}],
    ['gcp', { audience: 'a' }],
    ['k8s', {}],
    ['k8s', { audience: 'a' }],
    ['developer', { audience: 'a' }],
    ['developer', { audience: 'a', targetPrincipal: 'a@b' }],
    [undefined, {}],
    [undefined, { audience: 'a' }],
    [undefined, { audience: 'a', username: 'a' }],
    [undefined, { audience: 'a', targetPrincipal: 'a@b' }],
  ];

  test('by whoever asks with the same environment, audience and username', () => {
    for (const [name, options] of kinds) {
      expect(sharedCallback(name, options)).toBe(sharedCallback(name, { ...options }));
    }
    expect(sharedCallback('azure', { username: 'a', audience: 'b' })).toBe(
      sharedCallback('azure', { audience: 'b', username: 'a' }),
    );
  });

  test('by nobody else', () => {
    const callbacks = kinds.map(([name, options]) => sharedCallback(name, options));
    expect(new Set(callbacks).size).toBe(kinds.length);
  });

  test('not across the classes that the variables of AKS choose', () => {
    const managed = sharedCallback('azure', { audience: 'a' });
    stub(AKS);
    const federated = sharedCallback('azure', { audience: 'a' });
    expect(federated).not.toBe(managed);
    expect(sharedCallback('azure', { audience: 'a' })).toBe(federated);
    stub({ AZURE_CLIENT_ID: undefined });
    expect(sharedCallback('azure', { audience: 'a' })).toBe(managed);
  });

  test('with their tokens', async () => {
    vi.mocked(readTokenFile)
      .mockClear()
      .mockResolvedValue(jwt({ aud: 'shared' }));
    const fetch = () => sharedCallback('k8s', { audience: 'shared' }).fetch();
    const results = await Promise.all(Array.from({ length: 1_000 }, fetch));
    expect(new Set(results.map(({ accessToken }) => accessToken)).size).toBe(1);
    expect(readTokenFile).toHaveBeenCalledOnce();
  });

  test('for as long as somebody holds them, and not longer', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const kept = sharedCallback('gcp', { audience: 'kept' });
    const dropped = new WeakRef(sharedCallback('gcp', { audience: 'dropped' }));
    // A WeakRef holds its target until the current job ends.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    expect(dropped.deref()).toBeUndefined();
    expect(sharedCallback('gcp', { audience: 'kept' })).toBe(kept);
    expect(sharedCallback('gcp', { audience: 'dropped' })).toBeInstanceOf(GcpMetadataCallback);
  });
});
