// The source of tokens: whether it can be reached, whom it takes this for, and whether it has a token.

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import {
  hasWorkloadIdentity,
  identityEndpoints,
  requireDirectIdentityEndpoint,
} from '../azure-credential.js';
import type { RetryEvent } from '../diagnostics.js';
import { metadataServerUrl, requireDirectMetadataServer } from '../gcp-metadata.js';
import { type Claims, namesOf, readClaims, readHeader } from '../jwt.js';
import type { Surveyed } from './environment-step.js';
import { connectTo, nameOf } from './network.js';
import { findSDK } from './packages.js';
import { CheckFailed, type Outcome, ok, type Report } from './report.js';
import { explained, federatedClaims } from './source-findings.js';

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
