/** What the emulator's own tests need: an issuer of tokens, a client that uses them, a client without a driver. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type Document, deserialize, serialize } from 'bson';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { MongoClient, type MongoClientOptions } from 'mongodb';
import type { IdentityProvider, MongoServer } from './index.js';

export const AUDIENCE = 'api://mongodb';

export interface Issuer {
  /** Signs with the issuer's key whatever it is told to claim. */
  sign(claims?: JWTPayload, header?: { kid?: string | undefined }): Promise<string>;
  provider(overrides?: Partial<IdentityProvider>): IdentityProvider;
  readonly url: string;
  /** Requests wait until the function that it returns is called. */
  hold(): () => void;
  /** What it was asked for. */
  readonly requests: string[];
  close(): Promise<void>;
}

export async function startIssuer(): Promise<Issuer> {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'a', alg: 'ES256' }];
  const requests: string[] = [];
  let held = Promise.resolve();
  const http = createServer(async (request, response) => {
    requests.push(request.url ?? '');
    await held;
    response.setHeader('content-type', 'application/json').setHeader('connection', 'close');
    if (request.url === '/keys') response.end(JSON.stringify({ keys }));
    else response.end(JSON.stringify({ issuer: url, jwks_uri: `${url}/keys` }));
  }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  let serial = 0;
  return {
    url,
    requests,
    sign(claims = {}, header = { kid: 'a' }) {
      const now = Math.floor(Date.now() / 1000);
      const all = { iss: url, aud: AUDIENCE, sub: 'app', iat: now, exp: now + 3600, jti: `${++serial}` };
      return new SignJWT({ ...all, ...claims })
        .setProtectedHeader({ alg: 'ES256', ...(header.kid === undefined ? {} : { kid: header.kid }) })
        .sign(privateKey);
    },
    provider: (overrides) => ({
      issuer: url,
      audience: AUDIENCE,
      authNamePrefix: 'test',
      useAuthorizationClaim: false,
      supportsHumanFlows: false,
      jwksUri: `${url}/keys`,
      ...overrides,
    }),
    hold() {
      let release = () => {};
      held = new Promise((resolve) => {
        release = resolve;
      });
      return release;
    },
    async close() {
      http.close();
      http.closeAllConnections();
      await once(http, 'close');
    },
  };
}

export function oidcClient(
  server: MongoServer,
  token: () => string | Promise<string>,
  options: MongoClientOptions = {},
): MongoClient {
  return new MongoClient(server.uri, {
    authMechanism: 'MONGODB-OIDC',
    authMechanismProperties: { OIDC_CALLBACK: async () => ({ accessToken: await token() }) },
    serverSelectionTimeoutMS: 5_000,
    ...options,
  });
}

export interface RawReply {
  opCode: number;
  responseTo: number;
  reply: Document;
}

/** Frames by hand, so that the emulator's own framing has a judge. */
export class RawClient {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #lastId = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
    });
  }

  static async connect({ host, port }: MongoServer): Promise<RawClient> {
    const socket = connect(port, host);
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  get socket(): Socket {
    return this.#socket;
  }

  /** The id of the message it sends. */
  message(command: Document, extra: { flags?: number; sections?: Buffer[]; trailer?: Buffer } = {}): number {
    const flags = Buffer.alloc(4);
    flags.writeUInt32LE(extra.flags ?? 0);
    return this.#send(2013, [
      flags,
      ...(extra.sections ?? []),
      Buffer.of(0),
      serialize(command),
      extra.trailer ?? Buffer.alloc(0),
    ]);
  }

  query(namespace: string, command: Document): number {
    return this.#send(2004, [
      Buffer.alloc(4),
      Buffer.from(`${namespace}\0`),
      Buffer.alloc(4),
      Buffer.from([255, 255, 255, 255]),
      serialize(command),
    ]);
  }

  async reply(): Promise<RawReply> {
    while (this.#received.length < 4 || this.#received.length < this.#received.readInt32LE(0)) {
      await once(this.#socket, 'data');
    }
    const length = this.#received.readInt32LE(0);
    const bytes = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    const opCode = bytes.readInt32LE(12);
    return {
      opCode,
      responseTo: bytes.readInt32LE(8),
      reply: deserialize(bytes.subarray(opCode === 1 ? 36 : 21)),
    };
  }

  async command(command: Document): Promise<Document> {
    this.message({ ...command, $db: command.$db ?? 'admin' });
    return (await this.reply()).reply;
  }

  #send(opCode: number, parts: Uint8Array[]): number {
    const body = Buffer.concat(parts);
    const header = Buffer.alloc(16);
    header.writeInt32LE(16 + body.length, 0);
    header.writeInt32LE(++this.#lastId, 4);
    header.writeInt32LE(opCode, 12);
    this.#socket.write(Buffer.concat([header, body]));
    return this.#lastId;
  }
}
