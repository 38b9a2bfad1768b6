// A Cloud Function (Cloud Run function), for Google's Functions Framework, connects as its service account.
// Its entry point is `visits`.
//
// MONGODB_URI       such as mongodb+srv://cluster0.example.mongodb.net/
// MONGODB_AUDIENCE  the audience of the server's identity provider, such as https://mongodb.example.com

import { http } from '@google-cloud/functions-framework';
import { MongoClient } from 'mongodb';
import { GcpMetadataCallback } from 'mongodb-workload-identity/gcp';

const { MONGODB_URI, MONGODB_AUDIENCE } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');
if (!MONGODB_AUDIENCE) throw new Error('Set MONGODB_AUDIENCE.');

// One for all requests of an instance; it connects on the first. On SIGTERM the framework ends the process at once,
// and the connections with it: there is no time to close them.
const client = new MongoClient(MONGODB_URI, {
  authMechanism: 'MONGODB-OIDC',
  authMechanismProperties: { OIDC_CALLBACK: new GcpMetadataCallback({ audience: MONGODB_AUDIENCE }) },
});
const visits = client.db('shop').collection('visits');

http('visits', async (_request, response) => {
  await visits.insertOne({ at: new Date() });
  response.json({ visits: await visits.countDocuments() });
});
