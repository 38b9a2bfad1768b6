// What the Azure callbacks share: asking a TokenCredential for the token of a resource.

import type { TokenCredential } from '@azure/identity';
import { describeAzureError } from './azure-errors.js';
import type { AccessToken, GetTokenRequest } from './callback.js';
import { invalidOption, requireAudience } from './options.js';
import { requireDirect } from './proxy.js';

const IMDS = 'http://169.254.169.254';

/** Options of the SDK that all of its credentials take, with those that go to its HTTP pipeline. */
export const CREDENTIAL_OPTION_NAMES = [
  'authorityHost',
  'loggingOptions',
  'additionallyAllowedTenants',
  'disableInstanceDiscovery',
  'additionalPolicies',
  'allowInsecureConnection',
  'httpClient',
  'proxyOptions',
  'redirectOptions',
  'retryOptions',
  'telemetryOptions',
  'tlsOptions',
  'userAgentOptions',
];

/**
 * Asks `credential` for the resource's token.
 *
 * @throws OIDCCallbackError with the code that fits what the SDK threw
 */
export async function getAzureToken(
  credential: () => TokenCredential,
  request: GetTokenRequest,
  identity: string | undefined,
): Promise<AccessToken> {
  const audience = requireAudience(request.audience);
  try {
    // Entra's scope for "everything this resource grants"; for managed identities the SDK takes it off again.
    const token = await credential().getToken(`${audience}/.default`, { abortSignal: request.signal });
    if (!token) throw new Error('the credential returned no token');
    return token;
  } catch (error) {
    throw describeAzureError(error, { audience, identity });
  }
}

/** Whether AKS's webhook, or whoever federates this cluster, has set the variables of a workload identity. */
export function hasWorkloadIdentity(env: NodeJS.ProcessEnv = process.env): boolean {
  return Boolean(env.AZURE_FEDERATED_TOKEN_FILE && env.AZURE_CLIENT_ID && env.AZURE_TENANT_ID);
}

/**
 * For an option that names an identity otherwise than by client ID.
 *
 * @throws OIDCCallbackError `ERR_OIDC_INVALID_OPTION`
 */
export function requireNoWorkloadIdentity(option: string): void {
  if (!hasWorkloadIdentity()) return;
  throw invalidOption(
    option,
    'cannot be used where AZURE_FEDERATED_TOKEN_FILE, AZURE_CLIENT_ID and AZURE_TENANT_ID are set (AKS workload identity): the SDK would ignore it and use AZURE_CLIENT_ID. Give `clientId`, or use AzureWorkloadIdentityCallback',
  );
}

/** @throws OIDCCallbackError `ERR_OIDC_METADATA_PROXIED` */
export function requireDirectIdentityEndpoint(): void {
  if (hasWorkloadIdentity()) return; // Entra is asked, through the Internet's usual ways
  const {
    IDENTITY_ENDPOINT,
    IDENTITY_HEADER,
    IMDS_ENDPOINT,
    MSI_ENDPOINT,
    AZURE_POD_IDENTITY_AUTHORITY_HOST,
  } = process.env;
  const endpoint = IDENTITY_HEADER || IMDS_ENDPOINT ? IDENTITY_ENDPOINT : undefined;
  requireDirect(endpoint || MSI_ENDPOINT || AZURE_POD_IDENTITY_AUTHORITY_HOST || IMDS, 'azure');
}

/** A credential for each name, made when it is first needed. */
export function memoize<T>(make: (name: string | undefined) => T): (name: string | undefined) => T {
  const made = new Map<string | undefined, T>();
  return (name) => {
    const known = made.get(name);
    if (known !== undefined) return known;
    const value = make(name);
    made.set(name, value);
    return value;
  };
}
