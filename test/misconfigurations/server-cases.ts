// The token is good, and the server was told otherwise.
import { createCertificates } from '../emulators/certificates.js';
import type { Misconfiguration } from './misconfiguration.js';
import {
  aks,
  applicationUri,
  azureVM,
  clientId,
  computeEngine,
  connect,
  connectUnaided,
  gkeIssuer,
  objectId,
  pod,
  tenantId,
} from './workloads.js';

/** All that a program sees of the most. */
const REFUSED = 'Every operation fails with `MongoServerError: Authentication failed.` (code 18)';
const v1Issuer = `https://sts.windows.net/${tenantId}/`;
const v2Issuer = `https://login.microsoftonline.com/${tenantId}/v2.0`;
const otherTenantId = '11111111-2222-4333-8444-555555555555';
const TEN_MINUTES_MS = 600_000;

const refusal = { check: 'authentication', isRefusal: true, hasTwin: true } as const;

const audienceCases: readonly Misconfiguration[] = [
  {
    ...refusal,
    id: 'audience-misspelt',
    title: 'The audience is misspelt',
    symptom: `${REFUSED}. Google makes a token for whatever audience is asked for, so the source has nothing to complain of.`,
    setUp: async (stage) =>
      connect(stage, await computeEngine(stage, 'https://mogodb.example.com'), {
        provider: { audience: 'https://mongodb.example.com' },
      }),
    code: 'AUDIENCE_DIFFERS',
    says: /audience is 'https:\/\/mogodb\.example\.com', the server's 'https:\/\/mongodb\.example\.com': a misspelling/,
    fix: /audience to 'https:\/\/mogodb\.example\.com', or ask for 'https:\/\/mongodb\.example\.com'/,
  },
  {
    ...refusal,
    id: 'audience-with-slash',
    title: 'The audience has a slash at the end, on one side only',
    symptom: `${REFUSED}.`,
    setUp: async (stage) =>
      connect(stage, await azureVM(stage), { provider: { audience: `${applicationUri}/` } }),
    code: 'AUDIENCE_DIFFERS',
    says: /differ in a slash at the end/,
    fix: new RegExp(`audience to '${applicationUri}', or ask for '${applicationUri}/'`),
  },
  {
    ...refusal,
    id: 'audience-without-api',
    title: 'The audience lacks api://',
    symptom: `${REFUSED}. The program asks for the client ID of the application, and the server wants its Application ID URI.`,
    setUp: async (stage) =>
      connect(stage, await azureVM(stage, { audience: clientId }), {
        provider: { audience: applicationUri },
      }),
    code: 'AUDIENCE_DIFFERS',
    says: new RegExp(`audience is '${clientId}', the server's '${applicationUri}': they differ in api://`),
    fix: new RegExp(`audience to '${clientId}', or ask for '${applicationUri}'`),
  },
  {
    ...refusal,
    id: 'audience-with-api',
    title: 'The audience has api://, and the server wants the client ID alone',
    symptom: `${REFUSED}.`,
    setUp: async (stage) => connect(stage, await azureVM(stage), { provider: { audience: clientId } }),
    code: 'AUDIENCE_DIFFERS',
    says: new RegExp(`audience is '${applicationUri}', the server's '${clientId}': they differ in api://`),
    fix: new RegExp(`audience to '${applicationUri}', or ask for '${clientId}'`),
  },
  {
    ...refusal,
    id: 'audience-of-v2-token',
    title: 'The server wants api://, and Entra issues v2 tokens',
    symptom: `${REFUSED}. A v2 token has the client ID as its audience, whatever the program asks for.`,
    setUp: async (stage) =>
      connect(stage, await azureVM(stage, { tokenVersion: '2.0' }), {
        provider: { audience: applicationUri },
      }),
    code: 'AUDIENCE_DIFFERS',
    says: /a v2 token of Entra has the application's client ID/,
    fix: new RegExp(`Set the server's audience to '${clientId}'\\.`),
  },
  {
    ...refusal,
    id: 'audience-with-default-at-server',
    title: "The server's audience ends in /.default",
    symptom: `${REFUSED}. A scope was copied from a program that asks Entra by scope.`,
    setUp: async (stage) =>
      connect(stage, await azureVM(stage), { provider: { audience: `${applicationUri}/.default` } }),
    code: 'AUDIENCE_DIFFERS',
    says: /differ in \/\.default/,
    fix: new RegExp(`Set the server's audience to '${applicationUri}'\\.`),
  },
  {
    id: 'audience-with-default',
    title: 'The program asks for a scope, with /.default, on AKS',
    hasTwin: true,
    symptom:
      'There is no token: `ERR_OIDC_ACCESS_DENIED`, "Entra issues no token for the audience" (AADSTS500011).',
    setUp: async (stage) =>
      connectUnaided(
        stage,
        await aks(stage, { audience: stage.isRepaired ? applicationUri : `${applicationUri}/.default` }),
      ),
    check: 'first-token',
    code: 'AUDIENCE_HAS_DEFAULT_SUFFIX',
    says: new RegExp(`'${applicationUri}/\\.default' is a scope, not an audience`),
    fix: new RegExp(`Ask for '${applicationUri}', without /.default`),
  },
  {
    id: 'audience-with-default-on-vm',
    title: 'The program asks for a scope, with /.default, of a managed identity',
    hasTwin: true,
    symptom: "Nothing, as long as Azure's SDK takes the end off again.",
    status: 'warning',
    setUp: async (stage) => {
      const vm = await azureVM(stage);
      const scope = `ENVIRONMENT:azure,TOKEN_RESOURCE:${applicationUri}/.default`;
      return connectUnaided(stage, stage.isRepaired ? vm : { ...vm, properties: scope });
    },
    check: 'finding',
    code: 'AUDIENCE_HAS_DEFAULT_SUFFIX',
    says: new RegExp(`'${applicationUri}/\\.default' is a scope, not an audience`),
    fix: new RegExp(`Ask for '${applicationUri}', without /.default`),
  },
];

const issuerCases: readonly Misconfiguration[] = [
  {
    ...refusal,
    id: 'v1-token-for-v2',
    title: 'Entra issues v1 tokens, and the server is configured for v2',
    symptom: `${REFUSED}. Nothing in the program says which version it gets: \`requestedAccessTokenVersion\` of the application does.`,
    setUp: async (stage) =>
      connect(stage, await azureVM(stage), { provider: { issuer: v2Issuer, audience: clientId } }),
    code: 'TOKEN_V1_FOR_V2',
    says: new RegExp(
      `issuer is '${v1Issuer}' and its audience '${applicationUri}', the server's '${v2Issuer}' and '${clientId}'`,
    ),
    fix: /issuer and audience to those of the token, or run: az ad app update .+--requested-access-token-version 2/,
  },
  {
    ...refusal,
    id: 'v2-token-for-v1',
    title: 'Entra issues v2 tokens, and the server is configured for v1',
    symptom: `${REFUSED}.`,
    setUp: async (stage) =>
      connect(stage, await azureVM(stage, { tokenVersion: '2.0' }), {
        provider: { issuer: v1Issuer, audience: applicationUri },
      }),
    code: 'TOKEN_V2_FOR_V1',
    says: new RegExp(
      `issuer is '${v2Issuer}' and its audience '${clientId}', the server's '${v1Issuer}' and '${applicationUri}'`,
    ),
    fix: /issuer and audience to those of the token, or run: az ad app update .+--requested-access-token-version 1/,
  },
  {
    ...refusal,
    id: 'issuer-of-other-version',
    title: 'The audience is right, and the issuer is that of the other token version',
    symptom: `${REFUSED}.`,
    setUp: async (stage) => connect(stage, await azureVM(stage), { provider: { issuer: v2Issuer } }),
    code: 'ISSUER_DIFFERS',
    says: /a v1 token of Entra, where v2 is expected/,
    fix: new RegExp(`Set the server's issuer to '${v1Issuer}'`),
  },
  {
    ...refusal,
    id: 'issuer-of-other-tenant',
    title: 'The issuer names another tenant',
    symptom: `${REFUSED}.`,
    setUp: async (stage) =>
      connect(stage, await azureVM(stage, { tokenVersion: '2.0' }), {
        provider: { issuer: v2Issuer.replace(tenantId, otherTenantId) },
      }),
    code: 'ISSUER_DIFFERS',
    says: new RegExp(`another tenant, '${tenantId}', not '${otherTenantId}'`),
    fix: new RegExp(`Set the server's issuer to '${v2Issuer}'`),
  },
  {
    ...refusal,
    id: 'issuer-of-other-cluster',
    title: 'The issuer is a GKE cluster of another name',
    symptom: `${REFUSED}. A cluster was made anew, or a second one added: each has an issuer of its own.`,
    setUp: async (stage) =>
      connect(stage, await pod(stage), { provider: { issuer: gkeIssuer.replace('orders', 'orders-2') } }),
    code: 'ISSUER_DIFFERS',
    says: /another cluster, '.+\/clusters\/orders', not '.+\/clusters\/orders-2'/,
    fix: new RegExp(`Set the server's issuer to '${gkeIssuer}'`),
  },
];

const claimCases: readonly Misconfiguration[] = [
  {
    ...refusal,
    id: 'principal-claim-missing',
    title: 'principalName is a claim that the token lacks',
    symptom: `${REFUSED}. On Atlas, this is the user claim.`,
    setUp: async (stage) => connect(stage, await azureVM(stage), { provider: { principalName: 'upn' } }),
    code: 'SUBJECT_MISSING',
    says: /claim 'upn', which MongoDB wants, is missing/,
    fix: new RegExp(`principalName to one of the token's \\(sub '${objectId}'`),
  },
  {
    ...refusal,
    id: 'authorization-claim-missing',
    title: 'authorizationClaim is a claim that the token lacks',
    symptom: `${REFUSED}. Tokens of a managed identity have \`groups\` or \`roles\` only where the application was told to add them.`,
    setUp: async (stage) =>
      connect(stage, await azureVM(stage), {
        provider: { useAuthorizationClaim: true, authorizationClaim: 'groups' },
      }),
    code: 'AUTHORIZATION_CLAIM_MISSING',
    says: /claim 'groups', which names the roles, is missing/,
    fix: /Set the server's useAuthorizationClaim to false \(Atlas: User ID\)/,
  },
];

const user = { ...refusal, code: 'USER_MISSING' };
/** A server does not list its users to somebody whom it does not know, so these look alike from outside. */
const ALIKE =
  'From outside these look alike: a user that was not made, made without the prefix, in another database, or by another ID. Doctor says what the name must be.';

const userCases: readonly Misconfiguration[] = [
  {
    ...user,
    id: 'user-missing',
    title: 'The user was not made in $external',
    symptom: `${REFUSED}. ${ALIKE}`,
    setUp: async (stage) => connect(stage, await computeEngine(stage, 'mongodb'), { users: [] }),
    says: /has no user 'google\/100000000000000000001' in \$external/,
    fix: /^db\.getSiblingDB\("\$external"\)\.createUser\(\{ user: "google\/100000000000000000001"/,
  },
  {
    ...user,
    id: 'user-without-prefix',
    title: 'The user was made without authNamePrefix',
    symptom: `${REFUSED}. ${ALIKE}`,
    setUp: async (stage) =>
      connect(stage, await pod(stage), { users: ['system:serviceaccount:shop:orders'] }),
    says: /no user 'cluster\/system:serviceaccount:shop:orders' in \$external: it was made without the prefix/,
    fix: /createUser\(\{ user: "cluster\/system:serviceaccount:shop:orders"/,
  },
  {
    ...user,
    id: 'user-by-client-id',
    title: 'The user was made with the client ID of the identity',
    symptom: `${REFUSED}. ${ALIKE}`,
    setUp: async (stage) =>
      connect(stage, await azureVM(stage), { users: ['azure/a1111111-1111-4111-8111-111111111111'] }),
    says: new RegExp(
      `no user 'azure/${objectId}'.+with the client ID 'a1111111-1111-4111-8111-111111111111' instead of the object ID`,
    ),
    fix: new RegExp(`createUser\\(\\{ user: "azure/${objectId}"`),
  },
  {
    id: 'role-without-prefix',
    title: 'The role was made without authNamePrefix',
    hasTwin: true,
    symptom:
      'The program authenticates, and every operation fails with `not authorized on shop to execute command` (code 13).',
    setUp: async (stage) => {
      const workload = await azureVM(stage, { claims: { groups: ['5d0c5a52-52ee-4b4f-9b3f-3d1c2b4a5e6f'] } });
      const provider = { useAuthorizationClaim: true, authorizationClaim: 'groups' };
      return connectUnaided(stage, workload, { provider, roles: ['5d0c5a52-52ee-4b4f-9b3f-3d1c2b4a5e6f'] });
    },
    check: 'roles',
    code: 'NO_PRIVILEGES',
    says: /grants it nothing: the role 'azure\/5d0c5a52-.+' does not exist/,
    fix: /^db\.getSiblingDB\("admin"\)\.createRole\(\{ role: "azure\/5d0c5a52-/,
  },
];

const documentDBCases: readonly Misconfiguration[] = [
  {
    id: 'documentdb-user-missing',
    title: 'Azure DocumentDB does not know the identity',
    hasTwin: true,
    symptom: `${REFUSED}. Or the identity was added by its client ID, or Entra's tokens are not turned on.`,
    setUp: async (stage) => {
      const host = 'fc-1.global.mongocluster.cosmos.azure.com';
      const certificates = stage.keep(await createCertificates([host]));
      const workload = await azureVM(stage, { audience: 'https://ossrdbms-aad.database.windows.net' });
      const { args, env } = await connectUnaided(stage, workload, { users: [] }, { tls: certificates });
      const uri = `${args[0]?.replace('127.0.0.1', host)}&tlsCAFile=${certificates.caFile}`;
      const place = await stage.place({ hosts: { [host]: '127.0.0.1' } });
      return { args: [uri], env: { ...env, ...place } };
    },
    check: 'authentication',
    code: 'DOCUMENTDB_USER_MISSING',
    says: /refuses the token \(code 18/,
    fix: new RegExp(`turn on Microsoft Entra ID for the cluster, .+ by its object ID, ${objectId}`),
  },
];

const versionCases: readonly Misconfiguration[] = [
  {
    id: 'mechanism-not-offered',
    title: 'The server does not offer MONGODB-OIDC',
    hasTwin: true,
    symptom:
      'Every operation fails with `MongoServerError: Received authentication for mechanism MONGODB-OIDC which is not enabled` (code 334).',
    setUp: async (stage) => connectUnaided(stage, await azureVM(stage), { mechanisms: ['SCRAM-SHA-256'] }),
    check: 'authentication',
    code: 'MECHANISM_NOT_OFFERED',
    says: /does not offer MONGODB-OIDC/,
    fix: /authenticationMechanisms.+Community has none/,
  },
  {
    id: 'server-too-old',
    title: 'The server is older than 7.0',
    hasTwin: true,
    symptom: 'Every operation fails to authenticate.',
    setUp: async (stage) =>
      connectUnaided(stage, await azureVM(stage), { maxWireVersion: 17, mechanisms: ['SCRAM-SHA-256'] }),
    check: 'hello',
    code: 'SERVER_TOO_OLD',
    says: /is MongoDB 6\.0\.20 Enterprise, and MONGODB-OIDC came with MongoDB 7\.0/,
    fix: /Upgrade the server/,
  },
];

const clockCases: readonly Misconfiguration[] = [
  {
    id: 'clock-of-server-behind',
    title: "The server's clock is ten minutes behind",
    hasTwin: true,
    symptom: `${REFUSED}, until a token has grown ten minutes old.`,
    setUp: async (stage) => connectUnaided(stage, await azureVM(stage), { clockOffsetMS: -TEN_MINUTES_MS }),
    check: 'authentication',
    code: 'TOKEN_NOT_YET_VALID',
    says: /nbf is 10 min from now/,
    fix: /clock is 10 min ahead of the server's. Set the wrong one \(NTP\)/,
  },
  {
    id: 'clock-of-server-ahead',
    title: "The server's clock is ten minutes ahead, and a token has five to live",
    hasTwin: true,
    symptom: `${REFUSED}: to the server, tokens have expired before they arrive.`,
    setUp: async (stage) =>
      connectUnaided(stage, await pod(stage, { lifeSeconds: 300 }), {
        clockOffsetMS: TEN_MINUTES_MS,
      }),
    check: 'authentication',
    code: 'TOKEN_EXPIRED',
    says: /expired 5 min ago/,
    fix: /clock is 10 min behind the server's. Set the wrong one \(NTP\)/,
  },
  {
    id: 'clock-differs',
    title: "The server's clock is ten minutes ahead, and tokens live for an hour",
    hasTwin: true,
    symptom: 'Nothing, or now and then code 18: each token serves for ten minutes less than it says.',
    status: 'warning',
    setUp: async (stage) => connectUnaided(stage, await azureVM(stage), { clockOffsetMS: TEN_MINUTES_MS }),
    check: 'clock',
    code: 'CLOCK_DIFFERS',
    says: /clock is 10 min behind the server's/,
    fix: /NTP/,
  },
];

export const serverCases: readonly Misconfiguration[] = [
  ...audienceCases,
  ...issuerCases,
  ...claimCases,
  ...userCases,
  ...documentDBCases,
  ...versionCases,
  ...clockCases,
];
