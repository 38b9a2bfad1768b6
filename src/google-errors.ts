// Says what the errors of google-auth-library mean. Their messages are response bodies, so none is passed on.

import { OIDCCallbackError } from './errors.js';

/** What was asked, and of whom. */
export interface GoogleRequest {
  /** Such as `the metadata server`. */
  readonly source: string;
  /** The service account that was named, if any. */
  readonly serviceAccount: string | undefined;
  /** What to look at where the source says that this may not be. */
  readonly refusalHint: string;
}

/** A wrong name, most of the time; but metadata servers also answer 404 while they start. */
const UNLIKELY_TO_PASS_MS = 5_000;

/** What the SDK, Node and OpenSSL say of credentials that are missing or broken. */
const UNUSABLE_KEY =
  /credential file|\b(ENOENT|EACCES|EISDIR|ENOTDIR)\b.*\bopen\b|EISDIR|does not exist, or it is not a file|(does not|must) contain|not valid JSON|in JSON at|JSON input|DECODER|PEM|private key|asn1/i;

/** The error that fits. */
export function describeGoogleError(
  error: unknown,
  { source, serviceAccount, refusalHint }: GoogleRequest,
): OIDCCallbackError {
  if (error instanceof OIDCCallbackError) return error;
  const status = statusOf(error);
  const cause = bodiless(error, status);
  if (lacksModules(error)) {
    return new OIDCCallbackError(
      'ERR_OIDC_SDK_NOT_INSTALLED',
      'google-auth-library could not load a module of its own: this runs in node:vm, as tests in Jest do, without the flag that it needs for that. Run it with NODE_OPTIONS=--experimental-vm-modules.',
      { cause },
    );
  }
  if (status === 429) {
    return new OIDCCallbackError('ERR_OIDC_RATE_LIMITED', `${source} throttles this workload (429).`, {
      cause,
    });
  }
  if (status === 401 || status === 403) {
    return new OIDCCallbackError(
      'ERR_OIDC_ACCESS_DENIED',
      `${source} refused an ID token${serviceAccount ? ` of ${serviceAccount}` : ''} (${status}). ${refusalHint}`,
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
  if (status !== undefined && status >= 300 && status < 400) {
    return new OIDCCallbackError(
      'ERR_OIDC_SOURCE_UNREACHABLE',
      `${source} did not answer: something in its place redirected the request (${status}), such as a proxy that wants a login. Let requests to *.googleapis.com and to the metadata server pass.`,
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
  if (status === undefined && UNUSABLE_KEY.test(messageOf(error))) {
    return new OIDCCallbackError(
      'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
      'The file or object with Google credentials cannot be used: it does not exist, may not be read, or is no JSON key of a service account. Look at GOOGLE_APPLICATION_CREDENTIALS, or at the option that names it (keyFile, keyFilename, credentials).',
      { cause },
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

/** Since version 10 it imports one when it makes its first request, and wraps the refusal as one of the network. */
function lacksModules(error: unknown, depth = 0): boolean {
  const { code, message, cause } = Object(error) as Record<string, unknown>;
  const flag = /DYNAMIC_IMPORT_CALLBACK_MISSING|experimental-vm-modules/;
  if ([code, message].some((part) => typeof part === 'string' && flag.test(part))) return true;
  return cause !== undefined && depth < 5 && lacksModules(cause, depth + 1);
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
