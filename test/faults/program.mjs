// A program with many clients, each of which lives through one case of a fault. It has the faults switched on and off
// where it is told to, and reports what the operations of each client came to.
import { subscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import { OIDCCallbackError } from 'mongodb-workload-identity';

const { control, uri, className, lifeSeconds, drivers, cases } = JSON.parse(process.env.FAULTS);

const entries = await Promise.all(
  ['azure', 'gcp', 'kubernetes'].map((entry) => import(`mongodb-workload-identity/${entry}`)),
);
const Callback = Object.assign({}, ...entries)[className];
const clients = Object.fromEntries(
  await Promise.all(drivers.map(async (driver) => [driver, (await import(driver)).MongoClient])),
);

const POOL = 100;
/** How far apart the cases begin: they wait most of their time, but not when they connect. */
const SPREAD_MS = 300;
/** The source is back, and an operation finds out later than this. */
const GIVE_UP_MS = 15_000;

/**
 * Milliseconds, as far as this process had any: on cores that are busy with something else each tick comes late, and
 * so does all that is measured by it.
 */
let clockMS = 0;
const TICK_MS = 20;
setInterval(() => {
  clockMS += TICK_MS;
}, TICK_MS).unref();

/** What the events say, by audience: each case has one of its own. */
const seen = new Map();
const watch = (audience) => {
  const events = { attempts: [], outages: [], listeners: new Set() };
  seen.set(audience, events);
  return events;
};
const on = (channel, add) =>
  subscribe(channel, (event) => {
    const events = seen.get(event.audience);
    if (!events) return;
    add(events, event);
    for (const listener of events.listeners) listener();
  });
on('tracing:mongodb-workload-identity.fetch:asyncEnd', ({ attempts }, { outcome, code }) =>
  attempts.push(outcome === 'token' ? 'token' : code),
);
on('mongodb-workload-identity.outage', ({ outages }, { code, expiresAt }) =>
  outages.push({ code, remainingMS: expiresAt - Date.now() }),
);

/** Once the events of a case are so. */
const until = (events, condition) =>
  new Promise((resolve) => {
    const listener = () => {
      if (!condition(events)) return;
      events.listeners.delete(listener);
      resolve();
    };
    events.listeners.add(listener);
    listener();
  });

async function tell(path, body) {
  const response = await fetch(`${control}${path}`, { method: 'POST', body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
}

class Case {
  /** What operations failed with, those of the pool whose failure is wanted apart. */
  failures = [];

  constructor({ id, driver, audience, options, timeoutMS, times }) {
    this.id = id;
    this.times = times;
    const wanted = options.audience === null ? undefined : audience;
    this.events = watch(wanted);
    this.callback = new Callback({ ...options, audience: wanted, ...(timeoutMS && { timeoutMS }) });
    this.client = new clients[driver](uri, {
      authMechanism: 'MONGODB-OIDC',
      authMechanismProperties: { OIDC_CALLBACK: this.callback },
      maxPoolSize: POOL,
      maxConnecting: POOL,
    });
  }

  /** Undefined where it succeeds, else what it failed with and after how long. */
  async operate() {
    const startedAt = clockMS;
    try {
      await this.client.db('shop').command({ ping: 1 });
      return undefined;
    } catch (error) {
      const isOurs = error instanceof OIDCCallbackError;
      return {
        what: isOurs ? error.code : `${error.name}: ${error.message}`,
        ms: clockMS - startedAt,
        at: Date.now(),
      };
    }
  }

  /** Operations that have to succeed. */
  async operateAtOnce(count) {
    const results = await Promise.all(Array.from({ length: count }, () => this.operate()));
    this.failures.push(...results.filter(Boolean));
  }

  /** Until shortly before the token is refreshed: cores are few. */
  async idle() {
    await sleep(this.expiresAt - BEFORE_EXPIRY_MS - Date.now());
  }

  /** Operations that have to succeed, one after another in a few places, for as long as it says. */
  async load(goesOn, { workers = 3, pauseMS = 200 } = {}) {
    const work = async () => {
      while (goesOn()) {
        const failure = await this.operate();
        if (failure) this.failures.push(failure);
        await sleep(pauseMS * (0.5 + Math.random()));
      }
    };
    await Promise.all(Array.from({ length: workers }, work));
  }

  /** Until the token has expired for a while, and another was fetched. */
  async loadUntilRenewed() {
    const known = this.tokens();
    const giveUpAt = this.expiresAt + PASSING_MS;
    await this.idle();
    await this.load(
      () =>
        Date.now() < this.expiresAt + EXPIRED_FOR_MS || (this.tokens() === known && Date.now() < giveUpAt),
    );
  }

  async fault() {
    await tell('/fault', { id: this.id });
    // A file does not know how often it is read.
    const failed = this.events.attempts.filter((outcome) => outcome !== 'token').length;
    if (this.times)
      until(
        this.events,
        ({ attempts }) => attempts.filter((outcome) => outcome !== 'token').length >= failed + this.times,
      ).then(() => tell('/pass', { id: this.id, unlessCounted: true }));
  }

  pass() {
    return tell('/pass', { id: this.id });
  }

  /** The token, and when it expires; connections that use it. Nothing is wrong yet, but an SDK may be slow to load. */
  async warmUp(connections) {
    const giveUpAt = clockMS + GIVE_UP_MS;
    while ((await this.operate()) && clockMS < giveUpAt);
    await this.operateAtOnce(connections);
    this.expiresAt = this.callback.expiresAt.getTime();
  }

  tokens() {
    return this.events.attempts.filter((outcome) => outcome === 'token').length;
  }
}

const EXPIRED_FOR_MS = 1_500;
/** Of a token's life, which is refreshed when a quarter of it is left at most. */
const BEFORE_EXPIRY_MS = lifeSeconds * 300;
/** No SDK takes longer for three failures (Azure's, at 410: 23 s). */
const PASSING_MS = 45_000;
/** The whole pool is at work from then on. */
const LAST_MOMENTS_MS = 1_000;

const courses = {
  /** It happens up to three times, and passes. */
  async 'first passing'(one) {
    await one.fault();
    await one.operateAtOnce(20);
  },

  async 'refresh passing'(one) {
    await one.warmUp(10);
    await one.fault();
    await one.loadUntilRenewed();
  },

  /** It lasts until an event says so, and the token is still valid then. */
  async 'refresh valid'(one) {
    await one.warmUp(10);
    await one.fault();
    const outage = until(one.events, ({ outages }) => outages.length > 0);
    const late = sleep(one.expiresAt - Date.now(), undefined, { ref: false });
    const passed = Promise.race([outage, late]).then(() => one.pass());
    await one.loadUntilRenewed();
    await passed;
  },

  /** It lasts longer than any budget. */
  async 'first lasting'(one) {
    await one.fault();
    const results = await Promise.all(Array.from({ length: POOL }, () => one.operate()));
    return afterwards(one, results);
  },

  async 'refresh lasting'(one) {
    await one.warmUp(POOL);
    await one.fault();
    await one.idle();
    await one.load(() => Date.now() < one.expiresAt - LAST_MOMENTS_MS);
    const work = async () => {
      let result;
      while (!result && Date.now() < one.expiresAt + GIVE_UP_MS) {
        await sleep(LAST_MOMENTS_MS * Math.random());
        result = await one.operate();
      }
      return result;
    };
    const results = await Promise.all(Array.from({ length: POOL }, work));
    return afterwards(one, results);
  },

  /** It cannot pass. */
  async 'first final'(one) {
    await one.fault();
    const result = await one.operate();
    return { failed: result ? { [result.what]: 1 } : {}, slowestMS: result?.ms };
  },
};

async function afterwards(one, results) {
  const failed = {};
  for (const result of results) {
    const what = result?.what ?? 'no failure';
    failed[what] = (failed[what] ?? 0) + 1;
  }
  const early = results.filter((result) => result?.at < one.expiresAt).length;
  await one.pass();
  const passedAt = clockMS;
  let result;
  const trials = [];
  do {
    result = await one.operate();
    if (result) trials.push(result.what);
  } while (result && clockMS - passedAt < GIVE_UP_MS);
  const recoveredAfterMS = clockMS - passedAt;
  await one.operateAtOnce(POOL);
  return {
    failed,
    early,
    slowestMS: Math.max(...results.map((result) => result?.ms ?? 0)),
    recoveredAfterMS,
    trials: [...new Set(trials)],
  };
}

async function live(parameters, index) {
  await sleep(index * SPREAD_MS);
  const one = new Case(parameters);
  const result = await courses[parameters.course](one);
  const { failures, events, id } = one;
  const { attempts, outages } = events;
  // Before the client closes, for which a driver can ask for a token once more.
  await tell('/result', {
    id,
    failures: [...new Set(failures.map(({ what }) => what))],
    attempts,
    outages,
    ...result,
  });
  await one.client.close();
  one.callback.invalidate();
}

await Promise.all(cases.map(live));
// From here on, what is left of the calls that hung can only keep the process alive, or end it with a rejection.
await tell('/done', {});
