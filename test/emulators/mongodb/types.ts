/** What a test configures and what it can look at. */
import type { JWTPayload } from 'jose';

/**
 * One entry of the server's `oidcIdentityProviders` parameter.
 * https://www.mongodb.com/docs/manual/reference/parameters/#mongodb-parameter-param.oidcIdentityProviders
 */
export interface IdentityProvider {
  issuer: string;
  audience: string;
  /** Principals and roles are named `authNamePrefix/value`. */
  authNamePrefix: string;
  /** Where the issuer's keys are (the emulator's own addition). Default: OpenID discovery at `issuer`. */
  jwksUri?: string;
  /** The claim that holds the roles, a string or an array of strings. */
  authorizationClaim?: string;
  /** `false`: the principal must be one of the server's `users`. */
  useAuthorizationClaim?: boolean;
  /** The claim that names the principal. Default: `sub`. */
  principalName?: string;
  supportsHumanFlows?: false;
}

export interface MongoServerOptions {
  identityProviders: IdentityProvider[];
  /** The users of `$external`, as `authNamePrefix/principal`. Default: whoever has a good token. */
  users?: string[];
  /** The roles of `admin`, as `authNamePrefix/value`. Default: all that tokens name. */
  roles?: string[];
  /** Its clock minus that of this machine, in milliseconds. Default: 0. */
  clockOffsetMS?: number;
  /** PEM. Default: no TLS. */
  tls?: { key: string; cert: string };
  /** Default: `127.0.0.1`. */
  host?: string;
  /** Default: 0, one that is free. */
  port?: number;
  /** Makes the server the primary of a replica set of one, which retryable writes, transactions and change
   * streams need. */
  replicaSet?: string;
  /** Added before each reply. Default: 0. */
  latencyMS?: number;
  /** Default: 21, MongoDB 7.0. */
  maxWireVersion?: number;
  /** What the server enables. Default: `['MONGODB-OIDC']`, the only one it can do. */
  mechanisms?: string[];
}

export interface ConnectionStats {
  id: number;
  /** 1 once the connection has authenticated; what follows are reauthentications. */
  authentications: number;
  reauthentications: number;
  user?: string;
  open: boolean;
  appName?: string;
}

export interface ServerStats {
  connections: number;
  authentications: number;
  reauthentications: number;
  /** Tokens refused, in `saslStart` and in the `hello` of a speculative authentication. */
  authenticationFailures: number;
  /** Replies with code 391, those of a failpoint included. */
  reauthenticationRequired: number;
  /** Commands received, by name; every spelling of `hello` and `isMaster` counts as `hello`. */
  commands: Record<string, number>;
}

/** With neither `code` nor `close` the command is only delayed. */
export interface Fault {
  code?: number;
  errmsg?: string;
  /** Ends the connection instead of answering. */
  close?: boolean;
  delayMS?: number;
}

export interface MongoServer {
  readonly host: string;
  readonly port: number;
  /** `host:port` */
  readonly address: string;
  /** `mongodb://host:port/` */
  readonly uri: string;
  /** Every connection ever accepted, those of the drivers' monitors included. */
  readonly connections: readonly ConnectionStats[];
  readonly stats: ServerStats;
  /** The claims of each accepted token, in order of arrival. */
  readonly claims: readonly JWTPayload[];
  /** Why each refused token was refused, which a client never learns. */
  readonly authFailures: readonly string[];
  /** Every token accepted so far is refused from now on: 391 on its connections, 18 at `saslStart`. */
  revokeTokens(): void;
  /** The next `times` (default 1) commands of that name meet the fault, authenticated or not. */
  failNext(command: string, fault: Fault, times?: number): void;
  setProviders(providers: IdentityProvider[]): void;
  close(): Promise<void>;
}
