/** `npm run bench`: measures, prints tables, and writes `results.md` and the plots. */
import { parseArgs } from 'node:util';
import { Laboratory } from './laboratory.js';
import { outage } from './outage.js';
import { overhead } from './overhead.js';
import { type Report, type Section, writeReport } from './report.js';
import { longRollover, rollover } from './rollover.js';
import { start } from './start.js';

const usage = `npm run bench -- [--only rollover|start|outage|overhead] [--quick] [--long]
  --only   one part alone
  --quick  less of everything, in under two minutes; written to bench/quick instead
  --long   instead, a rollover of tokens that live for six minutes`;

const parts = {
  rollover: (laboratory: Laboratory, quick: boolean) =>
    quick
      ? rollover(laboratory, { pools: [10, 50], latenciesMS: [400], rounds: 1 })
      : rollover(laboratory, { pools: [1, 10, 50, 100], latenciesMS: [0, 50, 400], rounds: 3 }),
  start: (laboratory: Laboratory, quick: boolean) =>
    start(laboratory, quick ? { clients: [1, 100], rounds: 1 } : { clients: [1, 100, 1_000], rounds: 3 }),
  outage: (laboratory: Laboratory, quick: boolean) =>
    outage(laboratory, { faults: quick ? ['429', 'empty token'] : undefined, rounds: 1 }),
  overhead: (_: Laboratory, quick: boolean) =>
    overhead(
      quick
        ? { rounds: 1, fetchMS: 200, firstTokens: 2, imports: 2 }
        : { rounds: 3, fetchMS: 1_000, firstTokens: 9, imports: 5 },
    ),
};
const LONG_LIFE_SECONDS = 360;

const { only, quick, long } = readOptions();
const directory = new URL(quick ? 'quick/' : './', import.meta.url);
const laboratory = await Laboratory.open();
if (laboratory.obstacle !== undefined) {
  console.log(`The driver's own ENVIRONMENT cannot be measured here: ${laboratory.obstacle}\n`);
}
try {
  if (long) await show('long', () => longRollover(laboratory, LONG_LIFE_SECONDS));
  else for (const part of only) await show(part, () => parts[part](laboratory, quick));
} finally {
  await laboratory.close();
}

async function show(section: Section, measure: () => Promise<Report>): Promise<void> {
  const startedAt = performance.now();
  const report = await measure();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
  console.log(`${section}, ${seconds} s\n\n${report.text}\n`);
  await writeReport(directory, section, report);
}

function readOptions() {
  const all = Object.keys(parts) as (keyof typeof parts)[];
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string' },
        quick: { type: 'boolean', default: false },
        long: { type: 'boolean', default: false },
      },
    });
    const only = values.only === undefined ? all : all.filter((part) => part === values.only);
    if (only.length === 0) throw new Error(`there is no part ${values.only}`);
    return { ...values, only };
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
}
