// A program as a user of the package writes it, configured in one of the ways: it works until its token has
// expired and a while longer, and reports on standard output, one JSON object a line.
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { EnvironmentCallback, workloadIdentity } from 'mongodb-workload-identity';
import {
  AzureCallback,
  AzureManagedIdentityCallback,
  AzureWorkloadIdentityCallback,
} from 'mongodb-workload-identity/azure';
import { GcpCallback, GcpMetadataCallback, GkeCallback } from 'mongodb-workload-identity/gcp';
import { KubernetesCallback } from 'mongodb-workload-identity/kubernetes';

const authMechanism = 'MONGODB-OIDC';

/** `workloadIdentity` with the driver's own options. */
const withOptions = (uri, authMechanismProperties, more = {}) =>
  workloadIdentity(uri, { ...more, authMechanism, authMechanismProperties });

const withCallback = (uri, OIDC_CALLBACK) => [
  uri,
  { authMechanism, authMechanismProperties: { OIDC_CALLBACK } },
];

/** The arguments of MongoClient; by id of the way. */
const configurations = {
  'azure-vm': ({ uri, audience, clientId }) =>
    withCallback(uri, new AzureManagedIdentityCallback({ clientId, audience })),
  'azure-vm-options': ({ uri, audience, clientId }) =>
    withOptions(
      uri,
      { ENVIRONMENT: 'azure', TOKEN_RESOURCE: audience },
      { auth: { username: clientId, password: undefined } },
    ),
  'azure-vm-uri': ({ uri }) => workloadIdentity(uri),
  'azure-vm-uri-system-assigned': ({ uri }) => workloadIdentity(uri),
  gcp: ({ uri, audience }) => withCallback(uri, new GcpMetadataCallback({ audience })),
  'gcp-options': ({ uri, audience }) => withOptions(uri, { ENVIRONMENT: 'gcp', TOKEN_RESOURCE: audience }),
  'gcp-uri': ({ uri }) => workloadIdentity(uri),
  functions: ({ uri, audience }) => withCallback(uri, new AzureManagedIdentityCallback({ audience })),
  'functions-default': ({ uri, audience }) => withCallback(uri, new AzureCallback({ audience })),
  'app-service': ({ uri, audience, clientId }) =>
    withCallback(uri, new AzureManagedIdentityCallback({ clientId, audience })),
  'app-service-resource-id': ({ uri, audience, resourceId }) =>
    withCallback(uri, new AzureManagedIdentityCallback({ resourceId, audience })),
  'app-service-object-id': ({ uri, audience, objectId }) =>
    withCallback(uri, new AzureManagedIdentityCallback({ objectId, audience })),
  'app-service-default': ({ uri, audience, clientId }) =>
    withCallback(uri, new AzureCallback({ managedIdentityClientId: clientId, audience })),
  'app-service-default-resource-id': ({ uri, audience, resourceId }) =>
    withCallback(uri, new AzureCallback({ managedIdentityResourceId: resourceId, audience })),
  aks: ({ uri, audience }) => withCallback(uri, new AzureWorkloadIdentityCallback({ audience })),
  'aks-default': ({ uri, audience }) => withCallback(uri, new AzureCallback({ audience })),
  'aks-uri': ({ uri }) => workloadIdentity(uri),
  gke: ({ uri, audience, tokenFile }) => withCallback(uri, new GkeCallback({ audience, tokenFile })),
  kubernetes: ({ uri, audience, tokenFile }) =>
    withCallback(uri, new KubernetesCallback({ audience, tokenFile })),
  'kubernetes-options': ({ uri }) => withOptions(uri, { ENVIRONMENT: 'k8s' }),
  'kubernetes-uri': ({ uri }) => workloadIdentity(uri),
  'gcp-key-file': ({ uri, audience }) => withCallback(uri, new GcpCallback({ audience })),
  'gcp-impersonation': ({ uri, audience, targetPrincipal }) =>
    withCallback(uri, new GcpCallback({ audience, targetPrincipal })),
  'azure-credential': async ({ uri, audience, tenantId, clientId, tokenFile }) => {
    const { ClientAssertionCredential } = await import('@azure/identity');
    const credential = new ClientAssertionCredential(tenantId, clientId, () => readFile(tokenFile, 'utf8'));
    return withCallback(uri, new AzureCallback({ credential, audience }));
  },
  'found-aks': ({ uri, audience }) => withCallback(uri, new EnvironmentCallback({ audience })),
  'found-app-service': ({ uri, audience }) => workloadIdentity(uri, { audience }),
  'found-gcp': ({ uri, audience }) => withCallback(uri, new EnvironmentCallback({ audience })),
  'found-gcp-uri': ({ uri }) => workloadIdentity(uri),
  'found-eks': ({ uri, audience }) => withCallback(uri, new EnvironmentCallback({ audience })),
};

const PAUSE_MS = 50;
/** How many operations have to succeed after the token expired. */
const OPERATIONS_AFTERWARDS = 5;

const { id, lifeSeconds, ...parameters } = JSON.parse(process.env.WAY);
const [uri, options] = await configurations[id](parameters);
const client = new MongoClient(uri, { ...options, monitorCommands: true, serverSelectionTimeoutMS: 10_000 });

let reauthenticationsRequired = 0;
client.on('commandFailed', ({ failure }) => {
  if (failure.code === 391) reauthenticationsRequired += 1;
});

await client.connect();
const { authInfo } = await client.db('admin').command({ connectionStatus: 1 });
const callback = client.options.credentials.mechanismProperties.OIDC_CALLBACK.name;
report({ callback, users: authInfo.authenticatedUsers.map(({ user }) => user) });

const orders = client.db('shop').collection('orders');
await orders.insertOne({ _id: id, articles: 3 });
report({ found: await orders.findOne({ _id: id }) });

let operations = 0;
let remaining = OPERATIONS_AFTERWARDS;
const deadline = Date.now() + (lifeSeconds + 5) * 1000;
while (remaining > 0 && Date.now() < deadline) {
  await orders.updateOne({ _id: id }, { $inc: { articles: 1 } });
  operations += 1;
  if (reauthenticationsRequired > 0) remaining -= 1;
  await sleep(PAUSE_MS);
}
report({ operations, reauthenticationsRequired });
await client.close();

function report(line) {
  console.log(JSON.stringify(line));
}
