/** `npm run properties -- --runs 1000000 [--seed 1]`: all properties, as often as one likes. */
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { properties } from './properties.js';
import { ANSWERS, RUNS } from './runs.js';
import { randomSeed, runSource, SOURCES } from './sources.js';

const { values } = parseArgs({ options: { runs: { type: 'string' }, seed: { type: 'string' } } });
const overSockets = SOURCES.length * ANSWERS;
const runs = Number(values.runs ?? RUNS + overSockets);
const seed = Number(values.seed ?? randomSeed());
if (!(runs > 0 && Number.isInteger(seed))) throw new Error('usage: --runs <number> --seed <integer>');

/** What the properties in this process get, of as many as there are in CI. */
const inProcess = (runs * RUNS) / (RUNS + overSockets);
let failures = 0;
const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => {
  unhandled.push(reason);
});
process.removeAllListeners('warning');

async function check(name: string, count: number, work: () => Promise<unknown>): Promise<void> {
  const startedAt = performance.now();
  try {
    await work();
    if (unhandled.length > 0)
      throw new Error(`${unhandled.length} unhandled rejections`, { cause: unhandled[0] });
    console.log(`ok    ${name}: ${count} runs in ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
  } catch (error) {
    failures++;
    unhandled.length = 0;
    console.log(`FAILED ${name}`, error);
  }
}

console.log(`seed ${seed}`);
for (const { name, share, batch, property } of properties) {
  const numRuns = Math.ceil((share * inProcess) / batch);
  await check(name, numRuns * batch, async () => {
    await fc.assert(property as fc.IAsyncProperty<unknown>, { numRuns, seed, endOnFailure: batch > 1 });
    await new Promise((resolve) => setTimeout(resolve, 100));
  });
}
for (const source of SOURCES) {
  const count = Math.ceil((runs - inProcess) / SOURCES.length);
  await check(`whatever ${source} answers`, count, () => runSource(source, count, seed));
}
process.exitCode = failures > 0 ? 1 : 0;
