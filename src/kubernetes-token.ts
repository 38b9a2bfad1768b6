// Tokens of a pod's service account, from the file that the kubelet keeps.

import { keepName } from './callable.js';
import {
  type AccessToken,
  type GetTokenRequest,
  OIDCCallback,
  type OIDCCallbackOptions,
} from './callback.js';
import { audiences, type Claims, readClaims, requireAudienceClaim } from './jwt.js';
import { requireString } from './options.js';
import { otherReceiverOf } from './other-receivers.js';
import { readTokenFile, START_UP_MS, type TokenFile } from './token-file.js';

/** Options of {@link KubernetesCallback} and {@link GkeCallback}. */
export interface KubernetesCallbackOptions extends OIDCCallbackOptions {
  /**
   * Path of the token file. Default: `AZURE_FEDERATED_TOKEN_FILE`, then `AWS_WEB_IDENTITY_TOKEN_FILE` (not for
   * {@link GkeCallback}), then `/var/run/secrets/kubernetes.io/serviceaccount/token`.
   */
  tokenFile?: string | undefined;
}

export const STANDARD_TOKEN_PATH = '/var/run/secrets/kubernetes.io/serviceaccount/token';
const STANDARD_FILE: TokenFile = {
  path: STANDARD_TOKEN_PATH,
  origin: "Kubernetes' standard path",
};
/** The driver's own order, of its `ENVIRONMENT:k8s`. */
const PATH_VARIABLES = ['AZURE_FEDERATED_TOKEN_FILE', 'AWS_WEB_IDENTITY_TOKEN_FILE'];

/** A volume can be given another token long before the one in memory expires. */
const LONGEST_LOOK_AWAY_MS = 3_600_000;

/**
 * Tokens from a service-account token file: a projected volume with `audience` and `expirationSeconds`. The
 * file is read again for each new token, because the kubelet rewrites it. With an `audience`, the token must
 * be for it.
 *
 * @example
 * ```ts
 * import { KubernetesCallback } from 'mongodb-workload-identity/kubernetes';
 *
 * const callback = new KubernetesCallback({
 *   audience: 'mongodb',
 *   tokenFile: '/var/run/secrets/tokens/mongodb',
 * });
 * ```
 */
export class KubernetesCallback extends OIDCCallback {
  static {
    keepName(KubernetesCallback, 'KubernetesCallback');
  }

  readonly #tokenFile: string | undefined;

  /** @throws OIDCCallbackError `ERR_OIDC_INVALID_OPTION` */
  constructor(options: KubernetesCallbackOptions = {}) {
    super(options, ['tokenFile']);
    this.#tokenFile = requireString(options, 'tokenFile');
  }

  /** @internal Where the token is when no option says so; the variables can change between two fetches. */
  protected defaultFile(): TokenFile {
    const name = PATH_VARIABLES.find((variable) => process.env[variable]);
    return name ? { path: process.env[name] as string, origin: `the variable ${name}` } : STANDARD_FILE;
  }

  protected override async getToken({ audience }: GetTokenRequest): Promise<AccessToken> {
    const file = this.#tokenFile
      ? { path: this.#tokenFile, origin: 'the option tokenFile' }
      : this.defaultFile();
    const token = await readTokenFile(file);
    const source = `The token file ${file.path} (from ${file.origin})`;
    const claims = readClaims(token, source, { says: 'holds', retryForMS: START_UP_MS });
    if (audience !== undefined) {
      requireAudienceClaim(
        claims,
        audience,
        source,
        `Mount a projected service-account token with \`audience: ${audience}\`, and name its path in \`tokenFile\`; or, if the server expects the other one, set \`audience\` to that.`,
      );
    }
    warnAboutReplay(claims, file.path);
    return { token, refreshAfterTimestamp: Date.now() + LONGEST_LOOK_AWAY_MS };
  }
}

/**
 * The same on GKE: the standard path is its default, whatever variables are set.
 *
 * @example
 * ```ts
 * import { GkeCallback } from 'mongodb-workload-identity/gcp';
 *
 * const callback = new GkeCallback({ audience: 'mongodb', tokenFile: '/var/run/secrets/tokens/mongodb' });
 * ```
 */
export class GkeCallback extends KubernetesCallback {
  static {
    keepName(GkeCallback, 'GkeCallback');
  }

  /** @internal */
  protected override defaultFile(): TokenFile {
    return STANDARD_FILE;
  }
}

let warned = false;

function warnAboutReplay(claims: Claims, path: string): void {
  const audience = audiences(claims).find((aud) => otherReceiverOf(aud, claims.iss));
  if (audience === undefined || warned) return;
  warned = true;
  process.emitWarning(
    `The token in ${path} is for '${audience}', not for MongoDB alone: whoever receives it can use it there. Add a projected volume (serviceAccountToken with an audience of its own, such as 'mongodb', and expirationSeconds), and give its path as tokenFile.`,
    { type: 'SecurityWarning', code: 'OIDC_TOKEN_FOR_OTHERS' },
  );
}
