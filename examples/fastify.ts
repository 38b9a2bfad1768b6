// A Fastify service on Google Cloud (Compute Engine, Cloud Run) connects as its service account.
//
// MONGODB_URI       such as mongodb+srv://cluster0.example.mongodb.net/
// MONGODB_AUDIENCE  the audience of the server's identity provider, such as https://mongodb.example.com
// PORT              8080 by default

import Fastify from 'fastify';
import { MongoClient } from 'mongodb';
import { GcpMetadataCallback } from 'mongodb-workload-identity/gcp';

const { MONGODB_URI, MONGODB_AUDIENCE, PORT = '8080' } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');
if (!MONGODB_AUDIENCE) throw new Error('Set MONGODB_AUDIENCE.');

const client = await MongoClient.connect(MONGODB_URI, {
  authMechanism: 'MONGODB-OIDC',
  authMechanismProperties: { OIDC_CALLBACK: new GcpMetadataCallback({ audience: MONGODB_AUDIENCE }) },
});
const orders = client.db('shop').collection('orders');

const app = Fastify({ logger: true });
app.post<{ Body: { articles: string[] } }>('/orders', async (request, reply) => {
  const { insertedId } = await orders.insertOne({ articles: request.body.articles, at: new Date() });
  return reply.code(201).send({ id: insertedId });
});
app.get('/orders', async () => ({ orders: await orders.countDocuments() }));
app.addHook('onClose', () => client.close());

process.once('SIGTERM', () => app.close());
await app.listen({ host: '0.0.0.0', port: Number(PORT) });
