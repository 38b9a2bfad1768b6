// The program that is measured, in a process of its own. It is told what to do by its first argument, and by
// `measure.ts` over its channel.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { clientArguments } from './subjects.mjs';

/** Each worker begins an operation so often, unless its last one is still under way. */
const INTERVAL_MS = 100;
/** A failed operation is not tried again sooner. */
const PAUSE_AFTER_FAILURE_MS = 200;
const GIVE_UP_MS = 90_000;
/** The load of a rollover begins so long before the expiry, and ends so long after all is well again. */
const LEAD_MS = 1_500;
const CALM_MS = 500;

const task = JSON.parse(process.argv[2]);
const now = () => performance.timeOrigin + performance.now();

const kinds = { rollover, start, outage };
const beganAt = now();
await kinds[task.kind](await clientArguments(task.subject, task.address, task.audience));
process.exit();

/** A load that keeps a pool busy, through the expiry of the first token. */
async function rollover(newArguments) {
  const { pool, lifeSeconds } = task;
  const [uri, options] = newArguments();
  const client = new MongoClient(uri, { ...options, minPoolSize: pool, maxPoolSize: pool });
  let open = 0;
  client.on('connectionReady', () => {
    open += 1;
  });
  const collection = client.db('bench').collection('orders');
  await collection.insertOne({ _id: 1 });
  // The driver opens a connection where an operation waits for one; without load it takes 100 ms for each.
  while (open < pool)
    await Promise.all(Array.from({ length: 2 * pool }, () => collection.findOne({ _id: 1 })));
  const { expiresAt } = await ask({ event: 'ready' });
  // Ours asks for its next token after 76 % of a life, or when there is time left for three requests.
  const isTooLate = now() > expiresAt - Math.max(2_500, 0.3 * lifeSeconds * 1_000);
  if (isTooLate) return report({ isTooLate, failures: 0, operations: [] });
  const beginAt = expiresAt - LEAD_MS;
  await sleep(Math.max(0, beginAt - now()));

  const operations = [];
  let failures = 0;
  let unfinished = 0;
  const isThrough = new Set();
  const giveUpAt = expiresAt + GIVE_UP_MS;
  let endAt = giveUpAt;
  const work = async (worker) => {
    const phaseMS = task.isBurst ? 0 : (worker / pool) * INTERVAL_MS;
    for (;;) {
      const nextMS = INTERVAL_MS - ((now() - beginAt - phaseMS) % INTERVAL_MS);
      await sleep(nextMS);
      const startedAt = now();
      if (startedAt >= endAt) return;
      unfinished += 1;
      try {
        await collection.findOne({ _id: 1 });
        if (startedAt > expiresAt) isThrough.add(worker);
      } catch {
        failures += 1;
      }
      unfinished -= 1;
      operations.push([startedAt - expiresAt, now() - startedAt]);
      if (isThrough.size === pool) endAt = Math.min(endAt, now() + CALM_MS);
    }
  };
  const workers = Array.from({ length: pool }, (_, worker) => work(worker));
  const givenUp = sleep(giveUpAt + 1_000 - now(), undefined, { ref: false });
  await Promise.race([Promise.all(workers), givenUp]);
  await report({ isTooLate, failures: failures + unfinished, operations });
}

/** Many clients at once, until each has done an operation; whatever has to be imported counts. */
async function start(newArguments) {
  const clients = Array.from({ length: task.clients }, () => new MongoClient(...newArguments()));
  const outcomes = await Promise.allSettled(
    clients.map((client) => client.db('bench').collection('orders').findOne({})),
  );
  const readyMS = now() - beganAt;
  const failures = outcomes.filter(({ status }) => status === 'rejected').length;
  await report({ readyMS, failures });
}

/** A load that goes on when operations fail: from the first token, then through the expiry of that token. */
async function outage(newArguments) {
  const { pool } = task;
  const [uri, options] = newArguments();
  const client = new MongoClient(uri, { ...options, maxPoolSize: pool });
  const isOpening = new Set();
  client.on('connectionCreated', ({ connectionId }) => isOpening.add(connectionId));
  client.on('connectionReady', ({ connectionId }) => isOpening.delete(connectionId));
  client.on('connectionClosed', ({ connectionId }) => isOpening.delete(connectionId));
  const collection = client.db('bench').collection('orders');
  const failures = { first: 0, refresh: 0 };
  const slowestMS = { first: 0, refresh: 0 };
  let moment = 'first';
  let from = now();
  let isOver = false;
  const through = { first: new Set(), refresh: new Set() };
  let isThrough = () => {};
  const work = async (worker) => {
    while (!isOver) {
      const startedAt = now();
      const during = moment;
      const failed = await collection.findOne({}).then(
        () => false,
        () => true,
      );
      slowestMS[during] = Math.max(slowestMS[during], now() - startedAt);
      if (failed) failures[during] += 1;
      else if (startedAt >= from) through[during].add(worker);
      if (through[moment].size === pool) isThrough();
      await sleep(failed ? PAUSE_AFTER_FAILURE_MS : INTERVAL_MS);
    }
  };
  const allThrough = () =>
    new Promise((resolve) => {
      isThrough = () => resolve(true);
      setTimeout(() => resolve(false), GIVE_UP_MS).unref();
    });
  const firstToken = allThrough();
  const workers = Array.from({ length: pool }, (_, worker) => work(worker));
  const began = await firstToken;
  // A connection that still waits for its first token would meet a fault that is meant for the refresh. Of one that
  // opened while its pool was cleared, the driver reports no end.
  const patientUntil = now() + 2_000;
  while (isOpening.size > 0 && now() < patientUntil) await sleep(INTERVAL_MS);
  const { expiresAt } = await ask({ event: 'ready' });
  // From now on it counts as the refresh: ours refreshes before the expiry.
  from = expiresAt + 500;
  moment = 'refresh';
  const ended = await allThrough();
  isOver = true;
  await Promise.race([Promise.all(workers), sleep(GIVE_UP_MS, undefined, { ref: false })]);
  await report({ failures, slowestMS, recovered: { first: began, refresh: ended } });
}

/** Asks `measure.ts` and waits for the answer. */
async function ask(question) {
  const answered = once(process, 'message');
  process.send(question);
  const [answer] = await answered;
  return answer;
}

function report(outcome) {
  return new Promise((resolve) => process.send({ event: 'done', ...outcome }, resolve));
}
