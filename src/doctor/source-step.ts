// The source of tokens: whether it can be reached, whom it takes this for, and whether it has a token.

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { existsSync, readFileSync } from 'node:fs';
import { Agent, get, type IncomingMessage } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';
import {
  hasWorkloadIdentity,
  identityEndpoints,
  requireDirectIdentityEndpoint,
} from '../azure-credential.js';
import { AzureManagedIdentityCallback } from '../azure-managed-identity.js';
import { GKE_METADATA_SERVER } from '../detection.js';
import type { RetryEvent } from '../diagnostics.js';
import { OIDCCallbackError } from '../errors.js';
import { metadataServerUrl, requireDirectMetadataServer } from '../gcp-metadata.js';
import { type Claims, namesOf, oneLine, readClaims, readHeader } from '../jwt.js';
import { askMetadataServer } from '../metadata-server.js';
import { readTokenFile } from '../token-file.js';
import { type Finding, receiverFindings } from './causes.js';
import { entraFinding } from './entra.js';
import type { Surveyed } from './environment-step.js';
import { fixOf } from './fixes.js';
import { connectTo, nameOf } from './network.js';
import { findSDK } from './packages.js';
import { CheckFailed, type Outcome, ok, type Report } from './report.js';

/** A token, as far as it may be known. */
export interface Decoded {
  readonly claims: Claims;
  readonly header: Readonly<Record<string, unknown>>;
}

/** Asks for a token, twice. */
export async function examineSource(
  surveyed: Surveyed,
  timeoutMS: number,
  report: Report,
): Promise<Decoded | undefined> {
  const { callback, username } = surveyed;
  const context = username === undefined ? {} : { username };
  const isReached = await report.check('source', 'reachable', 'reaching the token source', async () => {
    const outcome = await reach(surveyed, timeoutMS);
    loadSDK(surveyed);
    return [outcome, true];
  });
  if (!isReached) return undefined;
  const decoded = await report.check('source', 'first-token', 'asking for a token', async () => {
    const attempts = countAttempts();
    try {
      const { accessToken } = await callback.fetch(context);
      const retries = attempts.end();
      const summary = `A token${retries.length > 0 ? `, after ${listed(retries)}` : ''}`;
      return [
        ok(summary, { retries }),
        { claims: readClaims(accessToken, callback.name), header: readHeader(accessToken) },
      ];
    } catch (error) {
      attempts.end();
      throw await explained(error, surveyed, timeoutMS);
    }
  });
  if (!decoded) return undefined;
  await report.check('source', 'second-token', 'asking once more', async () => {
    await callback.fetch(context);
    return [ok('The same again, from memory'), undefined];
  });
  return decoded;
}

/** Before it is asked for a token, which takes its own time. */
function loadSDK({ environment, targetPrincipal }: Surveyed): void {
  if (environment === 'k8s') return;
  const name = environment === 'gcp' || targetPrincipal ? 'google-auth-library' : '@azure/identity';
  try {
    findSDK(name)?.load();
  } catch {
    // The callback says what is wrong with it.
  }
}

/** Without a proxy, as the SDKs must. */
async function reach({ environment }: Surveyed, timeoutMS: number): Promise<Outcome> {
  if (environment === 'developer') return { status: 'skipped', summary: 'A login of a person is used' };
  if (environment === 'k8s') return { status: 'skipped', summary: 'A file is read' };
  if (environment === 'azure' && hasWorkloadIdentity()) return describeFederatedToken();
  if (environment === 'azure') requireDirectIdentityEndpoint();
  else requireDirectMetadataServer();
  const [endpoint = ''] = environment === 'azure' ? identityEndpoints() : [metadataServerUrl()];
  const { hostname, port, protocol } = new URL(endpoint);
  const host = {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port) || (protocol === 'https:' ? 443 : 80),
  };
  const source = environment === 'azure' ? 'identity endpoint' : 'metadata server';
  try {
    (await connectTo(host, Math.min(timeoutMS, 5_000))).destroy();
  } catch (error) {
    if (!(error instanceof CheckFailed)) throw error;
    const summary = `The ${source} cannot be reached: ${error.message}`;
    if (environment === 'gcp' && hasUserCredentials()) {
      throw new CheckFailed({
        code: 'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
        summary: `${summary} What is here is a login of gcloud (Application Default Credentials of a person), which cannot mint an ID token for MongoDB.`,
        fix: 'Impersonate a service account: --environment developer --target-principal <email>',
      });
    }
    throw new CheckFailed({
      code: 'ERR_OIDC_SOURCE_UNREACHABLE',
      summary,
      fix: `Is this a host of ${environment === 'azure' ? 'Azure' : 'Google Cloud'}? If not, say where it runs: --environment. If it is, look at network policies, firewalls (iptables) and service meshes: a Kubernetes NetworkPolicy with an egress rule must allow 169.254.169.254.`,
    });
  }
  return ok(`The ${source} at ${nameOf(host)} accepts connections`);
}

/** Whether Application Default Credentials are those of a person. */
function hasUserCredentials(): boolean {
  const { GOOGLE_APPLICATION_CREDENTIALS, CLOUDSDK_CONFIG } = process.env;
  const path =
    GOOGLE_APPLICATION_CREDENTIALS ||
    join(CLOUDSDK_CONFIG || join(homedir(), '.config', 'gcloud'), 'application_default_credentials.json');
  try {
    return existsSync(path) && JSON.parse(readFileSync(path, 'utf8')).type === 'authorized_user';
  } catch {
    return false;
  }
}

/** What is exchanged at Entra, whose federated credential must say the same. */
async function describeFederatedToken(): Promise<Outcome> {
  const { iss, sub, aud } = await federatedClaims();
  return ok(`The federated token is of issuer ${iss}, subject ${sub}, for ${namesOf({ aud })}`);
}

async function federatedClaims(): Promise<Claims> {
  const path = process.env.AZURE_FEDERATED_TOKEN_FILE ?? '';
  try {
    const token = await readTokenFile({ path, origin: 'the variable AZURE_FEDERATED_TOKEN_FILE' });
    return readClaims(token, path, { says: 'holds' });
  } catch (error) {
    const { code, message } = error as OIDCCallbackError;
    throw new CheckFailed({
      code,
      // What follows is meant for a token that goes to MongoDB itself.
      summary: message.replace(/(?<=\.) In Kubernetes.*/, ''),
      fix: 'The webhook mounts the volume azure-identity-token: give the pod the label azure.workload.identity/use: "true", set no such variable or volume by hand, and start it anew.',
    });
  }
}

/** What a failed fetch means, where more can be found out than its error says. */
async function explained(error: unknown, surveyed: Surveyed, timeoutMS: number): Promise<unknown> {
  if (!(error instanceof OIDCCallbackError)) return error;
  const finding = await findingOf(error, surveyed, timeoutMS);
  if (finding) return new CheckFailed(finding);
  const { code, message } = error;
  const fix = fixOf(error, surveyed);
  return fix === undefined ? error : new CheckFailed({ code, summary: message, fix });
}

async function findingOf(
  error: OIDCCallbackError,
  { environment, username, audience }: Surveyed,
  timeoutMS: number,
): Promise<Finding | undefined> {
  const { code, message } = error;
  if (environment === 'gcp') {
    const isUnbound = code === 'ERR_OIDC_CREDENTIAL_UNAVAILABLE' && (await isOnGKE(timeoutMS));
    return isUnbound ? { code, ...UNBOUND } : undefined;
  }
  if (environment !== 'azure') return undefined;
  const [scope] = receiverFindings({}, { audienceAskedFor: audience });
  if (scope && code === 'ERR_OIDC_ACCESS_DENIED') return scope;
  const isFederated = hasWorkloadIdentity();
  const found = entraFinding(error, {
    audience,
    clientId: username ?? process.env.AZURE_CLIENT_ID,
    federated: isFederated ? await federatedClaims() : undefined,
  });
  if (found || isFederated) return found;
  const [status] = /(?<=\()40[13](?=\))/.exec(message) ?? [];
  if (status && process.env.IDENTITY_HEADER) {
    return {
      code,
      summary: `The identity endpoint refuses this process (${status}): its IDENTITY_HEADER is not the one of that endpoint, or this identity may not have a token for '${audience}'.`,
      fix: 'Take IDENTITY_ENDPOINT and IDENTITY_HEADER from the process that the platform starts: they are new at each start, and must not be copied. If they are, look at the audience.',
    };
  }
  if (code === 'ERR_OIDC_IDENTITY_NOT_FOUND' && username) {
    const clientId = await clientIdOfObject(username, audience, timeoutMS);
    return clientId === undefined
      ? undefined
      : {
          code: 'CLIENT_ID_IS_OBJECT_ID',
          summary: `${username} is the object (principal) ID of an identity that is assigned here, and not its client ID.`,
          fix: `Use its client ID: ${clientId}`,
        };
  }
  if (code !== 'ERR_OIDC_SOURCE_UNREACHABLE' && code !== 'ERR_OIDC_TIMEOUT') return undefined;
  const answer = await whatAnswers(timeoutMS);
  return answer === undefined
    ? undefined
    : {
        code: 'ERR_OIDC_SOURCE_UNREACHABLE',
        summary: `What answers at the identity endpoint is not Azure's: it answers with ${answer}.`,
        fix: 'Look at what answers in its place: a proxy, a captive portal, a service mesh, an iptables rule for 169.254.169.254.',
      };
}

const UNBOUND = {
  summary:
    'The metadata server of GKE refuses an ID token (400): the Kubernetes service account of this pod is bound to no Google service account.',
  fix: 'Run: gcloud iam service-accounts add-iam-policy-binding <email> --role roles/iam.workloadIdentityUser --member "serviceAccount:<project>.svc.id.goog[<namespace>/<service account>]"; and: kubectl annotate serviceaccount <service account> iam.gke.io/gcp-service-account=<email>. Or mount a projected token, with --environment k8s.',
};

async function isOnGKE(timeoutMS: number): Promise<boolean> {
  const server = await askMetadataServer(AbortSignal.timeout(timeoutMS)).catch(() => '');
  return server === GKE_METADATA_SERVER;
}

/** What is no JSON in the answer of the identity endpoint, to a question for no token. */
function whatAnswers(timeoutMS: number): Promise<string | undefined> {
  const [endpoint = ''] = identityEndpoints();
  const url = new URL('/metadata/identity/oauth2/token?api-version=2018-02-01', endpoint);
  return new Promise((resolve) => {
    const answered = (response: IncomingMessage) => {
      response.resume();
      const type = response.headers['content-type'] ?? 'no content type';
      resolve(type.includes('json') ? undefined : `status ${response.statusCode} and ${oneLine(type)}`);
    };
    // An agent of its own never uses a proxy.
    const options = {
      agent: new Agent(),
      headers: { metadata: 'true' },
      signal: AbortSignal.timeout(timeoutMS),
    };
    get(url, options, answered).on('error', () => resolve(undefined));
  });
}

async function clientIdOfObject(
  objectId: string,
  audience: string | undefined,
  timeoutMS: number,
): Promise<string | undefined> {
  try {
    const callback = new AzureManagedIdentityCallback({ audience, objectId, timeoutMS, refreshAhead: false });
    const { appid, azp } = readClaims((await callback.fetch()).accessToken, callback.name) as Record<
      string,
      unknown
    >;
    return [appid, azp].find((id) => typeof id === 'string') as string | undefined;
  } catch {
    return undefined;
  }
}

/** By the events of this package, as any program can. */
function countAttempts() {
  const codes: string[] = [];
  const onRetry = (event: unknown) => void codes.push((event as RetryEvent).code);
  subscribe('mongodb-workload-identity.retry', onRetry);
  return {
    end() {
      unsubscribe('mongodb-workload-identity.retry', onRetry);
      return codes;
    },
  };
}

function listed(codes: readonly string[]): string {
  const names = [...new Set(codes)].join(', ');
  return `${codes.length} failed ${codes.length === 1 ? 'attempt' : 'attempts'} (${names})`;
}
