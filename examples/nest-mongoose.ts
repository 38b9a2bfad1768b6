// A NestJS application with mongoose connects with what the connection string says. `experimentalDecorators` is on in
// its tsconfig.json, as NestJS wants it.
//
//   npm install mongodb-workload-identity @nestjs/common @nestjs/core @nestjs/platform-express @nestjs/mongoose mongoose @azure/identity
//
// MONGODB_URI  such as mongodb+srv://cluster0.example.mongodb.net/shop?authMechanism=MONGODB-OIDC&authMechanismProperties=TOKEN_RESOURCE:66666666-7777-4888-9999-000000000000
//              The place is found out: ENVIRONMENT in it would overrule MONGODB_OIDC_ENVIRONMENT=developer on a laptop.
//              Here the audience is that of Azure, the client ID of the application that stands for MongoDB;
//              for other places see connection-string.ts
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
    // Where the URI comes from a service, forRootAsync wants one object, with the URI in it:
    // useFactory: () => { const [uri, options] = workloadIdentity(…); return { uri, ...options }; }
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
