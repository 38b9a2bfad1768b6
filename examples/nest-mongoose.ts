// A NestJS application with mongoose connects with what the connection string says. It is a standalone one, such as a
// worker is; an HTTP application has the same modules. `experimentalDecorators` is on in its tsconfig.json, as NestJS
// wants it.
//
// MONGODB_URI  such as mongodb+srv://cluster0.example.mongodb.net/shop?authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:azure,TOKEN_RESOURCE:api://mongodb
//              for other places than Azure see connection-string.ts

import { Injectable, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { InjectModel, MongooseModule } from '@nestjs/mongoose';
import { workloadIdentity } from 'mongodb-workload-identity';
import { type InferSchemaType, type Model, Schema } from 'mongoose';

const { MONGODB_URI } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');

const orderSchema = new Schema({ articles: [String] }, { timestamps: true });
type Order = InferSchemaType<typeof orderSchema>;

@Injectable()
class Shop {
  constructor(@InjectModel('Order') private readonly orders: Model<Order>) {}

  async order(...articles: string[]) {
    await this.orders.create({ articles });
    return this.orders.countDocuments();
  }
}

@Module({
  imports: [
    MongooseModule.forRoot(...workloadIdentity(MONGODB_URI)),
    MongooseModule.forFeature([{ name: 'Order', schema: orderSchema }]),
  ],
  providers: [Shop],
})
class AppModule {}

const app = await NestFactory.createApplicationContext(AppModule);
// On SIGTERM it disconnects.
app.enableShutdownHooks();
Logger.log(`Orders: ${await app.get(Shop).order('tea', 'cup')}`);
