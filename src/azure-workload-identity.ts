// Tokens of a workload identity: a federated cluster's service-account token exchanged at Entra.

import type { WorkloadIdentityCredentialOptions } from '@azure/identity';
import { CREDENTIAL_OPTION_NAMES, type CredentialFor, getAzureToken, memoize } from './azure-credential.js';
import { loadAzureIdentity } from './azure-sdk.js';
import { keepName } from './callable.js';
import {
  type AccessToken,
  type GetTokenRequest,
  OIDCCallback,
  type OIDCCallbackOptions,
} from './callback.js';
import { OIDCCallbackError } from './errors.js';
import { requireString } from './options.js';

/**
 * Options of {@link AzureWorkloadIdentityCallback}: the SDK's own, which by default come from
 * `AZURE_CLIENT_ID`, `AZURE_TENANT_ID`, `AZURE_FEDERATED_TOKEN_FILE` and `AZURE_AUTHORITY_HOST`.
 * The driver's `username` is the client ID where `clientId` is not given.
 */
export interface AzureWorkloadIdentityCallbackOptions
  extends OIDCCallbackOptions,
    WorkloadIdentityCredentialOptions {}

const STRING_OPTION_NAMES = ['clientId', 'tenantId', 'tokenFilePath'] as const;

/**
 * Tokens through `WorkloadIdentityCredential`: AKS with workload identity, and any cluster that Entra trusts.
 *
 * @example
 * ```ts
 * import { AzureWorkloadIdentityCallback } from 'mongodb-workload-identity/azure';
 *
 * const callback = new AzureWorkloadIdentityCallback({ audience: 'api://mongodb' });
 * ```
 */
export class AzureWorkloadIdentityCallback extends OIDCCallback {
  static {
    keepName(AzureWorkloadIdentityCallback, 'AzureWorkloadIdentityCallback');
  }

  readonly #clientId: string | undefined;
  readonly #credential: CredentialFor;

  /** @throws OIDCCallbackError `ERR_OIDC_INVALID_OPTION` */
  constructor(options: AzureWorkloadIdentityCallbackOptions = {}) {
    super(options, [...STRING_OPTION_NAMES, ...CREDENTIAL_OPTION_NAMES]);
    for (const name of [...STRING_OPTION_NAMES, 'authorityHost'] as const) requireString(options, name);
    const { audience: _, timeoutMS: __, refreshAhead: ___, ...credentialOptions } = options;
    this.#clientId = options.clientId;
    this.#credential = memoize((clientId) => {
      const { WorkloadIdentityCredential } = loadAzureIdentity();
      requireSettings({ ...credentialOptions, ...(clientId && { clientId }) });
      return new WorkloadIdentityCredential({ ...credentialOptions, ...(clientId && { clientId }) });
    });
  }

  protected override getToken(request: GetTokenRequest): Promise<AccessToken> {
    const clientId = this.#clientId ?? request.username;
    const named = clientId ?? process.env.AZURE_CLIENT_ID;
    return getAzureToken(
      () => this.#credential(clientId, request.skipCache),
      request,
      named && `client ID '${named}'`,
    );
  }
}

/** @throws OIDCCallbackError `ERR_OIDC_CREDENTIAL_UNAVAILABLE`, naming what is missing */
function requireSettings({ clientId, tenantId, tokenFilePath }: WorkloadIdentityCredentialOptions): void {
  const { AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_FEDERATED_TOKEN_FILE } = process.env;
  const missing = [
    !(clientId || AZURE_CLIENT_ID) && 'AZURE_CLIENT_ID (or `clientId`, or the username)',
    !(tenantId || AZURE_TENANT_ID) && 'AZURE_TENANT_ID (or `tenantId`)',
    !(tokenFilePath || AZURE_FEDERATED_TOKEN_FILE) && 'AZURE_FEDERATED_TOKEN_FILE (or `tokenFilePath`)',
  ].filter(Boolean);
  if (missing.length === 0) return;
  throw new OIDCCallbackError(
    'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
    `No workload identity here: not set are ${missing.join(', ')}. On AKS the webhook sets them in a pod with the label azure.workload.identity/use: "true", whose service account has the annotation azure.workload.identity/client-id; restart the pod after adding them.`,
  );
}
