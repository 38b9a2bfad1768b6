// ID tokens of Application Default Credentials, by themselves or through impersonation.

import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type {
  AuthClient,
  Compute,
  GoogleAuth,
  GoogleAuthOptions,
  IdTokenProvider,
} from 'google-auth-library';
import { keepName } from './callable.js';
import {
  type AccessToken,
  type GetTokenRequest,
  OIDCCallback,
  type OIDCCallbackOptions,
} from './callback.js';
import { OIDCCallbackError } from './errors.js';
import { checkedIdToken, fetchComputeIdToken, requireDirectMetadataServer } from './gcp-metadata.js';
import { describeGoogleError } from './google-errors.js';
import { loadGoogleAuth } from './google-sdk.js';
import { invalidOption, type None, requireAudience, requireString } from './options.js';

/** Options of {@link GcpCallback}: a `GoogleAuth`, or what its constructor takes. */
export type GcpCallbackOptions = OIDCCallbackOptions & {
  /**
   * Email of the service account to impersonate, for credentials that can mint no ID token of their own: a
   * person's, or a federated identity's. Default: no impersonation.
   */
  targetPrincipal?: string | undefined;
} & (
    | ({
        /** A `GoogleAuth` of your own. */
        auth: GoogleAuth;
      } & None<GoogleAuthOptions>)
    | ({
        /** Default: one that is made of the options beside it. */
        auth?: undefined;
      } & GoogleAuthOptions)
  );

/** The SDK's HTTP client, in the package that the SDK depends on. */
type Gaxios = AuthClient['transporter'];

const GOOGLE_AUTH_OPTION_NAMES = [
  'apiKey',
  'authClient',
  'clientOptions',
  'credentials',
  'keyFile',
  'keyFilename',
  'projectId',
  'scopes',
  'universeDomain',
];
const IAM_SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const SOURCE = 'Google';

/**
 * ID tokens of Application Default Credentials: a service account's key file, the metadata server, or any of
 * Google's credentials through impersonation.
 *
 * @example
 * ```ts
 * import { GcpCallback } from 'mongodb-workload-identity/gcp';
 *
 * const callback = new GcpCallback({
 *   audience: 'https://mongodb.example.com',
 *   targetPrincipal: 'orders@my-project.iam.gserviceaccount.com',
 * });
 * ```
 */
export class GcpCallback extends OIDCCallback {
  static {
    keepName(GcpCallback, 'GcpCallback');
  }

  readonly #targetPrincipal: string | undefined;
  readonly #givenAuth: GoogleAuth | undefined;
  readonly #authOptions: GoogleAuthOptions;
  #ownAuth: GoogleAuth | undefined;

  /** @throws OIDCCallbackError `ERR_OIDC_INVALID_OPTION` */
  constructor(options: GcpCallbackOptions = {}) {
    super(options, ['targetPrincipal', 'auth', ...GOOGLE_AUTH_OPTION_NAMES]);
    const {
      audience: _,
      timeoutMS: __,
      refreshAhead: ___,
      targetPrincipal: ____,
      auth,
      ...authOptions
    } = options;
    this.#targetPrincipal = requireString(options, 'targetPrincipal');
    if (auth !== undefined) {
      if (typeof (auth as Partial<GoogleAuth> | null)?.getClient !== 'function') {
        throw invalidOption('auth', 'must be a GoogleAuth, from google-auth-library');
      }
      const [other] = Object.keys(authOptions);
      if (other !== undefined)
        throw invalidOption(other, 'is for a GoogleAuth, and one was given: set it there');
    }
    this.#givenAuth = auth;
    this.#authOptions = authOptions as GoogleAuthOptions;
  }

  protected override async getToken(request: GetTokenRequest): Promise<AccessToken> {
    const audience = requireAudience(request.audience);
    try {
      if (request.skipCache) this.#ownAuth = undefined;
      const client = await this.#client();
      return checkedIdToken(await this.#fetchIdToken(client, audience), audience, SOURCE);
    } catch (error) {
      throw describeGoogleError(error, {
        source: SOURCE,
        serviceAccount: this.#targetPrincipal,
        refusalHint:
          'Impersonation needs roles/iam.serviceAccountOpenIdTokenCreator (iam.serviceAccounts.getOpenIdToken) on that service account, and the IAM Credentials API turned on.',
      });
    }
  }

  async #client(): Promise<AuthClient> {
    if (this.#givenAuth) {
      if (!holdsCredentials(this.#givenAuth)) requireDirectMetadataServer();
      return this.#givenAuth.getClient();
    }
    if (await this.#needsMetadataServer()) requireDirectMetadataServer();
    const { GoogleAuth, gcpMetadata } = loadGoogleAuth();
    this.#ownAuth ??= new GoogleAuth({
      scopes: IAM_SCOPE,
      // An ID token belongs to no project; without a name the SDK runs gcloud and asks the metadata server.
      projectId: 'unused',
      ...this.#authOptions,
      clientOptions: withoutRedirects(this.#authOptions.clientOptions),
    });
    try {
      const client = await this.#ownAuth.getClient();
      // A federated identity's exchange has an HTTP client of its own, which takes no options.
      const { stsCredential } = client as { stsCredential?: { transporter?: Pick<Gaxios, 'defaults'> } };
      if (stsCredential?.transporter?.defaults) stsCredential.transporter.defaults.redirect = 'manual';
      return client;
    } catch (error) {
      // A metadata server that was not there yet counts as missing for good, in the whole process.
      this.#ownAuth = undefined;
      gcpMetadata?.resetIsAvailableCache?.();
      throw error;
    }
  }

  /** Whether there is no file with credentials, so that the SDK asks the metadata server. */
  async #needsMetadataServer(): Promise<boolean> {
    const { authClient, credentials, keyFile, keyFilename, apiKey } = this.#authOptions;
    if (authClient || credentials || keyFile || keyFilename || apiKey) return false;
    if (process.env.GOOGLE_APPLICATION_CREDENTIALS || process.env.google_application_credentials)
      return false;
    const { CLOUDSDK_CONFIG, APPDATA } = process.env;
    const folder =
      CLOUDSDK_CONFIG || (APPDATA ? join(APPDATA, 'gcloud') : join(homedir(), '.config', 'gcloud'));
    const found = access(join(folder, 'application_default_credentials.json')).then(
      () => true,
      () => false,
    );
    return !(await found);
  }

  async #fetchIdToken(client: AuthClient, audience: string): Promise<string> {
    const { Compute, Impersonated, UserRefreshClient } = loadGoogleAuth();
    const isCompute = isA(client, 'Compute', Compute);
    if (isCompute) requireDirectMetadataServer();
    if (this.#targetPrincipal) {
      const impersonated = new Impersonated({
        sourceClient: client,
        targetPrincipal: this.#targetPrincipal,
        targetScopes: [IAM_SCOPE],
      });
      return impersonated.fetchIdToken(audience, { includeEmail: true });
    }
    // A user's credentials have `fetchIdToken` too, and it returns a token for another audience.
    if (isA(client, 'UserRefreshClient', UserRefreshClient)) {
      throw impersonationNeeded("a person's credentials (gcloud login)");
    }
    if (isCompute) return fetchComputeIdToken(client as Compute, audience);
    const provider = client as AuthClient & Partial<IdTokenProvider>;
    if (provider.fetchIdToken) return provider.fetchIdToken(audience);
    throw impersonationNeeded(`credentials of the type ${client.constructor.name}`);
  }
}

/**
 * Google redirects no request for a token, so a redirect comes from something in between, and must not get the
 * credentials. To follow one would also end the process: node-fetch throws where nobody can catch it
 * (https://github.com/node-fetch/node-fetch/issues/1616).
 */
function withoutRedirects(options: GoogleAuthOptions['clientOptions'] = {}) {
  const { transporterOptions } = options as { transporterOptions?: Gaxios['defaults'] };
  return { ...options, transporterOptions: { redirect: 'manual' as const, ...transporterOptions } };
}

/** Whether a `GoogleAuth` was made with credentials, so that it does not look for a metadata server. */
function holdsCredentials(auth: GoogleAuth): boolean {
  const { jsonContent, cachedCredential, keyFilename } = auth as unknown as Record<string, unknown>;
  return Boolean(
    jsonContent || cachedCredential || keyFilename || process.env.GOOGLE_APPLICATION_CREDENTIALS,
  );
}

/**
 * A `GoogleAuth` that was given may come from another copy of the SDK, so the name counts too: as the SDK has it,
 * because in a bundle that was made small different classes have the same name.
 */
function isA(
  client: AuthClient,
  name: string,
  type: abstract new (...parameters: never[]) => AuthClient,
): boolean {
  return client.constructor.name === name || client instanceof type;
}

function impersonationNeeded(found: string): OIDCCallbackError {
  return new OIDCCallbackError(
    'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
    `Application Default Credentials are ${found}, which cannot mint an ID token for MongoDB. Impersonate a service account: set \`targetPrincipal\` to its email address and grant yourself roles/iam.serviceAccountOpenIdTokenCreator on it.`,
  );
}
