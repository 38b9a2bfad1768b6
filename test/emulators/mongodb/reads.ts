/** https://www.mongodb.com/docs/manual/reference/command/nav-crud/, the commands that read. */
import type { Document } from 'bson';
import { openChangeStream } from './change-streams.js';
import type { CommandContext, Commands } from './context.js';
import { CommandError } from './errors.js';
import { aggregate, find } from './query.js';
import type { Collection } from './store.js';
import { keyOf, valuesAt } from './values.js';

/** The collection that a command is for. */
export function collectionName({ name, command }: CommandContext): string {
  const collection = command[name] ?? command[Object.keys(command)[0] as string];
  if (typeof collection === 'string') return collection;
  throw new CommandError(73, `collection name has invalid type ${typeof collection}`);
}

function existing(context: CommandContext): Collection | undefined {
  return context.state.store.find(context.db, collectionName(context));
}

export const readCommands: Commands = {
  find(context) {
    const { command, db, state } = context;
    return state.cursors.open(
      `${db}.${collectionName(context)}`,
      find(existing(context), command),
      command.batchSize,
      command.singleBatch,
    );
  },

  aggregate(context) {
    const { command, db, state } = context;
    const { pipeline, cursor } = command;
    if (!Array.isArray(pipeline))
      throw new CommandError(14, "'pipeline' option must be specified as an array");
    if (typeof cursor !== 'object' && !command.explain) {
      throw new CommandError(
        9,
        "The 'cursor' option is required, except for aggregate with the explain argument",
      );
    }
    const ofDatabase = command.aggregate === 1;
    const [first, ...stages] = pipeline;
    if (first?.$changeStream) {
      const collection = ofDatabase ? undefined : collectionName(context);
      return openChangeStream(context, collection, first.$changeStream, stages);
    }
    const documents = aggregate(ofDatabase ? undefined : existing(context), pipeline, command, (name) =>
      state.store.find(db, name),
    );
    const name = ofDatabase ? '$cmd.aggregate' : collectionName(context);
    return state.cursors.open(`${db}.${name}`, documents, cursor?.batchSize);
  },

  getMore({ command, db, state }) {
    const { getMore: id, collection, batchSize, maxTimeMS } = command;
    return state.cursors.next(String(id), `${db}.${collection}`, batchSize, maxTimeMS);
  },

  killCursors({ command, state }) {
    const ids: Document[] = command.cursors ?? [];
    const { killed, missing } = state.cursors.kill(ids.map(String));
    const among = (some: string[]) => ids.filter((id) => some.includes(String(id)));
    return {
      cursorsKilled: among(killed),
      cursorsNotFound: among(missing),
      cursorsAlive: [],
      cursorsUnknown: [],
      ok: 1,
    };
  },

  distinct(context) {
    const { query: filter, key, collation } = context.command;
    const values = find(existing(context), { filter, collation }).flatMap((document) =>
      valuesAt(document, key),
    );
    return { values: [...new Map(values.map((value) => [keyOf(value), value])).values()], ok: 1 };
  },

  count(context) {
    const { query: filter, skip, limit, collation } = context.command;
    return { n: find(existing(context), { filter, skip, limit, collation }).length, ok: 1 };
  },
};
