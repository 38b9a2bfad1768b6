/** What sources, users and programs may bring, sensible or not. */
import fc from 'fast-check';

const part = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).toString('base64url');

/** Seconds or milliseconds since the epoch, or nothing of the kind. */
const times = fc.oneof(
  fc.integer({ min: -5_000, max: 100_000 }).map((seconds) => Math.floor(Date.now() / 1_000) + seconds),
  fc.integer({ min: -5_000_000, max: 100_000_000 }).map((milliseconds) => Date.now() + milliseconds),
  fc.double(),
  fc.constantFrom<unknown>(null, undefined, '', '1800000000', true, Number.MAX_VALUE),
);

const claims = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record(
      { aud: fc.oneof(fc.string(), fc.array(fc.jsonValue())), exp: times, iss: fc.jsonValue() },
      { requiredKeys: [] },
    ),
  },
  fc.jsonValue(),
  fc.string(),
);

/** A token, or what resembles one. */
export const tokens: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: validToken() },
  fc
    .tuple(fc.oneof(fc.constant({ alg: 'RS256' }), fc.jsonValue(), fc.string()), claims, fc.base64String())
    .map(([header, payload, signature]) => `${part(header)}.${part(payload)}.${signature}`),
  fc
    .array(fc.oneof(fc.stringMatching(/^[\w-]{0,30}$/), fc.string()), { maxLength: 6 })
    .map((parts) => parts.join('.')),
  fc.tuple(validToken(), fc.nat(400)).map(([token, end]) => token.slice(0, end)),
  fc
    .tuple(fc.constantFrom(' ', '\n', 'Bearer ', '"', '\0', '.'), validToken())
    .map((texts) => texts.join('')),
  fc.string({ unit: 'binary' }),
);

/** One with a header and a payload; of a life that may be over. */
function validToken(): fc.Arbitrary<string> {
  return fc
    .tuple(
      fc.record({ aud: fc.string(), exp: times }, { requiredKeys: [] }),
      fc.stringMatching(/^[\w-]{1,40}$/),
    )
    .map(([payload, signature]) => `${part({ alg: 'RS256' })}.${part(payload)}.${signature}`);
}

/** Whatever a `getToken` may resolve with. */
export const results: fc.Arbitrary<unknown> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record(
      { token: tokens, expiresOnTimestamp: times, refreshAfterTimestamp: times, refreshToken: fc.string() },
      { requiredKeys: ['token'] },
    ),
  },
  fc.record({ token: fc.anything() }),
  fc.anything({ withNullPrototype: true, withDate: true, withMap: true }),
  tokens,
);

const STATUSES = [200, 201, 204, 301, 304, 400, 401, 403, 404, 408, 410, 418, 429, 500, 502, 503, 504];
const few = { maxDepth: 1, maxKeys: 3 };
const SAYINGS = [
  'Identity not found',
  'Multiple user assigned identities exist',
  'AADSTS700016: no application',
  'AADSTS70021: no federated identity',
  'network_error',
  'Could not load the default credentials',
  'unreachable network',
  'no "accessToken" property',
  'expires_on',
];

/** Whatever may be thrown: by an SDK, or by a user's own code. */
export const thrown: fc.Arbitrary<unknown> = fc.letrec<{ error: unknown; cause: unknown }>((tie) => ({
  cause: fc.oneof({ maxDepth: 3 }, fc.constant(undefined), fc.anything(few), tie('error')),
  error: fc
    .record(
      {
        message: fc.oneof(fc.string(), fc.constantFrom(...SAYINGS), tokens, fc.anything(few)),
        name: fc.oneof(fc.string(), fc.anything(few)),
        code: fc.oneof(fc.string(), fc.integer(), fc.anything(few)),
        errorCode: fc.string(),
        status: fc.oneof(fc.constantFrom(...STATUSES), fc.anything(few)),
        statusCode: fc.oneof(fc.constantFrom(...STATUSES), fc.anything(few)),
        response: fc.oneof(fc.record({ status: fc.constantFrom(...STATUSES) }), fc.anything(few)),
        errors: fc.array(tie('cause'), { maxLength: 3 }),
        cause: tie('cause'),
        stack: fc.string(),
      },
      { requiredKeys: [] },
    )
    .chain((properties) =>
      fc.constantFrom<unknown>(
        Object.assign(new Error('x'), properties),
        properties,
        Object.assign(new AggregateError([], 'x'), properties),
        withItself(Object.assign(new Error('x'), properties)),
      ),
    ),
})).error;

/** Whatever may be thrown, and what nobody throws. */
export const anythingThrown: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: thrown },
  fc.anything({ withNullPrototype: true }),
  fc.constantFrom('message', 'name', 'status', 'code', 'cause', 'response').map(withThrowingGetter),
);

function withItself(error: Error): Error {
  return Object.assign(error, { cause: error });
}

function withThrowingGetter(name: string): object {
  const get = () => {
    throw new Error('a getter that throws');
  };
  // fast-check would read it to show it.
  return Object.defineProperties(
    {},
    {
      [name]: { enumerable: true, get },
      [fc.toStringMethod]: { value: () => `an object whose ${name} throws` },
    },
  );
}

/** What a server sends. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** A token as it should be, instead of the body and the status. */
  readonly isGood: boolean;
  /** Bytes of the body after which the connection breaks. */
  readonly cutAt: number | undefined;
}

/** Texts in which a token is sent. */
const bodies = fc.oneof(
  fc
    .record(
      { token: tokens, time: times, error: fc.constantFrom(...SAYINGS, undefined) },
      { requiredKeys: ['token'] },
    )
    .map(({ token, time, error }) => ({
      access_token: token,
      id_token: token,
      token,
      expires_on: time,
      expires_in: 3600,
      token_type: 'Bearer',
      ...(error && { error, error_description: error, message: error }),
    }))
    .map((value) => JSON.stringify(value)),
  fc
    .record({ error: fc.constantFrom(...SAYINGS), error_description: fc.oneof(tokens, fc.string()) })
    .map((value) => JSON.stringify(value)),
  fc.json(),
  tokens,
  fc.string({ maxLength: 200 }),
  fc.constantFrom('', 'null', '[]', '<html><body>Sign in</body></html>', '{"access_token":'),
);

export const answers: fc.Arbitrary<Answer> = fc.record({
  status: fc.oneof(fc.constantFrom(...STATUSES), fc.constant(200), fc.integer({ min: 200, max: 599 })),
  headers: fc.dictionary(
    fc.constantFrom(
      'content-type',
      'metadata-flavor',
      'retry-after',
      'location',
      'www-authenticate',
      'x-odd',
    ),
    fc.oneof(
      fc.constantFrom(
        'application/json',
        'text/html',
        'Google',
        '1',
        '0',
        'Wed, 21 Oct 2015 07:28:00 GMT',
        'Bearer',
      ),
      fc.stringMatching(/^[ -~]{0,20}$/),
    ),
  ),
  body: bodies,
  isGood: fc.nat(3).map((one) => one === 0),
  cutAt: fc.option(fc.nat(100), { nil: undefined, freq: 8 }),
});

const hosts = fc.oneof(
  fc.constantFrom(
    'localhost',
    'db.example.com',
    '[::1]',
    'db.example.com:27017',
    'a.b.c,d.e.f:1',
    '%2Ftmp%2Fa.sock',
    '',
  ),
  fc.domain(),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
const properties = fc
  .array(
    fc.tuple(
      fc.oneof(
        fc.constantFrom('ENVIRONMENT', 'TOKEN_RESOURCE', 'ALLOWED_HOSTS', 'OIDC_CALLBACK', '__proto__'),
        fc.string(),
      ),
      fc.constantFrom(':', '', '%3A', '='),
      fc.oneof(
        fc.constantFrom('azure', 'gcp', 'k8s', 'test', 'true', 'api://mongodb', ''),
        fc.string({ unit: 'binary' }),
      ),
    ),
    { maxLength: 4 },
  )
  .map((pairs) => pairs.map((pair) => pair.join('')).join(','));
const goodProperties = fc
  .tuple(fc.constantFrom('azure', 'gcp', 'k8s'), fc.string({ maxLength: 20 }))
  .map(
    ([environment, audience]) =>
      `ENVIRONMENT:${environment},TOKEN_RESOURCE:a${encodeURIComponent(encodeURIComponent(audience))}`,
  );
const parameters = fc
  .array(
    fc.tuple(
      fc.constantFrom(
        'authMechanism',
        'authMechanismProperties',
        'AUTHMECHANISMPROPERTIES',
        'tls',
        'authSource',
        'srvHostValidator',
        'appName',
        'a b',
        '%',
      ),
      fc.oneof(
        fc.constantFrom('MONGODB-OIDC', 'oidc', 'true', '$external', '(', '%zz', ''),
        properties,
        goodProperties,
        fc.string({ unit: 'binary' }),
      ),
    ),
    { maxLength: 4 },
  )
  .map((pairs) => pairs.map((pair) => pair.join('=')).join('&'));

/** Connection strings, from well-formed to anything. */
export const uris: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        fc.constantFrom('mongodb://', 'mongodb+srv://'),
        fc.constantFrom('', '', 'user@', 'user:pass@', ':@', '%40@', 'a b@', '%@'),
        hosts,
        fc.constantFrom('/', '', '/db', '/%', '//', '/\n'),
        fc.oneof(
          goodProperties.map((value) => `?authMechanismProperties=${value}`),
          parameters.map((value) => `?${value}`),
        ),
      )
      .map((parts) => parts.join('')),
  },
  goodProperties.map(
    (value) => `mongodb://localhost/?authMechanism=MONGODB-OIDC&authMechanismProperties=${value}`,
  ),
  fc.webUrl({ withQueryParameters: true, withFragments: true }),
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'binary' }).map((text) => `mongodb://${text}`),
);

const odd = fc.anything({ withNullPrototype: true, withDate: true, withMap: true, withBigInt: true });

/** Options by these names, of which most have a value that makes sense, and one that nobody knows. */
export function optionsNamed(
  sensible: Readonly<Record<string, fc.Arbitrary<unknown>>>,
): fc.Arbitrary<unknown> {
  const model = Object.fromEntries(
    Object.entries(sensible).map(([name, arbitrary]) => [name, fc.oneof({ weight: 3, arbitrary }, odd)]),
  );
  return fc.oneof(
    { weight: 4, arbitrary: fc.record(model, { requiredKeys: [] }) },
    { weight: 1, arbitrary: fc.record({ ...model, unknown: odd }, { requiredKeys: [] }) },
    odd,
  );
}

export const commonOptions = {
  audience: fc.string(),
  timeoutMS: fc.oneof(fc.integer({ min: -1, max: 61_000 }), fc.double()),
  refreshAhead: fc.boolean(),
};

export const clientOptions = optionsNamed({
  audience: fc.string(),
  allowedHosts: fc.array(hosts),
  appName: fc.string(),
  auth: fc.record({ username: odd, password: odd }, { requiredKeys: [] }),
  authMechanism: fc.constantFrom('MONGODB-OIDC', 'DEFAULT', '('),
  authSource: fc.constantFrom('$external', 'admin'),
  tls: fc.boolean(),
  srvAllowedHostsSuffix: hosts,
  authMechanismProperties: fc.oneof(
    properties,
    fc.record(
      {
        ENVIRONMENT: fc.constantFrom('azure', 'gcp', 'k8s'),
        TOKEN_RESOURCE: fc.oneof(fc.string(), odd),
        ALLOWED_HOSTS: fc.oneof(fc.array(hosts), odd),
        OIDC_CALLBACK: odd,
      },
      { requiredKeys: [] },
    ),
  ),
});
