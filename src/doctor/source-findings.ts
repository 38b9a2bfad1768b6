// Why a source gave no token, where more can be found out than its error says.

import { Agent, get, type IncomingMessage } from 'node:http';
import { hasWorkloadIdentity, identityEndpoints } from '../azure-credential.js';
import { AzureManagedIdentityCallback } from '../azure-managed-identity.js';
import { GKE_METADATA_SERVER } from '../detection.js';
import { OIDCCallbackError } from '../errors.js';
import { type Claims, oneLine, readClaims } from '../jwt.js';
import { askMetadataServer } from '../metadata-server.js';
import { readTokenFile } from '../token-file.js';
import { entraFinding } from './entra.js';
import type { Surveyed } from './environment-step.js';
import type { Finding } from './finding.js';
import { fixOf } from './fixes.js';
import { CheckFailed } from './report.js';
import { receiverFindings } from './token-findings.js';

/** The error, or what it means. */
export async function explained(error: unknown, surveyed: Surveyed, timeoutMS: number): Promise<unknown> {
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

/** Of the token that is exchanged at Entra. */
export async function federatedClaims(): Promise<Claims> {
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
