// What the Azure callbacks share: asking a TokenCredential for the token of a resource.

import { accessSync } from 'node:fs';
import type { TokenCredential } from '@azure/identity';
import { describeAzureError } from './azure-errors.js';
import type { AccessToken, GetTokenRequest } from './callback.js';
import { invalidOption, requireAudience } from './options.js';
import { requireDirect } from './proxy.js';

const IMDS = 'http://169.254.169.254';
/** Where the SDK finds Azure Arc's agent when no variable says so. */
const ARC = 'http://127.0.0.1:40342';
const ARC_AGENT = '/opt/azcmagent/bin/himds';

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

let refusal: unknown;

/**
 * Which of its endpoints the SDK asks depends on more than can be seen from here, so none of them may go
 * through a proxy. The SDK reads the variables once, so what was refused stays refused in this process.
 *
 * @throws OIDCCallbackError `ERR_OIDC_METADATA_PROXIED`
 */
export function requireDirectIdentityEndpoint(): void {
  if (hasWorkloadIdentity()) return; // Entra is asked, through the Internet's usual ways
  if (refusal) throw refusal;
  try {
    for (const endpoint of identityEndpoints()) requireDirect(endpoint, 'azure');
  } catch (error) {
    refusal = error;
    throw error;
  }
}

/** Where the SDK may ask for the token of a managed identity, the most likely first. */
export function identityEndpoints(): string[] {
  const { IDENTITY_ENDPOINT, IDENTITY_HEADER, IMDS_ENDPOINT, MSI_ENDPOINT } = process.env;
  const arc = hasArcAgent() ? ARC : undefined;
  const hasLocal = (IDENTITY_ENDPOINT && (IDENTITY_HEADER || IMDS_ENDPOINT)) || MSI_ENDPOINT || arc;
  const imds = hasLocal ? undefined : process.env.AZURE_POD_IDENTITY_AUTHORITY_HOST || IMDS;
  const endpoints = [IDENTITY_ENDPOINT, MSI_ENDPOINT, arc, imds];
  return endpoints.filter((endpoint): endpoint is string => Boolean(endpoint));
}

function hasArcAgent(): boolean {
  try {
    accessSync(ARC_AGENT);
    return true;
  } catch {
    return false;
  }
}

/** A credential for each client ID, made when it is first needed. */
export type CredentialFor = (clientId: string | undefined, skipCache: boolean) => TokenCredential;

/**
 * A credential keeps its token until shortly before expiry, and a new one asks again; but for a managed identity,
 * whose tokens the SDK keeps for the whole process.
 */
export function memoize(make: (clientId: string | undefined) => TokenCredential): CredentialFor {
  const made = new Map<string | undefined, TokenCredential>();
  return (clientId, skipCache) => {
    const known = skipCache ? undefined : made.get(clientId);
    if (known) return known;
    const credential = make(clientId);
    made.set(clientId, credential);
    return credential;
  };
}
