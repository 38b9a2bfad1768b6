// A Cloud Run service connects as its service account.
//
// MONGODB_URI       such as mongodb+srv://cluster0.example.mongodb.net/
// MONGODB_AUDIENCE  the audience of the server's identity provider, such as https://mongodb.example.com
//
// Cloud Run sets PORT. It sends SIGTERM, and ten seconds later SIGKILL.

import { createServer } from 'node:http';
import { MongoClient } from 'mongodb';
import { GcpMetadataCallback } from 'mongodb-workload-identity/gcp';

const { MONGODB_URI, MONGODB_AUDIENCE, PORT = '8080' } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');
if (!MONGODB_AUDIENCE) throw new Error('Set MONGODB_AUDIENCE.');

// It connects on the first request: Cloud Run calls a revision that ends before it listens broken, and not why.
const client = new MongoClient(MONGODB_URI, {
  authMechanism: 'MONGODB-OIDC',
  authMechanismProperties: { OIDC_CALLBACK: new GcpMetadataCallback({ audience: MONGODB_AUDIENCE }) },
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
