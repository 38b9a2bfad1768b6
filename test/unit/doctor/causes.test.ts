import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { causesOf, likelyCauses } from '../../../src/doctor/causes.js';
import type { Finding } from '../../../src/doctor/finding.js';
import type { IdentityProvider } from '../../../src/doctor/server-config.js';
import { tokenFindings } from '../../../src/doctor/token-findings.js';
import type { Claims } from '../../../src/jwt.js';
import {
  APPLICATION,
  foreignText,
  NOW_MS,
  providerFor,
  SITUATION,
  TENANT,
  TOKEN_NAMES,
  TOKENS,
  UNPRINTABLE,
} from './tokens.js';

const codes = (findings: readonly Finding[]) => findings.map(({ code }) => code);
const MINUTE_MS = 60_000;

/** The one cause. */
function causeOf(
  claims: Claims,
  provider: IdentityProvider | IdentityProvider[],
  situation = SITUATION,
): Finding {
  const causes = causesOf(claims, [provider].flat(), situation);
  expect(causes, JSON.stringify(causes)).toHaveLength(1);
  return causes[0] as Finding;
}

describe('where everything the token says is right', () => {
  test.each(TOKEN_NAMES)('%s: the user is missing, with the command to make it', (name) => {
    const claims = TOKENS[name];
    const cause = causeOf(claims, providerFor(claims));
    expect(cause.code).toBe('USER_MISSING');
    expect(cause.summary).toContain(`no user 'test/${claims.sub}' in $external`);
    expect(cause.fix).toMatch(
      `db.getSiblingDB("$external").createUser({ user: "test/${claims.sub}", roles: [`,
    );
    expect(tokenFindings(claims, SITUATION)).toEqual([]);
  });

  test('in Azure, the client ID may have been taken for the object ID', () => {
    const mistaken = /with the client ID 'c3333333-.*' instead of the object ID/;
    for (const claims of [TOKENS.entraV1, TOKENS.entraV2]) {
      expect(causeOf(claims, providerFor(claims)).summary).toMatch(mistaken);
    }
    expect(causeOf(TOKENS.google, providerFor(TOKENS.google)).summary).not.toContain('client ID');
    const same = { ...TOKENS.entraV1, appid: TOKENS.entraV1.sub };
    expect(causeOf(same, providerFor(same)).summary).not.toContain('client ID');
    const { appid: _, ...withoutClient } = TOKENS.entraV1;
    expect(causeOf(withoutClient, providerFor(withoutClient)).summary).not.toContain('client ID');
    expect(
      causeOf(withoutClient, providerFor(withoutClient), { ...SITUATION, clientId: 'my-client' }).summary,
    ).toContain("client ID 'my-client'");
  });

  test('the user is named by the principalName', () => {
    const { fix } = causeOf(TOKENS.google, providerFor(TOKENS.google, { principalName: 'email' }));
    expect(fix).toContain('"test/app@project-1.iam.gserviceaccount.com"');
  });

  test('with an authorizationClaim no user is needed, so it is the keys', () => {
    const provider = {
      ...providerFor(TOKENS.other),
      useAuthorizationClaim: true,
      authorizationClaim: 'roles',
    };
    const { code, summary } = causeOf(TOKENS.other, provider);
    expect(code).toBe('SERVER_KEYS');
    expect(summary).toContain("'https://issuer.example.com/realms/shop', or lack its key 'key-1'");
  });

  test('for Azure DocumentDB the user is a principal of the cluster', () => {
    const claims = { ...TOKENS.entraV1, aud: 'https://ossrdbms-aad.database.windows.net' };
    const [likely] = likelyCauses(claims, SITUATION).filter(({ code }) => code === 'USER_MISSING');
    expect(likely?.fix).toMatch(
      /^Azure DocumentDB: .* by its object ID, b2222222-2222-4222-8222-222222222222\.$/,
    );
  });
});

describe('an issuer that differs', () => {
  test.each<[how: string, claims: (typeof TOKENS)[keyof typeof TOKENS], issuer: string, says: string]>([
    ['v1 against v2', TOKENS.entraV1, TOKENS.entraV2.iss, 'a v1 token of Entra, where v2 is expected'],
    ['v2 against v1', TOKENS.entraV2, TOKENS.entraV1.iss, 'a v2 token of Entra, where v1 is expected'],
    [
      'wrong tenant',
      TOKENS.entraV1,
      'https://sts.windows.net/99999999-2222-4333-8444-555555555555/',
      `another tenant, '${TENANT}', not '99999999-2222-4333-8444-555555555555'`,
    ],
    [
      'wrong tenant and version',
      TOKENS.entraV1,
      TOKENS.entraV2.iss.replace(TENANT, 'contoso'),
      `another tenant, '${TENANT}', not 'contoso'`,
    ],
    [
      'GKE cluster of another name',
      TOKENS.gke,
      TOKENS.gke.iss.replace('prod', 'staging'),
      "another cluster, 'projects/project-1/locations/europe-west1/clusters/prod', not 'projects/project-1/locations/europe-west1/clusters/staging'",
    ],
    [
      'EKS cluster of another name, by one character',
      TOKENS.eks,
      `${TOKENS.eks.iss.slice(0, -1)}0`,
      "another cluster, 'eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF', not",
    ],
    ['another AKS cluster', TOKENS.aks, TOKENS.aks.iss.replace('/9', '/8'), 'another cluster'],
    [
      'no slash at the end',
      TOKENS.entraV1,
      TOKENS.entraV1.iss.slice(0, -1),
      'they differ in a slash at the end',
    ],
    ['a slash at the end', TOKENS.google, `${TOKENS.google.iss}/`, 'they differ in a slash at the end'],
    ['http', TOKENS.other, TOKENS.other.iss.replace('https', 'http'), 'they differ in http:// and https://'],
    ['no scheme', TOKENS.google, 'accounts.google.com', 'they differ in http:// and https://'],
    ['no version', TOKENS.entraV2, TOKENS.entraV2.iss.replace('/v2.0', ''), 'they differ in /v2.0'],
    [
      'the discovery document',
      TOKENS.entraV1,
      `${TOKENS.entraV1.iss}.well-known/openid-configuration`,
      'they differ in the path of the discovery document',
    ],
    ['case', TOKENS.other, TOKENS.other.iss.replace('shop', 'Shop'), 'they differ in case'],
    ['a typo', TOKENS.other, TOKENS.other.iss.replace('shop', 'shp'), 'a misspelling'],
    ['another issuer', TOKENS.other, 'https://login.example.org/', 'another one'],
    ['another kind', TOKENS.google, TOKENS.gke.iss, 'Google, not GKE'],
  ])('%s', (_, claims, issuer, says) => {
    const { code, summary, fix } = causeOf(claims, providerFor(claims, { issuer }));
    expect(code).toBe('ISSUER_DIFFERS');
    expect(summary).toContain(`The token's issuer is '${claims.iss}', the server's '${issuer}': ${says}`);
    expect(fix).toContain(`Set the server's issuer to '${claims.iss}'`);
  });

  test('by version can be mended at the application', () => {
    const { fix } = causeOf(TOKENS.entraV1, providerFor(TOKENS.entraV1, { issuer: TOKENS.entraV2.iss }));
    expect(fix).toContain('or run: az ad app update');
    expect(fix).toContain('--requested-access-token-version 2');
  });

  test('is one where the token has none, and where the server has no provider', () => {
    const { iss: _, ...claims } = TOKENS.google;
    expect(causeOf(claims, providerFor(TOKENS.google)).code).toBe('ISSUER_DIFFERS');
    expect(causeOf(TOKENS.google, []).code).toBe('ISSUER_DIFFERS');
  });
});

describe('an audience that differs', () => {
  test.each<[how: string, aud: string, audience: string, says: string]>([
    ['a typo', 'mongodb', 'mongdb', 'a misspelling'],
    ['two letters swapped', 'mongodb', 'mongobd', 'a misspelling'],
    ['a slash at the end', 'api://mongodb', 'api://mongodb/', 'they differ in a slash at the end'],
    ['api:// missing', 'api://mongodb', 'mongodb', 'they differ in api://'],
    ['case', 'api://MongoDB', 'api://mongodb', 'they differ in case'],
    ['a space', 'mongodb', 'mongodb ', 'they differ in spaces'],
    ['another one', 'mongodb', 'vault', 'another one'],
  ])('%s', (_, aud, audience, says) => {
    const claims = { ...TOKENS.other, aud };
    const { code, summary, fix } = causeOf(claims, providerFor(claims, { audience }));
    expect(code).toBe('AUDIENCE_DIFFERS');
    expect(summary).toContain(`The token's audience is '${aud}', the server's '${audience}': ${says}`);
    expect(fix).toBe(`Set the server's audience to '${aud}', or ask for '${audience}'.`);
  });

  test.each([
    ['at the end', 'api://mongodb', 'api://mongodb/.default'],
    ['after a slash', 'api://mongodb/', 'api://mongodb//.default'],
  ])('/.default on the server, %s, is not to be asked for', (_, aud, audience) => {
    const { code, summary, fix } = causeOf({ ...TOKENS.other, aud }, providerFor(TOKENS.other, { audience }));
    expect(code).toBe('AUDIENCE_DIFFERS');
    expect(summary).toContain('they differ in /.default');
    expect(fix).toBe(`Set the server's audience to '${aud}'.`);
  });

  test('/.default in the token is not to be told to the server', () => {
    const claims = { ...TOKENS.other, aud: 'api://mongodb/.default' };
    const { code, fix } = causeOf(claims, providerFor(claims, { audience: 'api://mongodb' }));
    expect(code).toBe('AUDIENCE_HAS_DEFAULT_SUFFIX');
    expect(fix).toBe("Ask for 'api://mongodb', without /.default.");
  });

  test.each([
    ['sts.amazonaws.com', 'TOKEN_FOR_EXCHANGE'],
    [TOKENS.gke.iss, 'TOKEN_FOR_API_SERVER'],
  ])('%s is not to be told to the server, but a token to be mounted', (aud, code) => {
    const claims = { ...TOKENS.gke, aud: [aud] };
    const cause = causeOf(claims, providerFor(TOKENS.gke, { audience: 'orders' }));
    expect(cause).toMatchObject({ code, summary: expect.stringContaining(`for '${aud}'`) });
    expect(cause.fix).toMatch(/^Mount a projected volume with serviceAccountToken: \{ audience: orders,/);
    expect(causeOf(claims, providerFor(TOKENS.gke, { audience: aud })).code).toBe('USER_MISSING');
    const { fix } = causeOf(claims, providerFor(TOKENS.gke, { audience: 'a\u001b[2J\nb' }));
    expect(fix).toContain('{ audience: a [2J b,');
  });

  test('by version: a v1 resource against a client ID, and the reverse', () => {
    const v1 = causeOf(TOKENS.entraV1, providerFor(TOKENS.entraV1, { audience: APPLICATION }));
    expect(v1.code).toBe('AUDIENCE_DIFFERS');
    expect(v1.summary).toContain('a v1 token of Entra has what was asked for');
    expect(v1.fix).toContain(`or ask for '${APPLICATION}'`);
    const v2 = causeOf(TOKENS.entraV2, providerFor(TOKENS.entraV2, { audience: 'api://mongodb' }));
    expect(v2.code).toBe('AUDIENCE_DIFFERS');
    expect(v2.summary).toContain("a v2 token of Entra has the application's client ID");
    // Whatever is asked for, a v2 token has the client ID.
    expect(v2.fix).toBe(`Set the server's audience to '${APPLICATION}'.`);
  });

  test('api:// before a client ID', () => {
    const provider = providerFor(TOKENS.entraV2, { audience: `api://${APPLICATION}` });
    expect(causeOf(TOKENS.entraV2, provider).code).toBe('AUDIENCE_DIFFERS');
  });

  test('in Kubernetes can be mounted', () => {
    const { fix } = causeOf(TOKENS.eks, providerFor(TOKENS.eks, { audience: 'vault' }));
    expect(fix).toBe("Set the server's audience to 'mongodb', or mount a projected token with 'vault'.");
  });
});

describe('a token of the other version of Entra', () => {
  test('is one cause, where issuer and audience both differ', () => {
    const v1 = causeOf(TOKENS.entraV1, providerFor(TOKENS.entraV2));
    expect(v1.code).toBe('TOKEN_V1_FOR_V2');
    for (const value of [TOKENS.entraV1.iss, TOKENS.entraV1.aud, TOKENS.entraV2.iss, APPLICATION]) {
      expect(v1.summary).toContain(`'${value}'`);
    }
    expect(v1.summary).toContain('a v1 token of Entra, where v2 is expected');
    expect(v1.fix).toContain('--requested-access-token-version 2');
    expect(v1.fix).not.toContain('ask for');
    const v2 = causeOf(TOKENS.entraV2, providerFor(TOKENS.entraV1));
    expect(v2.code).toBe('TOKEN_V2_FOR_V1');
    expect(v2.fix).toContain('--requested-access-token-version 1');
  });

  test('is two things, where the audience differs in another way', () => {
    const provider = providerFor(TOKENS.entraV2, { audience: 'api://other' });
    expect(codes(causesOf(TOKENS.entraV1, [provider], SITUATION))).toEqual([
      'ISSUER_DIFFERS',
      'AUDIENCE_DIFFERS',
    ]);
  });
});

describe('of several providers', () => {
  test('the one that the token fits is taken, wherever it stands', () => {
    const providers = TOKEN_NAMES.map((name) => providerFor(TOKENS[name]));
    for (const name of TOKEN_NAMES) {
      expect(causeOf(TOKENS[name], providers).code).toBe('USER_MISSING');
    }
  });

  test('the nearest is compared', () => {
    const others = [providerFor(TOKENS.google), providerFor(TOKENS.eks), providerFor(TOKENS.entraV1)];
    const cluster = providerFor(TOKENS.gke, { issuer: TOKENS.gke.iss.replace('prod', 'staging') });
    expect(causeOf(TOKENS.gke, [...others, cluster]).summary).toContain("clusters/staging'");
    const otherTenant = providerFor(TOKENS.entraV2, { issuer: TOKENS.entraV2.iss.replace('1111', '9999') });
    expect(causeOf(TOKENS.entraV2, [otherTenant, providerFor(TOKENS.entraV1)]).code).toBe('TOKEN_V2_FOR_V1');
    const sameIssuer = ['vault', 'mongodb/', 'https://example.com'].map((audience) =>
      providerFor(TOKENS.other, { audience }),
    );
    expect(causeOf(TOKENS.other, sameIssuer).summary).toContain(
      "the server's 'mongodb/': they differ in a slash",
    );
  });
});

describe('the claims that name user and roles', () => {
  const noSubject = { ...TOKENS.google, sub: undefined };

  test.each<[what: string, claims: Claims, principalName: string | undefined, named: string]>([
    ['no sub', noSubject, undefined, 'sub'],
    ['an empty sub', { ...TOKENS.google, sub: '' }, undefined, 'sub'],
    ['a sub that is a number', { ...TOKENS.google, sub: 7 }, undefined, 'sub'],
    ['no claim of that name', TOKENS.google, 'upn', 'upn'],
    ['a claim that is inherited', TOKENS.google, 'toString', 'toString'],
    ['a sub that nothing is named by, which the server wants nevertheless', noSubject, 'email', 'sub'],
  ])('%s', (_, claims, principalName, named) => {
    const provider = providerFor(TOKENS.google, principalName === undefined ? {} : { principalName });
    const { code, summary, fix } = causeOf(claims, provider);
    expect(code).toBe('SUBJECT_MISSING');
    expect(summary).toContain(`claim '${named}'`);
    // No other claim makes up for `sub`.
    expect(fix).toContain(
      named === 'sub' ? 'another kind of token' : "email 'app@project-1.iam.gserviceaccount.com'",
    );
  });

  test.each<[what: string, roles: unknown, says: string]>([
    ['missing', undefined, 'missing'],
    ['a string', 'reader', 'no list of texts'],
    ['a list of numbers', [1], 'no list of texts'],
    ['empty', [], 'no list of texts'],
  ])('an authorization claim that is %s', (_, roles, says) => {
    const { roles: __, ...rest } = TOKENS.other;
    const claims = { ...rest, ...(roles === undefined ? {} : { roles }), groups: ['g'] };
    const provider = providerFor(TOKENS.other, { useAuthorizationClaim: true, authorizationClaim: 'roles' });
    const { code, summary, fix } = causeOf(claims, provider);
    expect(code).toBe('AUTHORIZATION_CLAIM_MISSING');
    expect(summary).toBe(`The token's claim 'roles', which names the roles, is ${says}.`);
    expect(fix).toContain("one of the token's ('groups'), or useAuthorizationClaim to false");
  });

  test('too many groups', () => {
    const provider = {
      ...providerFor(TOKENS.entraV1, { authorizationClaim: 'groups' }),
      useAuthorizationClaim: true,
    };
    const claims = { ...TOKENS.entraV1, _claim_names: { groups: 'src1' } };
    expect(causeOf(claims, provider).summary).toContain('missing (too many groups)');
  });

  test('are not looked at where useAuthorizationClaim is false', () => {
    expect(causeOf(TOKENS.other, providerFor(TOKENS.other, { authorizationClaim: 'nope' })).code).toBe(
      'USER_MISSING',
    );
  });
});

describe('times', () => {
  const at = (offsetMS: number, clockOffsetMS?: number) => ({
    ...SITUATION,
    nowMS: NOW_MS + offsetMS,
    clockOffsetMS,
  });
  const google = providerFor(TOKENS.google);

  test('an expired token', () => {
    const { code, summary, fix } = causeOf(TOKENS.google, google, at(69 * MINUTE_MS));
    expect({ code, summary }).toEqual({ code: 'TOKEN_EXPIRED', summary: 'The token expired 10 min ago.' });
    expect(fix).toContain('Get a new one');
    expect(causeOf(TOKENS.gke, providerFor(TOKENS.gke), at(69 * MINUTE_MS)).fix).toContain(
      'a subPath is never written again',
    );
    expect(codes(tokenFindings(TOKENS.google, at(69 * MINUTE_MS)))).toEqual(['TOKEN_EXPIRED']);
  });

  test('the server grants nothing to an expired token, and a minute to one that is not valid yet', () => {
    const { nbf, exp } = TOKENS.google;
    const code = (nowMS: number) => causeOf(TOKENS.google, google, { nowMS, clockOffsetMS: 0 }).code;
    expect(code(exp * 1_000)).toBe('USER_MISSING');
    expect(code(exp * 1_000 + 1)).toBe('TOKEN_EXPIRED');
    expect(code(nbf * 1_000 - MINUTE_MS)).toBe('USER_MISSING');
    expect(code(nbf * 1_000 - MINUTE_MS - 1)).toBe('TOKEN_NOT_YET_VALID');
  });

  test("it is the server's clock that counts", () => {
    const ahead = causeOf(TOKENS.google, google, at(0, 69 * MINUTE_MS));
    expect(ahead).toEqual({
      code: 'TOKEN_EXPIRED',
      summary: 'The token expired 10 min ago.',
      fix: "This machine's clock is 69 min behind the server's. Set the wrong one (NTP).",
    });
    const behind = causeOf(TOKENS.google, google, at(0, -11 * MINUTE_MS));
    expect(behind.code).toBe('TOKEN_NOT_YET_VALID');
    expect(behind.summary).toBe("The token's nbf is 10 min from now.");
    expect(behind.fix).toContain("11 min ahead of the server's");
    // Ours is wrong, the server's is right.
    expect(causeOf(TOKENS.google, google, at(-10 * MINUTE_MS, 10 * MINUTE_MS)).code).toBe('USER_MISSING');
    expect(causeOf(TOKENS.google, google, at(80 * MINUTE_MS, -80 * MINUTE_MS)).code).toBe('USER_MISSING');
  });

  test('a clock that is behind the issuer shows in a token from the future, and is no fault of the token', () => {
    const found = tokenFindings(TOKENS.google, at(-11 * MINUTE_MS));
    expect(found).toEqual([
      {
        code: 'CLOCK_DIFFERS',
        summary: "This machine's clock is 10 min behind the issuer's.",
        fix: 'Set the wrong one (NTP).',
      },
    ]);
    expect(causeOf(TOKENS.google, google, at(-11 * MINUTE_MS)).code).toBe('USER_MISSING');
  });

  test("a clock that differs from the server's by ten minutes is said; by less than a minute it is not", () => {
    expect(codes(tokenFindings(TOKENS.google, at(0, 10 * MINUTE_MS)))).toEqual(['CLOCK_DIFFERS']);
    // Which says so itself.
    const [late, ...others] = tokenFindings(TOKENS.google, at(0, -10 * MINUTE_MS));
    expect(late).toMatchObject({ code: 'TOKEN_NOT_YET_VALID', fix: expect.stringContaining("the server's") });
    expect(others).toEqual([]);
    expect(tokenFindings(TOKENS.google, at(0, 59_000))).toEqual([]);
  });

  test('a token without exp', () => {
    const { exp: _, ...legacy } = TOKENS.cluster;
    expect(causeOf(legacy, providerFor(legacy)).code).toBe('TOKEN_WITHOUT_EXPIRY');
    expect(codes(tokenFindings({ ...legacy, exp: 'never' }, SITUATION))).toEqual(['TOKEN_WITHOUT_EXPIRY']);
  });
});

describe('a token by itself', () => {
  const found = (changes: Claims, situation = SITUATION) =>
    codes(tokenFindings({ ...TOKENS.gke, ...changes }, situation));

  test.each([
    ['sts.amazonaws.com', 'TOKEN_FOR_EXCHANGE'],
    ['api://AzureADTokenExchange', 'TOKEN_FOR_EXCHANGE'],
    [
      'https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p',
      'TOKEN_FOR_EXCHANGE',
    ],
    ['https://kubernetes.default.svc', 'TOKEN_FOR_API_SERVER'],
    [TOKENS.gke.iss, 'TOKEN_FOR_API_SERVER'],
  ])('for %s', (aud, code) => {
    expect(found({ aud: [aud] })).toEqual([code]);
  });

  test('with a scope for an audience', () => {
    expect(found({ aud: 'api://m/.default' })).toEqual(['AUDIENCE_HAS_DEFAULT_SUFFIX']);
    const [finding] = tokenFindings(TOKENS.entraV2, { ...SITUATION, audienceAskedFor: 'api://m/.default' });
    expect(finding).toEqual({
      code: 'AUDIENCE_HAS_DEFAULT_SUFFIX',
      summary: "'api://m/.default' is a scope, not an audience.",
      fix: "Ask for 'api://m', without /.default.",
    });
  });

  test('with several audiences, which MongoDB does not take even if one is right', () => {
    const claims = { ...TOKENS.gke, aud: ['mongodb', 'vault'] };
    expect(found({ aud: claims.aud })).toEqual(['AUDIENCES_SEVERAL']);
    expect(causeOf(claims, providerFor(claims)).code).toBe('AUDIENCES_SEVERAL');
  });

  test('without a subject', () => {
    expect(found({ sub: undefined })).toEqual(['SUBJECT_MISSING']);
  });

  test.each([
    ['no key ID', { typ: 'JWT' }, ['TOKEN_HEADER']],
    ['another type', { kid: 'k', typ: 'at+jwt' }, ['TOKEN_HEADER']],
    ['no type', { kid: 'k' }, []],
  ])('with %s in its header', (_, header, expected) => {
    expect(found({}, { ...SITUATION, header })).toEqual(expected);
    expect(found({}, { nowMS: NOW_MS })).toEqual([]);
  });
});

describe('a configuration that the server refuses', () => {
  const { google, eks, gke } = TOKENS;

  test.each<[what: string, providers: IdentityProvider[], says: string]>([
    [
      'authNamePrefix',
      [providerFor(google, { authNamePrefix: 'a/b' })],
      '[0]: authNamePrefix has other than',
    ],
    ['clientId', [providerFor(google, { supportsHumanFlows: true })], '[0]: neither clientId'],
    [
      'authorizationClaim',
      [providerFor(google, { useAuthorizationClaim: true })],
      '[0]: neither authorizationClaim',
    ],
    [
      'the same issuer and audience twice',
      [providerFor(google), providerFor(google, { authNamePrefix: 'b' })],
      '[1]: issuer and audience of another provider',
    ],
    [
      'matchPattern of several for humans',
      [
        providerFor(google, { supportsHumanFlows: true, clientId: 'c', matchPattern: 'a' }),
        providerFor(eks, { supportsHumanFlows: true, clientId: 'c' }),
        providerFor(gke),
      ],
      '[1]: neither matchPattern',
    ],
    [
      'matchPattern in the wrong order',
      [providerFor(google), providerFor(eks, { matchPattern: 'a' })],
      '[1]: matchPattern after a provider without',
    ],
  ])('%s', (_, providers, says) => {
    const { code, summary } = causeOf(google, providers);
    expect(code).toBe('CONFIG_INVALID');
    expect(summary).toContain(`oidcIdentityProviders${says}`);
  });

  test.each<[what: string, providers: IdentityProvider[]]>([
    ['one issuer with two audiences', [providerFor(google), providerFor(google, { audience: 'b' })]],
    [
      'one for humans without matchPattern',
      [providerFor(google), providerFor(eks, { supportsHumanFlows: true, clientId: 'c' })],
    ],
  ])('is not %s', (_, providers) => {
    expect(causeOf(google, providers).code).toBe('USER_MISSING');
  });
});

describe('without the configuration', () => {
  const ALWAYS = [
    'USER_MISSING',
    'ISSUER_DIFFERS',
    'AUDIENCE_DIFFERS',
    'SUBJECT_MISSING',
    'AUTHORIZATION_CLAIM_MISSING',
    'SERVER_KEYS',
  ];

  test.each(TOKEN_NAMES)("%s: every cause is listed once, with the token's own values", (name) => {
    const claims = TOKENS[name];
    const likely = likelyCauses(claims, SITUATION);
    const version = { entraV1: ['TOKEN_V1_FOR_V2'], entraV2: ['TOKEN_V2_FOR_V1'] }[name as string] ?? [];
    expect(codes(likely).toSorted()).toEqual([...ALWAYS, ...version].toSorted());
    const said = JSON.stringify(likely);
    for (const value of [claims.iss, [claims.aud].flat()[0], claims.sub])
      expect(said).toContain(`'${value}'`);
  });

  test('the version comes first at Entra, the issuer where each cluster has its own, the user elsewhere', () => {
    const first = (name: keyof typeof TOKENS) => likelyCauses(TOKENS[name], SITUATION)[0]?.code;
    expect(TOKEN_NAMES.filter((name) => first(name) === 'ISSUER_DIFFERS')).toEqual(['gke', 'eks', 'aks']);
    expect(first('entraV1')).toBe('TOKEN_V1_FOR_V2');
    expect(first('entraV2')).toBe('TOKEN_V2_FOR_V1');
    expect(first('google')).toBe('USER_MISSING');
  });

  test("Entra's other issuer is named", () => {
    expect(likelyCauses(TOKENS.entraV1, SITUATION)[0]?.fix).toContain(TOKENS.entraV2.iss);
    expect(likelyCauses(TOKENS.entraV2, SITUATION)[0]?.fix).toContain(TOKENS.entraV1.iss);
  });

  test('what is wrong with the token itself comes before', () => {
    const late = { ...SITUATION, nowMS: NOW_MS + 3_600_000, clockOffsetMS: 600_000 };
    const likely = codes(likelyCauses({ ...TOKENS.google, sub: undefined }, late));
    expect(new Set(likely).size).toBe(likely.length);
    expect(likely.slice(0, 3)).toEqual(['TOKEN_EXPIRED', 'SUBJECT_MISSING', 'USER_MISSING']);
  });
});

describe('whatever a token and a server say', () => {
  const foreign = fc.oneof(
    foreignText,
    fc.constantFrom(...TOKEN_NAMES.flatMap((name) => [TOKENS[name].iss, TOKENS[name].sub])),
    fc.constantFrom(
      '\u001b[2J',
      '\u009b31m',
      'a\r\nb',
      '\u202ed',
      '\ud800',
      '',
      `eyJ${'a'.repeat(40)}.eyJ.x`,
      'x'.repeat(1e5),
    ),
  );
  const claims = fc.dictionary(
    fc.oneof(
      fc.constantFrom(
        'iss',
        'aud',
        'sub',
        'exp',
        'nbf',
        'iat',
        'roles',
        'email',
        'azp',
        'appid',
        '__proto__',
      ),
      fc.string(),
    ),
    fc.oneof(foreign, fc.jsonValue(), fc.array(foreign), fc.double(), fc.integer()),
  );
  const provider = fc.record(
    {
      issuer: foreign,
      audience: foreign,
      authNamePrefix: foreign,
      matchPattern: foreign,
      clientId: foreign,
      principalName: foreign,
      authorizationClaim: foreign,
      useAuthorizationClaim: fc.boolean(),
      supportsHumanFlows: fc.boolean(),
    },
    { requiredKeys: ['issuer', 'audience', 'authNamePrefix'] },
  ) as unknown as fc.Arbitrary<IdentityProvider>;
  const situation = fc.record(
    {
      nowMS: fc.integer({ min: 0, max: 2e12 }),
      clockOffsetMS: fc.integer(),
      audienceAskedFor: foreign,
      clientId: foreign,
      environment: foreign,
      header: fc.dictionary(fc.constantFrom('kid', 'typ'), fc.oneof(foreign, fc.jsonValue())),
    },
    { requiredKeys: ['nowMS'] },
  );

  test('nothing throws, there is a cause, and nothing reaches a terminal that it would act upon', () => {
    fc.assert(
      fc.property(claims, fc.array(provider, { maxLength: 4 }), situation, (token, providers, where) => {
        const causes = causesOf(token, providers, where);
        expect(causes.length).toBeGreaterThan(0);
        for (const { code, summary, fix } of [...causes, ...likelyCauses(token, where)]) {
          expect(code).toMatch(/^[A-Z\d_]+$/);
          for (const text of [summary, fix]) {
            expect(text).not.toMatch(UNPRINTABLE);
            expect(text).not.toMatch(/eyJ\w{8}/);
            expect(text.length).toBeLessThan(4_000);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  test('one thing that was altered is one finding, and that one', () => {
    const alteration = fc.oneof(
      fc.tuple(
        fc.constant('ISSUER_DIFFERS'),
        fc
          .string({ minLength: 1 })
          .map((text) => (one: IdentityProvider) => ({ ...one, issuer: one.issuer + text })),
      ),
      fc.tuple(
        fc.constant('AUDIENCE_DIFFERS'),
        fc
          .string({ minLength: 1 })
          .map((text) => (one: IdentityProvider) => ({ ...one, audience: text + one.audience })),
      ),
      fc.tuple(
        fc.constant('SUBJECT_MISSING'),
        fc.uuid().map((principalName) => (one: IdentityProvider) => ({ ...one, principalName })),
      ),
      fc.tuple(
        fc.constant('AUTHORIZATION_CLAIM_MISSING'),
        fc.uuid().map((authorizationClaim) => (one: IdentityProvider) => ({
          ...one,
          authorizationClaim,
          useAuthorizationClaim: true,
        })),
      ),
      fc.tuple(
        fc.constant('USER_MISSING'),
        fc
          .stringMatching(/^[\w-]{1,20}$/)
          .map((authNamePrefix) => (one: IdentityProvider) => ({ ...one, authNamePrefix })),
      ),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...TOKEN_NAMES),
        alteration,
        fc.subarray(TOKEN_NAMES),
        (name, [code, alter], others) => {
          const token = TOKENS[name];
          const providers = [
            ...others
              .filter((other) => TOKENS[other].iss !== token.iss)
              .map((other) => providerFor(TOKENS[other])),
            alter(providerFor(token)),
          ];
          expect(codes(causesOf(token, providers, SITUATION))).toEqual([code]);
        },
      ),
      { numRuns: 200 },
    );
  });
});
