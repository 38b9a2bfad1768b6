// ID tokens of the service account that is attached to a Google Cloud workload.

import type { Compute } from 'google-auth-library';
import { keepName } from './callable.js';
import {
  type AccessToken,
  type GetTokenRequest,
  OIDCCallback,
  type OIDCCallbackOptions,
} from './callback.js';
import { describeGoogleError } from './google-errors.js';
import { loadGoogleAuth } from './google-sdk.js';
import { readClaims, requireAudienceClaim } from './jwt.js';
import { invalidOption, requireAudience, requireString } from './options.js';
import { requireDirect } from './proxy.js';

/** Options of {@link GcpMetadataCallback}. */
export interface GcpMetadataCallbackOptions extends OIDCCallbackOptions {
  /** The attached service account to use, where there are several. Default: `default`. */
  serviceAccountEmail?: string | undefined;
}

const SOURCE = 'The Google Cloud metadata server';
const METADATA_ADDRESS = '169.254.169.254';
const METADATA_NAME = 'metadata.google.internal';

/**
 * ID tokens from the metadata server: Compute Engine, Cloud Run, Cloud Functions, GKE with Workload Identity
 * Federation and a bound Google service account.
 *
 * @example
 * ```ts
 * import { GcpMetadataCallback } from 'mongodb-workload-identity/gcp';
 *
 * const callback = new GcpMetadataCallback({ audience: 'https://mongodb.example.com' });
 * ```
 */
export class GcpMetadataCallback extends OIDCCallback {
  static {
    keepName(GcpMetadataCallback, 'GcpMetadataCallback');
  }

  readonly #serviceAccountEmail: string | undefined;
  #compute: Compute | undefined;

  /** @throws OIDCCallbackError `ERR_OIDC_INVALID_OPTION` */
  constructor(options: GcpMetadataCallbackOptions = {}) {
    super(options, ['serviceAccountEmail']);
    this.#serviceAccountEmail = requireString(options, 'serviceAccountEmail');
    // The SDK puts it into a path as it is.
    if (this.#serviceAccountEmail && !/^(?!\.+$)[\w.@:-]+$/.test(this.#serviceAccountEmail)) {
      throw invalidOption('serviceAccountEmail', 'must be an email address or an alias such as "default"');
    }
  }

  protected override async getToken(request: GetTokenRequest): Promise<AccessToken> {
    const audience = requireAudience(request.audience);
    requireDirectMetadataServer();
    try {
      this.#compute ??= new (loadGoogleAuth().Compute)(
        this.#serviceAccountEmail === undefined ? {} : { serviceAccountEmail: this.#serviceAccountEmail },
      );
      return checkedIdToken(await fetchComputeIdToken(this.#compute, audience), audience, SOURCE);
    } catch (error) {
      throw describeGoogleError(error, {
        source: SOURCE,
        serviceAccount: this.#serviceAccountEmail,
        refusalHint:
          'Is this Google Cloud, and is a service account attached? On GKE, is the Kubernetes service account bound to one?',
      });
    }
  }
}

/** The SDK puts the audience into the query as it is. */
export function fetchComputeIdToken(compute: Compute, audience: string): Promise<string> {
  return compute.fetchIdToken(encodeURIComponent(audience));
}

/** Google's sources answer HTML and tokens for others with the same status as the right token. */
export function checkedIdToken(token: string, audience: string, source: string): AccessToken {
  requireAudienceClaim(readClaims(token, source), audience, source, 'Check what answers in its place.');
  return { token };
}

/** @throws OIDCCallbackError `ERR_OIDC_METADATA_PROXIED` */
export function requireDirectMetadataServer(): void {
  requireDirect(metadataServerUrl(), 'google', [METADATA_NAME]);
}

/** As the SDK finds it. */
export function metadataServerUrl(): string {
  const host = process.env.GCE_METADATA_IP || process.env.GCE_METADATA_HOST || METADATA_ADDRESS;
  return /^https?:\/\//.test(host) ? host : `http://${host}`;
}
