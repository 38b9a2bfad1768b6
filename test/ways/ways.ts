// The ten ways to authenticate, each with its variants: what the tests and the demo run through.

import { defaultIdentities } from '../emulators/azure.js';
import { defaultServiceAccount } from '../emulators/gcp.js';
import {
  aks,
  appService,
  azureVirtualMachine,
  federatedCluster,
  gcpImpersonation,
  gcpKeyFile,
  gcpMetadataServer,
  impersonation,
  podOfEks,
  podWithVariable,
  podWithVolume,
  type StartSource,
  serviceAccount,
} from './sources.js';

/** One way to authenticate. */
export interface Way {
  /** Which configuration of `client.mjs` it is. */
  readonly id: string;
  /** Undefined for what there is besides the ten. */
  readonly number: number | undefined;
  readonly where: string;
  /** As a program has it; a connection string is used as it stands here, but for `<client-id>` and `host`. */
  readonly configured: string;
  /** The class that this comes to. */
  readonly callback: string;
  readonly audience: string;
  readonly start: StartSource;
  /** The `sub` by which the server knows the identity. */
  readonly subject: string;
}

const [systemAssigned, userAssigned] = defaultIdentities;
if (!systemAssigned || !userAssigned?.resourceId) throw new Error('the emulators have other identities');

/** What programs are told of their user-assigned identity, and of the service account to impersonate. */
export const identityParameters = {
  clientId: userAssigned.clientId,
  objectId: userAssigned.objectId,
  resourceId: userAssigned.resourceId,
  targetPrincipal: impersonation[1].email,
};

const azureAudience = 'api://mongodb';
const gcpAudience = 'https://mongodb.example.com';
const clusterAudience = 'mongodb';

const azureVm = {
  callback: 'AzureManagedIdentityCallback',
  where: 'Azure VM (IMDS)',
  audience: azureAudience,
  start: azureVirtualMachine,
  subject: userAssigned.objectId,
};
const functions = {
  number: 5,
  where: 'Azure Functions',
  callback: 'AzureManagedIdentityCallback',
  audience: azureAudience,
  start: appService,
  subject: systemAssigned.objectId,
};
const site = {
  number: 6,
  where: 'App Service',
  callback: 'AzureManagedIdentityCallback',
  audience: azureAudience,
  start: appService,
  subject: userAssigned.objectId,
};
const aksPod = {
  number: 7,
  where: 'AKS workload identity',
  callback: 'AzureWorkloadIdentityCallback',
  audience: azureAudience,
  start: aks,
  subject: userAssigned.objectId,
};
const gcpVm = {
  callback: 'GcpMetadataCallback',
  where: 'Google Cloud (metadata server)',
  audience: gcpAudience,
  start: gcpMetadataServer,
  subject: defaultServiceAccount.uniqueId,
};
const pod = {
  where: 'Kubernetes',
  callback: 'KubernetesCallback',
  audience: clusterAudience,
  subject: serviceAccount,
};

const foundOut = {
  number: undefined,
  callback: 'EnvironmentCallback',
  configured: 'new EnvironmentCallback({ audience })',
};

const uriStart = 'mongodb://host/?authMechanism=MONGODB-OIDC&authMechanismProperties=';

export const ways: readonly Way[] = [
  {
    ...azureVm,
    id: 'azure-vm',
    number: 1,
    configured: 'new AzureManagedIdentityCallback({ clientId, audience })',
  },
  {
    ...azureVm,
    id: 'azure-vm-options',
    number: 1,
    // Which a connection string cannot say unencoded.
    audience: 'api://mongodb,orders,eu',
    configured:
      "workloadIdentity('mongodb://host', { auth: { username: clientId, password: undefined }, authMechanism: 'MONGODB-OIDC', authMechanismProperties: { ENVIRONMENT: 'azure', TOKEN_RESOURCE: audience } })",
  },
  {
    ...azureVm,
    id: 'azure-vm-uri',
    number: 2,
    configured: `${uriStart.replace('host', '<client-id>@host')}ENVIRONMENT:azure,TOKEN_RESOURCE:api://mongodb`,
  },
  {
    ...azureVm,
    id: 'azure-vm-uri-system-assigned',
    number: 2,
    subject: systemAssigned.objectId,
    configured: `${uriStart}ENVIRONMENT:azure,TOKEN_RESOURCE:api://mongodb`,
  },
  { ...gcpVm, id: 'gcp', number: 3, configured: 'new GcpMetadataCallback({ audience })' },
  {
    ...gcpVm,
    id: 'gcp-options',
    number: 3,
    // Which the metadata server must find encoded.
    audience: `${gcpAudience}/?cluster=0&tenant=a`,
    configured:
      "workloadIdentity('mongodb://host', { authMechanism: 'MONGODB-OIDC', authMechanismProperties: { ENVIRONMENT: 'gcp', TOKEN_RESOURCE: audience } })",
  },
  {
    ...gcpVm,
    id: 'gcp-uri',
    number: 4,
    configured: `${uriStart}ENVIRONMENT:gcp,TOKEN_RESOURCE:${gcpAudience}`,
  },
  { ...functions, id: 'functions', configured: 'new AzureManagedIdentityCallback({ audience })' },
  {
    ...functions,
    id: 'functions-default',
    callback: 'AzureCallback',
    configured: 'new AzureCallback({ audience })',
  },
  { ...site, id: 'app-service', configured: 'new AzureManagedIdentityCallback({ clientId, audience })' },
  {
    ...site,
    id: 'app-service-resource-id',
    configured: 'new AzureManagedIdentityCallback({ resourceId, audience })',
  },
  {
    ...site,
    id: 'app-service-object-id',
    configured: 'new AzureManagedIdentityCallback({ objectId, audience })',
  },
  {
    ...site,
    id: 'app-service-default',
    callback: 'AzureCallback',
    configured: 'new AzureCallback({ managedIdentityClientId: clientId, audience })',
  },
  {
    ...site,
    id: 'app-service-default-resource-id',
    callback: 'AzureCallback',
    configured: 'new AzureCallback({ managedIdentityResourceId: resourceId, audience })',
  },
  { ...aksPod, id: 'aks', configured: 'new AzureWorkloadIdentityCallback({ audience })' },
  { ...aksPod, id: 'aks-default', callback: 'AzureCallback', configured: 'new AzureCallback({ audience })' },
  { ...aksPod, id: 'aks-uri', configured: `${uriStart}ENVIRONMENT:azure,TOKEN_RESOURCE:api://mongodb` },
  {
    ...pod,
    id: 'gke',
    number: 8,
    where: 'GKE',
    callback: 'GkeCallback',
    start: podWithVolume,
    configured: 'new GkeCallback({ audience, tokenFile })',
  },
  {
    ...pod,
    id: 'kubernetes',
    number: 9,
    start: podWithVolume,
    configured: 'new KubernetesCallback({ audience, tokenFile })',
  },
  {
    ...pod,
    id: 'kubernetes-options',
    number: 9,
    start: podWithVariable,
    configured:
      "workloadIdentity('mongodb://host', { authMechanism: 'MONGODB-OIDC', authMechanismProperties: { ENVIRONMENT: 'k8s' } })",
  },
  {
    ...pod,
    id: 'kubernetes-uri',
    number: 10,
    start: podWithVariable,
    configured: `${uriStart}ENVIRONMENT:k8s`,
  },
  {
    ...gcpVm,
    id: 'gcp-key-file',
    callback: 'GcpCallback',
    number: undefined,
    where: "A service account's key file",
    start: gcpKeyFile,
    configured: 'new GcpCallback({ audience })',
  },
  {
    ...gcpVm,
    id: 'gcp-impersonation',
    callback: 'GcpCallback',
    number: undefined,
    where: 'Impersonation of a service account',
    start: gcpImpersonation,
    subject: impersonation[1].uniqueId,
    configured: 'new GcpCallback({ targetPrincipal, audience })',
  },
  {
    ...aksPod,
    id: 'azure-credential',
    callback: 'AzureCallback',
    number: undefined,
    where: 'Any credential of the Azure SDK',
    start: federatedCluster,
    configured: 'new AzureCallback({ credential: new ClientAssertionCredential(…), audience })',
  },
  { ...aksPod, ...foundOut, id: 'found-aks' },
  { ...site, ...foundOut, id: 'found-app-service', configured: 'mongodb://<client-id>@host' },
  { ...gcpVm, ...foundOut, id: 'found-gcp' },
  {
    ...gcpVm,
    ...foundOut,
    id: 'found-gcp-uri',
    configured: `mongodb://host/?authMechanismProperties=TOKEN_RESOURCE:${gcpAudience}`,
  },
  { ...pod, ...foundOut, id: 'found-eks', where: 'EKS', start: podOfEks },
];
