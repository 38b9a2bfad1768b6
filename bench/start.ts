/** What it takes to start many clients in one process at once. */
import type { TopLevelSpec } from 'vega-lite';
import type { Laboratory } from './laboratory.js';
import { config, subjectScale } from './plots.js';
import { aimsTable, type Report, table } from './report.js';
import { count, duration, median, spread } from './statistics.js';
import { names, type StartOutcome, subjects } from './tasks.js';

export interface StartOptions {
  readonly clients: readonly number[];
  readonly rounds: number;
}

const LATENCY_MS = 50;

export async function start(laboratory: Laboratory, options: StartOptions): Promise<Report> {
  const all = options.clients.flatMap((clients) =>
    subjects.map((subject) => ({ clients, subject, outcomes: [] as StartOutcome[] })),
  );
  for (let round = 0; round < options.rounds; round++) {
    for (const { clients, subject, outcomes } of all) {
      const outcome = await laboratory.measure({ kind: 'start', subject, clients, latencyMS: LATENCY_MS });
      if (outcome) outcomes.push(outcome);
    }
  }
  const rows = all.map(({ clients, subject, outcomes }) => {
    const place = [count(clients), names[subject]];
    if (outcomes.length === 0) return [...place, `not permitted here: ${laboratory.obstacle}`, '', '', ''];
    return [
      ...place,
      spread(
        outcomes.map(({ requests }) => requests),
        count,
      ),
      spread(
        outcomes.map(({ maxConcurrent }) => maxConcurrent),
        count,
      ),
      spread(
        outcomes.map(({ readyMS }) => readyMS),
        duration,
      ),
      count(outcomes.reduce((sum, { failures }) => sum + failures, 0)),
    ];
  });
  const most = Math.max(
    ...all
      .filter(({ subject }) => subject === 'ours')
      .flatMap(({ outcomes }) => outcomes.map(({ requests }) => requests)),
  );
  const aims = aimsTable([
    {
      what: 'token requests of ours, however many clients',
      aim: '1',
      measured: count(most),
      met: most === 1,
      missedBy: `${most - 1} too many`,
    },
  ]);
  const columns = ['clients at once', '', 'token requests', 'at the same time', 'all ready after', 'failed'];
  return { text: `${table(columns, rows)}\n\n${aims}`, plots: { start: plotOf(all) } };
}

function plotOf(
  all: readonly { clients: number; subject: (typeof subjects)[number]; outcomes: readonly StartOutcome[] }[],
): TopLevelSpec {
  const values = all
    .filter(({ outcomes }) => outcomes.length > 0)
    .map(({ clients, subject, outcomes }) => ({
      clients: `${count(clients)} ${clients === 1 ? 'client' : 'clients'}`,
      name: names[subject],
      requests: median(outcomes.map(({ requests }) => requests)),
    }));
  const x = {
    field: 'requests',
    type: 'quantitative',
    title: 'token requests',
    scale: { type: 'symlog' },
  } as const;
  const y = {
    field: 'name',
    type: 'nominal',
    title: null,
    sort: subjectScale.domain,
  } as const;
  const title = 'Token requests when clients start at once';
  return {
    description: title,
    title,
    config,
    data: { values },
    facet: {
      row: {
        field: 'clients',
        type: 'nominal',
        sort: null,
        header: { labelAngle: 0, labelOrient: 'top' },
      },
    },
    spec: {
      width: 480,
      height: 90,
      layer: [
        {
          mark: 'bar',
          encoding: {
            x: { ...x, axis: { values: [1, 10, 100, 1_000] } },
            y,
            color: { field: 'name', type: 'nominal', scale: subjectScale, legend: null },
          },
        },
        {
          mark: { type: 'text', align: 'left', dx: 4 },
          encoding: { x, y, text: { field: 'requests', format: ',' } },
        },
      ],
    },
  };
}
