// Prints how long a token from memory takes, in nanoseconds.
import { AzureManagedIdentityCallback } from 'mongodb-workload-identity/azure';
import { Bench } from 'tinybench';
import { asDocumented } from '../callbacks/as-documented.mjs';
import { careful } from '../callbacks/careful.mjs';

const audience = 'api://mongodb';
const callback = new AzureManagedIdentityCallback({ audience });
const params = { version: 1, timeoutContext: new AbortController().signal };
const fromMemory = {
  'ours, `fetch()`': () => callback.fetch(),
  'ours, as the driver calls it': () => callback(params),
  careful: careful(audience),
  documented: asDocumented(audience),
  'an async function that returns an object': async () => ({ accessToken: 'token' }),
};

/** One call is too short for the clock. */
const BATCH = 100;
const bench = new Bench({ time: Number(process.argv[2]), warmupTime: 200 });
for (const [name, call] of Object.entries(fromMemory)) {
  await call();
  bench.add(name, async () => {
    for (let i = 0; i < BATCH; i++) await call();
  });
}
await bench.run();
const results = bench.tasks.map(({ name, result }) => [name, (1e6 * result.latency.p50) / BATCH]);
console.log(JSON.stringify(Object.fromEntries(results)));
process.exit();
