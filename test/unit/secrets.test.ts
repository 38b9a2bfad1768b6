import { createHash, generateKeyPairSync } from 'node:crypto';
import { inspect } from 'node:util';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { AzureCallback } from '../../src/azure-default.js';
import { type AccessToken, OIDCCallback } from '../../src/callback.js';
import { OIDCCallbackError, toCallbackError } from '../../src/errors.js';
import { redact, sanitizeCause, scrub } from '../../src/secrets.js';
import { jwt, jwtFor } from './jwts.js';

afterEach(() => {
  vi.unstubAllEnvs();
});

const random = (seed: string, encoding: 'base64' | 'base64url' = 'base64url') =>
  Buffer.concat([0, 1, 2, 3].map((n) => createHash('sha512').update(`${seed}${n}`).digest())).toString(
    encoding,
  );

const TOKEN = jwt(
  { oid: 'c0ffee00-aaaa-bbbb-cccc-0123456789ab', email: 'someone@example.com' },
  random('signature'),
);
const [, PAYLOAD = '', SIGNATURE = ''] = TOKEN.split('.');
const PEM = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
  type: 'pkcs8',
  format: 'pem',
});
const PEM_BODY = PEM.toString().split('\n').slice(1, -2).join('');
const CLIENT_SECRET = 'Qx18Q~kJ3.fGh7LmN0pQrS2tUv-WxYz_12345ab';
const IDENTITY_HEADER = '853B9A84-5BFA-4B22-A3F3-0B9A43D9AD8A';

interface Canary {
  readonly what: string;
  /** What must not be seen, whole or in part. */
  readonly secret: string;
  /** The text in which it comes. */
  readonly text?: string;
  readonly env?: Record<string, string>;
}

/** Recognisable in any text, ours included. */
const CANARIES: Canary[] = [
  { what: 'a token', secret: TOKEN },
  { what: 'the payload of a token', secret: PAYLOAD },
  { what: 'a token without its signature', secret: TOKEN.slice(0, TOKEN.lastIndexOf('.') + 1) },
  { what: 'a token cut short', secret: TOKEN.slice(0, 60) },
  { what: 'an encrypted token', secret: `${jwt()}.${random('tag')}.${random('key')}` },
  { what: 'a private key', secret: PEM_BODY, text: PEM.toString() },
  { what: 'a private key in JSON', secret: PEM_BODY, text: JSON.stringify({ private_key: PEM }) },
  { what: 'a private key cut short', secret: PEM_BODY.slice(0, 70), text: PEM.toString().slice(0, 100) },
  {
    what: 'the password of a proxy',
    secret: 'hunter-2-hunter',
    text: 'http://user:hunter-2-hunter@proxy:3128/',
  },
  {
    what: 'a proxy password with escapes',
    secret: 'p%40ss%2Fword',
    text: 'https://user:p%40ss%2Fword@proxy.example',
  },
  {
    what: 'a proxy password with an @ in it',
    secret: 'hunter@passwort',
    text: 'http://user:hunter@passwort@proxy:3128',
  },
  {
    what: 'the password of a connection string',
    secret: 'hunter-2-hunter',
    text: 'mongodb+srv://user:hunter-2-hunter@cluster0.example.net/?a=b',
  },
  {
    what: 'the value of IDENTITY_HEADER',
    secret: IDENTITY_HEADER,
    text: `sent ${IDENTITY_HEADER} and ${IDENTITY_HEADER}`,
    env: { IDENTITY_HEADER },
  },
  { what: 'the value of MSI_SECRET', secret: 'b4d5ec12', env: { MSI_SECRET: 'b4d5ec12' } },
  {
    what: 'the value of AZURE_CLIENT_SECRET',
    secret: CLIENT_SECRET,
    env: { AZURE_CLIENT_SECRET: CLIENT_SECRET },
  },
  {
    what: 'the value of AZURE_CLIENT_CERTIFICATE_PASSWORD',
    secret: 'opensesame',
    env: { AZURE_CLIENT_CERTIFICATE_PASSWORD: 'opensesame' },
  },
  { what: 'the value of AZURE_PASSWORD', secret: '$& (.*) [', env: { AZURE_PASSWORD: '$& (.*) [' } },
  {
    what: 'a client secret in a form',
    secret: CLIENT_SECRET,
    text: `grant_type=x&client_secret=${CLIENT_SECRET}&scope=y`,
  },
  {
    what: 'a client secret in JSON',
    secret: CLIENT_SECRET,
    text: JSON.stringify({ client_secret: CLIENT_SECRET }),
  },
  {
    what: 'the second of two secrets',
    secret: 'opaque-value-2',
    text: 'client_secret=a&refresh_token=b&client_secret=opaque-value-2',
  },
  {
    what: 'the assertion of a grant',
    secret: 'opaque-value-1',
    text: 'assertion=opaque-value-1&grant_type=a',
  },
  { what: 'an assertion', secret: 'opaque-value-1', text: 'client_assertion=opaque-value-1&client_id=a' },
  {
    what: 'an opaque token in JSON',
    secret: 'opaque-token-1',
    text: '{"access_token": "opaque-token-1","token_type":"Bearer"}',
  },
  { what: 'an ID token in JSON', secret: 'opaque-token-1', text: "{ id_token: 'opaque-token-1' }" },
  { what: 'a refresh token', secret: 'opaque-token-1', text: 'refresh_token=opaque-token-1' },
  { what: 'a bearer header', secret: 'opaque-token-1', text: 'Authorization: Bearer opaque-token-1' },
  {
    what: 'a bearer header in JSON',
    secret: 'opaque-token-1',
    text: '{"authorization":"Bearer opaque-token-1"}',
  },
  { what: 'a basic header', secret: 'dXNlcjpodW50ZXI=', text: 'Proxy-Authorization: Basic dXNlcjpodW50ZXI=' },
  { what: 'a secret header', secret: 'not-in-the-env', text: 'X-IDENTITY-HEADER: not-in-the-env' },
  { what: 'a password in an object', secret: 'hunter-2', text: "{ user: 'a', password: 'hunter-2' }" },
  {
    what: 'a password with a comma in it',
    secret: 'hunter,passwort',
    text: '{"password":"hunter,passwort"}',
  },
];

/** Recognisable only by its looks, so hidden in text that is not ours. */
const FOREIGN_CANARIES: Canary[] = [
  { what: 'the signature of a token', secret: SIGNATURE },
  { what: 'a part of a signature', secret: SIGNATURE.slice(40, 90) },
  { what: 'an access token of Google', secret: `ya29.${random('google')}`.slice(5) },
  { what: 'a client secret', secret: random('client').slice(0, 40) },
  { what: 'a short key', secret: 'q7Zp2LmX9rTb4KdW8sVc' },
  { what: 'a key in hexadecimal digits', secret: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c' },
  { what: 'the lines of a key without those around them', secret: random('key', 'base64') },
  {
    what: 'a token whose JSON begins with a space',
    secret: Buffer.from('{ "sub": "12345", "aud": "mongodb" }').toString('base64url'),
  },
];

/** Everything of an error that can reach a log. */
function rendering(error: Error): string {
  const parts = (value: unknown): string[] =>
    value instanceof Error
      ? [
          String(value),
          value.message,
          value.name,
          String(value.stack),
          JSON.stringify(value),
          JSON.stringify(value, Object.getOwnPropertyNames(value)),
          ...Object.getOwnPropertyNames(value).flatMap((name) => parts(Reflect.get(value, name))),
        ]
      : [String(value)];
  return [inspect(error, { depth: Infinity, showHidden: true, getters: true }), ...parts(error)].join('\n');
}

/** The longest part of the secret that can be read in the text; 8 characters by themselves tell nothing. */
function leakOf(text: string, secret: string): string {
  const length = Math.min(8, secret.length);
  for (let start = 0; start + length <= secret.length; start++) {
    const piece = secret.slice(start, start + length);
    if (text.includes(piece)) return piece;
  }
  return '';
}

const CONTEXTS: ((text: string) => string)[] = [
  (text) => text,
  (text) => `the source answered ${text} and closed`,
  (text) => `body:\n${text}\n`,
  (text) => `<html>${text}</html>`,
  (text) => `(${text})`,
];

const CARRIERS: [how: string, carry: (text: string) => Error][] = [
  [
    'the message of a cause',
    (text) => new OIDCCallbackError('ERR_OIDC_TIMEOUT', 'x', { cause: new Error(text) }),
  ],
  ['a thrown string', (text) => new OIDCCallbackError('ERR_OIDC_TIMEOUT', 'x', { cause: text })],
  [
    'the code of a cause',
    (text) => new OIDCCallbackError('ERR_OIDC_TIMEOUT', 'x', { cause: { code: text } }),
  ],
  ['anything thrown', (text) => toCallbackError(new Error(text))],
  ['anything thrown that is no error', (text) => toCallbackError(text)],
];

const named = (canaries: Canary[]) => canaries.map((canary) => [canary.what, canary] as const);

function stub({ env = {} }: Canary): void {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
}

describe('a secret', () => {
  test.each(named(CANARIES))('in our own text: %s is not seen', (_, canary) => {
    stub(canary);
    for (const context of CONTEXTS) {
      const error = new OIDCCallbackError('ERR_OIDC_TIMEOUT', context(canary.text ?? canary.secret));
      expect(leakOf(rendering(error), canary.secret)).toBe('');
      expect(error.message).toContain('[redacted]');
    }
  });

  describe.each(CARRIERS)('in %s', (_, carry) => {
    test.each(named([...CANARIES, ...FOREIGN_CANARIES]))('%s is not seen', (_what, canary) => {
      stub(canary);
      for (const context of CONTEXTS) {
        expect(leakOf(rendering(carry(context(canary.text ?? canary.secret))), canary.secret)).toBe('');
      }
    });
  });

  test('in the name of a cause is not seen', () => {
    const named = Object.assign(new Error('x'), { name: `Error ${TOKEN}` });
    expect(leakOf(rendering(new OIDCCallbackError('ERR_OIDC_TIMEOUT', 'x', { cause: named })), TOKEN)).toBe(
      '',
    );
  });

  test('anywhere else in what an SDK throws is not seen', () => {
    const deep = {
      request: { headers: { authorization: `Bearer ${TOKEN}` }, body: `client_assertion=${TOKEN}` },
      response: { data: { access_token: TOKEN } },
      config: { data: TOKEN },
      [Symbol('hidden')]: TOKEN,
    };
    const thrown = Object.assign(
      new AggregateError([new Error(TOKEN)], 'x', { cause: new Error(TOKEN) }),
      deep,
    );
    thrown.stack = `Error: x\n    at ${TOKEN}`;
    for (const error of [
      new OIDCCallbackError('ERR_OIDC_TIMEOUT', 'x', { cause: thrown }),
      toCallbackError(thrown),
    ]) {
      expect(leakOf(rendering(error), TOKEN)).toBe('');
    }
  });

  test('is not seen for being cut in the middle by the limit on foreign text', () => {
    for (let before = 520; before < 600; before++) {
      expect(leakOf(scrub(`${'- '.repeat(before / 2)}${TOKEN}`), TOKEN)).toBe('');
    }
  });

  test('of the environment is looked up when the text is made, and only where it is long enough to be one', () => {
    expect(redact('the value 0123456789')).toBe('the value 0123456789');
    vi.stubEnv('IDENTITY_HEADER', '0123456789');
    expect(redact('the value 0123456789')).toBe('the value [redacted]');
    vi.stubEnv('IDENTITY_HEADER', 'a');
    expect(redact('a value')).toBe('a value');
    vi.stubEnv('IDENTITY_HEADER', '');
    expect(redact('a value')).toBe('a value');
  });
});

describe('what a reader needs stays as it is', () => {
  const GUID = '9f3c1d52-0b7e-4c1a-8d3f-5e6a7b8c9d0e';

  const READABLE: [what: string, text: string][] = [
    ['a client ID', `client ID '${GUID}'`],
    ['a client ID in capitals', GUID.toUpperCase()],
    ['a client ID in both cases', `${GUID.slice(0, 18).toUpperCase()}${GUID.slice(18)}`],
    ['a short name in both cases with a number', 'OrdersIdentity01, OrdersIdentity0001'],
    ['a path with such names in it', '/opt/apps/Orders9Api/tokens/Mongo4Db/token'],
    ['the name of a variable with a number', 'ORDERS_DATABASE_2026_TOKEN_FILE is not set'],
    ['a path of Kubernetes', '/var/run/secrets/kubernetes.io/serviceaccount/token'],
    ['a path of AKS', '/var/run/secrets/azure/tokens/azure-identity-token'],
    ['a path of the kubelet', '/var/lib/tokens/..2026_03_01_12_00_00.1234567890/token'],
    ['a host name', 'cluster0.abcde.mongodb.net:27017'],
    ['a long host name', 'orders-prod-eastus2-0123456789.mongocluster.cosmos.azure.com'],
    ['an address', 'http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01'],
    [
      'a resource ID',
      `/subscriptions/${GUID}/resourceGroups/orders-rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/orders`,
    ],
    ['an audience of Azure', 'api://AzureADTokenExchange'],
    ['an audience with a GUID', `api://${GUID}/.default`],
    ['an audience that is an address', 'https://ossrdbms-aad.database.windows.net/.default'],
    [
      'an audience of Google',
      'https://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/pool/providers/gke',
    ],
    ['a service account', 'orders-service@my-project-123456.iam.gserviceaccount.com'],
    ['a subject', 'system:serviceaccount:orders:orders-api'],
    [
      'an error of Entra',
      `AADSTS700016: Application with identifier '${GUID}' was not found. Trace ID: ${GUID}`,
    ],
    ['a time', 'Timestamp: 2026-03-01 12:00:00Z, 2026-03-01T12:00:00.000Z'],
    ['the name of a variable', 'AZURE_FEDERATED_TOKEN_FILE is not set'],
    ['the name of a class', 'ManagedIdentityCredential: CredentialUnavailableError'],
    [
      'the name of a permission',
      'iam.serviceAccounts.getOpenIdToken, roles/iam.serviceAccountOpenIdTokenCreator',
    ],
    ['a word for a secret', 'The password must not be empty; the access_token is missing; no authorization'],
    ['an address with an @ in its path', 'https://example.com/a@b'],
  ];

  test.each(READABLE)('%s', (_, text) => {
    expect(redact(text)).toBe(text);
    expect(scrub(text)).toBe(text);
    expect(new OIDCCallbackError('ERR_OIDC_TIMEOUT', text, { cause: new Error(text) })).toMatchObject({
      message: text,
      cause: { message: text },
    });
  });

  test('even a name that looks random, in our own text', () => {
    const text = '/opt/Federated9Tokens8Of7Mine/Token01ForOrders, rg Prod2WestEurope4Orders';
    expect(redact(text)).toBe(text);
  });

  test('around a secret', () => {
    expect(redact(`connect http://user:s3cret@proxy.example:3128/path failed`)).toBe(
      'connect http://[redacted]@proxy.example:3128/path failed',
    );
    expect(redact('grant_type=a&client_secret=b8f&scope=c')).toBe(
      'grant_type=a&client_secret=[redacted]&scope=c',
    );
    expect(redact(`before ${TOKEN} after`)).toBe('before [redacted] after');
    expect(redact(`before ${PEM} after`)).toBe('before [redacted]\n after');
    expect(redact('{"access_token":"abc","expires_in":"3599"}')).toBe(
      '{"access_token":"[redacted]","expires_in":"3599"}',
    );
  });
});

describe('what V8 quotes of a file that is no JSON', () => {
  test('is not seen', () => {
    let message = '';
    try {
      JSON.parse('MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj');
    } catch (error) {
      message = sanitizeCause(error).message;
    }
    expect(message).toMatch(/is not valid JSON$/);
    expect(message).not.toMatch(/MIIEv/);
  });
});

describe('an error whose getters throw', () => {
  test('is described all the same', () => {
    const fail = (): never => {
      throw new Error(jwt());
    };
    const odd = Object.defineProperty({}, 'message', { get: fail });
    for (const error of [odd, Object.defineProperty(new Error('x'), 'name', { get: fail })]) {
      expect(toCallbackError(error)).toBeInstanceOf(OIDCCallbackError);
      expect(inspect(toCallbackError(error), { depth: Number.POSITIVE_INFINITY })).not.toContain(jwt());
    }
  });
});

describe('text that is not ours', () => {
  test.each([
    ['words', 'identity '],
    ['spaces after a name', 'password: '],
    ['colons', 'password:'],
    ['nothing but spaces', ' '],
    ['slashes', '//'],
    ['the beginning of a key', '-----BEGIN '],
  ])('takes no time that grows with its length: %s', (_, piece) => {
    const short = 'password:'.padEnd(4_096, piece);
    const long = short.padEnd(4_000_000, piece);
    const expected = scrub(short);
    expect(scrub(long)).toBe(expected);
  });

  test('is cut after 600 characters', () => {
    expect(scrub('a '.repeat(300))).toBe('a '.repeat(300));
    expect(scrub('a '.repeat(301))).toBe(`${'a '.repeat(300)}…`);
    expect(sanitizeCause(new Error('a '.repeat(5_000))).message).toHaveLength(601);
  });

  test('and is ours is not', () => {
    expect(redact('a '.repeat(301))).toBe('a '.repeat(301));
  });
});

describe('a callback that holds a token', () => {
  class Own extends OIDCCallback {
    readonly region = 'eu';
    protected override async getToken(): Promise<AccessToken> {
      return { token: jwtFor(3600, { signed: 'yes' }) };
    }
  }
  const credential = {
    getToken: async () => ({ token: jwtFor(3600), expiresOnTimestamp: Date.now() + 3_600_000 }),
  };

  test.each<[string, () => OIDCCallback]>([
    ['of one’s own', () => new Own({ audience: 'mongodb' })],
    ['of Azure', () => new AzureCallback({ audience: 'mongodb', credential })],
  ])('shows nothing of it: one %s', async (_, make) => {
    const callback = make();
    const { accessToken } = await callback.fetch();
    const seen = [
      inspect(callback, { depth: Infinity, showHidden: true, getters: true, showProxy: true }),
      inspect({ callback }),
      JSON.stringify({ callback, ...callback }),
      String(callback),
      ...Reflect.ownKeys(callback).map((key) => inspect(Reflect.get(callback, key))),
    ].join('\n');
    for (const part of accessToken.split('.')) expect(leakOf(seen, part)).toBe('');
  });
});
