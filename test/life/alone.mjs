// A program that waits for nothing but a token, or for nothing at all: named by its argument. It says how it went.
import { setTimeout as sleep } from 'node:timers/promises';
import { OIDCCallback } from 'mongodb-workload-identity';

class OwnCallback extends OIDCCallback {
  #answer;
  #asked = 0;

  constructor({ answer, ...options }) {
    super({ timeoutMS: 1_500, ...options }, []);
    this.#answer = answer;
  }

  async getToken() {
    return { token: await this.#answer(++this.#asked) };
  }
}

function unsignedToken(lifeSeconds) {
  const claims = { jti: Math.random(), exp: Date.now() / 1_000 + lifeSeconds };
  return [{ alg: 'RS256' }, claims, 'signature']
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
}

const never = () => new Promise(() => {});
const failing = () => {
  throw new Error('The source is down.');
};
const say = (line) => process.stdout.write(`${line}\n`);
const tell = (fetching) =>
  fetching.then(
    () => say('token'),
    ({ code }) => say(code),
  );

const programs = {
  /** Its refresh is due in seconds, and again. */
  'holds a callback': async () => {
    globalThis.callback = new OwnCallback({ answer: () => unsignedToken(2) });
    await tell(globalThis.callback.fetch());
  },
  /** Its source is asked again for a minute. */
  'holds a callback that failed': async () => {
    globalThis.callback = new OwnCallback({ answer: failing, timeoutMS: 300 });
    await tell(globalThis.callback.fetch());
  },
  'waits in a backoff': () => tell(new OwnCallback({ answer: failing }).fetch()),
  'waits in a backoff, and gets it': () =>
    tell(new OwnCallback({ answer: (number) => (number < 4 ? failing() : unsignedToken(60)) }).fetch()),
  'waits for a source that hangs': () => tell(new OwnCallback({ answer: never }).fetch()),
  'waits for a source that hangs once': () =>
    tell(new OwnCallback({ answer: (number) => (number < 2 ? never() : unsignedToken(60)) }).fetch()),
  /** The second joins half-way, and its token comes when the fetch that it joined has run out. */
  'waits for a recovery': async () => {
    const downUntil = Date.now() + 4_600;
    const answer = () => (Date.now() < downUntil ? failing() : unsignedToken(60));
    const callback = new OwnCallback({ answer, timeoutMS: 4_600 });
    void tell(callback.fetch());
    await sleep(2_300);
    await tell(callback.fetch());
  },
};

await programs[process.argv[2]]();
