// A pod on any Kubernetes connects as its service account, by a token in a projected volume.
//
// Set in deployment.yaml:
// MONGODB_URI         such as mongodb+srv://cluster0.example.mongodb.net/
// MONGODB_AUDIENCE    the audience of the server's identity provider, such as mongodb
// MONGODB_TOKEN_FILE  where the pod mounts a token for that audience

import { createServer } from 'node:http';
import { MongoClient } from 'mongodb';
import { KubernetesCallback } from 'mongodb-workload-identity/kubernetes';

const { MONGODB_URI, MONGODB_AUDIENCE, MONGODB_TOKEN_FILE, PORT = '8080' } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');
if (!MONGODB_AUDIENCE) throw new Error('Set MONGODB_AUDIENCE.');
if (!MONGODB_TOKEN_FILE) throw new Error('Set MONGODB_TOKEN_FILE.');

// It connects on the first request, so that a pod that cannot log in still runs, and `doctor` can be run in it.
const client = new MongoClient(MONGODB_URI, {
  authMechanism: 'MONGODB-OIDC',
  authMechanismProperties: {
    OIDC_CALLBACK: new KubernetesCallback({ audience: MONGODB_AUDIENCE, tokenFile: MONGODB_TOKEN_FILE }),
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
