// A NestJS application with mongoose connects with what the connection string says. `experimentalDecorators` is on in
// its tsconfig.json, as NestJS wants it.
//
// MONGODB_URI  such as mongodb+srv://cluster0.example.mongodb.net/shop?authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:azure,TOKEN_RESOURCE:api://mongodb
//              for other places than Azure see connection-string.ts
// PORT         8080 by default

import { Body, Controller, Get, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { InjectModel, MongooseModule } from '@nestjs/mongoose';
import { workloadIdentity } from 'mongodb-workload-identity';
import { type InferSchemaType, type Model, Schema } from 'mongoose';

const { MONGODB_URI, PORT = '8080' } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');

const orderSchema = new Schema({ articles: [String] }, { timestamps: true });
type Order = InferSchemaType<typeof orderSchema>;

@Controller('orders')
class OrdersController {
  constructor(@InjectModel('Order') private readonly orders: Model<Order>) {}

  @Post()
  async create(@Body() { articles }: { articles: string[] }) {
    const { id } = await this.orders.create({ articles });
    return { id };
  }

  @Get()
  async count() {
    return { orders: await this.orders.countDocuments() };
  }
}

@Module({
  imports: [
    MongooseModule.forRoot(...workloadIdentity(MONGODB_URI)),
    MongooseModule.forFeature([{ name: 'Order', schema: orderSchema }]),
  ],
  controllers: [OrdersController],
})
class AppModule {}

const app = await NestFactory.create(AppModule);
// On SIGTERM it disconnects.
app.enableShutdownHooks();
await app.listen(PORT);
