// A web app on App Service, or in an App Service Environment, connects as its managed identity.
//
// App settings:
// MONGODB_URI       such as mongodb+srv://cluster0.example.mongodb.net/
// MONGODB_AUDIENCE  the audience of the server's identity provider: the client ID of the application that stands
//                   for MongoDB, such as 66666666-7777-4888-9999-000000000000
// AZURE_CLIENT_ID   client ID of a user-assigned identity; leave it out for the system-assigned one
//
// App Service sets PORT: a number on Linux, the name of a pipe on Windows.

import { createServer } from 'node:http';
import { MongoClient } from 'mongodb';
import { AzureManagedIdentityCallback } from 'mongodb-workload-identity/azure';

const { MONGODB_URI, MONGODB_AUDIENCE, AZURE_CLIENT_ID, PORT = '8080' } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');
if (!MONGODB_AUDIENCE) throw new Error('Set MONGODB_AUDIENCE.');

const client = await MongoClient.connect(MONGODB_URI, {
  authMechanism: 'MONGODB-OIDC',
  authMechanismProperties: {
    OIDC_CALLBACK: new AzureManagedIdentityCallback({
      audience: MONGODB_AUDIENCE,
      clientId: AZURE_CLIENT_ID,
    }),
  },
});
const visits = client.db('shop').collection('visits');

const server = createServer(async (_request, response) => {
  try {
    await visits.insertOne({ at: new Date() });
    response.end(`Visits: ${await visits.countDocuments()}\n`);
  } catch (error) {
    console.error(error);
    response.writeHead(500).end();
  }
});
server.listen(PORT);
process.once('SIGTERM', () => server.close(() => client.close()));
