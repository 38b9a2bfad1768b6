// A pod on Azure Kubernetes Service connects as its workload identity, which federated-credential.sh sets up.
//
// Set in deployment.yaml:
// MONGODB_URI       such as mongodb+srv://cluster0.example.mongodb.net/
// MONGODB_AUDIENCE  the audience of the server's identity provider: the client ID of the application that stands
//                   for MongoDB, such as 66666666-7777-4888-9999-000000000000
//
// The webhook of AKS sets what the SDK reads: AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_FEDERATED_TOKEN_FILE.

import { createServer } from 'node:http';
import { MongoClient } from 'mongodb';
import { AzureWorkloadIdentityCallback } from 'mongodb-workload-identity/azure';

const { MONGODB_URI, MONGODB_AUDIENCE, PORT = '8080' } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');
if (!MONGODB_AUDIENCE) throw new Error('Set MONGODB_AUDIENCE.');

// It connects on the first request, so that a pod that cannot log in still runs, and `doctor` can be run in it.
const client = new MongoClient(MONGODB_URI, {
  authMechanism: 'MONGODB-OIDC',
  authMechanismProperties: {
    OIDC_CALLBACK: new AzureWorkloadIdentityCallback({ audience: MONGODB_AUDIENCE }),
  },
});

const server = createServer(async (_request, response) => {
  try {
    const { authInfo } = await client.db().command({ connectionStatus: 1 });
    response.end(`Connected as ${authInfo.authenticatedUsers[0].user}\n`);
  } catch (error) {
    console.error(error);
    response.writeHead(503).end();
  }
});
server.listen(PORT);
process.once('SIGTERM', () => server.close(() => client.close()));
