// Which callback an environment's name stands for.

import { hasWorkloadIdentity } from './azure-credential.js';
import { AzureCallback } from './azure-default.js';
import { AzureManagedIdentityCallback } from './azure-managed-identity.js';
import { AzureWorkloadIdentityCallback } from './azure-workload-identity.js';
import type { OIDCCallback } from './callback.js';
import { DeveloperCredential } from './developer-credential.js';
import { GcpCallback } from './gcp-default.js';
import { GcpMetadataCallback } from './gcp-metadata.js';
import { KubernetesCallback } from './kubernetes-token.js';

/** The names that the driver gives to its environments, and `developer`: a person's login on a laptop. */
export type EnvironmentName = 'azure' | 'gcp' | 'k8s' | 'developer';

/** What is passed on, where it means something. */
export interface EnvironmentOptions {
  readonly audience?: string | undefined;
  readonly timeoutMS?: number | undefined;
  readonly tokenFile?: string | undefined;
  readonly serviceAccountEmail?: string | undefined;
  readonly targetPrincipal?: string | undefined;
}

type MakeCallback = (options: EnvironmentOptions) => OIDCCallback;

const CALLBACKS: Readonly<Record<EnvironmentName, MakeCallback>> = {
  azure: ({ audience, timeoutMS }) =>
    hasWorkloadIdentity()
      ? new AzureWorkloadIdentityCallback({ audience, timeoutMS })
      : new AzureManagedIdentityCallback({ audience, timeoutMS }),
  gcp: ({ audience, timeoutMS, serviceAccountEmail }) =>
    new GcpMetadataCallback({ audience, timeoutMS, serviceAccountEmail }),
  k8s: ({ audience, timeoutMS, tokenFile }) => new KubernetesCallback({ audience, timeoutMS, tokenFile }),
  developer: ({ audience, timeoutMS, targetPrincipal }) =>
    targetPrincipal === undefined
      ? new AzureCallback({ audience, timeoutMS, credential: new DeveloperCredential() })
      : new GcpCallback({ audience, timeoutMS, targetPrincipal }),
};

/** For messages. */
export const ENVIRONMENT_NAMES = 'azure, gcp, k8s or, for a login on a laptop, developer';

export function isEnvironmentName(name: unknown): name is EnvironmentName {
  return typeof name === 'string' && Object.hasOwn(CALLBACKS, name);
}

export function callbackOf(environment: EnvironmentName, options: EnvironmentOptions): OIDCCallback {
  return CALLBACKS[environment](options);
}
