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
import { AzureManagedIdentityCallback } from '../azure-managed-identity.js';
import type { RetryEvent } from '../diagnostics.js';
import { OIDCCallbackError } from '../errors.js';
import { metadataServerUrl, requireDirectMetadataServer } from '../gcp-metadata.js';
import { type Claims, namesOf, readClaims, readHeader } from '../jwt.js';
import { readTokenFile } from '../token-file.js';
import type { Surveyed } from './environment-step.js';
import { connectTo, nameOf } from './network.js';
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
  const { callback, username, environment } = surveyed;
  const context = username === undefined ? {} : { username };
  const isReached = await report.check('source', 'reachable', 'reaching the token source', async () => [
    await reach(environment, timeoutMS),
    true,
  ]);
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

/** Without a proxy, as the SDKs must. */
async function reach(environment: Surveyed['environment'], timeoutMS: number): Promise<Outcome> {
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
    throw new CheckFailed({
      code: 'ERR_OIDC_SOURCE_UNREACHABLE',
      summary: `The ${source} cannot be reached: ${error.message}`,
      fix:
        environment === 'azure'
          ? 'Look at network policies, firewalls (iptables) and service meshes for 169.254.169.254: a Kubernetes NetworkPolicy with an egress rule must allow it. Is this an Azure host? Elsewhere say where this runs: --environment.'
          : notGoogle(),
    });
  }
  return ok(`The ${source} at ${nameOf(host)} accepts connections`);
}

function notGoogle(): string {
  if (hasUserCredentials()) {
    return 'This is no Google Cloud host, and there is a login of gcloud (Application Default Credentials of a person), which cannot mint an ID token by itself. Impersonate a service account: --environment developer --target-principal <email>.';
  }
  return 'Look at network policies, firewalls and service meshes for 169.254.169.254. Is this a Google Cloud host? Elsewhere say where this runs: --environment.';
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
  const token = await readTokenFile({ path, origin: 'the variable AZURE_FEDERATED_TOKEN_FILE' });
  return readClaims(token, path, { says: 'holds' });
}

/** What a failed fetch means, where more can be found out than its error says. */
async function explained(
  error: unknown,
  { environment, username, audience }: Surveyed,
  timeoutMS: number,
): Promise<unknown> {
  if (!(error instanceof OIDCCallbackError)) return error;
  const { code, message } = error;
  if (environment === 'azure' && hasWorkloadIdentity() && /federated/i.test(message)) {
    const { iss, sub, aud } = await federatedClaims();
    return new CheckFailed({
      code,
      summary: message,
      fix: `Make the credential say what this pod's token says: az identity federated-credential create --name mongodb --identity-name <identity> --resource-group <group> --issuer ${iss} --subject ${sub} --audiences ${[aud].flat()[0]}`,
    });
  }
  if (environment === 'azure' && code === 'ERR_OIDC_IDENTITY_NOT_FOUND' && username) {
    const clientId = await clientIdOfObject(username, audience, timeoutMS);
    if (clientId !== undefined) {
      return new CheckFailed({
        code: 'CLIENT_ID_IS_OBJECT_ID',
        summary: `${username} is the object (principal) ID of an identity that is assigned here, and not its client ID.`,
        fix: `Use its client ID: ${clientId}`,
      });
    }
  }
  return error;
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
