// An Azure function (v4 programming model) connects as the managed identity of its function app.
// Beside it: host.json; and in package.json "type": "module" and "main", the path of this file when it is compiled.
//
// App settings:
// MONGODB_URI       such as mongodb+srv://cluster0.example.mongodb.net/
// MONGODB_AUDIENCE  the audience of the server's identity provider: the client ID of the application that stands
//                   for MongoDB, such as 66666666-7777-4888-9999-000000000000
// AZURE_CLIENT_ID   client ID of a user-assigned identity; leave it out for the system-assigned one

import { app } from '@azure/functions';
import { MongoClient } from 'mongodb';
import { AzureManagedIdentityCallback } from 'mongodb-workload-identity/azure';

const { MONGODB_URI, MONGODB_AUDIENCE, AZURE_CLIENT_ID } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');
if (!MONGODB_AUDIENCE) throw new Error('Set MONGODB_AUDIENCE.');

// One for all invocations of an instance; it connects on the first.
const client = new MongoClient(MONGODB_URI, {
  authMechanism: 'MONGODB-OIDC',
  authMechanismProperties: {
    OIDC_CALLBACK: new AzureManagedIdentityCallback({
      audience: MONGODB_AUDIENCE,
      clientId: AZURE_CLIENT_ID,
    }),
  },
});
const visits = client.db('shop').collection('visits');

app.http('visits', {
  methods: ['GET'],
  authLevel: 'function',
  handler: async () => {
    await visits.insertOne({ at: new Date() });
    return { jsonBody: { visits: await visits.countDocuments() } };
  },
});

app.hook.appTerminate(() => client.close());
