// A program on an Azure virtual machine, or in a scale set, connects as its managed identity.
//
// MONGODB_URI       such as mongodb+srv://cluster0.example.mongodb.net/
// MONGODB_AUDIENCE  the audience of the server's identity provider: the client ID of the application that stands
//                   for MongoDB, such as 66666666-7777-4888-9999-000000000000
// AZURE_CLIENT_ID   client ID of a user-assigned identity; leave it out for the system-assigned one

import { MongoClient } from 'mongodb';
import { AzureManagedIdentityCallback } from 'mongodb-workload-identity/azure';

const { MONGODB_URI, MONGODB_AUDIENCE, AZURE_CLIENT_ID } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');
if (!MONGODB_AUDIENCE) throw new Error('Set MONGODB_AUDIENCE.');

const client = new MongoClient(MONGODB_URI, {
  authMechanism: 'MONGODB-OIDC',
  authMechanismProperties: {
    OIDC_CALLBACK: new AzureManagedIdentityCallback({
      audience: MONGODB_AUDIENCE,
      clientId: AZURE_CLIENT_ID,
    }),
  },
});

try {
  const { authInfo } = await client.db().command({ connectionStatus: 1 });
  console.log(`Connected as ${authInfo.authenticatedUsers[0].user}`);
} finally {
  await client.close();
}
