// Says what the errors of google-auth-library mean. Their messages are response bodies, so none is passed on.

import { OIDCCallbackError } from './errors.js';

/** What was asked, and of whom. */
export interface GoogleRequest {
  /** Such as `the metadata server`. */
  readonly source: string;
  /** The service account that was named, if any. */
  readonly serviceAccount: string | undefined;
}

/** A wrong name, most of the time; but metadata servers also answer 404 while they start. */
const UNLIKELY_TO_PASS_MS = 5_000;

/** The error that fits. */
export function describeGoogleError(
  error: unknown,
  { source, serviceAccount }: GoogleRequest,
): OIDCCallbackError {
  if (error instanceof OIDCCallbackError) return error;
  const status = statusOf(error);
  const cause = bodiless(error, status);
  if (status === 429) {
    return new OIDCCallbackError('ERR_OIDC_RATE_LIMITED', `${source} throttles this workload (429).`, {
      cause,
    });
  }
  if (status === 401 || status === 403) {
    return new OIDCCallbackError(
      'ERR_OIDC_ACCESS_DENIED',
      `${source} refused an ID token${serviceAccount ? ` of ${serviceAccount}` : ''} (${status}). Impersonation needs roles/iam.serviceAccountOpenIdTokenCreator (iam.serviceAccounts.getOpenIdToken) on that service account, and the IAM Credentials API turned on.`,
      { cause },
    );
  }
  if (status === 404) {
    return new OIDCCallbackError(
      'ERR_OIDC_IDENTITY_NOT_FOUND',
      `${source} knows no service account ${serviceAccount ? `'${serviceAccount}'` : 'here'} (404). Attach a service account to this workload, or name one that is attached.`,
      { cause, retryForMS: UNLIKELY_TO_PASS_MS },
    );
  }
  if (status === 400) {
    return new OIDCCallbackError(
      'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
      `${source} refused the request for an ID token (400). On GKE this is what a Kubernetes service account gets that is bound to no Google service account: bind one (iam.gke.io/gcp-service-account), or use GkeCallback with a projected token. Elsewhere: check the audience.`,
      { cause },
    );
  }
  if (/default credentials/i.test(messageOf(error))) {
    return new OIDCCallbackError(
      'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
      'No Application Default Credentials: neither GOOGLE_APPLICATION_CREDENTIALS nor a gcloud login nor a metadata server was found. On a laptop run `gcloud auth application-default login` and set `targetPrincipal`.',
      { cause, retryForMS: UNLIKELY_TO_PASS_MS },
    );
  }
  return new OIDCCallbackError(
    'ERR_OIDC_SOURCE_UNREACHABLE',
    status === undefined
      ? `${source} did not answer, or something else answered in its place. Does this run on Google Cloud? Does a network policy, firewall or service mesh block it?`
      : `${source} answered with status ${status}.`,
    { cause },
  );
}

function statusOf(error: unknown): number | undefined {
  const { status, response } = Object(error) as { status?: unknown; response?: { status?: unknown } };
  return [response?.status, status].find((value) => typeof value === 'number') as number | undefined;
}

function messageOf(error: unknown): string {
  const { message } = Object(error) as { message?: unknown };
  return typeof message === 'string' ? message : '';
}

/** The cause without its message where that is the body of a response. */
function bodiless(error: unknown, status: number | undefined): unknown {
  if (status === undefined) return error;
  const { name, code } = Object(error) as { name?: unknown; code?: unknown };
  return { name, code, status, message: `Request failed with status ${status}` };
}
