/** What a command is given to work with. */
import type { Document } from 'bson';
import type { AuthenticationLog } from './authentication-log.js';
import type { Changes } from './changes.js';
import type { Cursors } from './cursors.js';
import type { Failpoints } from './failpoints.js';
import type { Identity, IdentityService } from './identity.js';
import type { Store } from './store.js';
import type { Transactions } from './transactions.js';
import type { ConnectionStats, ServerStats } from './types.js';

/** What all connections share. */
export interface ServerState {
  readonly stats: ServerStats;
  readonly log: AuthenticationLog;
  readonly identities: IdentityService;
  readonly failpoints: Failpoints;
  readonly store: Store;
  readonly changes: Changes;
  readonly cursors: Cursors;
  readonly transactions: Transactions;
  readonly mechanisms: readonly string[];
  readonly maxWireVersion: number;
  readonly latencyMS: number;
  readonly clockOffsetMS: number;
  /** Undefined: all that tokens name. */
  readonly roles: ReadonlySet<string> | undefined;
  readonly replicaSet: string | undefined;
  /** `host:port`, known once the server listens. */
  address: string;
}

/** What one connection has. */
export interface ClientState {
  readonly stats: ConnectionStats;
  identity?: Identity;
}

/** Takes back what one write did. */
export type Undo = () => void;

export interface CommandContext {
  name: string;
  command: Document;
  db: string;
  state: ServerState;
  client: ClientState;
  /** Where a transaction's writes leave their way back. */
  undo: Undo[] | undefined;
}

export type Commands = Record<string, (context: CommandContext) => Document | Promise<Document>>;
