// Tokens of any Azure credential; by default the SDK's own chain of credentials.

import type {
  DefaultAzureCredentialClientIdOptions,
  DefaultAzureCredentialResourceIdOptions,
  TokenCredential,
} from '@azure/identity';
import {
  CREDENTIAL_OPTION_NAMES,
  type CredentialFor,
  getAzureToken,
  hasWorkloadIdentity,
  memoize,
  requireDirectIdentityEndpoint,
  requireNoWorkloadIdentity,
} from './azure-credential.js';
import { loadAzureIdentity } from './azure-sdk.js';
import { keepName } from './callable.js';
import {
  type AccessToken,
  type GetTokenRequest,
  OIDCCallback,
  type OIDCCallbackOptions,
} from './callback.js';
import { OIDCCallbackError } from './errors.js';
import { invalidOption, type None, requireString } from './options.js';

type DefaultCredentialOptions =
  | DefaultAzureCredentialClientIdOptions
  | DefaultAzureCredentialResourceIdOptions;

/** Options of {@link AzureCallback}: a credential, or what `DefaultAzureCredential` takes. */
export type AzureCallbackOptions = OIDCCallbackOptions &
  (
    | ({
        /** Any credential of `@azure/identity`, or an object of your own with its `getToken`. */
        credential: TokenCredential;
      } & None<DefaultCredentialOptions>)
    | ({
        /** Default: a `DefaultAzureCredential`. */
        credential?: undefined;
      } & DefaultCredentialOptions)
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
const HOST_CREDENTIALS = [
  'DefaultAzureCredential',
  'ManagedIdentityCredential',
  'ChainedTokenCredential',
] as const;

/** What those hold, in every version: in a bundle that was made small their names are others. */
const HOST_CREDENTIAL_FIELDS = ['managedIdentityApp', '_sources'];

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
  static {
    keepName(AzureCallback, 'AzureCallback');
  }

  readonly #credential: CredentialFor;
  readonly #clientId: string | undefined;
  /** Whether the program gave a credential of its own. */
  readonly #given: boolean;
  readonly #hasProxy: boolean;

  /** @throws OIDCCallbackError `ERR_OIDC_INVALID_OPTION` */
  constructor(options: AzureCallbackOptions = {}) {
    super(options, ['credential', ...DEFAULT_CREDENTIAL_OPTION_NAMES]);
    const { audience: _, timeoutMS: __, refreshAhead: ___, credential, ...defaultOptions } = options;
    this.#given = credential !== undefined;
    this.#hasProxy = (defaultOptions as { proxyOptions?: unknown }).proxyOptions !== undefined;
    if (credential === undefined) {
      const chainOptions = defaultOptions as DefaultAzureCredentialClientIdOptions;
      this.#clientId = requireString(chainOptions, 'managedIdentityClientId');
      const resourceId = requireString(
        chainOptions as { managedIdentityResourceId?: string },
        'managedIdentityResourceId',
      );
      if (resourceId !== undefined && this.#clientId !== undefined) {
        throw invalidOption(
          ['managedIdentityClientId', 'managedIdentityResourceId'],
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
        // Before the SDK is loaded: it reads the proxy variables then.
        if (!this.#given) requireDirectChain(this.#hasProxy);
        const credential = this.#credential(request.username, request.skipCache);
        if (this.#given && isHostCredential(credential)) requireDirectIdentityEndpoint();
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

/** @throws OIDCCallbackError `ERR_OIDC_METADATA_PROXIED` */
function requireDirectChain(hasProxy: boolean): void {
  if (!chainReachesHost()) return;
  requireDirectIdentityEndpoint();
  if (!hasProxy) return;
  throw new OIDCCallbackError(
    'ERR_OIDC_METADATA_PROXIED',
    'The option proxyOptions would send requests for the identity endpoint of this host to that proxy, whose answer would be taken for a token. Nothing was sent. Leave it out, or give a credential that needs no identity endpoint.',
  );
}

/** Whether `DefaultAzureCredential` comes to the identity endpoint, or ends before it. */
function chainReachesHost(): boolean {
  const { AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH } =
    process.env;
  const chosen = process.env.AZURE_TOKEN_CREDENTIALS?.trim().toLowerCase();
  if (chosen && chosen !== 'prod') return chosen === 'managedidentitycredential';
  const application = AZURE_CLIENT_ID && AZURE_TENANT_ID;
  return !(application && (AZURE_CLIENT_SECRET || AZURE_CLIENT_CERTIFICATE_PATH)) && !hasWorkloadIdentity();
}

/** Whether a credential may ask an identity endpoint: one of these, or of a class that extends one. */
function isHostCredential(credential: object): boolean {
  for (let type = credential; type; type = Object.getPrototypeOf(type)) {
    if (HOST_CREDENTIALS.includes(type.constructor?.name as (typeof HOST_CREDENTIALS)[number])) return true;
  }
  if (HOST_CREDENTIAL_FIELDS.some((field) => Object.hasOwn(credential, field))) return true;
  try {
    // Of no use where a bundle has two copies of the SDK, one for `import` and one for `require`.
    const sdk = loadAzureIdentity();
    return HOST_CREDENTIALS.some((name) => credential instanceof sdk[name]);
  } catch {
    return false; // a credential of the program's own, and no SDK
  }
}
