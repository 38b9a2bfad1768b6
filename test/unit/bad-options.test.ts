import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AzureCallback } from '../../src/azure-default.js';
import { AzureManagedIdentityCallback } from '../../src/azure-managed-identity.js';
import { AzureWorkloadIdentityCallback } from '../../src/azure-workload-identity.js';
import { type AccessToken, OIDCCallback } from '../../src/callback.js';
import { OIDCCallbackError } from '../../src/errors.js';
import { GcpCallback } from '../../src/gcp-default.js';
import { GcpMetadataCallback } from '../../src/gcp-metadata.js';
import { GkeCallback, KubernetesCallback } from '../../src/kubernetes-token.js';

class OwnCallback extends OIDCCallback {
  protected override async getToken(): Promise<AccessToken> {
    return { token: 'x' };
  }
}

// biome-ignore lint/suspicious/noExplicitAny: bad input is what is tested
type CallbackClass = new (options?: any) => OIDCCallback;

const CLASSES: CallbackClass[] = [
  OwnCallback,
  AzureCallback,
  AzureManagedIdentityCallback,
  AzureWorkloadIdentityCallback,
  GcpCallback,
  GcpMetadataCallback,
  KubernetesCallback,
  GkeCallback,
];

const GUID = '9f3c1d52-0b7e-4c1a-8d3f-5e6a7b8c9d0e';
const RESOURCE_ID = `/subscriptions/${GUID}/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/x`;
const AKS = { AZURE_CLIENT_ID: GUID, AZURE_TENANT_ID: GUID, AZURE_FEDERATED_TOKEN_FILE: '/var/run/token' };
const credential = { getToken: async () => null };
const auth = { getClient: async () => undefined };

beforeEach(() => {
  for (const name of Object.keys(AKS)) vi.stubEnv(name, undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

const stub = (variables: Record<string, string>) => {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
};

function expectInvalid(Class: CallbackClass, options: unknown, message: string | RegExp): void {
  let error: unknown;
  try {
    new Class(options);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(OIDCCallbackError);
  const { code, message: actual } = error as OIDCCallbackError;
  expect(code).toBe('ERR_OIDC_INVALID_OPTION');
  expect(actual).toMatch(message);
}

describe.each(CLASSES.map((Class) => [Class.name, Class] as const))('%s', (_name, Class) => {
  const NOT_EMPTY = "The option 'audience' must not be empty; leave it out for the default.";
  const RANGE =
    /The option 'timeoutMS' must be a number of milliseconds from 1 to 59999, because the driver itself gives up after 60000 ms; it is /;
  const range = (value: string) => new RegExp(`${RANGE.source}${value}\\.$`);

  test.each<[what: string, options: unknown, message: string | RegExp]>([
    ['an empty audience', { audience: '' }, NOT_EMPTY],
    ['an audience of spaces', { audience: ' \t\n' }, NOT_EMPTY],
    ['a number as audience', { audience: 42 }, "The option 'audience' must be a string, not a number."],
    ['a list of audiences', { audience: ['a'] }, /The option 'audience' must be a string/],
    ['true as audience', { audience: true }, "The option 'audience' must be a string, not a boolean."],
    ['null as audience', { audience: null }, /The option 'audience' must be a string/],
    ['half a character in the audience', { audience: 'a\ud800' }, /'audience' has half a character/],
    ['a Map', new Map([['audience', 'a']]), /must be an object, such as \{ audience/],
    ['a Date', new Date(), /must be an object, such as/],
    ['timeoutMS 0', { timeoutMS: 0 }, range('0')],
    ['timeoutMS -0', { timeoutMS: -0 }, range('0')],
    ['a negative timeoutMS', { timeoutMS: -1 }, range('-1')],
    ['a timeoutMS below a millisecond', { timeoutMS: 0.9 }, range('0.9')],
    ['timeoutMS NaN', { timeoutMS: Number.NaN }, range('NaN')],
    ['timeoutMS Infinity', { timeoutMS: Number.POSITIVE_INFINITY }, range('Infinity')],
    ['timeoutMS -Infinity', { timeoutMS: Number.NEGATIVE_INFINITY }, range('-Infinity')],
    ['timeoutMS 60000, the limit of the driver', { timeoutMS: 60_000 }, range('60000')],
    ['a timeoutMS beyond it', { timeoutMS: 3_600_000 }, range('3600000')],
    ['a string as timeoutMS', { timeoutMS: '30' }, range('a string')],
    ['null as timeoutMS', { timeoutMS: null }, RANGE],
    ['a bigint as timeoutMS', { timeoutMS: 30n }, range('a bigint')],
    ['an object as timeoutMS', { timeoutMS: {} }, RANGE],
    [
      'a string as refreshAhead',
      { refreshAhead: 'true' },
      "The option 'refreshAhead' must be true or false.",
    ],
    ['a number as refreshAhead', { refreshAhead: 0 }, "The option 'refreshAhead' must be true or false."],
    ['null as refreshAhead', { refreshAhead: null }, "The option 'refreshAhead' must be true or false."],
    [
      'an unknown option',
      { audience: 'a', audiences: ['b'] },
      new RegExp(
        `^The option 'audiences' is not known to ${Class.name}; it takes audience, timeoutMS, refreshAhead`,
      ),
    ],
    ['an unknown option that is undefined', { scope: undefined }, /^The option 'scope' is not known/],
    ['an option in another spelling', { timeoutMs: 1_000 }, /^The option 'timeoutMs' is not known/],
    [
      'the driver’s own name for the audience',
      { TOKEN_RESOURCE: 'a' },
      /^The option 'TOKEN_RESOURCE' is not known/,
    ],
    ['null for options', null, `The options of ${Class.name} must be an object, such as { audience: '…' }.`],
    ['a string for options', 'api://mongodb', `The options of ${Class.name} must be an object`],
    ['a number for options', 42, `The options of ${Class.name} must be an object`],
    ['true for options', true, `The options of ${Class.name} must be an object`],
    ['a list for options', [], `The options of ${Class.name} must be an object`],
    ['a function for options', () => ({}), `The options of ${Class.name} must be an object`],
  ])('refuses %s', (_, options, message) => {
    expectInvalid(Class, options, message);
  });

  test.each<[what: string, options: unknown]>([
    ['no options', undefined],
    ['an empty object', {}],
    ['what is undefined', { audience: undefined, timeoutMS: undefined, refreshAhead: undefined }],
    ['the shortest timeoutMS', { timeoutMS: 1 }],
    ['the longest timeoutMS', { timeoutMS: 59_999 }],
    ['what every callback takes', { audience: 'api://mongodb', timeoutMS: 10_000, refreshAhead: false }],
  ])('takes %s', (_, options) => {
    expect(new Class(options)).toBeInstanceOf(Class);
  });

  test('takes its options without an SDK, a network or variables: nothing is asked before the first call', () => {
    stub(AKS);
    expect(() => new Class({ audience: 'a' })).not.toThrow();
  });
});

/** Options that hold one string, by class. */
const STRING_OPTIONS: [CallbackClass, string[]][] = [
  [AzureCallback, ['managedIdentityClientId']],
  [AzureManagedIdentityCallback, ['clientId', 'resourceId', 'objectId']],
  [AzureWorkloadIdentityCallback, ['clientId', 'tenantId', 'tokenFilePath', 'authorityHost']],
  [GcpCallback, ['targetPrincipal']],
  [GcpMetadataCallback, ['serviceAccountEmail']],
  [KubernetesCallback, ['tokenFile']],
  [GkeCallback, ['tokenFile']],
];

describe.each(STRING_OPTIONS.map(([Class, names]) => [Class.name, Class, names] as const))(
  '%s',
  (_name, Class, names) => {
    test.each(names)('refuses a %s that is empty or no string', (name) => {
      expectInvalid(
        Class,
        { [name]: '' },
        `The option '${name}' must not be empty; leave it out for the default.`,
      );
      expectInvalid(Class, { [name]: ' ' }, `The option '${name}' must not be empty`);
      expectInvalid(Class, { [name]: 42 }, `The option '${name}' must be a string, not a number.`);
      expectInvalid(Class, { [name]: null }, `The option '${name}' must be a string`);
    });

    test.each(names)('takes a %s, and one that is undefined', (name) => {
      expect(() => new Class({ [name]: 'x' })).not.toThrow();
      expect(() => new Class({ [name]: undefined })).not.toThrow();
    });

    test('names its own options among those it knows', () => {
      for (const name of names) expectInvalid(Class, { unknown: 1 }, new RegExp(`it takes .*\\b${name}\\b`));
    });
  },
);

describe('AzureManagedIdentityCallback', () => {
  test.each([
    [{ clientId: GUID, resourceId: RESOURCE_ID }, "clientId' and 'resourceId"],
    [{ clientId: GUID, objectId: GUID }, "clientId' and 'objectId"],
    [{ resourceId: RESOURCE_ID, objectId: GUID }, "resourceId' and 'objectId"],
    [{ clientId: GUID, resourceId: RESOURCE_ID, objectId: GUID }, "clientId' and 'resourceId' and 'objectId"],
  ])('refuses several IDs: %j', (options, named) => {
    expectInvalid(
      AzureManagedIdentityCallback,
      options,
      `The options '${named}' name one identity twice; give at most one of clientId, resourceId and objectId.`,
    );
  });

  test('counts an ID that is undefined as none', () => {
    expect(() => new AzureManagedIdentityCallback({ clientId: GUID, resourceId: undefined })).not.toThrow();
  });

  test.each([
    ['resourceId', { resourceId: RESOURCE_ID }],
    ['objectId', { objectId: GUID }],
  ])('refuses %s where the variables of AKS are set: the SDK would use another identity', (name, options) => {
    stub(AKS);
    expectInvalid(
      AzureManagedIdentityCallback,
      options,
      new RegExp(
        `The option '${name}' cannot be used where AZURE_FEDERATED_TOKEN_FILE, AZURE_CLIENT_ID and AZURE_TENANT_ID are set \\(AKS workload identity\\).*Give \`clientId\`, or use AzureWorkloadIdentityCallback`,
      ),
    );
    expect(() => new AzureManagedIdentityCallback({ clientId: GUID })).not.toThrow();
    expect(() => new AzureManagedIdentityCallback()).not.toThrow();
  });

  test.each(Object.keys(AKS))('takes them where %s is missing or empty', (name) => {
    stub({ ...AKS, [name]: '' });
    expect(() => new AzureManagedIdentityCallback({ resourceId: RESOURCE_ID })).not.toThrow();
    expect(() => new AzureManagedIdentityCallback({ objectId: GUID })).not.toThrow();
  });
});

describe('AzureCallback', () => {
  test.each([[null], ['x'], [42], [{}], [{ getToken: 'x' }], [() => {}]])(
    'refuses a credential that is none: %s',
    (bad) => {
      expectInvalid(
        AzureCallback,
        { credential: bad },
        "The option 'credential' must be a TokenCredential: an object with a getToken method.",
      );
    },
  );

  test('refuses options of DefaultAzureCredential beside a credential', () => {
    for (const name of ['tenantId', 'managedIdentityClientId', 'retryOptions']) {
      expectInvalid(
        AzureCallback,
        { credential, [name]: 'x' },
        `The option '${name}' is for DefaultAzureCredential, and a credential was given: set it there.`,
      );
    }
  });

  test('takes a credential, and the options of DefaultAzureCredential', () => {
    expect(() => new AzureCallback({ credential, audience: 'a' })).not.toThrow();
    expect(
      () => new AzureCallback({ tenantId: GUID, managedIdentityResourceId: RESOURCE_ID, retryOptions: {} }),
    ).not.toThrow();
  });

  test('refuses several IDs of a managed identity, of which the SDK would ignore one', () => {
    expectInvalid(
      AzureCallback,
      { managedIdentityClientId: GUID, managedIdentityResourceId: RESOURCE_ID },
      /managedIdentityClientId.*managedIdentityResourceId/,
    );
  });

  test('refuses managedIdentityResourceId where the variables of AKS are set: the SDK would use another identity', () => {
    stub(AKS);
    expectInvalid(
      AzureCallback,
      { managedIdentityResourceId: RESOURCE_ID },
      /The option 'managedIdentityResourceId' cannot be used where AZURE_FEDERATED_TOKEN_FILE/,
    );
  });
});

describe('AzureWorkloadIdentityCallback', () => {
  test.each(['resourceId', 'objectId', 'credential'])('knows no %s', (name) => {
    expectInvalid(AzureWorkloadIdentityCallback, { [name]: 'x' }, `The option '${name}' is not known`);
  });

  test('takes the options of its SDK', () => {
    expect(
      () =>
        new AzureWorkloadIdentityCallback({
          clientId: GUID,
          disableInstanceDiscovery: true,
          retryOptions: {},
        }),
    ).not.toThrow();
  });
});

describe('GcpCallback', () => {
  test.each([[null], ['x'], [42], [{}], [{ getClient: 'x' }]])('refuses an auth that is none: %s', (bad) => {
    expectInvalid(
      GcpCallback,
      { auth: bad },
      "The option 'auth' must be a GoogleAuth, from google-auth-library.",
    );
  });

  test('refuses options of a GoogleAuth beside one', () => {
    for (const name of ['keyFilename', 'credentials', 'scopes']) {
      expectInvalid(
        GcpCallback,
        { auth, [name]: 'x' },
        `The option '${name}' is for a GoogleAuth, and one was given: set it there.`,
      );
    }
  });

  test('takes a GoogleAuth, its options, and targetPrincipal beside either', () => {
    const targetPrincipal = 'orders@my-project.iam.gserviceaccount.com';
    const Class: CallbackClass = GcpCallback;
    expect(() => new Class({ auth, targetPrincipal })).not.toThrow();
    expect(() => new Class({ keyFilename: '/key.json', projectId: 'p', targetPrincipal })).not.toThrow();
  });
});

describe('GcpMetadataCallback', () => {
  test.each(['a b', 'a/b', '../token', 'a?b', 'a#b', 'a%2fb', 'ä@example.com', 'a\n'])(
    'refuses a serviceAccountEmail that would change the path of the request: %j',
    (serviceAccountEmail) => {
      expectInvalid(
        GcpMetadataCallback,
        { serviceAccountEmail },
        'The option \'serviceAccountEmail\' must be an email address or an alias such as "default".',
      );
    },
  );

  test.each([
    'default',
    'orders@my-project.iam.gserviceaccount.com',
    '123-compute@developer.gserviceaccount.com',
  ])('takes %s', (serviceAccountEmail) => {
    expect(() => new GcpMetadataCallback({ serviceAccountEmail })).not.toThrow();
  });
});
