// A client whose callback is a subclass of the package's, and which does what it is asked.
import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { OIDCCallbackError } from 'mongodb-workload-identity';
import { HttpCallback } from './http-callback.mjs';
import { answerEach } from './lines.mjs';

const { uri, poolSize, ...options } = JSON.parse(process.env.PROGRAM);
const callback = new HttpCallback(options);
/** An answer from memory is there before anything else happens: a call without it waits. */
const work = { operations: 0, failures: [], calls: 0, waits: 0 };
const client = new MongoClient(uri, {
  authMechanism: 'MONGODB-OIDC',
  authMechanismProperties: {
    OIDC_CALLBACK: (params) => {
      work.calls += 1;
      const answer = callback(params);
      let isAnswered = false;
      const note = () => {
        isAnswered = true;
      };
      answer.then(note, note);
      setImmediate(() => {
        if (!isAnswered) work.waits += 1;
      });
      return answer;
    },
  },
  maxPoolSize: poolSize,
});

const questions = {
  /** What one operation fails with. */
  operate: () => ping().then(() => null, essenceOf),

  /** Keeps every connection of the pool busy from now on. */
  work() {
    for (let i = 0; i < poolSize; i++) void keepWorking();
  },

  report: () => work,

  invalidate: () => callback.invalidate(),
};

await answerEach(({ question }) => questions[question]());
// Standard input has ended, and with it the test.
process.exit();

function ping() {
  return client.db('shop').command({ ping: 1 });
}

async function keepWorking() {
  for (;;) {
    try {
      await ping();
    } catch (error) {
      work.failures.push(essenceOf(error));
      await sleep(1_000);
    }
    work.operations += 1;
  }
}

function essenceOf(error) {
  const { name, code, message } = error;
  return { name, code, message, isOfThePackage: error instanceof OIDCCallbackError };
}
