/**
 * The wire protocol's frames: OP_MSG, and OP_QUERY as far as the first `isMaster` of a connection needs it.
 * https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
 */
import { type Document, deserialize, Long, serialize } from 'bson';

const HEADER_BYTES = 16;
const OP_REPLY = 1;
const OP_QUERY = 2004;
const OP_MSG = 2013;
const CHECKSUM_PRESENT = 1;
const MORE_TO_COME = 2;
const AWAIT_CAPABLE = 8;

export const MAX_BSON_BYTES = 16_777_216;
export const MAX_MESSAGE_BYTES = 48_000_000;

/** The other side does not speak the protocol; nothing but closing the connection helps. */
export class ProtocolViolation extends Error {}

export interface Request {
  requestId: number;
  /** OP_QUERY requests get an OP_REPLY. */
  legacy: boolean;
  /** False for an unacknowledged write (`moreToCome`). */
  replyExpected: boolean;
  command: Document;
}

/** Cuts a stream of bytes into messages. */
export class MessageReader {
  #chunks: Buffer[] = [];
  #bytes = 0;

  /** The messages that `chunk` completes. */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const messages: Buffer[] = [];
    for (let length = this.#nextLength(); length <= this.#bytes; length = this.#nextLength()) {
      const bytes = this.#joined();
      messages.push(bytes.subarray(0, length));
      this.#chunks = [bytes.subarray(length)];
      this.#bytes -= length;
    }
    return messages;
  }

  #nextLength(): number {
    if (this.#bytes < HEADER_BYTES) return Number.POSITIVE_INFINITY;
    const first = this.#chunks[0] as Buffer;
    const header = first.length < HEADER_BYTES ? this.#joined() : first;
    // mongod: "SSL handshake received but server is started without SSL support".
    if (isClientHello(header)) throw new ProtocolViolation('a TLS handshake');
    const length = header.readInt32LE(0);
    if (length < HEADER_BYTES || length > MAX_MESSAGE_BYTES) {
      throw new ProtocolViolation(`message length ${length}`);
    }
    return length;
  }

  #joined(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] as Buffer;
  }
}

/** RFC 8446, section 5.1: a record of the type handshake, and in it a message of the type client_hello. */
function isClientHello(bytes: Buffer): boolean {
  return bytes[0] === 22 && bytes[1] === 3 && bytes[5] === 1 && bytes[9] === 3;
}

export function decodeRequest(message: Buffer): Request {
  const requestId = message.readInt32LE(4);
  const opCode = message.readInt32LE(12);
  if (opCode === OP_MSG) return { requestId, ...decodeMsg(message) };
  if (opCode === OP_QUERY) return { requestId, ...decodeQuery(message) };
  throw new ProtocolViolation(`opcode ${opCode}`);
}

export function encodeReply(request: Request, responseId: number, reply: Document): Buffer {
  const body = serialize(reply, { ignoreUndefined: true });
  const prefix = Buffer.alloc(HEADER_BYTES + (request.legacy ? 20 : 5));
  prefix.writeInt32LE(prefix.length + body.length, 0);
  prefix.writeInt32LE(responseId, 4);
  prefix.writeInt32LE(request.requestId, 8);
  prefix.writeInt32LE(request.legacy ? OP_REPLY : OP_MSG, 12);
  if (request.legacy) {
    prefix.writeInt32LE(AWAIT_CAPABLE, 16);
    prefix.writeInt32LE(1, 32);
  }
  return Buffer.concat([prefix, body]);
}

function decodeMsg(message: Buffer): Omit<Request, 'requestId'> {
  const flags = message.readUInt32LE(HEADER_BYTES);
  const end = message.length - (flags & CHECKSUM_PRESENT ? 4 : 0);
  let offset = HEADER_BYTES + 4;
  let command: Document | undefined;
  const sequences: Document = {};
  while (offset < end) {
    const kind = message[offset++];
    const size = message.readInt32LE(offset);
    if (size < 5 || offset + size > end) throw new ProtocolViolation(`section of ${size} bytes`);
    const section = message.subarray(offset, offset + size);
    if (kind === 0) command = deserialize(section);
    else if (kind === 1) Object.assign(sequences, decodeSequence(section));
    else throw new ProtocolViolation(`section kind ${kind}`);
    offset += size;
  }
  if (!command) throw new ProtocolViolation('no body section');
  return {
    legacy: false,
    replyExpected: (flags & MORE_TO_COME) === 0,
    command: { ...command, ...sequences },
  };
}

/** A section of kind 1: the documents of one array field (`documents`, `updates` …), outside the body. */
function decodeSequence(section: Buffer): Document {
  const nameEnd = section.indexOf(0, 4);
  if (nameEnd === -1) throw new ProtocolViolation('unterminated section name');
  const documents: Document[] = [];
  for (let offset = nameEnd + 1; offset < section.length; ) {
    const size = section.readInt32LE(offset);
    documents.push(deserialize(section.subarray(offset, offset + size)));
    offset += size;
  }
  return { [section.toString('utf8', 4, nameEnd)]: documents };
}

function decodeQuery(message: Buffer): Omit<Request, 'requestId'> {
  const nameStart = HEADER_BYTES + 4;
  const nameEnd = message.indexOf(0, nameStart);
  if (nameEnd === -1) throw new ProtocolViolation('unterminated collection name');
  const namespace = message.toString('utf8', nameStart, nameEnd);
  const offset = nameEnd + 1 + 8;
  const query = deserialize(message.subarray(offset, offset + message.readInt32LE(offset)));
  return {
    legacy: true,
    replyExpected: true,
    command: { ...(query.$query ?? query), $db: namespace.slice(0, namespace.indexOf('.')) },
  };
}

/** A cursor's id that says there is no more to get. */
export const NO_CURSOR = Long.ZERO;
