/** An emulator of a MongoDB server with MONGODB-OIDC, over real sockets. */
export { startMongoServer } from './server.js';
export type { ConnectionStats, Fault, IdentityProvider, MongoServer, MongoServerOptions } from './types.js';
