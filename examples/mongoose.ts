// A program with mongoose, which brings its own driver, connects with what the connection string says.
//
//   npm install mongodb-workload-identity mongoose @azure/identity
//
// MONGODB_URI  such as mongodb+srv://cluster0.example.mongodb.net/shop?authMechanism=MONGODB-OIDC&authMechanismProperties=TOKEN_RESOURCE:66666666-7777-4888-9999-000000000000
//              The place is found out: ENVIRONMENT in it would overrule MONGODB_OIDC_ENVIRONMENT=developer on a laptop.
//              Here the audience is that of Azure, the client ID of the application that stands for MongoDB;
//              for other places see connection-string.ts

import { workloadIdentity } from 'mongodb-workload-identity';
import mongoose from 'mongoose';

const { MONGODB_URI } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');

const Order = mongoose.model('Order', new mongoose.Schema({ articles: [String] }, { timestamps: true }));

await mongoose.connect(...workloadIdentity(MONGODB_URI));
try {
  await Order.create({ articles: ['tea', 'cup'] });
  console.log(`Orders: ${await Order.countDocuments()}`);
} finally {
  await mongoose.disconnect();
}
