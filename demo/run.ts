// `npm run demo`: the ten ways to authenticate, each with the real driver in a process of its own, against
// emulators on this machine.

import { parseArgs } from 'node:util';
import { inParallel } from '../test/parallel.js';
import { runWay } from '../test/ways/run-way.js';
import type { Way } from '../test/ways/ways.js';
import { Progress } from './progress.js';
import { failedRow, type Row, rowOf, summaryOf } from './row.js';
import { names, usage, wayNamed } from './usage.js';

const LIFE_SECONDS = 3;
/** Processes at a time: most of a process's time is waiting for its token to expire. */
const CONCURRENCY = 3;

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  const chosen = readArguments(args);
  if (typeof chosen === 'number') return chosen;
  const startedAt = performance.now();
  const width = (process.stdout.isTTY && process.stdout.columns) || undefined;
  const progress = new Progress(process.stdout, chosen.length);
  console.log(
    [
      'The real mongodb driver against emulators on this machine. Each program has a',
      `process of its own, and works until after its first token has expired (${LIFE_SECONDS} s).`,
      '',
    ].join('\n'),
  );

  const rows = await inParallel(CONCURRENCY, chosen, async (way) => {
    const row = await run(way, progress);
    progress.print(`${row.format(width)}\n`);
    return row;
  });
  progress.stop();
  console.log(summaryOf(rows, performance.now() - startedAt));
  return rows.every(({ passed }) => passed) ? 0 : 1;
}

async function run(way: Way, progress: Progress): Promise<Row> {
  const startedAt = performance.now();
  const seconds = () => (performance.now() - startedAt) / 1000;
  progress.begin(way.id);
  try {
    const outcome = await runWay(way, {
      lifeSeconds: LIFE_SECONDS,
      onServer: (server) => progress.watch(way.id, server),
    });
    return rowOf(way, outcome, seconds());
  } catch (error) {
    return failedRow(way, String(error), seconds());
  } finally {
    progress.end(way.id);
  }
}

/** The ways to run, or the exit code where there is nothing to run. */
function readArguments(args: string[]): Way[] | number {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h' } },
    });
    if (values.help) {
      console.log(usage());
      return 0;
    }
    return (positionals.length > 0 ? positionals : names).map(wayNamed);
  } catch (error) {
    const [problem] = (error as Error).message.split('. ');
    console.error(`${problem}\n\n${usage()}`);
    return 2;
  }
}
