// The places where tokens come from: each starts an emulator and says what a program finds there.

import type { AzureEmulator } from '../emulators/azure.js';
import { startAppService, startAzureImds, startEntra } from '../emulators/azure.js';
import type { GcpIamEmulator } from '../emulators/gcp.js';
import { startGcpIam, startGcpMetadata } from '../emulators/gcp.js';
import type { RecordedRequest } from '../emulators/http.js';
import { createTokenDirectory, type KubernetesTokens } from '../emulators/kubernetes.js';
import type { IdentityProvider } from '../emulators/mongodb/index.js';

/** A place where a program runs. */
export interface Source {
  /** The variables that the place sets. */
  readonly env: Readonly<Record<string, string>>;
  /** What a program is told of the place in its own configuration, not by variables. */
  readonly parameters: Readonly<Record<string, string>>;
  /** How a MongoDB server knows the tokens from here. */
  readonly provider: IdentityProvider;
  /** Undefined where a token file is read. */
  readonly requests: readonly RecordedRequest[] | undefined;
  /** Which of the requests asks for a token. */
  isTokenRequest(request: RecordedRequest): boolean;
  close(): Promise<void>;
}

/** Starts a place whose tokens are for `audience` and live for `lifeSeconds`. */
export type StartSource = (audience: string, lifeSeconds: number) => Promise<Source>;

const clusterIssuer = 'https://oidc.example.com/cluster-1';
const serviceAccount = 'system:serviceaccount:shop:orders';

export const azureVirtualMachine: StartSource = async (audience, lifeSeconds) =>
  azureSource(await startAzureImds({ lifeSeconds }), audience);

export const appService: StartSource = async (audience, lifeSeconds) =>
  azureSource(await startAppService({ lifeSeconds }), audience);

export const aks: StartSource = async (audience, lifeSeconds) =>
  azureSource(await startEntra({ lifeSeconds }), audience);

/** A cluster that Entra trusts, without the variables of AKS's webhook. */
export const federatedCluster: StartSource = async (audience, lifeSeconds) => {
  const entra = await startEntra({ lifeSeconds });
  const { AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_FEDERATED_TOKEN_FILE, ...env } = entra.env;
  const parameters = { tenantId: `${AZURE_TENANT_ID}`, tokenFile: `${AZURE_FEDERATED_TOKEN_FILE}` };
  return { ...azureSource(entra, audience), env, parameters };
};

export const gcpMetadataServer: StartSource = async (audience, lifeSeconds) => {
  const metadata = await startGcpMetadata({ lifeSeconds });
  return {
    env: metadata.env,
    parameters: {},
    provider: providerOf(metadata, audience, 'gcp'),
    requests: metadata.requests,
    isTokenRequest: ({ path }) => path.endsWith('/identity'),
    close: () => metadata.close(),
  };
};

export const gcpKeyFile: StartSource = async (audience, lifeSeconds) =>
  iamSource(await startGcpIam({ lifeSeconds }), audience);

/** Two service accounts; the first, which has the key file, may impersonate the second. */
export const gcpImpersonation: StartSource = async (audience, lifeSeconds) => {
  const [caller, target] = impersonation;
  return iamSource(
    await startGcpIam({
      lifeSeconds,
      serviceAccounts: [caller, target],
      tokenCreators: { [target.email]: [caller.email] },
    }),
    audience,
  );
};

export const impersonation = [
  { email: 'ci@project-1.iam.gserviceaccount.com', uniqueId: '100000000000000000011' },
  { email: 'orders@project-1.iam.gserviceaccount.com', uniqueId: '100000000000000000012' },
] as const;

/** A pod whose program is given the path of its token file in its own configuration. */
export const podWithVolume: StartSource = async (audience, lifeSeconds) => {
  const tokens = await createTokens(audience, lifeSeconds);
  return { ...clusterSource(tokens, audience), parameters: { tokenFile: tokens.path } };
};

/** A pod whose token file is named by a variable, as on Amazon EKS. */
export const podWithVariable: StartSource = async (audience, lifeSeconds) => {
  const tokens = await createTokens(audience, lifeSeconds);
  return { ...clusterSource(tokens, audience), env: tokens.env };
};

export const podOfEks: StartSource = async (audience, lifeSeconds) => {
  const pod = await podWithVariable(audience, lifeSeconds);
  return { ...pod, env: { ...pod.env, KUBERNETES_SERVICE_HOST: '10.0.0.1' } };
};

function azureSource(emulator: AzureEmulator, audience: string): Source {
  return {
    env: emulator.env,
    parameters: {},
    provider: providerOf(emulator, audience, 'azure'),
    requests: emulator.requests,
    isTokenRequest: ({ path }) => /\/token\/?$/.test(path),
    close: () => emulator.close(),
  };
}

function iamSource(emulator: GcpIamEmulator, audience: string): Source {
  return {
    env: emulator.env,
    parameters: {},
    provider: providerOf(emulator, audience, 'gcp'),
    requests: emulator.requests,
    isTokenRequest: () => true,
    close: () => emulator.close(),
  };
}

function createTokens(audience: string, lifeSeconds: number): Promise<KubernetesTokens> {
  return createTokenDirectory({ issuer: clusterIssuer, subject: serviceAccount, audience, lifeSeconds });
}

/**
 * The kubelet writes the next token when 80 % of a life is over, which of a life of seconds leaves a program too
 * little: here it is 40 % (and times in tokens are whole seconds, cut off).
 */
function clusterSource(tokens: KubernetesTokens, audience: string): Source {
  let rotation = Promise.resolve('');
  const rotate = () => {
    rotation = rotation.then(() => tokens.rotate());
  };
  const kubelet = setInterval(rotate, 0.4 * (tokens.lifeSeconds - 1) * 1000);
  return {
    env: {},
    parameters: {},
    provider: providerOf(tokens, audience, 'kubernetes'),
    requests: undefined,
    isTokenRequest: () => false,
    async close() {
      clearInterval(kubelet);
      await rotation;
      await tokens.close();
    },
  };
}

function providerOf(
  { issuer, jwksUri }: { readonly issuer: string; readonly jwksUri: string },
  audience: string,
  authNamePrefix: string,
): IdentityProvider {
  return { issuer, jwksUri, audience, authNamePrefix, useAuthorizationClaim: false };
}

export { serviceAccount };
