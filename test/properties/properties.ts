/** The properties of what runs in this process. */
import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { AzureCallback } from '../../src/azure-default.js';
import { describeAzureError } from '../../src/azure-errors.js';
import { AzureManagedIdentityCallback } from '../../src/azure-managed-identity.js';
import { AzureWorkloadIdentityCallback } from '../../src/azure-workload-identity.js';
import { type AccessToken, OIDCCallback } from '../../src/callback.js';
import { workloadIdentity } from '../../src/connection-string.js';
import { toCallbackError } from '../../src/errors.js';
import { GcpCallback } from '../../src/gcp-default.js';
import { GcpMetadataCallback } from '../../src/gcp-metadata.js';
import { describeGoogleError } from '../../src/google-errors.js';
import { readClaims } from '../../src/jwt.js';
import { GkeCallback, KubernetesCallback } from '../../src/kubernetes-token.js';
import {
  anythingThrown,
  clientOptions,
  commonOptions,
  optionsNamed,
  results,
  thrown,
  tokens,
  uris,
} from './arbitraries.js';
import { assertOurError, assertResult, assertReturnsOrOurs, isToken } from './verdicts.js';

export interface Property {
  readonly name: string;
  /** Of all runs. */
  readonly share: number;
  /** How many of them one value of the property stands for. */
  readonly batch: number;
  readonly property: fc.IAsyncProperty<unknown> | fc.IProperty<unknown>;
}

/** Far more than a busy machine is late by, far less than for ever. */
const GRACE_MS = 12_000;
const BATCH = 20;

interface Behaviour {
  readonly how: 'resolve' | 'reject' | 'throw' | 'hang';
  readonly delayMS: number;
  readonly result: unknown;
  readonly reason: unknown;
}

const behaviours: fc.Arbitrary<Behaviour> = fc.record({
  how: fc.constantFrom('resolve', 'resolve', 'reject', 'throw', 'hang'),
  delayMS: fc.constantFrom(0, 0, 0, 1, 10, 60),
  result: results,
  reason: anythingThrown,
});

const lives = fc.record({
  /** Of one attempt after the other; the last one lasts. */
  behaviours: fc.array(behaviours, { minLength: 1, maxLength: 4 }),
  timeoutMS: fc.integer({ min: 1, max: 40 }),
  abortAfterMS: fc.option(fc.nat(40), { nil: undefined, freq: 4 }),
  refreshAhead: fc.boolean(),
});
type Life = typeof lives extends fc.Arbitrary<infer T> ? T : never;

class Arbitrary extends OIDCCallback {
  readonly #behaviours: readonly Behaviour[];
  #attempts = 0;

  constructor({ behaviours: all, timeoutMS, refreshAhead }: Life) {
    super({ timeoutMS, refreshAhead });
    this.#behaviours = all;
  }

  protected override getToken(): Promise<AccessToken> {
    const behaviour = this.#behaviours[this.#attempts++] ?? this.#behaviours.at(-1);
    const { how, delayMS, result, reason } = behaviour as Behaviour;
    if (how === 'throw') throw reason;
    return new Promise((resolve, reject) => {
      const settle = () => {
        if (how === 'resolve') resolve(result as AccessToken);
        if (how === 'reject') reject(reason);
      };
      if (delayMS === 0) settle();
      else setTimeout(settle, delayMS);
    });
  }
}

/** In every way to ask, more than once, for as long as one life lasts. */
async function live(life: Life): Promise<void> {
  const callback = new Arbitrary(life);
  const signal = life.abortAfterMS === undefined ? undefined : AbortSignal.timeout(life.abortAfterMS);
  const params = { version: 1 as const, timeoutContext: signal ?? new AbortController().signal };
  try {
    for (let round = 0; round < 2; round++) {
      const startedAt = performance.now();
      const [fetched, called] = await inTime(
        Promise.all([
          callback.fetch(signal ? { timeoutContext: signal } : {}).then(
            (value) => ({ value }),
            (error: unknown) => ({ error }),
          ),
          callback(params),
        ]),
        life.timeoutMS + GRACE_MS,
      );
      assert.ok(performance.now() - startedAt < life.timeoutMS + GRACE_MS);
      if ('error' in fetched) assertOurError(fetched.error);
      else assertResult(fetched.value);
      assertReturnsOrOurs(
        () => called.accessToken,
        () => assertResult(called),
      );
    }
  } finally {
    callback.invalidate();
  }
}

function inTime<T>(work: Promise<T>, timeoutMS: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`nothing came within ${timeoutMS} ms`)), timeoutMS);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

const ids = fc.oneof(fc.uuid(), fc.string());
const credential = { getToken: async () => null };

type Constructor = new (options: never) => OIDCCallback;
const constructors: [Class: Constructor, own: Record<string, fc.Arbitrary<unknown>>][] = [
  [
    AzureCallback,
    { credential: fc.constant(credential), managedIdentityClientId: ids, managedIdentityResourceId: ids },
  ],
  [AzureManagedIdentityCallback, { clientId: ids, resourceId: ids, objectId: ids }],
  [
    AzureWorkloadIdentityCallback,
    { clientId: ids, tenantId: ids, tokenFilePath: fc.string(), authorityHost: fc.webUrl() },
  ],
  [
    GcpCallback,
    { targetPrincipal: fc.emailAddress(), auth: fc.constant({ getClient() {} }), keyFile: fc.string() },
  ],
  [GcpMetadataCallback, { serviceAccountEmail: fc.oneof(fc.emailAddress(), fc.string()) }],
  [KubernetesCallback, { tokenFile: fc.string() }],
  [GkeCallback, { tokenFile: fc.string() }],
];

const azureRequest = { audience: 'api://mongodb', identity: "client ID 'a'" };
const googleRequest: Parameters<typeof describeGoogleError>[1] = {
  source: 'The metadata server',
  serviceAccount: undefined,
  refusalHint: 'Ask.',
};

export const properties: readonly Property[] = [
  {
    name: 'whatever a source returns or throws, a result or our error comes of it, in time',
    share: 0.35,
    batch: BATCH,
    property: fc.asyncProperty(fc.array(lives, { minLength: BATCH, maxLength: BATCH }), async (all) => {
      await Promise.all(all.map(live));
    }),
  },
  {
    name: 'claims are read of a token and of nothing else',
    share: 0.15,
    batch: 1,
    property: fc.property(tokens, (token) => {
      assertReturnsOrOurs(
        () => readClaims(token, 'The source'),
        (claims) => assert.ok(typeof claims === 'object' && claims !== null && isToken(token)),
      );
      if (isToken(token)) readClaims(token, 'The source');
    }),
  },
  {
    name: 'whatever an SDK throws, our error says it',
    share: 0.16,
    batch: 1,
    property: fc.property(thrown, (error) => {
      assertOurError(describeAzureError(error, azureRequest));
      assertOurError(describeGoogleError(error, googleRequest));
      assertOurError(toCallbackError(error));
    }),
  },
  {
    name: 'whatever anybody throws, our error says it',
    share: 0.05,
    batch: 1,
    property: fc.property(anythingThrown, (error) => {
      assertOurError(toCallbackError(error));
    }),
  },
  {
    name: 'any connection string and options are refused by our error, or have a callback',
    share: 0.15,
    batch: 1,
    property: fc.property(uris, fc.option(clientOptions, { nil: undefined }), (uri, options) => {
      assertReturnsOrOurs(
        () => workloadIdentity(uri, options as object),
        ([connection, returned]) => {
          assert.equal(typeof connection, 'string');
          const { authMechanismProperties } = returned as Record<string, unknown>;
          const { OIDC_CALLBACK, ALLOWED_HOSTS, ENVIRONMENT } = authMechanismProperties as Record<
            string,
            unknown
          >;
          assert.equal(typeof OIDC_CALLBACK, 'function');
          assert.ok(Array.isArray(ALLOWED_HOSTS) && ALLOWED_HOSTS.every((host) => typeof host === 'string'));
          assert.equal(ENVIRONMENT, undefined);
        },
      );
    }),
  },
  ...constructors.map(
    ([Class, own]): Property => ({
      name: `any options are refused by our error, or make a ${Class.name}`,
      share: 0.02,
      batch: 1,
      property: fc.property(optionsNamed({ ...commonOptions, ...own }), (options) => {
        assertReturnsOrOurs(
          () => new Class(options as never),
          (callback) => assert.equal(typeof callback, 'function'),
        );
      }),
    }),
  ),
];
