/** The server: listens, takes connections, and lets a test look and interfere. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createServer as createTLSServer } from 'node:tls';
import { AuthenticationLog } from './authentication-log.js';
import { Changes } from './changes.js';
import { commandName } from './commands.js';
import { serve } from './connection.js';
import type { ServerState } from './context.js';
import { Cursors } from './cursors.js';
import { Failpoints } from './failpoints.js';
import { IdentityService } from './identity.js';
import { Store } from './store.js';
import { Transactions } from './transactions.js';
import type { ConnectionStats, MongoServer, MongoServerOptions } from './types.js';

/** The system cuts it to its own limit; a thousand clients may come at once. */
const BACKLOG = 4_096;

export async function startMongoServer(options: MongoServerOptions): Promise<MongoServer> {
  const state = initialState(options);
  const connections: ConnectionStats[] = [];
  const sockets = new Set<Socket>();

  function accept(socket: Socket): void {
    const stats = { id: connections.length + 1, authentications: 0, reauthentications: 0, open: true };
    connections.push(stats);
    state.stats.connections += 1;
    serve(socket, state, { stats });
  }

  const server = options.tls ? createTLSServer(options.tls, accept) : createServer(accept);
  // The plain socket also under TLS: `close` has to reach those that never finish their handshake.
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const host = options.host ?? '127.0.0.1';
  server.listen({ host, port: options.port ?? 0, backlog: BACKLOG });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  state.address = address;

  return {
    host,
    port,
    address,
    uri: `mongodb://${address}/`,
    connections,
    stats: state.stats,
    claims: state.log.claims,
    authFailures: state.log.failures,
    revokeTokens: () => state.identities.revokeAll(),
    failNext(command, fault, times = 1) {
      state.failpoints.add({ commands: [commandName(command)], fault, remaining: times });
    },
    setProviders: (providers) => state.identities.setProviders(providers),
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function initialState(options: MongoServerOptions): ServerState {
  return {
    stats: {
      connections: 0,
      authentications: 0,
      reauthentications: 0,
      authenticationFailures: 0,
      reauthenticationRequired: 0,
      commands: {},
    },
    log: new AuthenticationLog(),
    identities: new IdentityService(options.identityProviders, options.users, options.clockOffsetMS ?? 0),
    failpoints: new Failpoints(),
    store: new Store(),
    changes: new Changes(options.replicaSet !== undefined),
    cursors: new Cursors(),
    transactions: new Transactions(options.replicaSet !== undefined),
    mechanisms: options.mechanisms ?? ['MONGODB-OIDC'],
    maxWireVersion: options.maxWireVersion ?? 21,
    latencyMS: options.latencyMS ?? 0,
    clockOffsetMS: options.clockOffsetMS ?? 0,
    roles: options.roles && new Set(options.roles),
    replicaSet: options.replicaSet,
    address: '',
  };
}
