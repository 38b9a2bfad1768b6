/** How long operations wait when a token expires under a busy pool. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TopLevelSpec } from 'vega-lite';
import type { Laboratory } from './laboratory.js';
import { config, subjectScale } from './plots.js';
import { type Aim, aimsTable, type Report, table } from './report.js';
import { count, duration, median, spread, times } from './statistics.js';
import { names, type RolloverOutcome, type Subject, subjects } from './tasks.js';

interface Cell {
  readonly pool: number;
  readonly latencyMS: number;
}

interface Series {
  readonly cell: Cell;
  readonly name: string;
  readonly subject: Subject;
  readonly outcomes: RolloverOutcome[];
}

export interface RolloverOptions {
  readonly pools: readonly number[];
  readonly latenciesMS: readonly number[];
  readonly rounds: number;
}

/** The cell that the aims name, and the one of the plot. */
const HARDEST: Cell = { pool: 50, latencyMS: 400 };
/** Long enough for the pool to be full before. */
const firstLifeSeconds = ({ pool }: Cell) => 5 + Math.floor(pool / 33);
/** As Azure's: MSAL caches tokens that live for more than 5 minutes. */
const NEXT_LIFE_SECONDS = 3600;
const UNCACHED_LIFE_SECONDS = 240;
const UNCACHED = `${names.documented}, tokens of 4 minutes`;
const BURST = `${names.ours}, all connections at the same instant`;
/** Tokens expire at whole seconds: so the four of a long rollover do not all expire at once. */
const HEAD_START_MS = 3_000;
/** All but ours, of one cell. */
const MOST_AT_ONCE = 4;

export async function rollover(laboratory: Laboratory, options: RolloverOptions): Promise<Report> {
  const cells = options.pools.flatMap((pool) =>
    options.latenciesMS.map((latencyMS) => ({ pool, latencyMS })),
  );
  const all: Series[] = cells.flatMap((cell) => [
    ...subjects.map((subject) => ({ cell, subject, name: names[subject], outcomes: [] })),
    ...(isHardest(cell)
      ? [
          { cell, subject: 'documented' as const, name: UNCACHED, outcomes: [] },
          { cell, subject: 'ours' as const, name: BURST, outcomes: [] },
        ]
      : []),
  ]);
  await laboratory.prepare(MOST_AT_ONCE);
  const measureOne = (series: Series) => {
    const nextLifeSeconds = series.name === UNCACHED ? UNCACHED_LIFE_SECONDS : NEXT_LIFE_SECONDS;
    return measure(laboratory, series, firstLifeSeconds(series.cell), nextLifeSeconds);
  };
  for (let round = 0; round < options.rounds; round++) {
    for (const cell of cells) {
      const ofCell = all.filter((series) => series.cell === cell);
      // Ours does not wait at its expiry but works, so it is measured alone. A stalled pool does nothing: the others
      // are measured together.
      for (const series of ofCell.filter(({ subject }) => subject === 'ours')) await measureOne(series);
      await Promise.all(ofCell.filter(({ subject }) => subject !== 'ours').map(measureOne));
    }
  }
  return reportOf(
    all,
    laboratory.obstacle,
    'rollover',
    'Latency of operations through the expiry of a token',
  );
}

/** The same with tokens that all live as long, and long enough for MSAL's cache. */
export async function longRollover(laboratory: Laboratory, lifeSeconds: number): Promise<Report> {
  const all = subjects.map((subject) => ({ cell: HARDEST, subject, name: names[subject], outcomes: [] }));
  await Promise.all(
    all.map(async (series) => {
      if (series.subject !== 'ours') await sleep(HEAD_START_MS);
      await measure(laboratory, series, lifeSeconds, lifeSeconds);
    }),
  );
  const title = `Latency of operations through the expiry of a token that lived ${lifeSeconds} s`;
  return reportOf(all, laboratory.obstacle, 'rollover-long', title);
}

async function measure(
  laboratory: Laboratory,
  { cell, subject, name, outcomes }: Series,
  lifeSeconds: number,
  nextLifeSeconds: number,
): Promise<void> {
  // Where the machine is so busy that the pool is full too late, again with a longer life.
  for (let life = lifeSeconds; ; life *= 2) {
    const lives = { lifeSeconds: life, nextLifeSeconds };
    const task = { kind: 'rollover', subject, isBurst: name === BURST, ...cell, ...lives } as const;
    const outcome = await laboratory.measure(task);
    if (outcome === undefined) return;
    if (outcome.isTooLate && life < 8 * lifeSeconds) continue;
    if (outcome.isTooLate) throw new Error('this machine is too busy for a rollover to be measured');
    outcomes.push(outcome);
    return;
  }
}

function reportOf(all: readonly Series[], obstacle: string | undefined, plot: string, title: string): Report {
  const rows = all.map((series) => {
    const { cell, name, outcomes } = series;
    const ours = all.find((other) => other.cell === cell && other.name === names.ours) as Series;
    const place = [`pool of ${cell.pool}, source of ${cell.latencyMS} ms`, name];
    if (outcomes.length === 0) return [...place, `not permitted here: ${obstacle}`, '', '', '', ''];
    return [
      ...place,
      spread(outcomes.map(slowestMS), duration),
      series === ours ? '1' : times(median(outcomes.map(slowestMS)), median(ours.outcomes.map(slowestMS))),
      duration(median(outcomes.map(usualMS))),
      spread(
        outcomes.map(({ requests }) => requests),
        count,
      ),
      count(outcomes.reduce((sum, { failures }) => sum + failures, 0)),
    ];
  });
  const columns = ['', '', 'slowest operation', 'to ours', 'usual operation', 'token requests', 'failed'];
  const aims = aimsOf(all);
  const text = [table(columns, rows), ...(aims.length > 0 ? [aimsTable(aims)] : [])].join('\n\n');
  return { text, plots: { [plot]: plotOf(all, title) } };
}

function aimsOf(all: readonly Series[]): Aim[] {
  const of = (subject: Subject) =>
    all.find((series) => isHardest(series.cell) && series.name === names[subject])?.outcomes ?? [];
  const ours = median(of('ours').map(slowestMS));
  if (Number.isNaN(ours)) return [];
  const against = (subject: Subject, wanted: number): Aim => {
    const ratio = median(of(subject).map(slowestMS)) / ours;
    return {
      what: `slowest operation of ${names[subject]} to ours, pool of ${HARDEST.pool}, source of ${HARDEST.latencyMS} ms`,
      aim: `at least ${wanted} ×`,
      measured: Number.isNaN(ratio) ? '' : `${ratio.toFixed(0)} ×`,
      met: Number.isNaN(ratio) ? undefined : ratio >= wanted,
      missedBy: `ours took ${duration(ours)} and had to take ${duration((ours * ratio) / wanted)}`,
    };
  };
  return [against('builtin', 200), against('careful', 50)];
}

function isHardest({ pool, latencyMS }: Cell): boolean {
  return pool === HARDEST.pool && latencyMS === HARDEST.latencyMS;
}

/** Of the operations that were under way at the expiry, or began after it. */
function slowestMS({ operations }: RolloverOutcome): number {
  return Math.max(
    ...operations.filter(([startedMS, tookMS]) => startedMS + tookMS >= 0).map(([, tookMS]) => tookMS),
  );
}

/** Before the expiry. */
function usualMS({ operations }: RolloverOutcome): number {
  return median(
    operations.filter(([startedMS, tookMS]) => startedMS + tookMS < 0).map(([, tookMS]) => tookMS),
  );
}

/** Of the first round. */
function plotOf(all: readonly Series[], title: string): TopLevelSpec {
  const largest = all.some(({ cell }) => isHardest(cell)) ? HARDEST : (all.at(-1) as Series).cell;
  const shown = all.filter(
    ({ cell, name }) =>
      cell.pool === largest.pool &&
      cell.latencyMS === largest.latencyMS &&
      name !== UNCACHED &&
      name !== BURST,
  );
  const values = shown.flatMap(({ name, outcomes }) =>
    sparse(outcomes[0]?.operations ?? []).map(([startedMS, tookMS]) => ({
      name,
      seconds: Math.round(startedMS) / 1000,
      ms: Number(tookMS.toPrecision(3)),
    })),
  );
  return {
    description: title,
    title: `${title}: pool of ${largest.pool}, token source of ${largest.latencyMS} ms`,
    config,
    width: 720,
    height: 110,
    data: { values },
    facet: {
      row: {
        field: 'name',
        type: 'nominal',
        sort: subjectScale.domain,
        header: { labelAngle: 0, labelOrient: 'top' },
      },
    },
    spec: {
      width: 720,
      height: 110,
      layer: [
        {
          mark: { type: 'point', filled: true, size: 10, opacity: 0.7 },
          encoding: {
            x: {
              field: 'seconds',
              type: 'quantitative',
              title: 'start of the operation, seconds after the expiry',
              scale: { nice: false },
            },
            y: {
              field: 'ms',
              type: 'quantitative',
              scale: { type: 'log' },
              axis: {
                title: 'milliseconds',
                values: [1, 10, 100, 1_000, 10_000],
                format: '~s',
                labelExpr: 'datum.value',
              },
            },
            color: { field: 'name', type: 'nominal', scale: subjectScale, legend: null },
          },
        },
        { mark: { type: 'rule', strokeDash: [4, 4], color: '#888' }, encoding: { x: { datum: 0 } } },
      ],
    },
  };
}

/** Those of one burst that took about as long are one point. */
function sparse(operations: RolloverOutcome['operations']): RolloverOutcome['operations'] {
  const kept = new Map<string, readonly [number, number]>();
  for (const one of operations)
    kept.set(`${Math.round(one[0] / 100)} ${Math.round(10 * Math.log10(one[1]))}`, one);
  return [...kept.values()];
}
