/** Where secrets come from: the sources of tokens, what each is entrusted with, and how it gives that away. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { SignJWT } from 'jose';
import { type AzureEmulator, startAppService, startAzureImds, startEntra } from '../emulators/azure.js';
import { type GcpIamEmulator, startGcpIam, startGcpMetadata } from '../emulators/gcp.js';
import type { Fault, HttpEmulator } from '../emulators/http.js';
import { createTokenDirectory } from '../emulators/kubernetes.js';
import { impersonation } from '../ways/sources.js';

export interface Secret {
  readonly what: string;
  readonly value: string;
}

/** A way in which a source fails. */
export interface Mishap {
  readonly what: string;
  /** How long a callback tries. */
  readonly timeoutMS: number;
  begin(): Promise<void> | void;
}

export interface RunningPlace {
  readonly env: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  /** What is known from the start; what turns up in requests is added by `collect`. */
  readonly secrets: readonly Secret[];
  readonly mishaps: readonly Mishap[];
  /** Makes the source well again; undefined where it never gives a token. */
  recover?(): Promise<unknown> | undefined;
  /** A lasting refusal. */
  refuse(): Promise<void> | void;
  /** Secrets in the requests that came. */
  collect(): Secret[];
  close(): Promise<unknown>;
}

export interface Place {
  readonly what: string;
  /** Which program. */
  readonly kind: string;
  /** Whether what the SDK itself throws shows one of the secrets. */
  readonly sdkShowsSecrets: boolean;
  start(): Promise<RunningPlace>;
}

const audience = 'https://mongodb.example.com';
const clientSecret = 'Qx18QkJ3fGh7LmN0pQrS2tUvWxYz12345abCd';
/** `@` and `/` are escaped in the URL. */
const proxyPassword = 'Pr0xy@Canary/Passw0rd-4711';
/** So short that no SDK keeps a token. */
const lifeSeconds = 8;

/** A token that no emulator issues: it comes only in what goes wrong. */
export const echoedToken = await new SignJWT({
  sub: 'canary',
  aud: audience,
  jti: '5d0c1a9e-7b1f-4a55-9d3e-canary000001',
  exp: Math.floor(Date.now() / 1000) + 3600,
})
  .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
  .sign(createHash('sha512').update('canary').digest());

const [headerAndPayload, signature] = echoedToken.split(/\.(?=[^.]*$)/);

export const places: readonly Place[] = [
  {
    what: 'the metadata service of an Azure VM',
    kind: 'managedIdentity',
    sdkShowsSecrets: true,
    start: async () => azure(await startAzureImds({ lifeSeconds })),
  },
  {
    what: 'the identity endpoint of App Service',
    kind: 'managedIdentity',
    sdkShowsSecrets: true,
    async start() {
      const service = await startAppService({ lifeSeconds });
      return azure(service, [
        { what: 'the value of X-IDENTITY-HEADER', value: `${service.env.IDENTITY_HEADER}` },
      ]);
    },
  },
  {
    what: 'Entra, with a federated assertion',
    kind: 'workloadIdentity',
    sdkShowsSecrets: true,
    start: async () => azure(await startEntra({ lifeSeconds })),
  },
  {
    what: 'Entra, with a client secret',
    kind: 'clientSecret',
    sdkShowsSecrets: true,
    async start() {
      const entra = await startEntra({ lifeSeconds });
      const { recover: _, ...place } = azure(entra, [{ what: 'the client secret', value: clientSecret }], {
        tenantId: entra.tenantId,
        clientId: `${entra.env.AZURE_CLIENT_ID}`,
        clientSecret,
      });
      return place;
    },
  },
  {
    what: 'the metadata server of Google Cloud',
    kind: 'gcpMetadata',
    sdkShowsSecrets: true,
    async start() {
      const metadata = await startGcpMetadata({ lifeSeconds });
      return http(metadata, { format: metadataFormat, env: metadata.env });
    },
  },
  {
    what: "Google, with a service account's key file",
    kind: 'gcp',
    sdkShowsSecrets: true,
    start: async () => gcp(await startGcpIam({ lifeSeconds })),
  },
  {
    what: 'Google, impersonating a service account',
    kind: 'gcp',
    sdkShowsSecrets: true,
    async start() {
      const [caller, target] = impersonation;
      const iam = await startGcpIam({ lifeSeconds, serviceAccounts: [caller, target] });
      return gcp(iam, { options: { targetPrincipal: target.email } });
    },
  },
  {
    what: "Google, with a person's credentials",
    kind: 'gcp',
    sdkShowsSecrets: true,
    async start() {
      const iam = await startGcpIam({ lifeSeconds });
      const [account] = iam.serviceAccounts;
      return gcp(iam, {
        env: { ...iam.env, GOOGLE_APPLICATION_CREDENTIALS: iam.userFile },
        options: { targetPrincipal: `${account?.email}` },
      });
    },
  },
  {
    what: 'a token file',
    kind: 'kubernetes',
    sdkShowsSecrets: false,
    start: tokenFile,
  },
  {
    what: "an environment of the user's own",
    kind: 'own',
    sdkShowsSecrets: true,
    start: async () => ({
      env: {},
      options: { audience, ownToken: echoedToken },
      secrets: [],
      mishaps: [{ what: 'everything in turn', timeoutMS: 8_000, begin() {} }],
      refuse() {},
      collect: () => [],
      close: async () => {},
    }),
  },
  {
    what: 'a proxy in the way of a metadata service',
    kind: 'managedIdentity',
    sdkShowsSecrets: false,
    start: () => proxied('HTTP_PROXY', {}),
  },
  {
    what: 'a proxy in the way of the metadata server of Google Cloud',
    kind: 'gcpMetadata',
    sdkShowsSecrets: false,
    start: () => proxied('https_proxy', {}),
  },
  {
    what: 'a proxy on the way to Entra',
    kind: 'workloadIdentity',
    sdkShowsSecrets: false,
    start: async () => behindProxy(azure(await startEntra({ lifeSeconds }))),
  },
  {
    what: 'a proxy on the way to Google',
    kind: 'gcp',
    sdkShowsSecrets: true,
    start: async () => behindProxy(await gcp(await startGcpIam({ lifeSeconds }))),
  },
];

interface HttpPlace {
  readonly format: Format;
  readonly env: Readonly<Record<string, string>>;
  readonly options?: Readonly<Record<string, string>>;
  readonly secrets?: readonly Secret[];
}

function azure(
  emulator: AzureEmulator,
  secrets: readonly Secret[] = [],
  options: Record<string, string> = {},
): RunningPlace {
  return http(emulator, { format: azureFormat, env: emulator.env, secrets, options });
}

async function gcp(
  iam: GcpIamEmulator,
  { env = iam.env, options = {} }: Partial<HttpPlace> = {},
): Promise<RunningPlace> {
  const key = JSON.parse(await readFile(iam.keyFile, 'utf8')) as Record<string, string>;
  const user = JSON.parse(await readFile(iam.userFile, 'utf8')) as Record<string, string>;
  const secrets = [
    { what: 'the private key', value: `${key.private_key}`.replace(/-----[^-]+-----\n?/g, '') },
    { what: 'the refresh token', value: `${user.refresh_token}` },
  ];
  return http(iam, { format: iamFormat, env, options, secrets });
}

function http(emulator: HttpEmulator, { format, env, options = {}, secrets = [] }: HttpPlace): RunningPlace {
  const seen = new Map<string, string>();
  const collect = () => {
    for (const { headers, body } of emulator.requests) {
      const form = new URLSearchParams(body);
      for (const [what, value] of [
        ['the Authorization header', headers.authorization?.replace(/^\w+ /, '')],
        ['the client secret that was sent', form.get('client_secret')],
        ['the assertion that was sent', form.get('assertion') ?? form.get('client_assertion')],
      ]) {
        // The emulator's own name for a secret that is none.
        if (what && value && value !== 'not-a-secret') seen.set(value, what);
      }
    }
    return [...seen].map(([value, what]) => ({ what, value }));
  };
  const known = () => [...secrets, ...collect(), { what: 'the echoed token', value: echoedToken }];
  const mishap = (what: string, fault: () => Fault, timeoutMS = 600): Mishap => ({
    what,
    timeoutMS,
    begin: () => emulator.setFault(fault()),
  });
  const status = (
    number: number,
    body: (echo: string) => string,
    headers?: (echo: string) => Record<string, string>,
  ): (() => Fault) => {
    return () => {
      const echo = echoOf(known());
      return { kind: 'status', status: number, body: body(echo), headers: { ...headers?.(echo) } };
    };
  };
  return {
    env,
    options: { audience, ...options },
    secrets,
    mishaps: [
      { what: 'nothing', timeoutMS: 30_000, begin: () => emulator.setFault(undefined) },
      mishap('a refusal that echoes', status(400, refusal), 2_000),
      mishap(
        'a refusal in plain text',
        status(403, (echo) => `no: ${echo}`, textHeader),
      ),
      mishap(
        'a refusal as a page',
        status(401, (echo) => `<html><body>${echo}</body></html>`, htmlHeader),
      ),
      mishap(
        'a refusal with telling headers',
        status(
          400,
          (echo) => JSON.stringify({ error: `AADSTS50000: ${echo}`, error_description: echo }),
          (echo) => ({ 'content-type': 'application/json', 'www-authenticate': `Bearer error="${echo}"` }),
        ),
      ),
      mishap('too many requests', status(429, refusal)),
      mishap('a server error', status(500, refusal), 4_500),
      mishap(
        'a page in the place of the token',
        status(200, (echo) => `<html>${echo}</html>`, htmlHeader),
      ),
      mishap('a token without its signature', () => answer(format(`${headerAndPayload}`))),
      mishap('an encrypted token', () => answer(format(`${echoedToken}.${signature}.x`))),
      mishap('a token that is not one', () => answer(format(`Bearer ${echoedToken}`))),
      mishap('half a token', () => answer(format(echoedToken).slice(0, echoedToken.length * 0.7))),
      mishap('an answer that is cut', () => ({ kind: 'truncated' })),
      mishap('an answer that ends early', () => ({ kind: 'truncated', clean: true })),
      mishap('a connection that breaks', () => ({ kind: 'reset' })),
    ],
    recover() {
      emulator.setFault(undefined);
      return undefined;
    },
    refuse: () => emulator.setFault(status(403, refusal)()),
    collect,
    close: () => emulator.close(),
  };
}

const textHeader = () => ({ 'content-type': 'text/plain' });
const htmlHeader = () => ({ 'content-type': 'text/html', 'metadata-flavor': 'Google' });

/** Only part of it fits into a message, so the order is another each time. */
let echoes = 0;

function echoOf(secrets: readonly Secret[]): string {
  const texts = secrets.flatMap(({ what, value }) => {
    const flat = value.replaceAll('\n', '');
    if (what.includes('token') || what.includes('assertion') || what.includes('Authorization')) {
      return [flat, ...flat.split('.').slice(1, 3)].filter((part) => part.length >= 40);
    }
    if (what === 'the private key') return [`-----BEGIN PRIVATE KEY----- ${flat}`];
    // That one is known by its value alone.
    return [what.includes('HEADER') ? flat : `client_secret=${flat}`];
  });
  const first = echoes++ % texts.length;
  return [...texts.slice(first), ...texts.slice(0, first)].slice(0, 12).join(' ');
}

function refusal(echo: string): string {
  return JSON.stringify({
    error: 'invalid_request',
    error_description: `AADSTS900000: ${echo}`,
    message: echo,
    access_token: echoedToken,
  });
}

/** The body of an answer with a token. */
type Format = (token: string) => string;

const azureFormat: Format = (token) =>
  JSON.stringify({
    access_token: token,
    expires_in: lifeSeconds,
    expires_on: String(Math.floor(Date.now() / 1000) + lifeSeconds),
    resource: audience,
    token_type: 'Bearer',
  });
const iamFormat: Format = (token) =>
  JSON.stringify({
    access_token: token,
    id_token: token,
    token,
    expires_in: lifeSeconds,
    token_type: 'Bearer',
  });
const metadataFormat: Format = (token) => token;

function answer(body: string): Fault {
  return {
    kind: 'status',
    status: 200,
    headers: { 'content-type': 'application/json', 'metadata-flavor': 'Google' },
    body,
  };
}

async function tokenFile(): Promise<RunningPlace> {
  const tokens = await createTokenDirectory({ audience, lifeSeconds });
  const contents: [what: string, content: string][] = [
    ['a token cut in its payload', echoedToken.slice(0, -80)],
    ['a token cut in its header', echoedToken.slice(0, 30)],
    ['a token twice', `${echoedToken}\n${echoedToken}`],
    ['an encrypted token', `${echoedToken}.${echoedToken.split('.')[1]}.x`],
    ['a token with a name', `token: ${echoedToken}`],
    ['a secret of Kubernetes', JSON.stringify({ kind: 'Secret', data: { token: btoa(echoedToken) } })],
    ['far too much', echoedToken.repeat(400)],
    ['the parts in another order', echoedToken.split('.').reverse().join('.')],
  ];
  return {
    env: {},
    options: { audience, tokenFile: tokens.path },
    secrets: [],
    mishaps: [
      { what: 'nothing', timeoutMS: 30_000, begin() {} },
      ...contents.map(([what, content]) => ({
        what,
        timeoutMS: 700,
        begin: () => tokens.write(content),
      })),
      {
        what: 'a token for others',
        timeoutMS: 700,
        begin: async () => tokens.write((await otherToken()).token),
      },
    ],
    recover: () => tokens.rotate(),
    refuse: () => tokens.write(`${echoedToken}.a.b`),
    collect: () => [],
    close: () => tokens.close(),
  };
}

async function otherToken() {
  const token = await new SignJWT({ aud: 'sts.amazonaws.com', jti: 'e7c3f7b2-0d4f-4b0e-9a30-canary000002' })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(createHash('sha512').update('other').digest());
  return { token };
}

/** A proxy that refuses, and says what it was sent. */
async function startProxy() {
  let sent = '';
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (data) => {
      sent += data;
      const body = `refused: ${data}`;
      socket.end(
        `HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: ${credentials}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://proxy-user:${encodeURIComponent(proxyPassword)}@127.0.0.1:${port}`,
    get wasAsked() {
      return sent.includes(credentials);
    },
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

const credentials = `Basic ${Buffer.from(`proxy-user:${proxyPassword}`).toString('base64')}`;
const proxySecrets: Secret[] = [
  { what: "the proxy's password", value: proxyPassword },
  { what: "the proxy's credentials", value: credentials.slice('Basic '.length) },
];

async function proxied(variable: string, env: Record<string, string>): Promise<RunningPlace> {
  const proxy = await startProxy();
  return {
    env: { ...env, [variable]: proxy.url },
    options: { audience },
    secrets: proxySecrets,
    mishaps: [{ what: 'a fetch', timeoutMS: 1_000, begin() {} }],
    refuse() {},
    collect: () => [],
    close: () => proxy.close(),
  };
}

async function behindProxy(place: RunningPlace): Promise<RunningPlace> {
  const proxy = await startProxy();
  const { recover: _, ...others } = place;
  return {
    ...others,
    env: { ...place.env, HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url },
    secrets: [...place.secrets, ...proxySecrets],
    mishaps: [{ what: 'a fetch', timeoutMS: 5_000, begin() {} }],
    async close() {
      if (!proxy.wasAsked) throw new Error('the proxy was not asked');
      await Promise.all([place.close(), proxy.close()]);
    },
  };
}
