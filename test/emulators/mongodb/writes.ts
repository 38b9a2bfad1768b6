/** https://www.mongodb.com/docs/manual/reference/command/nav-crud/, the commands that write. */
import { type Document, ObjectId } from 'bson';
import type { Change } from './changes.js';
import type { CommandContext, Commands } from './context.js';
import { CommandError } from './errors.js';
import { arranged, find } from './query.js';
import { collectionName } from './reads.js';
import type { Collection } from './store.js';
import { type Update, updated, upserted } from './update.js';

function target(context: CommandContext): Collection {
  return context.state.store.collection(context.db, collectionName(context));
}

/** Told to change streams, but for what is part of a transaction: that may yet be taken back. */
function record(
  { state, db, undo }: CommandContext,
  coll: string,
  change: Omit<Change, 'db' | 'coll'>,
): void {
  if (!undo) state.changes.record({ db, coll, ...change });
}

function insert(context: CommandContext, collection: Collection, document: Document): void {
  collection.insert(document, context.undo);
  record(context, collection.name, { operationType: 'insert', after: document });
}

function remove(context: CommandContext, collection: Collection, document: Document): void {
  collection.delete(document, context.undo);
  record(context, collection.name, { operationType: 'delete', before: document });
}

/** Does each of a command's statements; an error of one is not an error of the command, but ends a transaction. */
function each(
  { command, state, undo }: CommandContext,
  statements: Document[],
  write: (statement: Document, index: number) => void,
): Document {
  const writeErrors: Document[] = [];
  for (const [index, statement] of statements.entries()) {
    try {
      write(statement, index);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      writeErrors.push({ index, code: error.code, errmsg: error.message, ...error.fields });
      if (undo) state.transactions.end(command, false);
      if (undo || command.ordered !== false) break;
    }
  }
  return writeErrors.length > 0 ? { writeErrors } : {};
}

function statements(command: Document, field: string): Document[] {
  if (Array.isArray(command[field]) && command[field].length > 0) return command[field];
  throw new CommandError(2, `Write batch sizes must be between 1 and 100000: '${field}' has none`);
}

interface UpdateOutcome {
  matched: number;
  modified: number;
  upsertedId?: unknown;
  before?: Document;
  after?: Document;
}

function update(
  context: CommandContext,
  collection: Collection,
  request: Update & { multi?: boolean; upsert?: boolean; sort?: Document },
): UpdateOutcome {
  const { q, u, multi, upsert } = request;
  const isReplacement = !Array.isArray(u) && !Object.keys(u)[0]?.startsWith('$');
  if (multi && isReplacement) {
    throw new CommandError(9, 'multi update is not supported for replacement-style update');
  }
  const { sort, collation, c } = request;
  const found = find(collection, { filter: q, sort, collation, let: c, limit: multi ? 0 : 1 });
  if (found.length === 0 && upsert) {
    const after = upserted(request);
    insert(context, collection, after);
    return { matched: 0, modified: 0, upsertedId: after._id, after };
  }
  const outcome: UpdateOutcome = { matched: found.length, modified: 0 };
  for (const before of found) {
    const after = updated(before, request);
    if (after) {
      collection.replace(after, context.undo);
      record(context, collection.name, {
        operationType: isReplacement ? 'replace' : 'update',
        before,
        after,
      });
      outcome.modified += 1;
    }
    Object.assign(outcome, { before, after: after ?? before });
  }
  return outcome;
}

export const writeCommands: Commands = {
  insert(context) {
    const collection = target(context);
    let n = 0;
    const errors = each(context, statements(context.command, 'documents'), (document) => {
      insert(context, collection, '_id' in document ? document : { _id: new ObjectId(), ...document });
      n += 1;
    });
    return { n, ...errors, ok: 1 };
  },

  update(context) {
    const collection = target(context);
    const ids: Document[] = [];
    let n = 0;
    let nModified = 0;
    const errors = each(context, statements(context.command, 'updates'), (statement, index) => {
      const outcome = update(context, collection, {
        ...(statement as Update),
        c: { ...context.command.let, ...statement.c },
      });
      if (outcome.upsertedId !== undefined) ids.push({ index, _id: outcome.upsertedId });
      n += outcome.matched + (outcome.upsertedId === undefined ? 0 : 1);
      nModified += outcome.modified;
    });
    return { n, ...(ids.length > 0 ? { upserted: ids } : {}), nModified, ...errors, ok: 1 };
  },

  delete(context) {
    const { command } = context;
    const collection = target(context);
    let n = 0;
    const errors = each(context, statements(command, 'deletes'), ({ q, limit, collation }) => {
      for (const document of find(collection, { filter: q, limit, collation, let: command.let })) {
        remove(context, collection, document);
        n += 1;
      }
    });
    return { n, ...errors, ok: 1 };
  },

  /** https://www.mongodb.com/docs/manual/reference/command/findAndModify/ */
  findAndModify(context) {
    const { command } = context;
    const { query = {}, sort, fields, collation } = command;
    const collection = target(context);
    const project = (document: Document | undefined) =>
      (document && arranged([document], { filter: query, projection: fields })[0]) ?? null;
    if (command.remove) {
      const [document] = find(collection, { filter: query, sort, collation, let: command.let, limit: 1 });
      if (document) remove(context, collection, document);
      return { lastErrorObject: { n: document ? 1 : 0 }, value: project(document), ok: 1 };
    }
    if (command.update === undefined) {
      throw new CommandError(9, 'Either an update or remove=true must be specified');
    }
    const { matched, upsertedId, before, after } = update(context, collection, {
      q: query,
      u: command.update,
      upsert: command.upsert,
      arrayFilters: command.arrayFilters,
      c: command.let,
      sort,
      collation,
    });
    return {
      lastErrorObject: {
        n: matched + (upsertedId === undefined ? 0 : 1),
        updatedExisting: matched > 0,
        ...(upsertedId === undefined ? {} : { upserted: upsertedId }),
      },
      value: project(command.new ? after : before),
      ok: 1,
    };
  },
};
