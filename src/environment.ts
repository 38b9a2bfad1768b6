// Which callback an environment's name stands for, and one of each kind for the whole process.

import { hasWorkloadIdentity } from './azure-credential.js';
import { AzureManagedIdentityCallback } from './azure-managed-identity.js';
import { AzureWorkloadIdentityCallback } from './azure-workload-identity.js';
import type { OIDCCallback, OIDCCallbackOptions } from './callback.js';
import { GcpMetadataCallback } from './gcp-metadata.js';
import { KubernetesCallback } from './kubernetes-token.js';

/** The names that the driver gives to its environments. */
export type EnvironmentName = 'azure' | 'gcp' | 'k8s';

type CallbackClass = new (options: OIDCCallbackOptions) => OIDCCallback;

const CLASSES: Readonly<Record<EnvironmentName, () => CallbackClass>> = {
  azure: () => (hasWorkloadIdentity() ? AzureWorkloadIdentityCallback : AzureManagedIdentityCallback),
  gcp: () => GcpMetadataCallback,
  k8s: () => KubernetesCallback,
};

/** Held weakly: a callback that no client uses any more takes its timers and tokens with it. */
const shared = new Map<string, WeakRef<OIDCCallback>>();

/**
 * The callback of an environment for an audience and a username; the same one for the same arguments, so that
 * a thousand clients make one token request.
 */
export function sharedCallback(
  environment: EnvironmentName,
  { audience, username }: { readonly audience?: string; readonly username?: string },
): OIDCCallback {
  const Class = CLASSES[environment]();
  const key = JSON.stringify([Class.name, audience, username]);
  const known = shared.get(key)?.deref();
  if (known) return known;
  const callback = new Class(audience === undefined ? {} : { audience });
  shared.set(key, new WeakRef(callback));
  return callback;
}
