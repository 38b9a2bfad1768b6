// What the compiler must accept of the public types, and what it must refuse. Compiled by `npm run typecheck`;
// a refusal that is gone is an error by itself (`@ts-expect-error`).

import type { GoogleAuth } from 'google-auth-library';
import {
  type AuthMechanismProperties,
  MongoClient,
  type MongoClientOptions,
  type OIDCCallbackFunction,
  type OIDCCallbackParams,
  type OIDCResponse,
} from 'mongodb';
import {
  type AccessToken,
  EnvironmentCallback,
  OIDCCallback,
  type OIDCCallbackContext,
  OIDCCallbackError,
  type OIDCCallbackErrorCode,
  type OIDCCallbackResult,
  workloadIdentity,
} from 'mongodb-workload-identity';
import {
  AZURE_DOCUMENTDB,
  AzureCallback,
  AzureManagedIdentityCallback,
  AzureWorkloadIdentityCallback,
} from 'mongodb-workload-identity/azure';
import { GcpCallback, GcpMetadataCallback, GkeCallback } from 'mongodb-workload-identity/gcp';
import { KubernetesCallback } from 'mongodb-workload-identity/kubernetes';

const audience = 'api://mongodb';

class OwnCallback extends OIDCCallback {
  protected async getToken(): Promise<AccessToken> {
    return { token: '' };
  }
}

export const callbacks: readonly OIDCCallbackFunction[] = [
  new EnvironmentCallback(),
  new EnvironmentCallback({ audience, environment: 'developer', targetPrincipal: 'a@b' }),
  new AzureCallback({ audience }),
  new AzureManagedIdentityCallback({ audience, clientId: 'client' }),
  new AzureWorkloadIdentityCallback(),
  new GcpCallback({ audience, targetPrincipal: 'orders@example.iam.gserviceaccount.com' }),
  new GcpMetadataCallback({ audience, serviceAccountEmail: 'orders@example.iam.gserviceaccount.com' }),
  new GkeCallback({ tokenFile: '/var/run/token' }),
  new KubernetesCallback(),
  new OwnCallback({ timeoutMS: 1_000, refreshAhead: false }),
];

export const properties: AuthMechanismProperties = {
  OIDC_CALLBACK: new KubernetesCallback(),
  ALLOWED_HOSTS: AZURE_DOCUMENTDB.public.allowedHosts,
};

// Results and contexts are the driver's.
type Extends<Part, Whole> = Part extends Whole ? true : never;
export const isResult: Extends<OIDCCallbackResult, OIDCResponse> = true;
export const isContext: Extends<OIDCCallbackParams, OIDCCallbackContext> = true;

declare const callback: KubernetesCallback;
declare const auth: GoogleAuth;
export const fetched: Promise<OIDCResponse> = callback.fetch();
export const expiry: Date | undefined = callback.expiresAt;
export const code: OIDCCallbackErrorCode = new OIDCCallbackError('ERR_OIDC_TIMEOUT', 'late').code;

export const [uri, plain]: [string, MongoClientOptions] = workloadIdentity('mongodb://host');
export const [, { appName }] = workloadIdentity('mongodb://host', { audience, appName: 'orders' });
export const name: string = appName;

export function refused(): unknown[] {
  return [
    // @ts-expect-error: an option that does not exist
    new KubernetesCallback({ audiense: audience }),
    // @ts-expect-error: an option of another type
    new KubernetesCallback({ timeoutMS: '30s' }),
    // @ts-expect-error: an option of another class
    new GcpMetadataCallback({ clientId: 'client' }),
    // @ts-expect-error: an environment that is not known
    new EnvironmentCallback({ environment: 'aws' }),
    // @ts-expect-error: likewise
    workloadIdentity('mongodb://host', { environment: 'aws' }),
    // @ts-expect-error: two names for one identity
    new AzureManagedIdentityCallback({ clientId: 'client', resourceId: '/subscriptions/1' }),
    // @ts-expect-error: a credential, and options for making one
    new AzureCallback({ credential: { getToken: async () => null }, tenantId: 'tenant' }),
    // @ts-expect-error: a GoogleAuth must be one
    new GcpCallback({ auth: {} }),
    // @ts-expect-error: a GoogleAuth, and options for making one
    new GcpCallback({ auth, keyFilename: 'key.json' }),
    // @ts-expect-error: a class without getToken
    new OIDCCallback(),
    // @ts-expect-error: the driver's own option, which is for the driver to refuse
    new MongoClient(...workloadIdentity('mongodb://host', { appName: 1 })),
    // @ts-expect-error: no connection string
    workloadIdentity({ audience }),
    // @ts-expect-error: a code that does not exist
    new OIDCCallbackError('ERR_OIDC_LATE', 'late'),
    // @ts-expect-error: what asks the source is for subclasses
    callback.getToken,
    // @ts-expect-error: a token that is none
    callback.fetch().then(({ token }) => token),
  ];
}
