// An Express service on Azure (virtual machine, App Service, Container Apps) connects as its managed identity.
//
// MONGODB_URI       such as mongodb+srv://cluster0.example.mongodb.net/
// MONGODB_AUDIENCE  the audience of the server's identity provider: the client ID of the application that stands
//                   for MongoDB, such as 66666666-7777-4888-9999-000000000000
// AZURE_CLIENT_ID   client ID of a user-assigned identity; leave it out for the system-assigned one
// PORT              8080 by default

import express from 'express';
import { MongoClient } from 'mongodb';
import { AzureManagedIdentityCallback } from 'mongodb-workload-identity/azure';

const { MONGODB_URI, MONGODB_AUDIENCE, AZURE_CLIENT_ID, PORT = '8080' } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');
if (!MONGODB_AUDIENCE) throw new Error('Set MONGODB_AUDIENCE.');

const client = await MongoClient.connect(MONGODB_URI, {
  authMechanism: 'MONGODB-OIDC',
  authMechanismProperties: {
    OIDC_CALLBACK: new AzureManagedIdentityCallback({
      audience: MONGODB_AUDIENCE,
      clientId: AZURE_CLIENT_ID,
    }),
  },
});
const orders = client.db('shop').collection('orders');

const app = express();
app.use(express.json());
app.post('/orders', async (request, response) => {
  const { insertedId } = await orders.insertOne({ articles: request.body.articles, at: new Date() });
  response.status(201).json({ id: insertedId });
});
app.get('/orders', async (_request, response) => {
  response.json({ orders: await orders.countDocuments() });
});

const server = app.listen(PORT);
process.once('SIGTERM', () => server.close(() => client.close()));
