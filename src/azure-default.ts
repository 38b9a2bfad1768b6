// Tokens of any Azure credential; by default the SDK's own chain of credentials.

import type {
  DefaultAzureCredentialClientIdOptions,
  DefaultAzureCredentialResourceIdOptions,
  TokenCredential,
} from '@azure/identity';
import {
  CREDENTIAL_OPTION_NAMES,
  getAzureToken,
  memoize,
  requireDirectIdentityEndpoint,
  requireNoWorkloadIdentity,
} from './azure-credential.js';
import { loadAzureIdentity } from './azure-sdk.js';
import {
  type AccessToken,
  type GetTokenRequest,
  OIDCCallback,
  type OIDCCallbackOptions,
} from './callback.js';
import { invalidOption, requireString } from './options.js';

/** Options of {@link AzureCallback}: a credential, or what `DefaultAzureCredential` takes. */
export type AzureCallbackOptions = OIDCCallbackOptions &
  (
    | {
        /** Any credential of `@azure/identity`, or an object of your own with its `getToken`. */
        credential: TokenCredential;
      }
    | ({ credential?: undefined } & (
        | DefaultAzureCredentialClientIdOptions
        | DefaultAzureCredentialResourceIdOptions
      ))
  );

const DEFAULT_CREDENTIAL_OPTION_NAMES = [
  'tenantId',
  'managedIdentityClientId',
  'managedIdentityResourceId',
  'workloadIdentityClientId',
  'processTimeoutInMs',
  'requiredEnvVars',
  ...CREDENTIAL_OPTION_NAMES,
];

/** Credentials that may ask an identity endpoint of the host. */
const HOST_CREDENTIALS = new Set([
  'DefaultAzureCredential',
  'ManagedIdentityCredential',
  'ChainedTokenCredential',
]);

/**
 * Tokens of any `TokenCredential`. Without one: `DefaultAzureCredential`, to which the driver's `username`
 * is the `managedIdentityClientId`. In production a specific class answers faster and fails more clearly.
 *
 * @example
 * ```ts
 * import { AzureCliCredential } from '@azure/identity';
 * import { AzureCallback } from 'mongodb-workload-identity/azure';
 *
 * const callback = new AzureCallback({ audience: 'api://mongodb', credential: new AzureCliCredential() });
 * ```
 */
export class AzureCallback extends OIDCCallback {
  readonly #credential: (username: string | undefined) => TokenCredential;
  readonly #clientId: string | undefined;

  /** @throws OIDCCallbackError `ERR_OIDC_INVALID_OPTION` */
  constructor(options: AzureCallbackOptions = {}) {
    super(options, ['credential', ...DEFAULT_CREDENTIAL_OPTION_NAMES]);
    const { audience: _, timeoutMS: __, refreshAhead: ___, credential, ...defaultOptions } = options;
    if (credential === undefined) {
      const chainOptions = defaultOptions as DefaultAzureCredentialClientIdOptions;
      this.#clientId = requireString(chainOptions, 'managedIdentityClientId');
      const resourceId = requireString(
        chainOptions as { managedIdentityResourceId?: string },
        'managedIdentityResourceId',
      );
      if (resourceId !== undefined && this.#clientId !== undefined) {
        throw invalidOption(
          "managedIdentityClientId' and 'managedIdentityResourceId",
          'name one identity twice; give at most one of them',
        );
      }
      if (resourceId !== undefined) requireNoWorkloadIdentity('managedIdentityResourceId');
      this.#credential = memoize((username) => {
        const { DefaultAzureCredential } = loadAzureIdentity();
        return new DefaultAzureCredential({
          ...(username !== undefined && { managedIdentityClientId: username }),
          ...chainOptions,
        });
      });
      return;
    }
    if (typeof (credential as Partial<TokenCredential> | null)?.getToken !== 'function') {
      throw invalidOption('credential', 'must be a TokenCredential: an object with a getToken method');
    }
    const [other] = Object.keys(defaultOptions);
    if (other !== undefined) {
      throw invalidOption(other, 'is for DefaultAzureCredential, and a credential was given: set it there');
    }
    this.#credential = () => credential;
  }

  protected override getToken(request: GetTokenRequest): Promise<AccessToken> {
    return getAzureToken(
      () => {
        const credential = this.#credential(request.username);
        if (HOST_CREDENTIALS.has(credential.constructor.name) && !hasOwnCredential()) {
          requireDirectIdentityEndpoint();
        }
        return credential;
      },
      request,
      this.#describe(request.username),
    );
  }

  #describe(username: string | undefined): string | undefined {
    const clientId = this.#clientId ?? username;
    return clientId === undefined ? undefined : `client ID '${clientId}'`;
  }
}

/** Whether `DefaultAzureCredential` ends before it comes to the identity endpoint. */
function hasOwnCredential(): boolean {
  const { AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH } =
    process.env;
  const application = AZURE_CLIENT_ID && AZURE_TENANT_ID;
  return Boolean(application && (AZURE_CLIENT_SECRET || AZURE_CLIENT_CERTIFICATE_PATH));
}
