import {
  type ChangeStream,
  type Collection,
  type Document,
  type MongoClient,
  MongoServerError,
  Timestamp,
} from 'mongodb';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type MongoServer, startMongoServer } from './index.js';
import { type Issuer, oidcClient, startIssuer } from './support.js';

let issuer: Issuer;
let server: MongoServer;
let client: MongoClient;
let serial = 0;
let collection: Collection<Document>;
const streams: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  issuer = await startIssuer();
  server = await startMongoServer({ identityProviders: [issuer.provider()], replicaSet: 'rs0' });
  client = oidcClient(server, () => issuer.sign());
});
afterAll(async () => {
  await Promise.all(streams.map((stream) => stream.close()));
  await client.close();
  await server.close();
  await issuer.close();
});
beforeEach(() => {
  collection = client.db('test').collection(`c${++serial}`);
});

/** A stream that sees what is written from now on; opening it is otherwise left to the first `next`. */
async function opened<T extends Pick<ChangeStream, 'tryNext' | 'close'>>(stream: T): Promise<T> {
  streams.push(stream);
  await stream.tryNext();
  return stream;
}

const soon = { maxAwaitTimeMS: 1 };
const token = { _data: expect.stringMatching(/^82[0-9A-F]{16}2B/) };
const codeOf = async (promise: Promise<unknown>) => {
  const error = await promise.catch((reason: unknown) => reason);
  return error instanceof MongoServerError ? error.code : error;
};

it('tells of each kind of write, in order', async () => {
  const stream = await opened(collection.watch([], soon));
  await collection.insertOne({ _id: 1, a: { b: 1, c: 1 }, d: 1 } as Document);
  await collection.updateOne({ _id: 1 } as Document, {
    $set: { 'a.b': 2, e: 3 },
    $unset: { d: 1, 'a.c': 1 },
  });
  await collection.updateOne({ _id: 1 } as Document, { $set: { e: 3 } });
  await collection.replaceOne({ _id: 1 } as Document, { f: 1 });
  await collection.findOneAndUpdate({ _id: 2 } as Document, { $set: { g: 1 } }, { upsert: true });
  await collection.deleteOne({ _id: 1 } as Document);
  const { namespace } = collection;
  const about = {
    _id: token,
    clusterTime: expect.any(Timestamp),
    wallTime: expect.any(Date),
    ns: { db: 'test', coll: namespace.slice('test.'.length) },
  };
  const events: Document[] = [];
  for (let i = 0; i < 5; i++) events.push(await stream.next());
  expect(events).toEqual([
    {
      ...about,
      operationType: 'insert',
      documentKey: { _id: 1 },
      fullDocument: { _id: 1, a: { b: 1, c: 1 }, d: 1 },
    },
    {
      ...about,
      operationType: 'update',
      documentKey: { _id: 1 },
      updateDescription: {
        updatedFields: { 'a.b': 2, e: 3 },
        removedFields: ['d', 'a.c'],
        truncatedArrays: [],
      },
    },
    { ...about, operationType: 'replace', documentKey: { _id: 1 }, fullDocument: { _id: 1, f: 1 } },
    { ...about, operationType: 'insert', documentKey: { _id: 2 }, fullDocument: { _id: 2, g: 1 } },
    { ...about, operationType: 'delete', documentKey: { _id: 1 } },
  ]);
  expect(events.map(({ _id }) => _id._data)).toEqual([...new Set(events.map(({ _id }) => _id._data))].sort());
  expect(await stream.tryNext()).toBeNull();
});

it('looks up the document of an update as it is by then', async () => {
  await collection.insertMany([{ _id: 1 }, { _id: 2 }] as Document[]);
  const stream = await opened(collection.watch([], { ...soon, fullDocument: 'updateLookup' }));
  await collection.updateMany({}, { $set: { a: 1 } });
  await collection.updateOne({ _id: 1 } as Document, { $set: { a: 2 } });
  await collection.deleteOne({ _id: 2 } as Document);
  expect(await stream.next()).toMatchObject({
    fullDocument: { _id: 1, a: 2 },
    updateDescription: { updatedFields: { a: 1 } },
  });
  expect(await stream.next()).toMatchObject({ documentKey: { _id: 2 }, fullDocument: null });
});

it('watches a collection, a database or all of them', async () => {
  const db = client.db(`db${serial}`);
  const other = db.collection('other');
  const [ofCollection, ofDatabase, ofAll] = await Promise.all([
    opened(collection.watch([], soon)),
    opened(db.watch([], soon)),
    opened(client.watch([], soon)),
  ]);
  await other.insertOne({ n: 1 });
  await collection.insertOne({ n: 2 });
  await other.insertOne({ n: 3 });
  const numbers = async (stream: ChangeStream, count: number) => {
    const found = [];
    for (let i = 0; i < count; i++) found.push(((await stream.next()) as Document).fullDocument.n);
    return found;
  };
  expect(await numbers(ofCollection, 1)).toEqual([2]);
  expect(await numbers(ofDatabase, 2)).toEqual([1, 3]);
  expect(await numbers(ofAll, 3)).toEqual([1, 2, 3]);
});

it('passes events through the rest of the pipeline', async () => {
  const stages = [{ $match: { 'fullDocument.n': { $gt: 1 } } }, { $project: { n: '$fullDocument.n' } }];
  const stream = await opened(collection.watch(stages, soon));
  await collection.insertMany([{ n: 1 }, { n: 2 }, { n: 1 }, { n: 3 }]);
  expect(await stream.next()).toEqual({ _id: token, n: 2 });
  expect(await stream.next()).toEqual({ _id: token, n: 3 });
});

it('waits for data, as long as it is told', async () => {
  const stream = await opened(collection.watch([], soon));
  const { resumeToken } = stream;
  await client.db('test').collection('elsewhere').insertOne({});
  expect(await stream.tryNext()).toBeNull();
  expect(stream.resumeToken).toEqual(token);
  expect(stream.resumeToken).not.toEqual(resumeToken);

  const patient = await opened(collection.watch([], { maxAwaitTimeMS: 1 }));
  const before = server.stats.commands.getMore ?? 0;
  const long = collection.watch([], { maxAwaitTimeMS: 60_000, resumeAfter: patient.resumeToken });
  streams.push(long);
  const next = long.next();
  await expect.poll(() => server.stats.commands.getMore).toBe(before + 1);
  await collection.insertOne({ _id: 'came' } as Document);
  expect(await next).toMatchObject({ documentKey: { _id: 'came' } });
  expect(server.stats.commands.getMore).toBe(before + 1);
});

it('stops waiting when it is closed', async () => {
  const before = server.stats.commands.getMore ?? 0;
  const stream = collection.watch([], { maxAwaitTimeMS: 60_000 });
  const next = stream.next();
  next.catch(() => {});
  await expect.poll(() => server.stats.commands.getMore).toBe(before + 1);
  await stream.close();
  await expect(next).rejects.toThrow();
});

it('goes on after an event, at a time, and after a lost connection', async () => {
  const stream = await opened(collection.watch([], soon));
  await collection.insertMany([{ n: 1 }, { n: 2 }, { n: 3 }]);
  const first = (await stream.next()) as Document;
  for (const [options, n] of [
    [{ resumeAfter: first._id }, 2],
    [{ startAfter: first._id }, 2],
    [{ startAtOperationTime: first.clusterTime }, 1],
  ] as const) {
    const other = collection.watch([], { ...soon, ...options });
    streams.push(other);
    expect(await other.next()).toMatchObject({ fullDocument: { n } });
  }

  server.failNext('getMore', { close: true });
  await collection.insertOne({ n: 4 });
  const aggregations = server.stats.commands.aggregate ?? 0;
  for (const n of [2, 3, 4]) expect(await stream.next()).toMatchObject({ fullDocument: { n } });
  expect(server.stats.commands.aggregate).toBe(aggregations + 1);
});

it('says nothing of transactions', async () => {
  const stream = await opened(collection.watch([], soon));
  await client.withSession((session) =>
    session.withTransaction(() => collection.insertOne({ n: 1 }, { session })),
  );
  await collection.insertOne({ n: 2 });
  expect(await stream.next()).toMatchObject({ fullDocument: { n: 2 } });
});

it('refuses what a server refuses', async () => {
  const open = (...pipeline: Document[]) => collection.aggregate(pipeline).toArray();
  expect(await codeOf(open({ $match: {} }, { $changeStream: {} }))).toBe(40602);
  expect(await codeOf(open({ $changeStream: { resumeAfter: { _data: 'x' } } }))).toBe(9);
  expect(await codeOf(open({ $changeStream: { resumeAfter: { _data: `82${'0'.repeat(16)}` } } }))).toBe(286);
  expect(await codeOf(open({ $changeStream: { fullDocument: 'required' } }))).toBe(238);

  const alone = await startMongoServer({ identityProviders: [issuer.provider()] });
  const clientOfOne = oidcClient(alone, () => issuer.sign());
  const stream = clientOfOne.db('test').collection('c').watch();
  expect(await codeOf(stream.next())).toBe(40573);
  await clientOfOne.close();
  await alone.close();
});
