/**
 * Arbitrary answers of one source, to the real SDK over sockets; a process for each source, because the SDKs
 * keep process-wide state. Arguments: the source, how many answers, the seed. Prints what went wrong.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { AzureManagedIdentityCallback } from '../../src/azure-managed-identity.js';
import { AzureWorkloadIdentityCallback } from '../../src/azure-workload-identity.js';
import type { OIDCCallback } from '../../src/callback.js';
import { GcpCallback } from '../../src/gcp-default.js';
import { GcpMetadataCallback } from '../../src/gcp-metadata.js';
import { KubernetesCallback } from '../../src/kubernetes-token.js';
import { createCertificates } from '../emulators/certificates.js';
import { type Answer, answers } from './arbitraries.js';
import type { SourceName } from './sources.js';
import { assertOurError, assertResult } from './verdicts.js';

const [source, count, seed] = process.argv.slice(2) as [SourceName, string, string];
/** A good answer to so many comes in a fraction of the timeout, also on a busy machine. */
const AT_ONCE = 20;
const TIMEOUT_MS = 3_000;
const GRACE_MS = 12_000;

const folder = mkdtempSync(join(tmpdir(), 'properties-'));
let current: readonly Answer[] = [];
let served = 0;
let batch = 0;

/** Which answer is asked for: the audience has its number, in the query, the body or an assertion in it. */
function numberIn(text: string): number | undefined {
  const assertion = new URLSearchParams(text).get('assertion');
  const [, payload = ''] = assertion?.split('.') ?? [];
  const plain = `${decoded(text)} ${Buffer.from(payload, 'base64url')}`;
  const found = /number-(\d+)-/.exec(plain)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** An answer may have led the client to a path that nobody can decode. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const listener: RequestListener = async (request, response): Promise<unknown> => {
  let body = '';
  for await (const chunk of request) body += chunk;
  if (request.url?.includes('openid-configuration')) return response.end(openIdConfiguration());
  const number = numberIn(`${request.url}`) ?? numberIn(body) ?? -1;
  const answer = current[number];
  if (!answer) return response.writeHead(404).end();
  served++;
  if (answer.isGood) return response.setHeader('metadata-flavor', 'Google').end(goodBody(audienceOf(number)));
  for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
  response.writeHead(answer.status);
  if (answer.cutAt === undefined) return response.end(answer.body);
  return response.write(Buffer.from(answer.body).subarray(0, answer.cutAt), () => response.socket?.destroy());
};

/** As its place has it. */
function goodBody(audience: string): string {
  const exp = Math.floor(Date.now() / 1_000) + 100;
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const token = `${part({ alg: 'RS256' })}.${part({ aud: audience, exp })}.c2lnbmF0dXJl`;
  if (source === 'metadata' || source === 'file') return token;
  if (source === 'google') return JSON.stringify({ id_token: token });
  const resource = audience;
  return JSON.stringify({
    access_token: token,
    expires_on: `${exp}`,
    expires_in: 100,
    resource,
    token_type: 'Bearer',
  });
}

function audienceOf(number: number): string {
  return `api://number-${number}-/${batch}`;
}

let url = '';

function openIdConfiguration(): string {
  const base = `${url}/tenant`;
  return JSON.stringify({
    issuer: `${base}/v2.0`,
    authorization_endpoint: `${base}/authorize`,
    token_endpoint: `${base}/token`,
    jwks_uri: `${base}/keys`,
  });
}

async function listen(secure: boolean): Promise<void> {
  const server = secure ? createSecureServer(await createCertificates(), listener) : createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http${secure ? 's' : ''}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  // Certificates have tests of their own.
  if (secure) process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
}

type Make = (audience: string, number: number) => OIDCCallback;
const timeoutMS = TIMEOUT_MS;

const sources: Record<SourceName, () => Promise<Make>> = {
  async imds() {
    await listen(false);
    process.env.AZURE_POD_IDENTITY_AUTHORITY_HOST = url;
    return (audience) => new AzureManagedIdentityCallback({ audience, timeoutMS });
  },
  async appService() {
    await listen(false);
    Object.assign(process.env, {
      IDENTITY_ENDPOINT: `${url}/msi/token`,
      IDENTITY_HEADER: 'secret-of-the-host',
    });
    return (audience) => new AzureManagedIdentityCallback({ audience, timeoutMS });
  },
  async entra() {
    await listen(true);
    const tokenFilePath = join(folder, 'assertion');
    writeFileSync(tokenFilePath, 'eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl');
    const options = { clientId: 'client', tenantId: 'tenant', tokenFilePath, authorityHost: url };
    return (audience) =>
      new AzureWorkloadIdentityCallback({ ...options, disableInstanceDiscovery: true, audience, timeoutMS });
  },
  async metadata() {
    await listen(false);
    process.env.GCE_METADATA_HOST = new URL(url).host;
    return (audience) => new GcpMetadataCallback({ audience, timeoutMS });
  },
  async google() {
    await listen(true);
    process.env.TEST_HOST_MAP = JSON.stringify({ 'oauth2.googleapis.com:443': new URL(url).host });
    await import('../emulators/redirect-hook.mjs' as string);
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const private_key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const credentials = { type: 'service_account', client_email: 'a@b.iam.gserviceaccount.com', private_key };
    return (audience) => new GcpCallback({ audience, timeoutMS, credentials });
  },
  file: async () => (_, number) => {
    const { isGood, body, cutAt } = current[number] as Answer;
    const tokenFile = join(folder, String(number));
    const content = Buffer.from(body).subarray(0, cutAt);
    writeFileSync(tokenFile, isGood ? goodBody(audienceOf(number)) : content);
    return new KubernetesCallback({ tokenFile, timeoutMS });
  },
};

async function check(make: Make, number: number): Promise<'token' | 'error'> {
  const callback = make(audienceOf(number), number);
  const startedAt = performance.now();
  const work = callback.fetch().then(
    (result): 'token' => {
      assertResult(result);
      return 'token';
    },
    (error): 'error' => {
      assertOurError(error);
      return 'error';
    },
  );
  try {
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error('nothing came in time')), TIMEOUT_MS + GRACE_MS).unref();
    });
    const outcome = await Promise.race([work, late]);
    if (performance.now() - startedAt > TIMEOUT_MS + GRACE_MS) throw new Error('it came too late');
    return outcome;
  } catch (error) {
    throw new Error(`${source}, seed ${seed}: ${JSON.stringify(current[number])}`, { cause: error });
  } finally {
    callback.invalidate();
  }
}

process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const make = await sources[source]();
const outcomes = { token: 0, error: 0 };
const all = fc.sample(answers, { numRuns: Number(count), seed: Number(seed) });
for (let start = 0; start < all.length; start += AT_ONCE) {
  current = all.slice(start, start + AT_ONCE);
  batch++;
  for (const outcome of await Promise.all(current.map((_, number) => check(make, number))))
    outcomes[outcome]++;
}
// What an SDK is still at ends by now, or by the end of the process.
await new Promise((resolve) => setTimeout(resolve, 500));
console.log(JSON.stringify({ ...outcomes, served }));
process.exit();
