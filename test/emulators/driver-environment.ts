/**
 * Run in a namespace: the driver's own `ENVIRONMENT` against a metadata service at the real address. Prints what came
 * of it as JSON.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { startAzureImds } from './azure.js';
import { startGcpMetadata } from './gcp.js';
import { startMongoServer } from './mongodb/index.js';

const lifeSeconds = 4;
const options = { host: '169.254.169.254', port: 80, lifeSeconds };
const [environment = '', audience = '', username] = process.argv.slice(2);
const metadata = await (environment === 'azure' ? startAzureImds(options) : startGcpMetadata(options));
const server = await startMongoServer({
  identityProviders: [
    { issuer: metadata.issuer, audience, jwksUri: metadata.jwksUri, authNamePrefix: environment },
  ],
});

const credentials = username === undefined ? '' : `${encodeURIComponent(username)}@`;
const properties = `ENVIRONMENT:${environment},TOKEN_RESOURCE:${encodeURIComponent(audience)}`;
const client = await MongoClient.connect(
  `mongodb://${credentials}${server.address}/?authMechanism=MONGODB-OIDC&authMechanismProperties=${properties}`,
);
const { authInfo } = await client.db('admin').command({ connectionStatus: 1 });
const requests = [...metadata.requests];
await sleep((lifeSeconds + 0.5) * 1000);
await client.db('test').collection('c').insertOne({ afterExpiry: true });
await client.close();
await Promise.all([server.close(), metadata.close()]);

console.log(
  JSON.stringify({
    user: authInfo.authenticatedUsers[0].user,
    claims: server.claims[0],
    requests: requests.map(({ method, rawUrl, headers }) => ({ method, rawUrl, headers })),
    reauthentications: server.stats.reauthentications,
    authFailures: server.authFailures,
  }),
);
