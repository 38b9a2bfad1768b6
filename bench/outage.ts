/** How many operations fail when the metadata service has a fault that passes. */
import type { TopLevelSpec } from 'vega-lite';
import type { Fault } from '../test/emulators/http.js';
import type { Laboratory } from './laboratory.js';
import { config } from './plots.js';
import { aimsTable, type Report, table } from './report.js';
import { count, duration, median, spread } from './statistics.js';
import { type Moment, names, type OutageOutcome, type Subject, subjects } from './tasks.js';

export interface OutageOptions {
  /** Of `faults`; undefined: all. */
  readonly faults: readonly string[] | undefined;
  readonly rounds: number;
}

const status = (code: number, headers?: Record<string, string>): Fault => ({
  kind: 'status',
  status: code,
  ...(headers ? { headers } : {}),
});

/** Those of the metadata service that can pass. */
const faults: Readonly<Record<string, Fault>> = {
  '429': status(429),
  '429, Retry-After: 2': status(429, { 'retry-after': '2' }),
  '404': status(404),
  '410': status(410),
  '500': status(500),
  '503': status(503),
  reset: { kind: 'reset' },
  'no answer': { kind: 'hang' },
  'HTML with 200': { kind: 'html' },
  'empty token': { kind: 'emptyToken' },
  'no body': { kind: 'noBody' },
  'truncated body': { kind: 'truncated' },
};

const TIMES = 3;
const POOL = 10;
const LATENCY_MS = 20;
const FIRST_LIFE_SECONDS = 6;
const NEXT_LIFE_SECONDS = 3600;
/** They wait most of the time, and only failures are counted. */
const AT_ONCE = 8;
const moments: Readonly<Record<Moment, string>> = { first: 'first token', refresh: 'refresh under load' };

interface Series {
  readonly fault: string;
  readonly subject: Subject;
  readonly outcomes: OutageOutcome[];
}

export async function outage(laboratory: Laboratory, options: OutageOptions): Promise<Report> {
  const all: Series[] = (options.faults ?? orderedFaults()).flatMap((fault) =>
    subjects.map((subject) => ({ fault, subject, outcomes: [] })),
  );
  await laboratory.prepare(AT_ONCE);
  const queue = Array.from({ length: options.rounds }, () => all).flat();
  const work = async () => {
    for (let series = queue.shift(); series; series = queue.shift()) await measure(laboratory, series);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return reportOf(all, laboratory.obstacle);
}

/** The slowest ones first, so that nobody waits for them alone in the end. */
function orderedFaults(): string[] {
  const slow = ['no answer', '410', '404'];
  return [...slow, ...Object.keys(faults).filter((fault) => !slow.includes(fault))];
}

async function measure(laboratory: Laboratory, { fault, subject, outcomes }: Series): Promise<void> {
  const outcome = await laboratory.measure({
    kind: 'outage',
    subject,
    pool: POOL,
    fault: faults[fault] as Fault,
    times: fault === 'no answer' ? 1 : TIMES,
    latencyMS: LATENCY_MS,
    lifeSeconds: FIRST_LIFE_SECONDS,
    nextLifeSeconds: NEXT_LIFE_SECONDS,
  });
  if (outcome) outcomes.push(outcome);
}

function reportOf(all: readonly Series[], obstacle: string | undefined): Report {
  const of = (fault: string, subject: Subject) =>
    all.find((series) => series.fault === fault && series.subject === subject)?.outcomes ?? [];
  const measured = Object.keys(faults).filter((fault) => all.some((series) => series.fault === fault));
  const tables = (Object.keys(moments) as Moment[]).map((moment) => {
    const rows = measured.map((fault) => [
      fault,
      ...subjects.map((subject) => cell(of(fault, subject), moment)),
    ]);
    const sums = subjects.map((subject) =>
      sumOf(
        measured.map((fault) => of(fault, subject)),
        moment,
      ),
    );
    return [
      `Operations that failed, and how long the slowest took: ${moments[moment]}.`,
      table(['fault', ...subjects.map((subject) => names[subject])], [...rows, ['all', ...sums]]),
    ].join('\n\n');
  });
  const obstacles =
    obstacle === undefined ? [] : [`The built-in environment was not permitted here: ${obstacle}.`];
  const failed = all
    .filter(({ subject }) => subject === 'ours')
    .flatMap(({ outcomes }) => outcomes.flatMap(({ failures }) => [failures.first, failures.refresh]))
    .reduce((sum, failures) => sum + failures, 0);
  const aims = aimsTable([
    {
      what: 'failed operations of ours',
      aim: '0',
      measured: count(failed),
      met: failed === 0,
      missedBy: `${failed}`,
    },
  ]);
  return { text: [...tables, ...obstacles, aims].join('\n\n'), plots: { outage: plotOf(all, measured) } };
}

function cell(outcomes: readonly OutageOutcome[], moment: Moment): string {
  if (outcomes.length === 0) return '';
  const failures = spread(
    outcomes.map((outcome) => outcome.failures[moment]),
    count,
  );
  const lost = outcomes.some(({ recovered }) => !recovered[moment]) ? ', never recovered' : '';
  return `${failures}, ${duration(median(outcomes.map(({ slowestMS }) => slowestMS[moment])))}${lost}`;
}

function sumOf(cells: readonly (readonly OutageOutcome[])[], moment: Moment): string {
  const known = cells.filter((outcomes) => outcomes.length > 0);
  if (known.length === 0) return '';
  return count(
    known.reduce((sum, outcomes) => sum + median(outcomes.map(({ failures }) => failures[moment])), 0),
  );
}

function plotOf(all: readonly Series[], measured: readonly string[]): TopLevelSpec {
  const values = all.flatMap(({ fault, subject, outcomes }) =>
    outcomes.length === 0
      ? []
      : (Object.keys(moments) as Moment[]).map((moment) => ({
          fault,
          name: names[subject],
          moment: moments[moment],
          failures: median(outcomes.map(({ failures }) => failures[moment])),
        })),
  );
  const most = Math.max(1, ...values.map(({ failures }) => failures));
  const x = {
    field: 'name',
    type: 'nominal',
    title: null,
    sort: subjects.map((subject) => names[subject]),
  } as const;
  const y = { field: 'fault', type: 'nominal', title: null, sort: [...measured] } as const;
  const title = 'Operations that failed through faults of the metadata service that passed';
  return {
    description: title,
    title,
    config,
    data: { values },
    facet: { column: { field: 'moment', type: 'nominal', sort: Object.values(moments) } },
    spec: {
      width: 300,
      height: 24 * measured.length,
      layer: [
        {
          mark: 'rect',
          encoding: {
            x: { ...x, axis: { labelAngle: -25, labelLimit: 300 } },
            y,
            color: {
              field: 'failures',
              type: 'quantitative',
              scale: { type: 'sqrt', domain: [0, most], range: ['#f2f2f2', '#D55E00'] },
              legend: null,
            },
          },
        },
        { mark: { type: 'text', fontSize: 12 }, encoding: { x, y, text: { field: 'failures' } } },
      ],
    },
  };
}
