// The program that runs in the cloud runs on a laptop too, with the login of the person who works there.
//
// MONGODB_URI               such as mongodb+srv://cluster0.example.mongodb.net/
// MONGODB_AUDIENCE          the audience of the server's identity provider: on Azure the client ID of the application
//                           that stands for MongoDB, such as 66666666-7777-4888-9999-000000000000
// MONGODB_OIDC_ENVIRONMENT  developer, on the laptop; elsewhere leave it out, and the place is found out
// GOOGLE_TARGET_PRINCIPAL   without it: who is logged in by `az login`, or `azd auth login`
//                           with it, after `gcloud auth application-default login`: the Google service account whose
//                           ID tokens this person may make (roles/iam.serviceAccountOpenIdTokenCreator)

import { MongoClient } from 'mongodb';
import { EnvironmentCallback } from 'mongodb-workload-identity';

const { MONGODB_URI, MONGODB_AUDIENCE, GOOGLE_TARGET_PRINCIPAL } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');
if (!MONGODB_AUDIENCE) throw new Error('Set MONGODB_AUDIENCE.');

const client = new MongoClient(MONGODB_URI, {
  authMechanism: 'MONGODB-OIDC',
  authMechanismProperties: {
    OIDC_CALLBACK: new EnvironmentCallback({
      audience: MONGODB_AUDIENCE,
      targetPrincipal: GOOGLE_TARGET_PRINCIPAL,
    }),
  },
});

try {
  const { authInfo } = await client.db().command({ connectionStatus: 1 });
  console.log(`Connected as ${authInfo.authenticatedUsers[0].user}`);
} finally {
  await client.close();
}
