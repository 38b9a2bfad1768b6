/** Carries out a command: faults first, then authentication, then its handler. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Document } from 'bson';
import { authenticationCommands, requireAuthentication } from './authentication.js';
import { catalogCommands } from './catalog.js';
import type { ClientState, ServerState } from './context.js';
import { CommandError, errorReply } from './errors.js';
import { handshakeCommands } from './handshake.js';
import { readCommands } from './reads.js';
import { transactionCommands } from './transactions.js';
import { writeCommands } from './writes.js';

/** The connection is to be closed without an answer. */
export class CloseConnection extends Error {}

const COMMANDS = new Map(
  Object.entries({
    ...handshakeCommands,
    ...authenticationCommands,
    ...readCommands,
    ...writeCommands,
    ...catalogCommands,
    ...transactionCommands,
  }),
);

/** A delay does not keep the process alive once everything is closed. */
const UNREF = { ref: false };

const HANDSHAKE = new Set(['hello', 'saslStart', 'saslContinue']);

/** Spellings that servers take besides the command's own name. */
const ALIASES = new Map([
  ['isMaster', 'hello'],
  ['ismaster', 'hello'],
  ['buildinfo', 'buildInfo'],
  ['findandmodify', 'findAndModify'],
]);

/** The name that a command goes by here. */
export function commandName(sent: string): string {
  return ALIASES.get(sent) ?? sent;
}

/** Never rejects but to close the connection: errors are answered, as a server does. */
export async function execute(
  command: Document,
  legacy: boolean,
  state: ServerState,
  client: ClientState,
): Promise<Document> {
  const name = commandName(Object.keys(command)[0] ?? '');
  const { stats } = state;
  stats.commands[name] = (stats.commands[name] ?? 0) + 1;
  try {
    await meetFault(name, state, client);
    return await run(name, command, legacy, state, client);
  } catch (error) {
    if (error instanceof CloseConnection) throw error;
    const answer = error instanceof CommandError ? error : new CommandError(1, String(error));
    if (answer.code === 391) stats.reauthenticationRequired += 1;
    return errorReply(answer, command);
  } finally {
    if (state.latencyMS > 0) await sleep(state.latencyMS, undefined, UNREF);
  }
}

async function meetFault(name: string, { failpoints }: ServerState, { stats }: ClientState): Promise<void> {
  const fault = failpoints.take(name, stats.appName);
  if (!fault) return;
  if (fault.delayMS) await sleep(fault.delayMS, undefined, UNREF);
  if (fault.close) throw new CloseConnection();
  if (fault.code !== undefined) {
    throw new CommandError(fault.code, fault.errmsg ?? "Failing command via 'failCommand' failpoint");
  }
}

async function run(
  name: string,
  command: Document,
  legacy: boolean,
  state: ServerState,
  client: ClientState,
): Promise<Document> {
  const handler = COMMANDS.get(name);
  if (!handler) throw new CommandError(59, `no such command: '${name}'`);
  if (legacy && name !== 'hello') {
    throw new CommandError(
      352,
      `Unsupported OP_QUERY command: ${name}. The client driver may require an upgrade. For more details see https://dochub.mongodb.org/core/legacy-opcode-removal`,
    );
  }
  if (typeof command.$db !== 'string')
    throw new CommandError(40571, 'OP_MSG requests require a $db argument');
  if (!HANDSHAKE.has(name)) requireAuthentication(name, state, client);
  const undo = state.transactions.enter(name, command);
  return handler({ name, command, db: command.$db, state, client, undo });
}
