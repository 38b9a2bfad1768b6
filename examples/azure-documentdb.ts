// A program anywhere on Azure connects to Azure DocumentDB (Cosmos DB for MongoDB vCore) as its managed identity, or
// on AKS as its workload identity. The host name says all that DocumentDB asks for: audience, TLS, no retryable writes.
//
// MONGODB_URI  such as mongodb+srv://orders.global.mongocluster.cosmos.azure.com/
//              with the client ID of a user-assigned identity: mongodb+srv://<client-id>@orders.global.mongocluster…

import { MongoClient } from 'mongodb';
import { workloadIdentity } from 'mongodb-workload-identity';

const { MONGODB_URI } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');

const client = new MongoClient(...workloadIdentity(MONGODB_URI));

try {
  const visits = client.db('shop').collection('visits');
  await visits.insertOne({ at: new Date() });
  console.log(`Visits: ${await visits.countDocuments()}`);
} finally {
  await client.close();
}
