// A program with mongoose, which brings its own driver, connects with what the connection string says.
//
// MONGODB_URI  such as mongodb+srv://cluster0.example.mongodb.net/shop?authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:azure,TOKEN_RESOURCE:api://mongodb
//              for other places than Azure see connection-string.ts

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
