import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { serverAdvice } from '../../../src/doctor/advice.js';
import { causesOf } from '../../../src/doctor/causes.js';
import { readServerConfig } from '../../../src/doctor/server-config.js';
import { foreignText, SITUATION, TOKEN_NAMES, TOKENS, UNPRINTABLE } from './tokens.js';

const PREFIXES = {
  entraV1: 'azure',
  entraV2: 'azure',
  google: 'gcp',
  gke: 'kubernetes',
  eks: 'kubernetes',
  aks: 'kubernetes',
  cluster: 'kubernetes',
  other: 'workload',
};

describe.each(TOKEN_NAMES)('the advice for a token of %s', (name) => {
  const claims = TOKENS[name];
  const [audience] = [claims.aud].flat();
  const advice = serverAdvice(claims, SITUATION);

  test("is a provider filled in with the token's own values, which is ready to use", () => {
    expect(advice.oidcIdentityProviders).toEqual([
      {
        issuer: claims.iss,
        audience,
        authNamePrefix: PREFIXES[name],
        useAuthorizationClaim: false,
        supportsHumanFlows: false,
      },
    ]);
    const providers = readServerConfig(JSON.stringify(advice.oidcIdentityProviders));
    expect(causesOf(claims, providers, SITUATION).map(({ code }) => code)).toEqual(['USER_MISSING']);
  });

  test('is the user that this provider wants', () => {
    const [createUser] = advice.commands;
    expect(createUser).toBe(
      `db.getSiblingDB("$external").createUser({ user: "${PREFIXES[name]}/${claims.sub}", roles: [{ role: "readWrite", db: "test" }] })`,
    );
    const [cause] = causesOf(claims, advice.oidcIdentityProviders, SITUATION);
    expect(cause?.fix).toContain(createUser);
  });

  test('is the way through Atlas, with the same values', () => {
    expect(advice.atlas[0]).toContain(
      `Issuer URI ${claims.iss}, Audience ${audience}, Authorization Type User ID`,
    );
    expect(advice.atlas.at(-1)).toContain(`Federated Auth: ${claims.sub}`);
  });
});

describe('notes', () => {
  const EXAMPLE = 'The readWrite role is an example.';

  test('on Entra: the other version, and which ID the subject is', () => {
    const [version, id] = serverAdvice(TOKENS.entraV1, SITUATION).notes;
    expect(version).toMatch(/^Entra v1\. .*requestedAccessTokenVersion/);
    expect(version).toContain(TOKENS.entraV2.iss);
    expect(id).toContain(`not the client ID ${TOKENS.entraV1.appid}`);
    expect(serverAdvice(TOKENS.entraV2, SITUATION).notes[0]).toContain(TOKENS.entraV1.iss);
  });

  test('on Google: the unique ID, and the e-mail address where the token has it', () => {
    expect(serverAdvice(TOKENS.google, SITUATION).notes).toEqual([
      'sub is the unique ID of the service account. With "principalName": "email" the user is gcp/app@project-1.iam.gserviceaccount.com.',
      EXAMPLE,
    ]);
    const { email: _, ...claims } = TOKENS.google;
    expect(serverAdvice(claims, SITUATION).notes).toEqual([
      'sub is the unique ID of the service account.',
      EXAMPLE,
    ]);
  });

  test('on a cluster: that the server must reach it', () => {
    expect(serverAdvice(TOKENS.gke, SITUATION).notes).toEqual([
      `The server must reach ${TOKENS.gke.iss}/.well-known/openid-configuration and its jwks_uri.`,
      EXAMPLE,
    ]);
  });

  test('a cluster is known by its environment where neither issuer nor subject tells', () => {
    const advice = (environment: string | undefined) =>
      serverAdvice({ ...TOKENS.cluster, sub: 'orders' }, { ...SITUATION, environment });
    expect(advice('k8s').oidcIdentityProviders[0]?.authNamePrefix).toBe('kubernetes');
    expect(advice(undefined).oidcIdentityProviders[0]?.authNamePrefix).toBe('workload');
  });
});

describe('a token with roles or groups', () => {
  test('gets the roles to create, and what goes with them', () => {
    const { commands, notes } = serverAdvice(TOKENS.other, SITUATION);
    expect(commands.slice(1)).toEqual(
      ['reader', 'writer'].map(
        (role) =>
          `db.getSiblingDB("admin").createRole({ role: "workload/${role}", privileges: [], roles: [{ role: "readWrite", db: "test" }] })`,
      ),
    );
    expect(notes.at(-1)).toContain('"authorizationClaim": "roles"');
  });

  test('gets three of many, and none of what is no list of names', () => {
    const roles = (value: unknown) =>
      serverAdvice({ ...TOKENS.google, groups: value }, SITUATION).commands.length - 1;
    expect(['abcdefgh'.split(''), [], 'admins', [1], null].map(roles)).toEqual([3, 0, 0, 0, 0]);
  });
});

test('Azure DocumentDB has no provider to configure', () => {
  const claims = { ...TOKENS.entraV1, aud: 'https://ossrdbms-aad.database.windows.net/' };
  expect(serverAdvice(claims, SITUATION)).toEqual({
    atlas: [],
    oidcIdentityProviders: [],
    commands: [],
    notes: [
      expect.stringMatching(
        /^Azure DocumentDB: .* by its object ID, b2222222-2222-4222-8222-222222222222\.$/,
      ),
    ],
  });
});

test('a token for others is not what the server is to take', () => {
  const claims = { ...TOKENS.eks, aud: 'sts.amazonaws.com' };
  const { oidcIdentityProviders, notes } = serverAdvice(claims, SITUATION);
  expect(oidcIdentityProviders).toMatchObject([{ issuer: TOKENS.eks.iss, audience: 'mongodb' }]);
  expect(notes[0]).toContain('this one is for others');
});

test('what a token lacks is a gap to fill in', () => {
  const { oidcIdentityProviders, commands } = serverAdvice({}, SITUATION);
  expect(oidcIdentityProviders).toMatchObject([{ issuer: '<issuer>', audience: '<audience>' }]);
  expect(commands).toEqual([expect.stringContaining('"workload/<subject>"')]);
});

/** In which nothing of a claim gets out of its string literal. */
const COMMAND =
  /^db\.getSiblingDB\("(\$external|admin)"\)\.create(User|Role)\(\{ (user|role): "([^"\\]|\\.)*",( privileges: \[\],)? roles: \[\{ role: "readWrite", db: "test" \}\] \}\)$/;

test('a name is whole, and text that a terminal would act upon is none', () => {
  const sub = `system:serviceaccount:${'n'.repeat(63)}:${'s'.repeat(253)}`;
  expect(serverAdvice({ ...TOKENS.gke, sub }, SITUATION).commands[0]).toContain(`"kubernetes/${sub}"`);
  const foreign = fc.oneof(
    foreignText,
    fc.constantFrom('"}); db.dropDatabase(); ({"', '\u001b[2J', '\u202e'),
  );
  const any = fc.oneof(foreign, fc.array(foreign), fc.jsonValue());
  fc.assert(
    fc.property(
      fc.record(
        { iss: any, sub: any, aud: any, roles: any, email: any, appid: any, oid: any },
        { requiredKeys: [] },
      ),
      (claims) => {
        const { atlas, commands, notes, oidcIdentityProviders } = serverAdvice(claims, SITUATION);
        const texts = [...atlas, ...commands, ...notes, JSON.stringify(oidcIdentityProviders)];
        expect(texts.filter((text) => UNPRINTABLE.test(text))).toEqual([]);
        expect(commands.filter((command) => !COMMAND.test(command))).toEqual([]);
      },
    ),
    { numRuns: 200 },
  );
});
