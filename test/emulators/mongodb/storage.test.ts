import {
  Binary,
  type Collection,
  Decimal128,
  type Document,
  Long,
  type MongoClient,
  type MongoServerError,
  ObjectId,
  UUID,
} from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type MongoServer, startMongoServer } from './index.js';
import { type Issuer, oidcClient, startIssuer } from './support.js';

let issuer: Issuer;
let server: MongoServer;
let client: MongoClient;
let serial = 0;
let collection: Collection<Document>;

beforeAll(async () => {
  issuer = await startIssuer();
  server = await startMongoServer({ identityProviders: [issuer.provider()], replicaSet: 'rs0' });
  client = oidcClient(server, () => issuer.sign(), { replicaSet: 'rs0' });
});
afterAll(async () => {
  await client.close();
  await server.close();
  await issuer.close();
});
beforeEach(() => {
  collection = client.db('test').collection(`c${++serial}`);
});

const people = [
  { _id: 1, name: 'Ann', age: 30, tags: ['a', 'b'], address: { city: 'Paris' } },
  { _id: 2, name: 'Bob', age: 20, tags: ['b'], address: { city: 'Rome' } },
  { _id: 3, name: 'Cem', age: 40, tags: [] },
] as Document[];

async function filled(): Promise<Collection<Document>> {
  await collection.insertMany(people.map((each) => ({ ...each })));
  return collection;
}

const codeOf = async (promise: Promise<unknown>) =>
  ((await promise.catch((reason: unknown) => reason)) as MongoServerError).code;

describe('insert', () => {
  it('keeps what BSON can hold', async () => {
    const document = {
      _id: new ObjectId(),
      text: 'ä€',
      number: 1.5,
      integer: 7,
      big: Long.fromString('9007199254740993'),
      decimal: Decimal128.fromString('1.10'),
      date: new Date(0),
      nothing: null,
      yes: true,
      list: [1, [2], { a: 3 }],
      nested: { deep: { er: 1 } },
      bytes: new Binary(Buffer.from([1, 2, 3])),
      uuid: new UUID(),
      pattern: /a+/i,
    };
    await collection.insertOne(document);
    expect(await collection.findOne({ _id: document._id })).toEqual(document);
  });

  it('gives an _id where there is none', async () => {
    await client.db('test').command({ insert: collection.collectionName, documents: [{ a: 1 }] });
    expect((await collection.findOne({ a: 1 }))?._id).toBeInstanceOf(ObjectId);
  });

  it('refuses an _id that is taken, and goes on only if unordered', async () => {
    await collection.insertOne({ _id: 1 } as Document);
    const documents = [{ _id: 2 }, { _id: 1 }, { _id: 3 }] as Document[];
    const error = (await collection.insertMany(documents).catch((reason) => reason)) as MongoServerError;
    expect(error).toMatchObject({ code: 11000, insertedCount: 1 });
    expect(error.message).toContain(
      `E11000 duplicate key error collection: ${collection.namespace} index: _id_`,
    );
    expect(await collection.countDocuments()).toBe(2);

    const more = [{ _id: 1 }, { _id: 4 }] as Document[];
    await collection.insertMany(more, { ordered: false }).catch(() => undefined);
    expect(await collection.countDocuments()).toBe(3);
  });
});

describe('find', () => {
  it.each<[string, Document, number[]]>([
    ['a value', { name: 'Bob' }, [2]],
    ['an _id', { _id: 3 }, [3]],
    ['several _ids', { _id: { $in: [3, 1, 9] } }, [1, 3]],
    ['an _id and more', { _id: 1, name: 'Bob' }, []],
    ['a range', { age: { $gt: 20, $lte: 40 } }, [1, 3]],
    ['a dotted path', { 'address.city': 'Paris' }, [1]],
    ['an element', { tags: 'b' }, [1, 2]],
    ['an absence', { address: null }, [3]],
    ['a pattern', { name: /^[ab]/i }, [1, 2]],
    ['alternatives', { $or: [{ age: 20 }, { tags: { $size: 0 } }], $comment: 'why' }, [2, 3]],
    ['an expression', { $expr: { $gt: ['$age', 30] } }, [3]],
  ])('matches by %s', async (_name, filter, ids) => {
    await filled();
    const found = await collection.find(filter).sort({ _id: 1 }).toArray();
    expect(found.map((each) => each._id)).toEqual(ids);
  });

  it('sorts by fields that it then leaves out, skips and limits', async () => {
    await filled();
    const found = await collection
      .find({}, { projection: { _id: 0, name: 1 } })
      .sort({ age: -1 })
      .skip(1)
      .limit(1);
    expect(await found.toArray()).toEqual([{ name: 'Ann' }]);
    const [first] = await collection.find({ tags: 'b' }, { projection: { 'tags.$': 1 } }).toArray();
    expect(first).toEqual({ _id: 1, tags: ['b'] });
  });

  it('hands out the rest of a result by getMore, as it was when it was asked for', async () => {
    await collection.insertMany(Array.from({ length: 250 }, (_, n) => ({ _id: n }) as Document));
    const before = server.stats.commands.getMore ?? 0;
    const cursor = collection.find().batchSize(100);
    expect(await cursor.next()).toEqual({ _id: 0 });
    await collection.updateMany({}, { $set: { changed: true } });
    const rest = await cursor.toArray();
    expect(rest).toHaveLength(249);
    expect(rest.some((each) => each.changed)).toBe(false);
    expect((server.stats.commands.getMore ?? 0) - before).toBe(2);
    expect(await collection.find().toArray()).toHaveLength(250);
  });

  it('keeps a batch within what fits in one message', async () => {
    const text = 'x'.repeat(6_000_000);
    for (let n = 0; n < 4; n++) await collection.insertOne({ text });
    const before = server.stats.commands.getMore ?? 0;
    expect(await collection.find().toArray()).toHaveLength(4);
    expect((server.stats.commands.getMore ?? 0) - before).toBe(1);
  });

  it('knows no cursor that was closed', async () => {
    await collection.insertMany(Array.from({ length: 10 }, () => ({})));
    const db = client.db('test');
    const name = collection.collectionName;
    const { cursor } = await db.command({ find: name, batchSize: 2 }, { promoteLongs: false });
    expect(await db.command({ killCursors: name, cursors: [cursor.id] })).toMatchObject({ ok: 1 });
    expect(await codeOf(db.command({ getMore: cursor.id, collection: name }))).toBe(43);
    const one = await db.command({ find: name, batchSize: 2, singleBatch: true });
    expect(one.cursor).toMatchObject({ id: 0, firstBatch: [{}, {}] });
    const other = await db.command({ find: name, batchSize: 2 }, { promoteLongs: false });
    expect(await codeOf(db.command({ getMore: other.cursor.id, collection: 'other' }))).toBe(13);
  });

  it('refuses an operator it does not know', async () => {
    await filled();
    expect(await codeOf(collection.findOne({ $foo: 1 }))).toBe(2);
    expect(await codeOf(collection.findOne({ a: { $foo: 1 } }))).toBe(2);
  });
});

describe('update', () => {
  it.each<[string, Document, Document, Document]>([
    ['$set', {}, { $set: { a: 1, 'b.c': 2 } }, { a: 1, b: { c: 2 } }],
    ['$unset', { a: 1, b: 1 }, { $unset: { a: '' } }, { b: 1 }],
    ['$inc and $mul', { a: 2, b: 3 }, { $inc: { a: 1, n: 1 }, $mul: { b: 2 } }, { a: 3, b: 6, n: 1 }],
    ['$min and $max', { a: 2, b: 2 }, { $min: { a: 1 }, $max: { b: 3 } }, { a: 1, b: 3 }],
    ['$rename', { a: 1 }, { $rename: { a: 'b' } }, { b: 1 }],
    ['$push', { a: [1] }, { $push: { a: 2, b: 1 } }, { a: [1, 2], b: [1] }],
    ['$push with modifiers', {}, { $push: { a: { $each: [3, 1, 2], $sort: 1, $slice: 2 } } }, { a: [1, 2] }],
    ['$addToSet', { a: [1] }, { $addToSet: { a: { $each: [1, 2, 2] }, b: 1 } }, { a: [1, 2], b: [1] }],
    [
      '$pull and $pop',
      { a: [1, 2, 3], b: [1, 2] },
      { $pull: { a: { $gt: 1 } }, $pop: { b: -1 } },
      { a: [1], b: [2] },
    ],
    ['$set of the same _id', { a: 1 }, { $set: { _id: 1, a: 2 } }, { a: 2 }],
    ['$setOnInsert', { a: 1 }, { $setOnInsert: { a: 2 } }, { a: 1 }],
    ['a replacement', { a: 1, b: 2 }, { c: 3 }, { c: 3 }],
    ['an empty replacement', { a: 1 }, {}, {}],
  ])('does %s', async (_name, before, update, after) => {
    await collection.insertOne({ _id: 1, ...before } as Document);
    await client
      .db('test')
      .command({ update: collection.collectionName, updates: [{ q: { _id: 1 }, u: update }] });
    expect(await collection.findOne()).toEqual({ _id: 1, ...after });
  });

  it('does pipelines, positions and array filters', async () => {
    await collection.insertOne({ _id: 1, a: 1, list: [{ n: 1 }, { n: 2 }] } as Document);
    await collection.updateOne({}, [{ $set: { b: { $add: ['$a', 1] } } }, { $unset: 'a' }]);
    await collection.updateOne({ 'list.n': 2 }, { $set: { 'list.$.found': true } });
    await collection.updateOne(
      {},
      { $inc: { 'list.$[low].n': 10 } },
      { arrayFilters: [{ 'low.n': { $lt: 2 } }] },
    );
    expect(await collection.findOne()).toEqual({ _id: 1, b: 2, list: [{ n: 11 }, { n: 2, found: true }] });
  });

  it('counts what matched and what changed', async () => {
    await filled();
    expect(await collection.updateMany({ age: { $gte: 30 } }, { $max: { age: 35 } })).toMatchObject({
      matchedCount: 2,
      modifiedCount: 1,
    });
    expect(await collection.updateOne({ age: 1 }, { $set: { a: 1 } })).toMatchObject({ matchedCount: 0 });
    expect(await collection.updateOne({}, { $set: { a: 1 } })).toMatchObject({
      matchedCount: 1,
      modifiedCount: 1,
    });
  });

  it('inserts where nothing matches, from the filter and the update', async () => {
    const result = await collection.updateOne(
      { 'a.b': 1, c: { $gt: 1 }, $and: [{ d: { $eq: 2 } }] },
      { $set: { e: 3 }, $setOnInsert: { f: 4 } },
      { upsert: true },
    );
    expect(result).toMatchObject({ matchedCount: 0, upsertedCount: 1, upsertedId: expect.any(ObjectId) });
    expect(await collection.findOne()).toEqual({ _id: result.upsertedId, a: { b: 1 }, d: 2, e: 3, f: 4 });

    await collection.updateOne({ _id: 5 } as Document, { $setOnInsert: { n: 1 } }, { upsert: true });
    await collection.updateOne({ _id: 5 } as Document, { $setOnInsert: { n: 2 } }, { upsert: true });
    await collection.replaceOne({ _id: 6 } as Document, { n: 3 }, { upsert: true });
    await collection.updateOne({ name: 'x' }, { $setOnInsert: { _id: 7 } } as Document, { upsert: true });
    await collection.updateOne({ _id: 8 } as Document, [{ $set: { n: { $add: [1, 1] } } }], { upsert: true });
    expect(
      await collection
        .find({ _id: { $in: [5, 6, 7, 8] } } as Document)
        .sort({ _id: 1 })
        .toArray(),
    ).toEqual([
      { _id: 5, n: 1 },
      { _id: 6, n: 3 },
      { _id: 7, name: 'x' },
      { _id: 8, n: 2 },
    ]);
  });

  it.each<[string, Document | Document[], number]>([
    ['another _id', { $set: { _id: 2 } }, 66],
    ['another _id by a pipeline', [{ $set: { _id: 2 } }], 66],
    ['an unknown modifier', { $foo: { a: 1 } }, 9],
    ['$inc of a text', { $inc: { name: 1 } }, 14],
    ['$push to a text', { $push: { name: 1 } }, 2],
    ['a conflict', { $set: { a: 1 }, $inc: { a: 1 } }, 40],
    ['a stage that does not belong there', [{ $match: {} }], 72],
  ])('refuses %s and changes nothing', async (_name, update, code) => {
    await filled();
    expect(await codeOf(collection.updateOne({ _id: 1 } as Document, update))).toBe(code);
    expect(await collection.findOne({ _id: 1 } as Document)).toEqual(people[0]);
  });

  it('finds and modifies, before or after', async () => {
    await filled();
    const sort = { age: 1 } as const;
    expect(await collection.findOneAndUpdate({}, { $inc: { age: 1 } }, { sort })).toMatchObject({ age: 20 });
    expect(
      await collection.findOneAndUpdate(
        {},
        { $inc: { age: 1 } },
        { sort, returnDocument: 'after', projection: { age: 1, _id: 0 } },
      ),
    ).toEqual({ age: 22 });
    expect(await collection.findOneAndReplace({ _id: 1 } as Document, { a: 1 })).toMatchObject({
      name: 'Ann',
    });
    expect(await collection.findOneAndDelete({ _id: 1 } as Document)).toEqual({ _id: 1, a: 1 });
    expect(await collection.findOneAndDelete({ _id: 1 } as Document)).toBeNull();
    const full = await collection.findOneAndUpdate(
      { _id: 9 } as Document,
      { $set: { a: 1 } },
      { upsert: true, returnDocument: 'after', includeResultMetadata: true },
    );
    expect(full).toMatchObject({
      lastErrorObject: { n: 1, updatedExisting: false, upserted: 9 },
      value: { _id: 9, a: 1 },
    });
  });
});

it('deletes one or all', async () => {
  await filled();
  expect(await collection.deleteOne({ tags: 'b' })).toMatchObject({ deletedCount: 1 });
  expect(await collection.deleteMany({})).toMatchObject({ deletedCount: 2 });
  expect(await collection.estimatedDocumentCount()).toBe(0);
});

it('writes in bulk', async () => {
  const result = await collection.bulkWrite([
    { insertOne: { document: { _id: 1 } as Document } },
    { updateOne: { filter: { _id: 2 } as Document, update: { $set: { a: 1 } }, upsert: true } },
    { updateMany: { filter: {}, update: { $set: { b: 1 } } } },
    { deleteOne: { filter: { _id: 1 } as Document } },
  ]);
  expect(result).toMatchObject({ insertedCount: 1, upsertedCount: 1, modifiedCount: 2, deletedCount: 1 });
});

describe('aggregate', () => {
  it('runs stages, in batches', async () => {
    await filled();
    const other = client.db('test').collection<Document>(`${collection.collectionName}-cities`);
    await other.insertOne({ _id: 'Paris', country: 'France' } as Document);
    const cursor = collection.aggregate(
      [
        { $match: { age: { $gte: 20 } } },
        { $unwind: '$tags' },
        {
          $lookup: {
            from: other.collectionName,
            localField: 'address.city',
            foreignField: '_id',
            as: 'city',
          },
        },
        { $group: { _id: '$tags', n: { $sum: 1 }, country: { $first: { $first: '$city.country' } } } },
        { $sort: { _id: 1 } },
      ],
      { batchSize: 1 },
    );
    expect(await cursor.toArray()).toEqual([
      { _id: 'a', n: 1, country: 'France' },
      { _id: 'b', n: 2, country: 'France' },
    ]);
    const { collectionName: aggregate } = collection;
    const request = { aggregate, pipeline: [], cursor: { batchSize: 1 } };
    expect((await client.db('test').command(request)).cursor.firstBatch).toHaveLength(1);
    expect(await collection.aggregate([{ $count: 'n' }]).toArray()).toEqual([{ n: 3 }]);
    expect(await collection.countDocuments({ tags: 'b' })).toBe(2);
    expect(
      await client
        .db('test')
        .aggregate([{ $documents: [{ a: 1 }] }])
        .toArray(),
    ).toEqual([{ a: 1 }]);
  });

  it('changes no stored document', async () => {
    await filled();
    await collection
      .aggregate([{ $match: { _id: 1 } }, { $set: { 'address.city': 'Oslo' } }, { $unset: 'tags' }])
      .toArray();
    expect(await collection.findOne({ _id: 1 } as Document)).toEqual(people[0]);
  });

  it('refuses what it cannot do', async () => {
    expect(await codeOf(collection.aggregate([{ $foo: {} }]).toArray())).toBe(40324);
    expect(await codeOf(collection.aggregate([{ $out: 'a' }]).toArray())).toBe(238);
    expect(await codeOf(client.db('test').command({ aggregate: 'a', pipeline: [] }))).toBe(9);
    expect(await codeOf(client.db('test').command({ aggregate: 'a', pipeline: {} as [], cursor: {} }))).toBe(
      14,
    );
  });
});

it('tells the distinct values, those inside arrays as well', async () => {
  await filled();
  await collection.insertOne({ address: { city: 'Rome' }, list: [{ n: 1 }, { n: 2 }, { n: 1 }] });
  expect(await collection.distinct('tags')).toEqual(['a', 'b']);
  expect(await collection.distinct('address.city')).toEqual(['Paris', 'Rome']);
  expect(await collection.distinct('list.n')).toEqual([1, 2]);
  expect(await collection.distinct('name', { age: { $lt: 40 } })).toEqual(['Ann', 'Bob']);
});

describe('indexes', () => {
  it('are created, listed and dropped', async () => {
    expect(await codeOf(collection.indexes())).toBe(26);
    expect(await collection.createIndex({ name: 1 })).toBe('name_1');
    await collection.createIndex({ name: 1 });
    expect(await collection.indexes()).toEqual([
      { v: 2, key: { _id: 1 }, name: '_id_' },
      { v: 2, key: { name: 1 }, name: 'name_1' },
    ]);
    expect(await codeOf(collection.createIndex({ name: 1 }, { name: 'other' }))).toBe(85);
    expect(await codeOf(collection.createIndex({ age: 1 }, { name: 'name_1' }))).toBe(86);
    await collection.dropIndex('name_1');
    expect(await codeOf(collection.dropIndex('name_1'))).toBe(27);
    expect(await collection.indexes()).toHaveLength(1);
  });

  it('that are unique keep values unique', async () => {
    await collection.createIndex({ email: 1 }, { unique: true });
    await collection.insertOne({ _id: 1, email: 'a' } as Document);
    await collection.insertOne({ _id: 2, email: 'b' } as Document);
    const error = await collection.insertOne({ email: 'a' }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 11000, keyPattern: { email: 1 }, keyValue: { email: 'a' } });
    expect(await codeOf(collection.updateOne({ _id: 2 } as Document, { $set: { email: 'a' } }))).toBe(11000);
    await expect(
      collection.findOneAndUpdate({ _id: 2 } as Document, { $set: { email: 'a' } }),
    ).rejects.toMatchObject({ code: 11000, keyPattern: { email: 1 }, keyValue: { email: 'a' } });

    await collection.updateOne({ _id: 1 } as Document, { $set: { email: 'c' } });
    await collection.insertOne({ email: 'a' });
    await collection.deleteOne({ email: 'b' });
    await collection.insertOne({ email: 'b' });
    await collection.insertOne({});
    expect(await codeOf(collection.insertOne({}))).toBe(11000);
    await collection.insertMany([
      { email: 'd', twice: 1 },
      { email: 'e', twice: 1 },
    ]);
    expect(await codeOf(collection.createIndex({ twice: 1 }, { unique: true }))).toBe(11000);
  });

  it('that are sparse, partial or of several fields do so where they apply', async () => {
    await collection.createIndex({ a: 1 }, { unique: true, sparse: true });
    await collection.createIndex({ b: 1 }, { unique: true, partialFilterExpression: { on: true } });
    await collection.createIndex({ c: 1, d: 1 }, { unique: true, sparse: true });
    await collection.insertMany([{ b: 1 }, { b: 1 }, { c: 1, d: 1 }, { c: 1, d: 2 }, { b: 1, on: true }]);
    expect(await codeOf(collection.insertOne({ b: 1, on: true }))).toBe(11000);
    expect(await codeOf(collection.insertOne({ c: 1, d: 2 }))).toBe(11000);
  });
});

describe('collections', () => {
  it('are created, listed and dropped', async () => {
    const db = client.db(`catalog${serial}`);
    await db.createCollection('made', { capped: false });
    expect(await codeOf(db.command({ create: 'made' }))).toBe(48);
    await db.collection('used').insertOne({});
    const listed = await db.listCollections().toArray();
    expect(listed).toMatchObject([
      { name: 'made', type: 'collection', options: { capped: false }, info: { readOnly: false } },
      { name: 'used', type: 'collection', options: {} },
    ]);
    expect(listed.map((each) => (each as Document).options)).toEqual([{ capped: false }, {}]);
    expect(await db.listCollections({ name: 'used' }, { nameOnly: true }).toArray()).toEqual([
      { name: 'used', type: 'collection' },
    ]);
    expect((await client.db('admin').admin().listDatabases()).databases).toContainEqual(
      expect.objectContaining({ name: db.databaseName }),
    );
    await db.dropCollection('made');
    await db.dropCollection('made');
    expect(await db.listCollections().toArray()).toHaveLength(1);
    await db.dropDatabase();
    expect(await db.listCollections().toArray()).toEqual([]);
  });

  it('need a name', async () => {
    expect(await codeOf(client.db('test').command({ find: 1 }))).toBe(73);
    expect(await codeOf(client.db('test').command({ create: '' }))).toBe(73);
  });
});

describe('a transaction', () => {
  it('stays when it is committed, and is undone when it is aborted', async () => {
    await filled();
    await client.withSession(async (session) => {
      session.startTransaction();
      await collection.insertOne({ _id: 4 } as Document, { session });
      await session.commitTransaction();
      expect(await collection.countDocuments()).toBe(4);

      session.startTransaction();
      await collection.insertOne({ _id: 5 } as Document, { session });
      await collection.updateOne({ _id: 1 } as Document, { $set: { name: 'x' } }, { session });
      await collection.updateOne({ _id: 1 } as Document, { $set: { name: 'y' } }, { session });
      await collection.deleteOne({ _id: 2 } as Document, { session });
      await session.abortTransaction();
    });
    expect(await collection.find().sort({ _id: 1 }).toArray()).toEqual([...people, { _id: 4 }]);
  });

  it('ends at its first error', async () => {
    await filled();
    await client.withSession(async (session) => {
      session.startTransaction();
      await collection.deleteOne({ _id: 2 } as Document, { session });
      expect(await codeOf(collection.insertOne({ _id: 1 } as Document, { session }))).toBe(11000);
      expect(await collection.countDocuments()).toBe(3);
      expect(await codeOf(collection.findOne({}, { session }))).toBe(251);
    });
  });

  it('needs a replica set', async () => {
    const standalone = await startMongoServer({ identityProviders: [issuer.provider()] });
    const driver = oidcClient(standalone, () => issuer.sign());
    try {
      await driver.db('test').collection('a').insertOne({});
      // The driver would not even send it, unless it is told to.
      const insert = { insert: 'a', documents: [{}], txnNumber: Long.ONE };
      expect(await codeOf(driver.db('test').command(insert))).toBe(20);
    } finally {
      await driver.close();
      await standalone.close();
    }
  });
});
