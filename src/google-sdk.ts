// Loads google-auth-library when the first token is asked for.

import { OIDCCallbackError } from './errors.js';

/** @throws OIDCCallbackError `ERR_OIDC_SDK_NOT_INSTALLED` */
export function loadGoogleAuth(): typeof import('google-auth-library') {
  try {
    return require('google-auth-library');
  } catch (cause) {
    throw new OIDCCallbackError(
      'ERR_OIDC_SDK_NOT_INSTALLED',
      'Tokens from Google Cloud need the package google-auth-library, which could not be loaded. Run: npm install google-auth-library',
      { cause },
    );
  }
}
