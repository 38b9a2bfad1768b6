import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { OIDCCallbackError, type OIDCCallbackErrorCode, retryForMS } from '../../src/errors.js';
import { describeGoogleError } from '../../src/google-errors.js';
import { jwt } from './jwts.js';

const SOURCE = 'The metadata server';
const SERVICE_ACCOUNT = 'orders@my-project.iam.gserviceaccount.com';

const describeError = (error: unknown, serviceAccount: string | undefined = SERVICE_ACCOUNT) =>
  describeGoogleError(error, { source: SOURCE, serviceAccount, refusalHint: 'Look there.' });
const describeForDefault = (error: unknown) =>
  describeGoogleError(error, { source: SOURCE, serviceAccount: undefined, refusalHint: 'Look there.' });

/** What gaxios throws: its message is the body of the response. */
const gaxios = (status: number, body = 'some body') =>
  Object.assign(new Error(body), {
    name: 'GaxiosError',
    code: String(status),
    status,
    config: { headers: { authorization: 'Bearer x' } },
    response: { status, data: body },
  });

const ALWAYS = Number.POSITIVE_INFINITY;

type Row = [what: string, error: unknown, code: OIDCCallbackErrorCode, message: RegExp, retriedForMS: number];

const ROWS: Row[] = [
  [
    'a module that the SDK may not import in Jest',
    Object.assign(new Error('Unexpected Gaxios Error'), {
      cause: Object.assign(new TypeError('A dynamic import callback was not specified.'), {
        code: 'ERR_VM_DYNAMIC_IMPORT_CALLBACK_MISSING_FLAG',
      }),
    }),
    'ERR_OIDC_SDK_NOT_INSTALLED',
    /NODE_OPTIONS=--experimental-vm-modules/,
    0,
  ],
  [
    'parts that are no text, and cannot be made one',
    Object.assign(new Error('x'), { code: Object.create(null), message: Object.create(null) }),
    'ERR_OIDC_SOURCE_UNREACHABLE',
    /^The metadata server did not answer/,
    ALWAYS,
  ],
  [
    '429',
    gaxios(429),
    'ERR_OIDC_RATE_LIMITED',
    /^The metadata server throttles this workload \(429\)/,
    ALWAYS,
  ],
  ['401', gaxios(401), 'ERR_OIDC_ACCESS_DENIED', /refused an ID token of orders@my-project.*\(401\)/, 0],
  [
    '403',
    gaxios(403),
    'ERR_OIDC_ACCESS_DENIED',
    /refused an ID token of orders@my-project\S* \(403\)\. Look there\./,
    0,
  ],
  [
    '404, which the metadata server also answers before it is ready',
    gaxios(404),
    'ERR_OIDC_IDENTITY_NOT_FOUND',
    /knows no service account 'orders@my-project.*Attach a service account/,
    5_000,
  ],
  [
    '400, which GKE answers without a bound service account',
    gaxios(400),
    'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
    /\(400\).*iam\.gke\.io\/gcp-service-account.*GkeCallback.*check the audience/,
    0,
  ],
  [
    '500',
    gaxios(500),
    'ERR_OIDC_SOURCE_UNREACHABLE',
    /^The metadata server answered with status 500\.$/,
    ALWAYS,
  ],
  ['302', gaxios(302), 'ERR_OIDC_SOURCE_UNREACHABLE', /redirected.*\(302\).*proxy/, ALWAYS],
  ['399', gaxios(399), 'ERR_OIDC_SOURCE_UNREACHABLE', /redirected.*\(399\)/, ALWAYS],
  ['503', gaxios(503), 'ERR_OIDC_SOURCE_UNREACHABLE', /status 503/, ALWAYS],
  [
    'a status on the response alone',
    Object.assign(new Error('x'), { response: { status: 429 } }),
    'ERR_OIDC_RATE_LIMITED',
    /429/,
    ALWAYS,
  ],
  [
    'a status on the error alone',
    Object.assign(new Error('x'), { status: 403 }),
    'ERR_OIDC_ACCESS_DENIED',
    /403/,
    0,
  ],
  [
    'no credentials at all',
    new Error(
      'Could not load the default credentials. Browse to https://cloud.google.com/docs/authentication for more information.',
    ),
    'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
    /GOOGLE_APPLICATION_CREDENTIALS.*gcloud auth application-default login.*targetPrincipal/,
    5_000,
  ],
  [
    'no answer',
    Object.assign(new Error('connect ECONNREFUSED 169.254.169.254:80'), { code: 'ECONNREFUSED' }),
    'ERR_OIDC_SOURCE_UNREACHABLE',
    /did not answer, or something else answered in its place.*Does this run on Google Cloud/,
    ALWAYS,
  ],
  ...[
    'Unable to read the credential file specified by the GOOGLE_APPLICATION_CREDENTIALS environment variable: The file at /x does not exist',
    "ENOENT: no such file or directory, open '/nonexistent/key.json'",
    "EACCES: permission denied, open '/key.json'",
    'The incoming JSON object does not contain a client_email field',
    '"x" is not valid JSON',
    'Unexpected end of JSON input',
    'error:1E08010C:DECODER routines::unsupported',
  ].map(
    (text): Row => [
      `credentials that cannot be used: ${text}`,
      new Error(text),
      'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
      /cannot be used: it does not exist.*GOOGLE_APPLICATION_CREDENTIALS/,
      0,
    ],
  ),
  [
    'an answer of something else',
    new Error(
      "Invalid response from metadata service: incorrect Metadata-Flavor header. Expected 'Google', got no header",
    ),
    'ERR_OIDC_SOURCE_UNREACHABLE',
    /something else answered in its place/,
    ALWAYS,
  ],
];

describe('what an error of google-auth-library means', () => {
  test.each(ROWS)('%s', (_, error, code, message, retriedForMS) => {
    const described = describeError(error);
    expect(described).toBeInstanceOf(OIDCCallbackError);
    expect(described.code).toBe(code);
    expect(described.message).toMatch(message);
    expect(retryForMS(described)).toBe(retriedForMS);
  });

  test('names no service account where none was chosen', () => {
    expect(describeForDefault(gaxios(403)).message).toMatch(/refused an ID token \(403\)/);
    expect(describeForDefault(gaxios(404)).message).toMatch(/knows no service account here \(404\)/);
  });

  test('our own error stays what it is', () => {
    const error = new OIDCCallbackError('ERR_OIDC_METADATA_PROXIED', 'x');
    expect(describeError(error)).toBe(error);
  });

  test.each([undefined, null, 'text', 42, {}, new Error('')])(
    'any thrown value is described: %s',
    (thrown) => {
      expect(describeError(thrown).code).toBe('ERR_OIDC_SOURCE_UNREACHABLE');
    },
  );
});

describe('the cause', () => {
  test('of an answer is its status without its body', () => {
    expect(describeError(gaxios(503)).cause).toMatchObject({
      name: 'GaxiosError',
      code: '503',
      status: 503,
      message: 'Request failed with status 503',
    });
  });

  test('of no answer is what the SDK said', () => {
    expect(
      describeError(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })).cause,
    ).toMatchObject({
      message: 'read ECONNRESET',
      code: 'ECONNRESET',
    });
  });
});

describe('the body of a response', () => {
  const TOKEN = jwt({ sub: 'someone' }, 'Zm9vYmFyYmF6Zm9vYmFyYmF6MTIzNDU2Nzg5MA');
  const BODY = `<html>Please sign in, ${TOKEN}, default credentials</html>`;

  test.each([400, 401, 403, 404, 429, 500, 503])('of status %i is nowhere in the error', (status) => {
    const described = describeError(gaxios(status, BODY));
    const text = inspect(described, { depth: Infinity, showHidden: true });
    for (const part of ['sign in', 'html', ...TOKEN.split('.')]) expect(text).not.toContain(part);
  });
});
