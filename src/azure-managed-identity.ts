// Tokens of the managed identity that is assigned to an Azure host.

import {
  type CredentialFor,
  getAzureToken,
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
import { invalidOption, requireString } from './options.js';

/** Options of {@link AzureManagedIdentityCallback}: at most one of the three IDs. */
export type AzureManagedIdentityCallbackOptions = OIDCCallbackOptions & UserAssignedIdentity;

/** One user-assigned identity, or none. */
type UserAssignedIdentity =
  | {
      /**
       * Client (application) ID of a user-assigned identity. Default: the driver's `username`; without that,
       * the system-assigned identity.
       */
      clientId?: string | undefined;
      resourceId?: undefined;
      objectId?: undefined;
    }
  | {
      clientId?: undefined;
      /** Azure resource ID of a user-assigned identity: `/subscriptions/…/userAssignedIdentities/…`. */
      resourceId?: string | undefined;
      objectId?: undefined;
    }
  | {
      clientId?: undefined;
      resourceId?: undefined;
      /** Object (principal) ID of a user-assigned identity. */
      objectId?: string | undefined;
    };

const ID_NAMES = ['clientId', 'resourceId', 'objectId'] as const;

/**
 * Tokens of a managed identity, through `ManagedIdentityCredential`: virtual machines and scale sets,
 * Functions, App Service and App Service Environment, Container Apps, Arc.
 *
 * @example
 * ```ts
 * import { MongoClient } from 'mongodb';
 * import { AzureManagedIdentityCallback } from 'mongodb-workload-identity/azure';
 *
 * const client = new MongoClient('mongodb+srv://cluster0.abcde.mongodb.net/', {
 *   authMechanism: 'MONGODB-OIDC',
 *   authMechanismProperties: {
 *     OIDC_CALLBACK: new AzureManagedIdentityCallback({ audience: 'api://mongodb' }),
 *   },
 * });
 * ```
 */
export class AzureManagedIdentityCallback extends OIDCCallback {
  static {
    keepName(AzureManagedIdentityCallback, 'AzureManagedIdentityCallback');
  }

  readonly #id: { readonly name: (typeof ID_NAMES)[number]; readonly value: string } | undefined;
  readonly #credential: CredentialFor;

  /** @throws OIDCCallbackError `ERR_OIDC_INVALID_OPTION` */
  constructor(options: AzureManagedIdentityCallbackOptions = {}) {
    super(options, ID_NAMES);
    const given = ID_NAMES.flatMap((name) => {
      const value = requireString(options, name);
      return value === undefined ? [] : [{ name, value }];
    });
    if (given.length > 1) {
      throw invalidOption(
        given.map(({ name }) => name),
        'name one identity twice; give at most one of clientId, resourceId and objectId',
      );
    }
    this.#id = given[0];
    if (this.#id && this.#id.name !== 'clientId') requireNoWorkloadIdentity(this.#id.name);
    this.#credential = memoize((username) => {
      const { ManagedIdentityCredential } = loadAzureIdentity();
      if (this.#id)
        return new ManagedIdentityCredential({ [this.#id.name]: this.#id.value } as { clientId: string });
      return new ManagedIdentityCredential(username === undefined ? {} : { clientId: username });
    });
  }

  protected override getToken(request: GetTokenRequest): Promise<AccessToken> {
    requireDirectIdentityEndpoint();
    return getAzureToken(
      () => this.#credential(request.username, request.skipCache),
      request,
      this.#describe(request.username),
    );
  }

  #describe(username: string | undefined): string | undefined {
    if (this.#id) return `${this.#id.name} '${this.#id.value}'`;
    return username === undefined ? undefined : `client ID '${username}' (the username)`;
  }
}
