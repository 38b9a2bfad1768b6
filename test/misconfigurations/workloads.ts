// What a case begins with: a place that has tokens, and a server that is right for it but for the mistake.
import {
  type AzureOptions,
  applicationId,
  defaultIdentities,
  startAzureImds,
  startEntra,
} from '../emulators/azure.js';
import { defaultServiceAccount, startGcpMetadata } from '../emulators/gcp.js';
import { createTokenDirectory } from '../emulators/kubernetes.js';
import type { IdentityProvider } from '../emulators/mongodb/index.js';
import type { ServerOptions, SetUp, Stage, TokenIssuer } from './misconfiguration.js';

/** Where a program runs, and how a server knows it there. */
export interface Workload {
  readonly source: TokenIssuer;
  /** The program's `authMechanismProperties`. */
  readonly properties: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly provider: Pick<IdentityProvider, 'audience' | 'authNamePrefix'>;
  readonly subject: string;
}

/** The application that stands for MongoDB. */
export const clientId = 'c3333333-3333-4333-8333-333333333333';
export const applicationUri = `api://${clientId}`;
export const tenantId = '72a0b1c3-5d4e-4f6a-8b9c-0d1e2f3a4b5c';
export const [{ objectId }] = defaultIdentities as [(typeof defaultIdentities)[0]];
export const gkeIssuer =
  'https://container.googleapis.com/v1/projects/shop/locations/europe-west1/clusters/orders';
export const eksIssuer = 'https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE';
export const aksIssuer = `https://westeurope.oic.prod-aks.azure.com/${tenantId}/0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d/`;
export const podSubject = 'system:serviceaccount:shop:orders';

export async function azureVM(
  stage: Stage,
  { audience = applicationUri, ...options }: AzureOptions & { readonly audience?: string } = {},
): Promise<Workload> {
  const imds = stage.keep(await startAzureImds({ tenantId, ...options }));
  const { env, tokenVersion } = imds;
  return {
    source: imds,
    properties: `ENVIRONMENT:azure,TOKEN_RESOURCE:${audience}`,
    env,
    provider: {
      audience: tokenVersion === '1.0' ? audience : applicationId(audience),
      authNamePrefix: 'azure',
    },
    subject: objectId,
  };
}

/** Of a tenant that knows no other application. */
export async function aks(stage: Stage, { audience }: { readonly audience: string }): Promise<Workload> {
  const entra = stage.keep(await startEntra({ tenantId, resources: [applicationUri] }));
  const [, { objectId: subject }] = defaultIdentities as [unknown, (typeof defaultIdentities)[0]];
  return {
    source: entra,
    properties: `ENVIRONMENT:azure,TOKEN_RESOURCE:${audience}`,
    env: entra.env,
    provider: { audience, authNamePrefix: 'azure' },
    subject,
  };
}

export async function computeEngine(stage: Stage, audience: string): Promise<Workload> {
  const metadata = stage.keep(await startGcpMetadata());
  return {
    source: metadata,
    properties: `ENVIRONMENT:gcp,TOKEN_RESOURCE:${audience}`,
    env: metadata.env,
    provider: { audience, authNamePrefix: 'google' },
    subject: defaultServiceAccount.uniqueId,
  };
}

export async function pod(stage: Stage, { issuer = gkeIssuer, lifeSeconds = 3600 } = {}): Promise<Workload> {
  const audience = 'mongodb';
  const tokens = stage.keep(
    await createTokenDirectory({ issuer, audience, subject: podSubject, lifeSeconds }),
  );
  return {
    source: tokens,
    properties: 'ENVIRONMENT:k8s',
    args: ['--token-file', tokens.path],
    provider: { audience, authNamePrefix: 'cluster' },
    subject: podSubject,
  };
}

/** Doctor, on a server that has this wrong (and `always` besides), with the configuration of that server beside it. */
export async function connect(
  stage: Stage,
  { source, properties, args = [], env = {}, provider, subject }: Workload,
  mistake: ServerOptions = {},
  always: ServerOptions = {},
): Promise<SetUp & { readonly serverConfig: readonly IdentityProvider[] }> {
  const { provider: wrong, ...options } = stage.isRepaired ? {} : mistake;
  const configured: IdentityProvider = {
    issuer: source.issuer,
    ...provider,
    useAuthorizationClaim: false,
    supportsHumanFlows: false,
    ...wrong,
  };
  const users = [`${provider.authNamePrefix}/${subject}`];
  const server = await stage.server(source, { provider: configured, users, ...always, ...options });
  const uri = `${server.uri}?authMechanism=MONGODB-OIDC&authMechanismProperties=${properties}`;
  return { args: [uri, ...args], env, serverConfig: [configured] };
}

/** The same, without the configuration: this the server says itself. */
export async function connectUnaided(...parameters: Parameters<typeof connect>): Promise<SetUp> {
  const { serverConfig: _, ...set } = await connect(...parameters);
  return set;
}
