// There is no token, because of where this runs or what it was told.
import { mkdir } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import {
  defaultIdentities,
  defaultTenantId,
  type EntraOptions,
  startAppService,
  startAzureImds,
  startEntra,
} from '../emulators/azure.js';
import { type GcpMetadataOptions, startGcpIam, startGcpMetadata } from '../emulators/gcp.js';
import type { Fault } from '../emulators/http.js';
import { createTokenDirectory } from '../emulators/kubernetes.js';
import { startSilence } from '../emulators/silence.js';
import { impersonation } from '../ways/sources.js';
import type { Env, Misconfiguration, SetUp, Stage } from './misconfiguration.js';
import { audience } from './run-case.js';

const host = 'cluster0.abcde.mongodb.net';
const properties = 'authMechanism=MONGODB-OIDC&authMechanismProperties=';
const azureUri = `mongodb+srv://${host}/?${properties}ENVIRONMENT:azure,TOKEN_RESOURCE:${audience}`;
const gcpUri = `mongodb+srv://${host}/?${properties}ENVIRONMENT:gcp,TOKEN_RESOURCE:${audience}`;
const clusterUri = `mongodb+srv://${host}/?${properties}ENVIRONMENT:k8s,TOKEN_RESOURCE:${audience}`;
const undecidedUri = `mongodb+srv://${host}/?${properties}TOKEN_RESOURCE:${audience}`;
const as = (uri: string, user: string) => uri.replace('//', `//${user}@`);
const unknownClientId = 'a9999999-9999-4999-8999-999999999999';
const [, userAssigned] = defaultIdentities;
const metadataAddress = '169.254.169.254';
const proxyPassword = 'Pr0xy-Canary-Passw0rd';
const podSubject = 'system:serviceaccount:default:app';

/** The token source is all that is looked at. */
const without = (uri: string, ...args: readonly string[]) => [
  uri,
  ...['--no-connect', '--timeout', '40'],
  ...args,
];
/** What stands for the metadata address here. */
const at = (port: number) => ({ [`127.0.0.1:${port}`]: `${metadataAddress}:80` });

async function imds(stage: Stage, options: Parameters<typeof startAzureImds>[0] = {}, fault?: Fault) {
  const emulator = stage.keep(await startAzureImds(options));
  emulator.setFault(fault);
  return { env: emulator.env, replace: at(emulator.port) };
}

async function metadata(stage: Stage, options: GcpMetadataOptions = {}) {
  const emulator = stage.keep(await startGcpMetadata(options));
  return { env: emulator.env, replace: at(emulator.port) };
}

/** A pod with the variables of AKS's webhook. */
async function aks(
  stage: Stage,
  options: EntraOptions = {},
  federation: { issuer?: string; subject?: string; audience?: string } = {},
  tokenAudience = exchange,
): Promise<{ env: Env; replace: Env }> {
  const tokens = stage.keep(await createTokenDirectory({ issuer: cluster, audience: tokenAudience }));
  const { issuer, jwksUri, subject } = tokens;
  const entra = stage.keep(
    await startEntra({ ...options, federation: [{ issuer, jwksUri, subject, ...federation }] }),
  );
  return {
    env: { ...entra.env, AZURE_FEDERATED_TOKEN_FILE: tokens.path },
    replace: { [tokens.path]: webhookPath },
  };
}
const cluster = 'https://westeurope.oic.prod-aks.azure.com/72a0b1c3/5e0c9b1d/';
const exchange = 'api://AzureADTokenExchange';
const apiServer = 'https://kubernetes.default.svc.cluster.local';
const webhookPath = '/var/run/secrets/azure/tokens/azure-identity-token';

/** A port that was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A laptop where `az` and `azd` are what these scripts are. */
async function laptop(stage: Stage, az: string, azd: string): Promise<Env> {
  const files = { az, azd };
  let folder = '';
  for (const [name, says] of Object.entries(files)) {
    const path = await stage.file(join('bin', name), `#!/bin/sh\necho "${says}" >&2\nexit 1\n`, 0o755);
    folder = dirname(path);
  }
  return { PATH: `${folder}:/usr/bin:/bin` };
}

export const sourceCases: readonly Misconfiguration[] = [
  {
    id: 'identity-not-assigned',
    title: 'The managed identity is not assigned to this host',
    symptom: 'Every operation fails with `ERR_OIDC_IDENTITY_NOT_FOUND`.',
    setUp: async (stage) => ({
      args: without(as(azureUri, stage.isRepaired ? `${userAssigned?.clientId}` : unknownClientId)),
      ...(await imds(stage)),
    }),
    hasTwin: true,
    check: 'first-token',
    code: 'ERR_OIDC_IDENTITY_NOT_FOUND',
    says: new RegExp(`client ID '${unknownClientId}'.*not assigned to this host`),
    fix: /az vm identity assign .*--identities/,
  },
  {
    id: 'no-identity',
    title: 'The host has no managed identity',
    symptom: 'Every operation fails with `ERR_OIDC_CREDENTIAL_UNAVAILABLE`.',
    setUp: async (stage) => ({
      args: without(azureUri),
      ...(await imds(stage, stage.isRepaired ? {} : { identities: [] })),
    }),
    hasTwin: true,
    check: 'first-token',
    code: 'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
    says: /No managed identity on this host/,
    fix: /az vm identity assign/,
  },
  {
    id: 'several-identities',
    title: 'Several identities are assigned, and none is chosen',
    symptom: 'Every operation fails with `ERR_OIDC_IDENTITY_NOT_FOUND`.',
    setUp: async (stage) => ({
      args: without(azureUri, ...(stage.isRepaired ? ['--client-id', `${several[0]?.clientId}`] : [])),
      ...(await imds(stage, { identities: several })),
    }),
    hasTwin: true,
    check: 'first-token',
    code: 'ERR_OIDC_IDENTITY_NOT_FOUND',
    says: /Several managed identities .* none was chosen/,
    fix: /az vm identity show .*--client-id/,
  },
  {
    id: 'object-id-for-client-id',
    title: 'The client ID is an object ID',
    symptom:
      'Every operation fails with `ERR_OIDC_IDENTITY_NOT_FOUND`, although the identity is assigned: its object (principal) ID was copied.',
    setUp: async (stage) => ({
      args: without(as(azureUri, `${stage.isRepaired ? userAssigned?.clientId : userAssigned?.objectId}`)),
      ...(await imds(stage)),
    }),
    hasTwin: true,
    check: 'first-token',
    code: 'CLIENT_ID_IS_OBJECT_ID',
    says: new RegExp(`${userAssigned?.objectId} is the object .*not its client ID`),
    fix: new RegExp(`${userAssigned?.clientId}`),
  },
  {
    id: 'imds-refused',
    title: 'A firewall refuses connections to the metadata service',
    symptom: 'Every operation fails with `ERR_OIDC_SOURCE_UNREACHABLE`, at once.',
    async setUp() {
      const port = await closedPort();
      const env = { AZURE_POD_IDENTITY_AUTHORITY_HOST: `http://127.0.0.1:${port}` };
      return { args: without(azureUri), env, replace: at(port) };
    },
    check: 'reachable',
    code: 'ERR_OIDC_SOURCE_UNREACHABLE',
    says: /identity endpoint cannot be reached.* refuses connections/,
    fix: /NetworkPolicy/,
  },
  {
    id: 'imds-blocked',
    title: 'A network policy drops packets to the metadata service',
    symptom: 'Every operation takes 30 s and fails with `ERR_OIDC_TIMEOUT` or `ERR_OIDC_SOURCE_UNREACHABLE`.',
    async setUp(stage) {
      const { port } = stage.keep(await startSilence());
      const env = { AZURE_POD_IDENTITY_AUTHORITY_HOST: `http://127.0.0.1:${port}` };
      return { args: without(azureUri, '--timeout', '1'), env, replace: at(port) };
    },
    check: 'reachable',
    code: 'ERR_OIDC_SOURCE_UNREACHABLE',
    says: /identity endpoint cannot be reached.* does not answer \(no answer in 1 s\)/,
    fix: /NetworkPolicy/,
  },
  {
    id: 'imds-captive',
    title: 'Something else answers for the metadata service',
    symptom: 'Every operation fails with `ERR_OIDC_SOURCE_UNREACHABLE` after 30 s.',
    async setUp(stage) {
      const portal = createHttpServer((_, response) => {
        response.setHeader('content-type', 'text/html');
        response.end('<!DOCTYPE html><title>Sign in</title>');
      });
      await new Promise<void>((resolve) => portal.listen(0, '127.0.0.1', resolve));
      stage.keep({ close: () => portal.close().closeAllConnections() });
      const { port } = portal.address() as AddressInfo;
      const env = { AZURE_POD_IDENTITY_AUTHORITY_HOST: `http://127.0.0.1:${port}` };
      return { args: without(azureUri, '--timeout', '2'), env };
    },
    check: 'first-token',
    code: 'ERR_OIDC_SOURCE_UNREACHABLE',
    says: /not Azure's: it answers with status 200 and text\/html/,
    fix: /service mesh/,
  },
  {
    id: 'imds-throttles',
    title: 'The metadata service throttles this host',
    symptom: 'Operations fail with `ERR_OIDC_RATE_LIMITED`, when many processes start at once.',
    setUp: async (stage) => ({
      args: without(azureUri, '--timeout', '5'),
      ...(await imds(stage, {}, { kind: 'status', status: 429 })),
    }),
    check: 'first-token',
    code: 'ERR_OIDC_RATE_LIMITED',
    says: /throttles this host \(429\)/,
    fix: /share one callback/,
  },
  {
    id: 'imds-proxied',
    title: 'A proxy variable catches the requests to Azure’s metadata service',
    symptom:
      'Every operation fails with `ERR_OIDC_METADATA_PROXIED`. Other programs may take what the proxy answers for a token.',
    async setUp(stage) {
      const { env } = await imds(stage);
      const proxy = {
        HTTPS_PROXY: `http://orders:${proxyPassword}@proxy.example.com:3128`,
        ...(stage.isRepaired && { NO_PROXY: '127.0.0.1' }),
      };
      return {
        args: without(azureUri),
        env: { ...env, ...proxy },
        replace: { '127.0.0.1': metadataAddress },
      };
    },
    hasTwin: true,
    check: 'reachable',
    code: 'ERR_OIDC_METADATA_PROXIED',
    says: /HTTPS_PROXY is set/,
    fix: /NO_PROXY=127\.0\.0\.1$/,
  },
  {
    id: 'metadata-server-proxied',
    title: 'A proxy variable catches the requests to Google’s metadata server',
    symptom: 'Every operation fails with `ERR_OIDC_METADATA_PROXIED`.',
    async setUp(stage) {
      const { env } = await metadata(stage);
      const exempt = stage.isRepaired ? 'example.com,127.0.0.1' : 'example.com';
      const proxy = { http_proxy: 'http://proxy.example.com:3128', NO_PROXY: exempt };
      return {
        args: without(gcpUri),
        env: { ...env, ...proxy },
        replace: { '127.0.0.1': metadataAddress },
      };
    },
    hasTwin: true,
    check: 'reachable',
    code: 'ERR_OIDC_METADATA_PROXIED',
    says: /http_proxy is set/,
    fix: /NO_PROXY=example\.com,127\.0\.0\.1,metadata\.google\.internal$/,
  },
  {
    id: 'identity-header-missing',
    title: 'IDENTITY_HEADER did not reach this process',
    symptom:
      'On App Service, Functions or Container Apps every operation fails with `ERR_OIDC_SOURCE_UNREACHABLE`: without the variable the SDK asks the metadata service, which is not there.',
    async setUp(stage) {
      const { env } = stage.keep(await startAppService());
      const { IDENTITY_HEADER: _, ...rest } = env;
      return { args: without(azureUri), env: stage.isRepaired ? env : rest };
    },
    hasTwin: true,
    check: 'detection',
    code: 'IDENTITY_HEADER_MISSING',
    says: /IDENTITY_ENDPOINT is set and IDENTITY_HEADER is not/,
    fix: /Pass both on to this process/,
  },
  {
    id: 'identity-header-wrong',
    title: 'IDENTITY_HEADER is that of another process',
    symptom:
      'Every operation fails with `ERR_OIDC_ACCESS_DENIED`: the variable was copied, and its value changes at each start.',
    async setUp(stage) {
      const { env } = stage.keep(await startAppService());
      const other = stage.isRepaired ? {} : { IDENTITY_HEADER: '0F1E2D3C4B5A69788796A5B4C3D2E1F0' };
      return { args: without(azureUri), env: { ...env, ...other } };
    },
    hasTwin: true,
    check: 'first-token',
    code: 'ERR_OIDC_ACCESS_DENIED',
    says: /refuses this process \(403\): its IDENTITY_HEADER is not the one of that endpoint/,
    fix: /must not be copied/,
  },
  {
    id: 'aks-label-missing',
    title: 'The pod on AKS has no label azure.workload.identity/use',
    symptom:
      'Every operation fails with `ERR_OIDC_ENVIRONMENT_UNKNOWN`; or, with `ENVIRONMENT:azure`, the node’s identity is used or none.',
    async setUp(stage) {
      const pod = await aksPod(stage);
      return { args: without(undecidedUri), env: stage.isRepaired ? await labelled(stage, pod) : pod };
    },
    hasTwin: true,
    check: 'detection',
    code: 'AKS_VARIABLES_MISSING',
    says: /on AKS, and AZURE_FEDERATED_TOKEN_FILE, AZURE_CLIENT_ID and AZURE_TENANT_ID are not set/,
    fix: /azure\.workload\.identity\/use: "true"/,
  },
  {
    id: 'aks-node-identity',
    title: 'The pod on AKS has the identity of its node',
    symptom: 'The server refuses the token, or every pod of the node is let in as the same user.',
    async setUp(stage) {
      const pod = await aksPod(stage);
      const { env } = await imds(stage);
      const variables = stage.isRepaired ? await labelled(stage, pod) : pod;
      return { args: without(azureUri), env: { ...env, ...variables } };
    },
    hasTwin: true,
    check: 'workload-identity',
    code: 'AKS_VARIABLES_MISSING',
    status: 'warning',
    says: /on AKS, and .* are not set/,
    fix: /azure\.workload\.identity\/use: "true"/,
  },
  {
    id: 'aks-client-id-missing',
    title: 'The service account on AKS has no annotation with a client ID',
    symptom: 'Every operation fails with `ERR_OIDC_ENVIRONMENT_UNKNOWN`.',
    async setUp(stage) {
      const { env } = await aks(stage);
      const { AZURE_CLIENT_ID: _, ...rest } = env;
      return { args: without(azureUri), env: stage.isRepaired ? env : rest };
    },
    hasTwin: true,
    check: 'detection',
    code: 'AKS_VARIABLES_MISSING',
    says: /AZURE_FEDERATED_TOKEN_FILE is set, and AZURE_CLIENT_ID is not/,
    fix: /kubectl annotate serviceaccount .*azure\.workload\.identity\/client-id=/,
  },
  {
    id: 'federated-issuer',
    title: 'The federated credential is for another cluster (AADSTS70021)',
    symptom:
      'Every operation fails with `ERR_OIDC_ACCESS_DENIED`, for instance after the cluster was made anew.',
    setUp: async (stage) => ({
      args: without(azureUri),
      ...(await aks(stage, {}, stage.isRepaired ? {} : { issuer: `${cluster}0ther/` })),
    }),
    hasTwin: true,
    check: 'first-token',
    code: 'ERR_OIDC_ACCESS_DENIED',
    says: /no federated credential .*AADSTS70021/,
    fix: new RegExp(`az identity federated-credential create .*--issuer ${cluster} --subject ${podSubject}`),
  },
  {
    id: 'federated-subject',
    title: 'The federated credential is for another service account (AADSTS700213)',
    symptom: 'Every operation fails with `ERR_OIDC_ACCESS_DENIED`.',
    setUp: async (stage) => ({
      args: without(azureUri),
      ...(await aks(stage, {}, stage.isRepaired ? {} : { subject: 'system:serviceaccount:default:orders' })),
    }),
    hasTwin: true,
    check: 'first-token',
    code: 'ERR_OIDC_ACCESS_DENIED',
    says: new RegExp(`no federated credential with the subject '${podSubject}'.*AADSTS700213`),
    fix: new RegExp(
      `az identity federated-credential create .*--subject ${podSubject} --audiences ${exchange}`,
    ),
  },
  {
    id: 'federated-audience',
    title: 'The federated credential is for another audience (AADSTS700212)',
    symptom: 'Every operation fails with `ERR_OIDC_ACCESS_DENIED`.',
    setUp: async (stage) => ({
      args: without(azureUri),
      ...(await aks(stage, {}, stage.isRepaired ? {} : { audience: 'api://AzureADTokenExchangeUSGov' })),
    }),
    hasTwin: true,
    check: 'first-token',
    code: 'ERR_OIDC_ACCESS_DENIED',
    says: new RegExp(`no federated credential with the audience '${exchange}'.*AADSTS700212`),
    fix: new RegExp(`az identity federated-credential update .*--audiences ${exchange}`),
  },
  {
    id: 'federated-token-audience',
    title: 'The token that is exchanged at Entra is for the API server (AADSTS700212)',
    symptom:
      'Every operation fails with `ERR_OIDC_ACCESS_DENIED`: `AZURE_FEDERATED_TOKEN_FILE` was set by hand, to the token that every pod has.',
    async setUp(stage) {
      const { env, replace } = await aks(stage, {}, {}, stage.isRepaired ? exchange : apiServer);
      return { args: without(azureUri), env, replace };
    },
    hasTwin: true,
    check: 'first-token',
    code: 'ERR_OIDC_ACCESS_DENIED',
    says: /no federated credential with the audience 'https:\/\/kubernetes\.default\.svc\.cluster\.local'/,
    fix: new RegExp(`the webhook mounts one for ${exchange}`),
  },
  {
    id: 'client-id-unknown-to-entra',
    title: 'Entra does not know the client ID (AADSTS700016)',
    symptom: 'On AKS every operation fails with `ERR_OIDC_IDENTITY_NOT_FOUND`.',
    async setUp(stage) {
      const { env, replace } = await aks(stage);
      const other = stage.isRepaired ? {} : { AZURE_CLIENT_ID: unknownClientId };
      return { args: without(azureUri), env: { ...env, ...other }, replace };
    },
    hasTwin: true,
    check: 'first-token',
    code: 'ERR_OIDC_IDENTITY_NOT_FOUND',
    says: new RegExp(`no application with the client ID '${unknownClientId}'.*'${defaultTenantId}'`),
    fix: /az identity list .*azure\.workload\.identity\/client-id/,
  },
  {
    id: 'tenant-unknown-to-entra',
    title: 'Entra does not know the tenant (AADSTS90002)',
    symptom: 'On AKS every operation fails with `ERR_OIDC_ACCESS_DENIED`.',
    async setUp(stage) {
      const { env, replace } = await aks(stage);
      const other = stage.isRepaired ? {} : { AZURE_TENANT_ID: unknownClientId };
      return { args: without(azureUri), env: { ...env, ...other }, replace };
    },
    hasTwin: true,
    check: 'first-token',
    code: 'ERR_OIDC_ACCESS_DENIED',
    says: new RegExp(`no tenant '${unknownClientId}' \\(AADSTS90002\\)`),
    fix: /az account show --query tenantId/,
  },
  {
    id: 'audience-unknown-to-entra',
    title: 'Entra does not know the audience (AADSTS500011)',
    symptom: 'Every operation fails with `ERR_OIDC_ACCESS_DENIED`.',
    setUp: async (stage) => ({
      args: without(azureUri),
      ...(await aks(stage, { resources: [stage.isRepaired ? audience : 'api://mongodb-test'] })),
    }),
    hasTwin: true,
    check: 'first-token',
    code: 'ERR_OIDC_ACCESS_DENIED',
    says: new RegExp(`no application for the audience '${audience}'.*AADSTS500011`),
    fix: /az ad app list/,
  },
  {
    id: 'federated-token-missing',
    title: 'The federated token is not mounted',
    symptom: 'On AKS every operation fails with `ERR_OIDC_TOKEN_FILE`.',
    async setUp(stage) {
      const { env } = await aks(stage);
      const path = join(await emptyFolder(stage), 'azure-identity-token');
      return {
        args: without(azureUri),
        env: { ...env, AZURE_FEDERATED_TOKEN_FILE: path },
        replace: { [path]: webhookPath },
      };
    },
    check: 'reachable',
    code: 'ERR_OIDC_TOKEN_FILE',
    says: /AZURE_FEDERATED_TOKEN_FILE\) does not exist/,
    fix: /azure-identity-token/,
  },
  {
    id: 'gke-unbound',
    title: 'No Google service account is bound to the pod on GKE',
    symptom:
      'Every operation fails with `ERR_OIDC_CREDENTIAL_UNAVAILABLE`: the metadata server answers 400 and no reason.',
    setUp: async (stage) => ({
      args: without(gcpUri),
      ...(await metadata(stage, { gke: true, bound: stage.isRepaired })),
    }),
    hasTwin: true,
    check: 'first-token',
    code: 'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
    says: /bound to no Google service account/,
    fix: /gcloud iam service-accounts add-iam-policy-binding .*roles\/iam\.workloadIdentityUser.*kubectl annotate serviceaccount .*iam\.gke\.io\/gcp-service-account=/,
  },
  {
    id: 'metadata-server-absent',
    title: 'There is no metadata server, because this is not Google Cloud',
    symptom: 'Every operation fails with `ERR_OIDC_SOURCE_UNREACHABLE`.',
    async setUp(stage) {
      const port = await closedPort();
      return {
        args: without(gcpUri),
        env: { GCE_METADATA_HOST: `127.0.0.1:${port}`, CLOUDSDK_CONFIG: await emptyFolder(stage) },
        replace: at(port),
      };
    },
    check: 'reachable',
    code: 'ERR_OIDC_SOURCE_UNREACHABLE',
    says: /metadata server cannot be reached/,
    fix: /Is this a host of Google Cloud\?.*--environment/,
  },
  {
    id: 'user-credentials',
    title: 'Application Default Credentials of a person',
    symptom: 'On a laptop, with `ENVIRONMENT:gcp`, every operation fails with `ERR_OIDC_SOURCE_UNREACHABLE`.',
    async setUp(stage) {
      const iam = stage.keep(await startGcpIam());
      const port = await closedPort();
      return {
        args: without(gcpUri),
        env: {
          ...iam.env,
          GOOGLE_APPLICATION_CREDENTIALS: iam.userFile,
          GCE_METADATA_HOST: `127.0.0.1:${port}`,
        },
        replace: at(port),
      };
    },
    check: 'reachable',
    code: 'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
    says: /Application Default Credentials of a person/,
    fix: /--environment developer --target-principal/,
  },
  {
    id: 'impersonation-denied',
    title: 'Impersonation of the service account is not permitted',
    symptom: 'On a laptop every operation fails with `ERR_OIDC_ACCESS_DENIED`.',
    async setUp(stage) {
      const [, { email }] = impersonation;
      const iam = stage.keep(
        await startGcpIam({
          serviceAccounts: [...impersonation],
          tokenCreators: { [email]: stage.isRepaired ? ['user@example.com'] : [] },
        }),
      );
      return {
        args: without(undecidedUri, '--environment', 'developer', '--target-principal', email),
        env: { ...iam.env, GOOGLE_APPLICATION_CREDENTIALS: iam.userFile },
      };
    },
    hasTwin: true,
    check: 'first-token',
    code: 'ERR_OIDC_ACCESS_DENIED',
    says: new RegExp(`refused an ID token of ${impersonation[1].email} \\(403\\)`),
    fix: new RegExp(
      `gcloud iam service-accounts add-iam-policy-binding ${impersonation[1].email} .*roles/iam\\.serviceAccountOpenIdTokenCreator`,
    ),
  },
  {
    id: 'service-account-not-found',
    title: 'The service account is not attached to this host',
    symptom: 'Every operation fails with `ERR_OIDC_IDENTITY_NOT_FOUND`.',
    setUp: async (stage) => ({
      args: without(gcpUri, '--service-account', impersonation[1].email),
      ...(await metadata(stage, stage.isRepaired ? { serviceAccounts: [...impersonation] } : {})),
    }),
    hasTwin: true,
    check: 'first-token',
    code: 'ERR_OIDC_IDENTITY_NOT_FOUND',
    says: new RegExp(`knows no service account '${impersonation[1].email}'`),
    fix: /gcloud compute instances describe .*--service-account/,
  },
  {
    id: 'azure-sdk-missing',
    title: 'The SDK of Azure is not installed',
    symptom: 'Every operation fails with `ERR_OIDC_SDK_NOT_INSTALLED`.',
    setUp: async (stage) => ({
      args: without(azureUri),
      packages: {
        'google-auth-library': 'google-auth-library',
        ...(stage.isRepaired && { '@azure/identity': '@azure/identity' }),
      },
      ...(await imds(stage)),
    }),
    hasTwin: true,
    check: 'first-token',
    code: 'ERR_OIDC_SDK_NOT_INSTALLED',
    says: /@azure\/identity/,
    fix: /npm install @azure\/identity$/,
  },
  {
    id: 'google-sdk-missing',
    title: 'The SDK of Google Cloud is not installed',
    symptom: 'Every operation fails with `ERR_OIDC_SDK_NOT_INSTALLED`.',
    setUp: async (stage) => ({
      args: without(gcpUri),
      packages: {
        '@azure/identity': '@azure/identity',
        ...(stage.isRepaired && { 'google-auth-library': 'google-auth-library' }),
      },
      ...(await metadata(stage)),
    }),
    hasTwin: true,
    check: 'first-token',
    code: 'ERR_OIDC_SDK_NOT_INSTALLED',
    says: /google-auth-library/,
    fix: /npm install google-auth-library$/,
  },
  {
    id: 'driver-missing',
    title: 'The driver is not installed',
    symptom:
      "The program does not start: `Cannot find package 'mongodb'`; or doctor is run in another folder.",
    setUp: (stage) => inCluster(stage, stage.isRepaired ? { mongodb: 'mongodb' } : {}),
    hasTwin: true,
    check: 'driver',
    code: 'DRIVER_NOT_INSTALLED',
    says: /driver is not installed here/,
    fix: /npm install mongodb$/,
  },
  {
    id: 'driver-too-old',
    title: 'The driver is too old',
    symptom:
      'Every operation fails with `ERR_OIDC_AUDIENCE_MISSING`, although `TOKEN_RESOURCE` is set; or, before 6.13, a pool fails for good when its token expires.',
    setUp: (stage) => inCluster(stage, { mongodb: stage.isRepaired ? 'mongodb-6.17' : 'mongodb-6.16' }),
    hasTwin: true,
    check: 'driver',
    code: 'DRIVER_TOO_OLD',
    says: /mongodb 6\.16\.0 is too old.*NODE-6962/,
    fix: /npm install mongodb@\^6\.17\.0$/,
  },
  {
    id: 'token-file-missing',
    title: 'The token file does not exist',
    symptom: 'Every operation fails with `ERR_OIDC_TOKEN_FILE`.',
    async setUp(stage) {
      const path = stage.isRepaired
        ? stage.keep(await createTokenDirectory({ audience })).path
        : join(await emptyFolder(stage), 'mongodb');
      return {
        args: without(clusterUri, '--token-file', path, '--timeout', '1'),
        replace: { [path]: projectedPath },
      };
    },
    hasTwin: true,
    check: 'first-token',
    code: 'ERR_OIDC_TOKEN_FILE',
    says: /token file .* does not exist/,
    fix: /projected volume with serviceAccountToken: \{ audience: api:\/\/mongodb,/,
  },
  {
    id: 'token-file-empty',
    title: 'The token file is empty',
    symptom: 'Every operation fails with `ERR_OIDC_TOKEN_FILE`.',
    async setUp(stage) {
      const path = await stage.file('mongodb', '\n');
      return {
        args: without(clusterUri, '--token-file', path, '--timeout', '1'),
        replace: { [path]: projectedPath },
      };
    },
    check: 'first-token',
    code: 'ERR_OIDC_TOKEN_FILE',
    says: /token file .* is empty/,
    fix: /projected volume/,
  },
  {
    id: 'token-file-directory',
    title: 'The token file is a directory',
    symptom: 'Every operation fails with `ERR_OIDC_TOKEN_FILE`.',
    async setUp(stage) {
      const path = await emptyFolder(stage);
      return {
        args: without(clusterUri, '--token-file', path, '--timeout', '1'),
        replace: { [path]: dirname(projectedPath) },
      };
    },
    check: 'first-token',
    code: 'ERR_OIDC_TOKEN_FILE',
    says: /is a directory; name the file in it/,
    fix: /--token-file/,
  },
  {
    id: 'environment-unknown',
    title: 'Nothing tells where this runs',
    symptom:
      'Every operation fails with `ERR_OIDC_ENVIRONMENT_UNKNOWN`: there is no `ENVIRONMENT`, and this is none of the places that are known.',
    setUp: async (stage) => ({ args: without(undecidedUri), env: await stage.place({}) }),
    check: 'detection',
    code: 'ERR_OIDC_ENVIRONMENT_UNKNOWN',
    says: /Nothing here tells where this program runs/,
    fix: /--environment azure, gcp, k8s or/,
  },
  {
    id: 'environment-variable-misspelt',
    title: 'MONGODB_OIDC_ENVIRONMENT is misspelt',
    symptom: 'Every operation fails with `ERR_OIDC_ENVIRONMENT_UNKNOWN`.',
    async setUp(stage) {
      const { env } = await imds(stage);
      const name = stage.isRepaired ? 'azure' : 'Azure';
      return { args: without(undecidedUri), env: { ...env, MONGODB_OIDC_ENVIRONMENT: name } };
    },
    hasTwin: true,
    check: 'detection',
    code: 'ERR_OIDC_ENVIRONMENT_UNKNOWN',
    says: /MONGODB_OIDC_ENVIRONMENT is 'Azure'/,
    fix: /azure, gcp, k8s or, for a login on a laptop, developer/,
  },
  {
    id: 'az-login',
    title: 'Nobody has logged in with az',
    symptom: 'On a laptop every operation fails with `ERR_OIDC_CREDENTIAL_UNAVAILABLE`.',
    setUp: async (stage) => ({
      args: without(undecidedUri, '--environment', 'developer'),
      env: await laptop(
        stage,
        "ERROR: Please run 'az login' to setup account.",
        "not logged in, run 'azd auth login' to login",
      ),
    }),
    check: 'first-token',
    code: 'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
    says: /az login/,
    fix: /^Run: az login/,
  },
];

const several = ['1', '2'].map((digit) => ({
  clientId: `a${digit}aaaaaa-1111-4111-8111-111111111111`,
  objectId: `b${digit}bbbbbb-1111-4111-8111-111111111111`,
}));
const projectedPath = '/var/run/secrets/tokens/mongodb';

async function emptyFolder(stage: Stage): Promise<string> {
  const folder = join(dirname(await stage.file('.keep', '')), 'tokens');
  await mkdir(folder);
  return folder;
}

/** What a pod of AKS has without the webhook. */
async function aksPod(stage: Stage): Promise<Env> {
  const tokens = stage.keep(await createTokenDirectory({ issuer: cluster }));
  const files = { '/var/run/secrets/kubernetes.io/serviceaccount/token': await tokens.issue() };
  return { KUBERNETES_SERVICE_HOST: '10.0.0.1', ...(await stage.place({ files })) };
}

/** The same pod with what the webhook adds; both hooks are loaded. */
async function labelled(stage: Stage, pod: Env): Promise<Env> {
  const { env } = await aks(stage);
  return { ...pod, ...env, NODE_OPTIONS: `${pod.NODE_OPTIONS} ${env.NODE_OPTIONS}` };
}

/** A pod whose token a server takes. */
async function inCluster(stage: Stage, packages: Env): Promise<SetUp> {
  const tokens = stage.keep(await createTokenDirectory({ issuer: 'https://oidc.example.com', audience }));
  const server = await stage.server(tokens);
  const uri = `${server.uri}?${properties}ENVIRONMENT:k8s,TOKEN_RESOURCE:${audience}`;
  return { args: [uri, '--token-file', tokens.path], packages };
}
