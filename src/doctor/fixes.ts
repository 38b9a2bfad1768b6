// The next step after each error of this package, beyond what its message says, in words of this command.

import { hasWorkloadIdentity } from '../azure-credential.js';
import { ENVIRONMENT_NAMES } from '../environment.js';
import type { OIDCCallbackError, OIDCCallbackErrorCode } from '../errors.js';
import { oneLine } from '../jwt.js';

type Fixes = Readonly<Partial<Record<OIDCCallbackErrorCode, string>>>;

/** Where it is known what was asked for a token. */
export interface Asked {
  readonly environment: 'azure' | 'gcp' | 'k8s' | 'developer';
  readonly audience?: string | undefined;
  readonly targetPrincipal?: string | undefined;
}

const FIXES: Fixes = {
  ERR_OIDC_AUDIENCE_MISSING:
    'Say --audience, as the program says it to its callback; or put TOKEN_RESOURCE into the connection string.',
  ERR_OIDC_AUDIENCE_MISMATCH:
    'Have the token issued for the audience that the server knows; or, if the server knows the other one, ask for that: --audience.',
  ERR_OIDC_CREDENTIAL_UNAVAILABLE: 'Give this place an identity, or say where this runs: --environment.',
  ERR_OIDC_ACCESS_DENIED: 'Grant what the message names, wait some minutes, and try again.',
  ERR_OIDC_RATE_LIMITED: 'Wait a minute, and have all clients of a process share one callback.',
  ERR_OIDC_SOURCE_UNREACHABLE:
    'Look at what is between this process and the token source, and whether this is the place that it is taken for: --environment.',
  ERR_OIDC_TIMEOUT:
    'Try --timeout 30. If it stays like this, the source hangs, or its packets are dropped on the way.',
  ERR_OIDC_TOKEN_INVALID: 'Look at what answers in place of the token source.',
  ERR_OIDC_ENVIRONMENT_UNKNOWN: `Say it outright: --environment ${ENVIRONMENT_NAMES}.`,
  ERR_OIDC_INVALID_URI: 'Mend the connection string, where the program has it.',
};

const MANAGED_IDENTITY: Fixes = {
  ERR_OIDC_CREDENTIAL_UNAVAILABLE:
    'Run: az vm identity assign --resource-group <group> --name <vm> (az webapp, functionapp, containerapp likewise). If this is no Azure host, say where it runs: --environment.',
  ERR_OIDC_IDENTITY_NOT_FOUND:
    'Run: az vm identity show --resource-group <group> --name <vm> (az webapp, functionapp, containerapp likewise), and give the clientId of one: --client-id, and in the program the user name of the connection string. To assign one: az vm identity assign … --identities <resource ID>.',
};

const METADATA_SERVER: Fixes = {
  ERR_OIDC_ACCESS_DENIED:
    'Look at whether the service account is disabled or deleted; and whether this runs on Google Cloud at all: --environment.',
  ERR_OIDC_IDENTITY_NOT_FOUND:
    'Run: gcloud compute instances describe <instance> --format "value(serviceAccounts[].email)", and give one of these: --service-account. Without it the first is used.',
};

const LOGIN: Fixes = {
  ERR_OIDC_CREDENTIAL_UNAVAILABLE:
    'Run: az login. Or, for a service account of Google Cloud: gcloud auth application-default login, and say --target-principal <email>.',
};

const ALLOW =
  'Look at the name, character by character. If it is right, add it to ALLOWED_HOSTS (allowedHosts) in the program, and here to --allowed-hosts.';

/** What to type or click next. */
export function fixOf({ code, message }: OIDCCallbackError, asked?: Asked): string | undefined {
  // These name it in their last words.
  if (code === 'ERR_OIDC_METADATA_PROXIED')
    return `Run: export ${message.slice(message.indexOf('NO_PROXY='))}`;
  if (code === 'ERR_OIDC_SDK_NOT_INSTALLED') return message.slice(message.indexOf('Run: '));
  if (code === 'ERR_OIDC_TOKEN_FILE') return projectedToken(asked?.audience);
  if (message.includes('allowed are only')) return ALLOW;
  if (message.startsWith('No audience')) return FIXES.ERR_OIDC_AUDIENCE_MISSING;
  return (asked && fixesAt(asked)[code]) ?? FIXES[code];
}

function fixesAt({ environment, targetPrincipal, audience }: Asked): Fixes {
  if (environment === 'azure') return hasWorkloadIdentity() ? {} : MANAGED_IDENTITY;
  if (environment === 'gcp') return METADATA_SERVER;
  if (environment === 'k8s') {
    const fix = `${projectedToken(audience)}. Or ask for the other one, if that is what the server knows: --audience.`;
    return { ERR_OIDC_AUDIENCE_MISMATCH: fix };
  }
  if (!targetPrincipal) return LOGIN;
  const fix = `Run: gcloud iam service-accounts add-iam-policy-binding ${targetPrincipal} --member user:<you> --role roles/iam.serviceAccountOpenIdTokenCreator; and: gcloud services enable iamcredentials.googleapis.com`;
  return { ERR_OIDC_ACCESS_DENIED: fix };
}

/** For a pod whose token is not for MongoDB. */
export function projectedToken(audience = '<audience>'): string {
  return `Mount a projected volume with serviceAccountToken: { audience: ${oneLine(audience)}, expirationSeconds: 3600, path: mongodb }, and name the file in it: here --token-file /var/run/secrets/tokens/mongodb, in the program tokenFile`;
}
