/**
 * MONGODB-OIDC as the server sees it: one step, a token in, a session for as long as the token lives.
 * https://github.com/mongodb/specifications/blob/master/source/auth/auth.md#mongodb-oidc
 */
import { Binary, type Document, deserialize } from 'bson';
import type { ClientState, Commands, ServerState } from './context.js';
import { CommandError } from './errors.js';
import { TokenRefused } from './identity.js';

const OIDC = 'MONGODB-OIDC';

/**
 * Throws unless the connection has a current token. An expired one is refused on every command (a server lets
 * `ping` and the like pass), so that a test need not care which one it sends.
 */
export function requireAuthentication(name: string, state: ServerState, client: ClientState): void {
  if (client.identity && !state.identities.isCurrent(client.identity)) {
    throw new CommandError(
      391,
      `Command ${name} requires reauthentication since the current authorization session has expired. Please re-auth.`,
    );
  }
  if (!client.identity && !AUTHENTICATION_FREE.has(name)) {
    throw new CommandError(13, `Command ${name} requires authentication`);
  }
}

const AUTHENTICATION_FREE = new Set(['ping', 'buildInfo', 'connectionStatus']);

/** Takes the place of `saslStart` within a `hello`; undefined where that would have failed. */
export async function speculativeAuthentication(
  start: Document,
  state: ServerState,
  client: ClientState,
): Promise<Document | undefined> {
  try {
    return await saslStart({ ...start, $db: start.db }, state, client);
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
}

async function saslStart(command: Document, state: ServerState, client: ClientState): Promise<Document> {
  const { mechanism } = command;
  if (mechanism !== OIDC || !state.mechanisms.includes(OIDC)) {
    throw new CommandError(
      334,
      `Received authentication for mechanism ${mechanism} which is not ${mechanism === OIDC ? 'enabled' : 'known'}`,
    );
  }
  const arrival = state.log.arrive();
  try {
    if (command.$db !== '$external') throw new TokenRefused(`authentication database ${command.$db}`);
    const identity = await state.identities.verify(tokenIn(command.payload));
    state.log.accept(arrival, identity.claims);
    const kind = client.identity ? 'reauthentications' : 'authentications';
    client.stats[kind] += 1;
    state.stats[kind] += 1;
    client.identity = identity;
    client.stats.user = identity.user;
  } catch (error) {
    if (!(error instanceof TokenRefused)) throw error;
    state.stats.authenticationFailures += 1;
    state.log.refuse(error.message);
    throw new CommandError(18, 'Authentication failed.');
  }
  return { conversationId: 1, done: true, payload: new Binary(), ok: 1 };
}

function tokenIn(payload: unknown): string {
  let step: Document;
  try {
    step = deserialize((payload as Binary).value());
  } catch {
    throw new TokenRefused('the payload is not BSON');
  }
  if (typeof step.jwt === 'string') return step.jwt;
  // Without a token it is the first step of the human flow, which no provider here supports.
  throw new TokenRefused('no token in the payload');
}

export const authenticationCommands: Commands = {
  saslStart: ({ command, state, client }) => saslStart(command, state, client),

  saslContinue() {
    throw new CommandError(17, 'No SASL session state found');
  },

  /** https://www.mongodb.com/docs/manual/reference/command/connectionStatus/ */
  connectionStatus({ command, client, state }) {
    const { identity } = client;
    const roles = identity?.roles ?? [];
    return {
      authInfo: {
        authenticatedUsers: identity ? [{ user: identity.user, db: '$external' }] : [],
        authenticatedUserRoles: roles.map((role) => ({ role, db: 'admin' })),
        ...(command.showPrivileges && { authenticatedUserPrivileges: privilegesOf(roles, state) }),
      },
      ok: 1,
    };
  },
};

/** Of a role that the server does not have, there are none. */
function privilegesOf(roles: readonly string[], { roles: known }: ServerState): Document[] {
  return roles
    .filter((role) => !known || known.has(role))
    .map(() => ({ resource: { db: '', collection: '' }, actions: ['find', 'insert', 'remove', 'update'] }));
}
