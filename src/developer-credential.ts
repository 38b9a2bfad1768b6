// A person's own login on a laptop: `az`, then `azd`.

import type { AccessToken, GetTokenOptions, TokenCredential } from '@azure/identity';
import { loadAzureIdentity } from './azure-sdk.js';
import { OIDCCallbackError } from './errors.js';

/** Nothing that answers on a network is asked, as `DefaultAzureCredential` would. */
export class DeveloperCredential implements TokenCredential {
  /** @throws OIDCCallbackError `ERR_OIDC_CREDENTIAL_UNAVAILABLE`; what Entra says, where there is a login */
  async getToken(scopes: string | string[], options: GetTokenOptions): Promise<AccessToken> {
    const { AzureCliCredential, AzureDeveloperCliCredential } = loadAzureIdentity();
    const failures: unknown[] = [];
    for (const credential of [new AzureCliCredential(), new AzureDeveloperCliCredential()]) {
      try {
        return await credential.getToken(scopes, options);
      } catch (failure) {
        if (isRefusal(failure)) throw failure;
        failures.push(failure);
      }
    }
    throw new OIDCCallbackError(
      'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
      'The environment is developer, and there is no login: run `az login` (or `azd auth login`). For Google Cloud run `gcloud auth application-default login` and set `targetPrincipal` to the service account to impersonate.',
      { cause: failures[0] },
    );
  }
}

/** There is a login, and Entra refuses it this token. */
function isRefusal(failure: unknown): boolean {
  return /AADSTS/.test(String(failure));
}
