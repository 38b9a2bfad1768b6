// Loads @azure/identity, which takes a fifth of a second, when the first token is asked for.

import { OIDCCallbackError } from './errors.js';

/** @throws OIDCCallbackError `ERR_OIDC_SDK_NOT_INSTALLED` */
export function loadAzureIdentity(): typeof import('@azure/identity') {
  try {
    return require('@azure/identity');
  } catch (cause) {
    throw new OIDCCallbackError(
      'ERR_OIDC_SDK_NOT_INSTALLED',
      'Tokens from Azure need the package @azure/identity, which could not be loaded. Run: npm install @azure/identity',
      { cause },
    );
  }
}
