// Programs that do not use the driver themselves: mongoose, which brings a driver of its own, and NestJS over mongoose.
// Their tokens live for seconds, and none of their operations may fail.

import { setTimeout as sleep } from 'node:timers/promises';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { getConnectionToken, getModelToken, MongooseModule } from '@nestjs/mongoose';
import { type OIDCCallback, workloadIdentity } from 'mongodb-workload-identity';
import { GcpMetadataCallback } from 'mongodb-workload-identity/gcp';
import mongoose, { type Connection, type Model, Schema } from 'mongoose';
import { afterAll, beforeAll, describe, expect, it, type TestContext, vi } from 'vitest';
import { type GcpMetadataEmulator, startGcpMetadata } from '../emulators/gcp.js';
import { type MongoServer, startMongoServer } from '../emulators/mongodb/index.js';

const audience = 'https://mongodb.example.com';
const PAUSE_MS = 20;
/** Of a model's operations, those after an expiry. */
const ROUNDS_AFTERWARDS = 5;

interface Order {
  number: number;
  articles: string[];
  shipped?: Date;
}

const orderSchema = new Schema<Order>(
  {
    number: { type: Number, required: true, unique: true },
    articles: { type: [String], default: [] },
    shipped: Date,
  },
  { timestamps: true },
);

let metadata: GcpMetadataEmulator;
const callbacks: OIDCCallback[] = [];

beforeAll(async () => {
  metadata = await startGcpMetadata({ lifeSeconds: 6 });
  for (const [name, value] of Object.entries(metadata.env)) vi.stubEnv(name, value);
});
afterAll(async () => {
  for (const callback of callbacks) callback.invalidate();
  vi.unstubAllEnvs();
  await metadata.close();
});

async function startServer({ onTestFinished }: TestContext): Promise<MongoServer> {
  const { issuer, jwksUri } = metadata;
  const server = await startMongoServer({
    identityProviders: [{ issuer, jwksUri, audience, authNamePrefix: 'gcp' }],
    replicaSet: 'rs0',
  });
  onTestFinished(() => server.close());
  return server;
}

type Arguments = [uri: string, options: mongoose.ConnectOptions];

/** What a client is given. */
const ways: readonly { name: string; of(server: MongoServer): Arguments }[] = [
  {
    name: 'by its connection string',
    of: ({ uri }) =>
      workloadIdentity(
        `${uri}shop?authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:gcp,TOKEN_RESOURCE:${audience}`,
      ),
  },
  {
    name: 'with a callback in its options',
    of: ({ uri }) => [
      `${uri}shop`,
      {
        authMechanism: 'MONGODB-OIDC',
        authMechanismProperties: { OIDC_CALLBACK: new GcpMetadataCallback({ audience }) },
      },
    ],
  },
];

/** Keeps the callback, so that it ends with the tests: it refreshes its token until then. */
function kept([uri, options]: Arguments): Arguments {
  callbacks.push(options.authMechanismProperties?.OIDC_CALLBACK as OIDCCallback);
  return [uri, options];
}

/** Does what programs do with a model, until its token has expired and a while longer. */
async function workPastExpiry(orders: Model<Order>, server: MongoServer): Promise<void> {
  // Creates the index.
  await orders.init();
  let number = 0;
  for (let remaining = ROUNDS_AFTERWARDS; remaining > 0; number++) {
    if (server.stats.reauthenticationRequired > 0) remaining -= 1;
    const order = new orders({ number, articles: ['tea'] });
    await order.save();
    order.articles.push('cup');
    await order.save();
    await orders.updateOne({ number }, { $set: { shipped: new Date() } });
    const found = await orders.findOne({ number, shipped: { $ne: null } }).lean();
    expect(found).toMatchObject({ number, articles: ['tea', 'cup'], createdAt: expect.any(Date) });
    await sleep(PAUSE_MS);
  }
  expect(await orders.countDocuments()).toBe(number);
  expect(server.authFailures).toEqual([]);
}

describe.concurrent.each(ways)('a client that is configured $name', ({ of }) => {
  it('works in mongoose', async (context) => {
    const server = await startServer(context);
    const connection = await mongoose.createConnection(...kept(of(server))).asPromise();
    await workPastExpiry(connection.model<Order>('Order', orderSchema), server);
    await connection.close();
  });

  it('works in NestJS', async (context) => {
    const server = await startServer(context);
    class ShopModule {}
    Module({
      imports: [
        MongooseModule.forRoot(...kept(of(server))),
        MongooseModule.forFeature([{ name: 'Order', schema: orderSchema }]),
      ],
    })(ShopModule);
    const application = await NestFactory.createApplicationContext(ShopModule, { logger: false });
    await workPastExpiry(application.get(getModelToken('Order')), server);
    const connection: Connection = application.get(getConnectionToken());
    expect(connection.readyState).toBe(mongoose.ConnectionStates.connected);
    await application.close();
    expect(connection.readyState).toBe(mongoose.ConnectionStates.disconnected);
  });
});
