// The callback that finds out where it runs.

import { keepName } from './callable.js';
import {
  type AccessToken,
  type GetTokenRequest,
  getTokenFrom,
  OIDCCallback,
  type OIDCCallbackOptions,
} from './callback.js';
import { detect } from './detection.js';
import { callbackOf, ENVIRONMENT_NAMES, type EnvironmentName, isEnvironmentName } from './environment.js';
import { OIDCCallbackError } from './errors.js';
import { askMetadataServer } from './metadata-server.js';
import { invalidOption, requireAudience, requireString } from './options.js';

/** Options of {@link EnvironmentCallback}. */
export interface EnvironmentCallbackOptions extends OIDCCallbackOptions {
  /**
   * Where this program runs: `azure`, `gcp`, `k8s` as the driver means them, or `developer` for a person's login
   * on a laptop. Default: the variable `MONGODB_OIDC_ENVIRONMENT`; without it, what variables and files tell.
   */
  environment?: EnvironmentName | undefined;
  /**
   * With `developer`: email of the Google service account to impersonate with the login of `gcloud`. Default:
   * the login of `az`, else of `azd`.
   */
  targetPrincipal?: string | undefined;
}

/**
 * Tokens from wherever this program runs, which is found out on the first fetch: the same code on Azure, on Google
 * Cloud, in Kubernetes and, where `environment` or `MONGODB_OIDC_ENVIRONMENT` says `developer`, on a laptop. The
 * driver's `username` is the client ID on Azure, and nothing elsewhere. In Kubernetes the node's identity is never
 * used. When nothing fits: `ERR_OIDC_ENVIRONMENT_UNKNOWN`.
 *
 * @example
 * ```ts
 * import { MongoClient } from 'mongodb';
 * import { EnvironmentCallback } from 'mongodb-workload-identity';
 *
 * const client = new MongoClient('mongodb+srv://cluster0.abcde.mongodb.net/', {
 *   authMechanism: 'MONGODB-OIDC',
 *   authMechanismProperties: { OIDC_CALLBACK: new EnvironmentCallback({ audience: 'api://mongodb' }) },
 * });
 * ```
 */
export class EnvironmentCallback extends OIDCCallback {
  static {
    keepName(EnvironmentCallback, 'EnvironmentCallback');
  }

  readonly #environment: EnvironmentName | undefined;
  readonly #targetPrincipal: string | undefined;
  /** By audience: a token file fits one. */
  readonly #found = new Map<string | undefined, OIDCCallback>();

  /** @throws OIDCCallbackError `ERR_OIDC_INVALID_OPTION` */
  constructor(options: EnvironmentCallbackOptions = {}) {
    super(options, ['environment', 'targetPrincipal']);
    this.#environment = requireEnvironmentName(options);
    this.#targetPrincipal = requireString(options, 'targetPrincipal');
  }

  protected override async getToken(request: GetTokenRequest): Promise<AccessToken> {
    let callback = this.#found.get(request.audience);
    if (!callback) {
      callback = await this.#find(request);
      this.#found.set(request.audience, callback);
    }
    return getTokenFrom(callback, request);
  }

  async #find({ audience, signal }: GetTokenRequest): Promise<OIDCCallback> {
    const targetPrincipal = this.#targetPrincipal;
    const said = this.#environment ?? environmentVariable();
    if (said) return callbackOf(said, { targetPrincipal });
    const { environment, tokenFile } = await detect(
      { env: process.env, root: '/', askMetadataServer: () => askMetadataServer(signal) },
      requireAudience(audience),
    );
    return callbackOf(environment, { tokenFile });
  }
}

/** @throws OIDCCallbackError `ERR_OIDC_INVALID_OPTION` */
export function requireEnvironmentName(options: {
  readonly environment?: unknown;
}): EnvironmentName | undefined {
  const { environment } = options;
  if (environment === undefined || isEnvironmentName(environment)) return environment;
  throw invalidOption('environment', `must be ${ENVIRONMENT_NAMES}`);
}

/**
 * What `MONGODB_OIDC_ENVIRONMENT` says, if anything.
 *
 * @throws OIDCCallbackError `ERR_OIDC_ENVIRONMENT_UNKNOWN`
 */
export function environmentVariable(): EnvironmentName | undefined {
  const value = process.env.MONGODB_OIDC_ENVIRONMENT?.trim();
  if (!value) return undefined;
  if (isEnvironmentName(value)) return value;
  throw new OIDCCallbackError(
    'ERR_OIDC_ENVIRONMENT_UNKNOWN',
    `The variable MONGODB_OIDC_ENVIRONMENT is none of those that are known, in lower case. Set it to ${ENVIRONMENT_NAMES}; or remove it, to have it found out.`,
  );
}
