// A pod on Google Kubernetes Engine connects as its Kubernetes service account.
//
// MONGODB_URI         such as mongodb+srv://cluster0.example.mongodb.net/
// MONGODB_AUDIENCE    the audience of the server's identity provider, such as mongodb
// MONGODB_TOKEN_FILE  where the pod mounts a token for that audience:
//
//   volumes:
//     - name: mongodb-token
//       projected:
//         sources:
//           - serviceAccountToken: { audience: mongodb, expirationSeconds: 3600, path: token }

import { MongoClient } from 'mongodb';
import { GkeCallback } from 'mongodb-workload-identity/gcp';

const { MONGODB_URI, MONGODB_AUDIENCE, MONGODB_TOKEN_FILE } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');

const client = new MongoClient(MONGODB_URI, {
  authMechanism: 'MONGODB-OIDC',
  authMechanismProperties: {
    OIDC_CALLBACK: new GkeCallback({
      audience: MONGODB_AUDIENCE,
      tokenFile: MONGODB_TOKEN_FILE,
    }),
  },
});

try {
  const { authInfo } = await client.db().command({ connectionStatus: 1 });
  console.log(`Connected as ${authInfo.authenticatedUsers[0].user}`);
} finally {
  await client.close();
}
