/** What a client asks before anything else: who is there, and what can it do. */
import { type Document, ObjectId } from 'bson';
import { speculativeAuthentication } from './authentication.js';
import type { ClientState, Commands, ServerState } from './context.js';
import { MAX_BSON_BYTES, MAX_MESSAGE_BYTES } from './wire.js';

/** https://github.com/mongodb/specifications/blob/master/source/wireversion-featurelist/wireversion-featurelist.md */
const VERSIONS: Record<number, readonly [number, number, number]> = {
  9: [4, 4, 29],
  13: [5, 0, 31],
  17: [6, 0, 20],
  25: [8, 0, 4],
  27: [8, 2, 0],
};
const ELECTION_ID = new ObjectId('7fffffff0000000000000001');

/**
 * https://www.mongodb.com/docs/manual/reference/command/hello/
 * There is no `topologyVersion`, so monitors poll and do not expect a stream of replies.
 */
async function hello(command: Document, state: ServerState, client: ClientState): Promise<Document> {
  const appName = command.client?.application?.name;
  if (typeof appName === 'string') client.stats.appName = appName;
  const authenticated =
    command.speculativeAuthenticate &&
    (await speculativeAuthentication(command.speculativeAuthenticate, state, client));
  return {
    ...(command.helloOk ? { helloOk: true } : {}),
    ...('hello' in command ? { isWritablePrimary: true } : { ismaster: true }),
    ...(state.replicaSet === undefined ? {} : membership(state.replicaSet, state.address)),
    maxBsonObjectSize: MAX_BSON_BYTES,
    maxMessageSizeBytes: MAX_MESSAGE_BYTES,
    maxWriteBatchSize: 100_000,
    localTime: new Date(Date.now() + state.clockOffsetMS),
    logicalSessionTimeoutMinutes: 30,
    connectionId: client.stats.id,
    minWireVersion: 0,
    maxWireVersion: state.maxWireVersion,
    readOnly: false,
    ...(command.saslSupportedMechs === undefined ? {} : { saslSupportedMechs: state.mechanisms }),
    ...(authenticated ? { speculativeAuthenticate: authenticated } : {}),
    ok: 1,
  };
}

function membership(setName: string, address: string): Document {
  return {
    setName,
    setVersion: 1,
    secondary: false,
    hosts: [address],
    primary: address,
    me: address,
    electionId: ELECTION_ID,
    lastWrite: { lastWriteDate: new Date() },
  };
}

export const handshakeCommands: Commands = {
  hello: ({ command, state, client }) => hello(command, state, client),

  ping: () => ({ ok: 1 }),

  /** https://www.mongodb.com/docs/manual/reference/command/buildInfo/ */
  buildInfo({ state }) {
    const version = VERSIONS[state.maxWireVersion] ?? [7, 0, 14];
    return {
      version: version.join('.'),
      gitVersion: '0000000000000000000000000000000000000000',
      modules: ['enterprise'],
      allocator: 'system',
      javascriptEngine: 'none',
      sysInfo: 'deprecated',
      versionArray: [...version, 0],
      bits: 64,
      debug: false,
      maxBsonObjectSize: MAX_BSON_BYTES,
      storageEngines: ['inMemory'],
      ok: 1,
    };
  },

  configureFailPoint: ({ command, state }) => state.failpoints.configure(command),
};
