// Tokens of each kind, each with a server that takes it.

import fc from 'fast-check';
import type { Situation } from '../../../src/doctor/finding.js';
import type { IdentityProvider } from '../../../src/doctor/server-config.js';
import type { Claims } from '../../../src/jwt.js';

export const NOW_MS = Date.UTC(2026, 0, 1, 12);
const seconds = NOW_MS / 1_000;
const times = { iat: seconds - 60, nbf: seconds - 60, exp: seconds + 3_540 };

export const TENANT = '11111111-2222-4333-8444-555555555555';
export const APPLICATION = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee';
const OBJECT = 'b2222222-2222-4222-8222-222222222222';
const CLIENT = 'c3333333-3333-4333-8333-333333333333';
const ACCOUNT = 'system:serviceaccount:shop:orders';

const entra = { ...times, sub: OBJECT, oid: OBJECT, tid: TENANT };

/** One for each kind of issuer. */
export const TOKENS = {
  entraV1: {
    ...entra,
    iss: `https://sts.windows.net/${TENANT}/`,
    aud: 'api://mongodb',
    appid: CLIENT,
    ver: '1.0',
  },
  entraV2: {
    ...entra,
    iss: `https://login.microsoftonline.com/${TENANT}/v2.0`,
    aud: APPLICATION,
    azp: CLIENT,
    ver: '2.0',
  },
  google: {
    ...times,
    iss: 'https://accounts.google.com',
    aud: 'https://mongodb.example.com',
    sub: '100000000000000000001',
    azp: '100000000000000000001',
    email: 'app@project-1.iam.gserviceaccount.com',
  },
  gke: {
    ...times,
    iss: 'https://container.googleapis.com/v1/projects/project-1/locations/europe-west1/clusters/prod',
    aud: ['mongodb'],
    sub: ACCOUNT,
  },
  eks: {
    ...times,
    iss: 'https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF',
    aud: ['mongodb'],
    sub: ACCOUNT,
  },
  aks: {
    ...times,
    iss: `https://westeurope.oic.prod-aks.azure.com/${TENANT}/99999999-2222-4333-8444-555555555555/`,
    aud: ['mongodb'],
    sub: ACCOUNT,
  },
  cluster: { ...times, iss: 'https://kubernetes.example.com', aud: ['mongodb'], sub: ACCOUNT },
  other: {
    ...times,
    iss: 'https://issuer.example.com/realms/shop',
    aud: 'mongodb',
    sub: 'orders',
    roles: ['reader', 'writer'],
  },
} satisfies Record<string, Claims & { iss: string; aud: string | string[]; sub: string }>;

export type TokenName = keyof typeof TOKENS;
export const TOKEN_NAMES = Object.keys(TOKENS) as TokenName[];

/** What takes this token, given a user. */
export function providerFor(
  claims: { readonly iss: string; readonly aud: string | string[] },
  changes: Partial<IdentityProvider> = {},
): IdentityProvider {
  return {
    issuer: claims.iss,
    audience: [claims.aud].flat()[0] ?? '',
    authNamePrefix: 'test',
    useAuthorizationClaim: false,
    supportsHumanFlows: false,
    ...changes,
  };
}

export const SITUATION: Situation = { nowMS: NOW_MS, clockOffsetMS: 0, header: { kid: 'key-1', typ: 'JWT' } };

/** Text that a terminal would act upon, among other text. */
export const foreignText: fc.Arbitrary<string> = fc.string({
  unit: fc.oneof(fc.nat(0xff), fc.nat(0x10ffff)).map((point) => String.fromCodePoint(point)),
});

/** What must not reach a terminal. */
export const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;
