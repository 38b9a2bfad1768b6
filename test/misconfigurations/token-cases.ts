// A token came, and it is for others, of another time, or of another kind.
import type { JWTPayload } from 'jose';
import { startIssuer } from '../emulators/issuer.js';
import type { Misconfiguration, Stage } from './misconfiguration.js';
import {
  aksIssuer,
  azureVM,
  connect,
  connectUnaided,
  eksIssuer,
  gkeIssuer,
  podSubject,
  type Workload,
} from './workloads.js';

/** All that a program sees of the most. */
const REFUSED = 'Every operation fails with `MongoServerError: Authentication failed.` (code 18)';
const HOUR_SECONDS = 3_600;
const TEN_MINUTES_SECONDS = 600;

interface TokenFile {
  readonly issuer: string;
  readonly claims?: JWTPayload;
  /** Default: an hour. */
  readonly lifeSeconds?: number | undefined;
  readonly kid?: false;
}

/** A pod with a token file that has this wrong. The server, and the twin, go by a projected token for `mongodb`. */
async function podWith(
  stage: Stage,
  { issuer, claims, kid, ...life }: TokenFile,
  variable?: string,
): Promise<Workload> {
  const source = stage.keep(await startIssuer({ issuer }));
  const good = { aud: 'mongodb', sub: podSubject };
  const token = stage.isRepaired
    ? await source.sign(good, { lifeSeconds: HOUR_SECONDS })
    : await source.sign(
        { ...good, ...claims },
        { lifeSeconds: HOUR_SECONDS, ...life, ...(kid === false && { kid }) },
      );
  const path = await stage.file('token', token);
  return {
    source,
    properties: 'ENVIRONMENT:k8s',
    ...(variable ? { env: { [variable]: path } } : { args: ['--token-file', path] }),
    provider: { audience: 'mongodb', authNamePrefix: 'cluster' },
    subject: podSubject,
  };
}

const hourAgo = () => Math.floor(Date.now() / 1000) - HOUR_SECONDS;

const receiverCases: readonly Misconfiguration[] = [
  {
    id: 'token-for-sts',
    title: "EKS: the token is the one for AWS's STS",
    hasTwin: true,
    symptom: `${REFUSED}. ENVIRONMENT:k8s takes the file of AWS_WEB_IDENTITY_TOKEN_FILE where no other is named, and that is made for AWS.`,
    isRefusal: true,
    setUp: async (stage) =>
      connect(
        stage,
        await podWith(
          stage,
          { issuer: eksIssuer, claims: { aud: ['sts.amazonaws.com'] } },
          'AWS_WEB_IDENTITY_TOKEN_FILE',
        ),
      ),
    check: 'authentication',
    code: 'TOKEN_FOR_EXCHANGE',
    says: /token is for 'sts\.amazonaws\.com'.+whoever receives it/,
    fix: /^Mount a projected volume with serviceAccountToken: \{ audience: mongodb.+--token-file/,
  },
  {
    id: 'token-for-entra',
    title: 'AKS: the token is the one that Entra exchanges',
    hasTwin: true,
    symptom: `${REFUSED}. ENVIRONMENT:k8s takes the file of AZURE_FEDERATED_TOKEN_FILE where no other is named, and that is made for Entra.`,
    isRefusal: true,
    setUp: async (stage) =>
      connect(
        stage,
        await podWith(
          stage,
          { issuer: aksIssuer, claims: { aud: ['api://AzureADTokenExchange'] } },
          'AZURE_FEDERATED_TOKEN_FILE',
        ),
      ),
    check: 'authentication',
    code: 'TOKEN_FOR_EXCHANGE',
    says: /token is for 'api:\/\/AzureADTokenExchange'.+whoever receives it/,
    fix: /^Mount a projected volume with serviceAccountToken: \{ audience: mongodb.+--token-file/,
  },
  {
    id: 'token-for-api-server',
    title: 'The token is that of the default service account, for the API server',
    hasTwin: true,
    symptom: `${REFUSED}. \`/var/run/secrets/kubernetes.io/serviceaccount/token\` is in every pod, and not meant for this.`,
    isRefusal: true,
    setUp: async (stage) =>
      connect(stage, await podWith(stage, { issuer: gkeIssuer, claims: { aud: [gkeIssuer] } })),
    check: 'authentication',
    code: 'TOKEN_FOR_API_SERVER',
    says: /token is for 'https:\/\/container\.googleapis\.com\/.+whoever receives it/,
    fix: /^Mount a projected volume with serviceAccountToken: \{ audience: mongodb.+--token-file/,
  },
  {
    id: 'token-for-others-accepted',
    title: 'The server was made to take a token that is for AWS',
    hasTwin: true,
    symptom: 'Nothing: it works. Whoever sees such a token, in MongoDB or on the way, can be the pod at AWS.',
    status: 'warning',
    setUp: async (stage) =>
      connectUnaided(
        stage,
        await podWith(stage, { issuer: eksIssuer, claims: { aud: ['sts.amazonaws.com'] } }),
        {
          provider: { audience: 'sts.amazonaws.com' },
        },
      ),
    check: 'finding',
    code: 'TOKEN_FOR_EXCHANGE',
    says: /token is for 'sts\.amazonaws\.com'.+whoever receives it/,
    fix: /^Mount a projected volume/,
  },
  {
    id: 'token-for-others-asked',
    title: 'The token file is for another audience than the one asked for',
    hasTwin: true,
    symptom: 'There is no token: `ERR_OIDC_AUDIENCE_MISMATCH`.',
    setUp: async (stage) => {
      const pod = await podWith(stage, { issuer: gkeIssuer, claims: { aud: [gkeIssuer] } });
      return connectUnaided(stage, { ...pod, properties: 'ENVIRONMENT:k8s,TOKEN_RESOURCE:mongodb' });
    },
    check: 'first-token',
    code: 'ERR_OIDC_AUDIENCE_MISMATCH',
    says: /has a token for 'https:\/\/container\.googleapis\.com\/.+', and 'mongodb' was asked for/,
    fix: /^Mount a projected volume with serviceAccountToken: \{ audience: mongodb, .+ Or ask for the other one/,
  },
];

const timeCases: readonly Misconfiguration[] = [
  {
    id: 'token-expired',
    title: 'The projected token has expired: its file is never written again',
    hasTwin: true,
    symptom: `It worked for an hour after the start. Then: ${REFUSED}. A file that is mounted by \`subPath\`, or was copied, stays as it was.`,
    setUp: async (stage) =>
      connectUnaided(
        stage,
        await podWith(stage, {
          issuer: gkeIssuer,
          claims: { iat: hourAgo() - TEN_MINUTES_SECONDS, nbf: hourAgo() - TEN_MINUTES_SECONDS },
          lifeSeconds: -TEN_MINUTES_SECONDS,
        }),
      ),
    check: 'authentication',
    code: 'TOKEN_EXPIRED',
    says: /token expired 10 min ago/,
    fix: /a subPath is never written again/,
  },
  {
    id: 'token-of-the-future',
    title: "The issuer's clock is ten minutes ahead",
    hasTwin: true,
    symptom: `${REFUSED}, until a token has grown ten minutes old.`,
    setUp: async (stage) => {
      const at = Math.floor(Date.now() / 1000) + TEN_MINUTES_SECONDS;
      const claims = { iat: at, nbf: at, exp: at + HOUR_SECONDS };
      return connectUnaided(stage, await azureVM(stage, stage.isRepaired ? {} : { claims }));
    },
    check: 'authentication',
    code: 'TOKEN_NOT_YET_VALID',
    says: /nbf is 10 min from now/,
    fix: /issuer's clock is 10 min ahead/,
  },
];

const formCases: readonly Misconfiguration[] = [
  {
    id: 'token-without-expiry',
    title: 'The token is a legacy one, from a Secret',
    hasTwin: true,
    symptom: `${REFUSED}.`,
    setUp: async (stage) =>
      connectUnaided(
        stage,
        await podWith(stage, {
          issuer: 'kubernetes/serviceaccount',
          lifeSeconds: undefined,
          // As the token controller makes it: neither times nor audience.
          claims: { aud: undefined, iat: undefined, nbf: undefined } as unknown as JWTPayload,
        }),
      ),
    check: 'authentication',
    code: 'TOKEN_WITHOUT_EXPIRY',
    says: /token has no exp/,
    fix: /^Mount a projected volume/,
  },
  {
    id: 'token-without-kid',
    title: 'The token does not say which key signed it',
    hasTwin: true,
    symptom: `${REFUSED}. Tokens of clouds and of Kubernetes have a \`kid\`; those that somebody signs by hand may not.`,
    setUp: async (stage) =>
      connectUnaided(stage, await podWith(stage, { issuer: 'https://tokens.example.com', kid: false })),
    check: 'authentication',
    code: 'TOKEN_HEADER',
    says: /header has kid missing/,
    fix: /wants a kid/,
  },
];

export const tokenCases: readonly Misconfiguration[] = [...receiverCases, ...timeCases, ...formCases];
