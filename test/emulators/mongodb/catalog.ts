/** Collections, indexes and databases. */
import type { Document } from 'bson';
import type { CommandContext, Commands } from './context.js';
import { CommandError } from './errors.js';
import { matcher } from './query.js';
import { collectionName } from './reads.js';
import type { Collection } from './store.js';
import { isSame } from './values.js';

const ID_INDEX = { v: 2, key: { _id: 1 }, name: '_id_' };

/** What a command carries besides its arguments. */
const GENERIC_FIELDS = new Set([
  'lsid',
  'txnNumber',
  'autocommit',
  'startTransaction',
  'writeConcern',
  'readConcern',
  'comment',
  'maxTimeMS',
  'apiVersion',
  'apiStrict',
  'apiDeprecationErrors',
]);

function existing(context: CommandContext): Collection {
  const name = collectionName(context);
  const collection = context.state.store.find(context.db, name);
  if (!collection) throw new CommandError(26, `ns does not exist: ${context.db}.${name}`);
  return collection;
}

/** True if there is such an index already; an error if there is one of the same name or key that differs. */
function isExisting(collection: Collection, index: Document): boolean {
  const named = collection.indexes.find(({ name }) => name === index.name);
  if (named && !isSame(named.key, index.key)) {
    throw new CommandError(
      86,
      `An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Please refer to our documentation. Requested index: ${index.name}`,
    );
  }
  if (!named && collection.indexes.some(({ key }) => isSame(key, index.key))) {
    throw new CommandError(85, `Index already exists with a different name: ${index.name}`);
  }
  return named !== undefined;
}

export const catalogCommands: Commands = {
  create(context) {
    const { command, db, state } = context;
    const name = collectionName(context);
    if (state.store.find(db, name)) {
      throw new CommandError(48, `Collection ${db}.${name} already exists.`);
    }
    const options = Object.entries(command).filter(
      ([field]) => field !== 'create' && !field.startsWith('$') && !GENERIC_FIELDS.has(field),
    );
    state.store.collection(db, name, Object.fromEntries(options));
    return { ok: 1 };
  },

  createIndexes(context) {
    const { command, db, state } = context;
    const name = collectionName(context);
    const createdCollectionAutomatically = state.store.find(db, name) === undefined;
    const collection = state.store.collection(db, name);
    const numIndexesBefore = collection.indexes.length;
    for (const index of command.indexes as Document[]) {
      if (!index.key || !index.name) throw new CommandError(9, 'An index needs a key and a name');
      if (!isExisting(collection, index)) collection.createIndex({ v: 2, ...index });
    }
    const numIndexesAfter = collection.indexes.length;
    return {
      numIndexesBefore,
      numIndexesAfter,
      createdCollectionAutomatically,
      ...(numIndexesBefore === numIndexesAfter ? { note: 'all indexes already exist' } : {}),
      ok: 1,
    };
  },

  listIndexes(context) {
    const { command, db, state } = context;
    const { name, indexes } = existing(context);
    return state.cursors.open(`${db}.${name}`, indexes, command.cursor?.batchSize);
  },

  dropIndexes(context) {
    const { index } = context.command;
    const collection = existing(context);
    const nIndexesWas = collection.indexes.length;
    const others = collection.indexes.filter(({ name }) => name !== '_id_');
    const dropped = others.filter(({ name, key }) => {
      if (index === '*') return true;
      if (typeof index === 'string') return name === index;
      return Array.isArray(index) ? index.includes(name) : isSame(key, index);
    });
    if (dropped.length === 0 && index !== '*') throw new CommandError(27, 'index not found');
    for (const { name } of dropped) collection.dropIndex(name);
    return { nIndexesWas, ok: 1 };
  },

  listCollections({ command, db, state }) {
    const documents = state.store.collections(db).map(({ name, options, uuid }) => ({
      name,
      type: 'collection',
      ...(command.nameOnly ? {} : { options, info: { readOnly: false, uuid }, idIndex: ID_INDEX }),
    }));
    return state.cursors.open(
      `${db}.$cmd.listCollections`,
      documents.filter(matcher(command.filter ?? {})),
      command.cursor?.batchSize,
    );
  },

  listDatabases({ command, state }) {
    const databases = state.store
      .databases()
      .map((name) => ({ name, sizeOnDisk: 0, empty: false }))
      .filter(matcher(command.filter ?? {}));
    return { databases, totalSize: 0, totalSizeMb: 0, ok: 1 };
  },

  drop(context) {
    const { db, state } = context;
    const name = collectionName(context);
    const collection = state.store.find(db, name);
    if (!collection || !state.store.drop(db, name)) return { ok: 1 };
    return { nIndexesWas: collection.indexes.length, ns: collection.namespace, ok: 1 };
  },

  dropDatabase: ({ db, state }) => (state.store.dropDatabase(db) ? { dropped: db, ok: 1 } : { ok: 1 }),
};
