// A program on a Compute Engine virtual machine connects as the service account that is attached to it.
//
// MONGODB_URI       such as mongodb+srv://cluster0.example.mongodb.net/
// MONGODB_AUDIENCE  the audience of the server's identity provider, such as https://mongodb.example.com

import { MongoClient } from 'mongodb';
import { GcpMetadataCallback } from 'mongodb-workload-identity/gcp';

const { MONGODB_URI, MONGODB_AUDIENCE } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');
if (!MONGODB_AUDIENCE) throw new Error('Set MONGODB_AUDIENCE.');

const client = new MongoClient(MONGODB_URI, {
  authMechanism: 'MONGODB-OIDC',
  authMechanismProperties: { OIDC_CALLBACK: new GcpMetadataCallback({ audience: MONGODB_AUDIENCE }) },
});

try {
  const { authInfo } = await client.db().command({ connectionStatus: 1 });
  console.log(`Connected as ${authInfo.authenticatedUsers[0].user}`);
} finally {
  await client.close();
}
