// A connection string says it all: the same program runs on Azure, on Google Cloud and in Kubernetes.
//
// MONGODB_URI  one of
//   mongodb+srv://cluster0.example.mongodb.net/?authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:azure,TOKEN_RESOURCE:66666666-7777-4888-9999-000000000000
//   mongodb+srv://cluster0.example.mongodb.net/?authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:gcp,TOKEN_RESOURCE:mongodb
//   mongodb+srv://cluster0.example.mongodb.net/?authMechanism=MONGODB-OIDC&authMechanismProperties=TOKEN_RESOURCE:mongodb
//
// The last is for pods with a projected token for that audience, which is found out: ENVIRONMENT:k8s would send the token
// of the API server, or of an IAM role. On Azure the audience is the client ID of the application that stands for MongoDB.
//
// A token goes to the hosts that it names: take it from your configuration, never from a user.

import { MongoClient } from 'mongodb';
import { workloadIdentity } from 'mongodb-workload-identity';

const { MONGODB_URI } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');

const client = new MongoClient(...workloadIdentity(MONGODB_URI));

try {
  const { authInfo } = await client.db().command({ connectionStatus: 1 });
  console.log(`Connected as ${authInfo.authenticatedUsers[0].user}`);
} finally {
  await client.close();
}
