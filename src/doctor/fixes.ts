// The next step after each error of this package, beyond what its message says, in words of this command.

import type { OIDCCallbackError, OIDCCallbackErrorCode } from '../errors.js';

const FIXES: Readonly<Partial<Record<OIDCCallbackErrorCode, string>>> = {
  ERR_OIDC_AUDIENCE_MISSING: 'Say --audience, or TOKEN_RESOURCE in the connection string.',
  ERR_OIDC_AUDIENCE_MISMATCH:
    'Have the token issued for the audience that the server knows; or, if the server knows the other one, ask for that: --audience.',
  ERR_OIDC_CREDENTIAL_UNAVAILABLE: 'Give this place an identity, or say where this runs: --environment.',
  ERR_OIDC_IDENTITY_NOT_FOUND:
    'List the identities that this place has (az vm identity show, az webapp identity show, gcloud compute instances describe), and name one: --client-id, --service-account.',
  ERR_OIDC_ACCESS_DENIED: 'Grant what the message names, wait some minutes, and try again.',
  ERR_OIDC_RATE_LIMITED: 'Wait a minute, and have all clients of a process share one callback.',
  ERR_OIDC_SOURCE_UNREACHABLE:
    'Look at what is between this process and the token source, and whether this is the place that it is taken for: --environment.',
  ERR_OIDC_METADATA_PROXIED: 'Set NO_PROXY as the message has it, for the program and for this command.',
  ERR_OIDC_TIMEOUT:
    'Try --timeout 30. If it stays like this, the source hangs, or its packets are dropped on the way.',
  ERR_OIDC_TOKEN_INVALID: 'Look at what answers in place of the token source.',
  ERR_OIDC_TOKEN_FILE: 'Mount a projected service-account token, and name it: --token-file.',
  ERR_OIDC_SDK_NOT_INSTALLED: 'Run that in the folder of the program.',
  ERR_OIDC_ENVIRONMENT_UNKNOWN: 'Say it outright: --environment azure, gcp, k8s or developer.',
  ERR_OIDC_INVALID_URI: 'Mend the connection string, where the program has it.',
};

export function fixOf({ code }: OIDCCallbackError): string | undefined {
  return FIXES[code];
}
