// Asks a metadata server who it is, without asking it for a token.

import { Agent, get } from 'node:http';
import { OIDCCallbackError } from './errors.js';
import { metadataServerUrl } from './gcp-metadata.js';

/**
 * The `Server` header of Google's metadata server: `GKE Metadata Server`, which answers as the pod that asks, or
 * `Metadata Server for VM`, which answers as the machine.
 *
 * @throws OIDCCallbackError `ERR_OIDC_SOURCE_UNREACHABLE`
 */
export function askMetadataServer(signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const onError = (cause: unknown) =>
      reject(
        new OIDCCallbackError(
          'ERR_OIDC_SOURCE_UNREACHABLE',
          'This seems to be GKE, and its metadata server did not answer. It needs some seconds after a pod has started. Does a network policy block it? If this is another cluster on Google Cloud, mount a projected token for this audience under /var/run/secrets/tokens, which is looked at first.',
          { cause },
        ),
      );
    // An agent of its own never uses a proxy, whatever NODE_USE_ENV_PROXY says.
    const options = { agent: new Agent(), headers: { 'metadata-flavor': 'Google' }, signal };
    get(`${metadataServerUrl()}/computeMetadata/v1/`, options, (response) => {
      response.resume();
      resolve(response.headers.server as string | undefined);
    }).on('error', onError);
  });
}
