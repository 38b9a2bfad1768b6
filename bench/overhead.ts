/** What the package costs where nothing goes wrong. */
import { fileURLToPath } from 'node:url';
import type { TopLevelSpec } from 'vega-lite';
import { startAzureImds } from '../test/emulators/azure.js';
import { run } from '../test/emulators/child.js';
import { startGcpMetadata } from '../test/emulators/gcp.js';
import { config } from './plots.js';
import { type Aim, aimsTable, type Report, table } from './report.js';
import { duration, median, percent, spread, times } from './statistics.js';
import { names } from './tasks.js';

export interface OverheadOptions {
  /** Of the calls from memory. */
  readonly rounds: number;
  readonly fetchMS: number;
  /** Processes for each figure. */
  readonly firstTokens: number;
  readonly imports: number;
}

/** Figures by name, in the order in which they were first measured. */
type Samples = Map<string, number[]>;

const ROOT = 'mongodb-workload-identity';
const entries = [ROOT, `${ROOT}/azure`, `${ROOT}/gcp`, `${ROOT}/kubernetes`];
const sdks = ['@azure/identity', 'google-auth-library'];
const DRIVER = 'mongodb';
const FETCH_LIMIT_NS = 2_000;
const IMPORT_LIMIT_MS = 10;
const FIRST_TOKEN_LIMIT = 0.05;
/** A metadata service is not farther away; the SDK's own work counts most then. */
const LATENCY_MS = 0;

export async function overhead(options: OverheadOptions): Promise<Report> {
  const imds = await startAzureImds({ latencyMS: LATENCY_MS });
  const metadata = await startGcpMetadata({ latencyMS: LATENCY_MS });
  try {
    const env = { ...imds.env, ...metadata.env };
    const fromMemory = await measureFetch(options, env);
    const firstToken = await measureFirstToken(options, env);
    const imports = await measureImports(options);
    const aims = [fetchAim(fromMemory), ...firstTokenAims(firstToken), importAim(imports)];
    const text = [
      'A token from memory, for one call.',
      table(['', 'time', 'to ours'], fetchRows(fromMemory)),
      'The first token of a process, from a metadata service that answers at once.',
      table(['', 'ours', 'the SDK alone', 'difference of the medians'], firstTokenRows(firstToken)),
      `Imports, in a process that has imported the driver before (the driver: in one that has not).`,
      table(['', 'import()', 'require()'], importRows(imports)),
      aimsTable(aims),
    ];
    return { text: text.join('\n\n'), plots: { overhead: plotOf(imports) } };
  } finally {
    await Promise.all([imds.close(), metadata.close()]);
  }
}

async function measureFetch(
  { rounds, fetchMS }: OverheadOptions,
  env: Record<string, string>,
): Promise<Samples> {
  const samples: Samples = new Map();
  for (let round = 0; round < rounds; round++) {
    const result = await runProgram<Record<string, number>>('fetch', [String(fetchMS)], env);
    for (const [name, ns] of Object.entries(result)) add(samples, name, ns);
  }
  return samples;
}

async function measureFirstToken(
  { firstTokens }: OverheadOptions,
  env: Record<string, string>,
): Promise<Samples> {
  const samples: Samples = new Map();
  for (let i = 0; i < firstTokens; i++) {
    for (const isLoaded of [false, true]) {
      for (const cloud of ['azure', 'gcp']) {
        // Neither is always the first.
        for (const whose of i % 2 === 0 ? ['ours', 'raw'] : ['raw', 'ours']) {
          const ms = await runProgram<number>('first-token', [`${cloud} ${whose}`, String(isLoaded)], env);
          add(samples, `${cloud} ${whose} ${isLoaded}`, ms);
        }
      }
    }
  }
  return samples;
}

async function measureImports({ imports }: OverheadOptions): Promise<Samples> {
  const samples: Samples = new Map();
  for (let i = 0; i < imports; i++) {
    for (const how of ['import', 'require']) {
      for (const name of [DRIVER, ...entries, ...sdks]) {
        add(samples, `${name} ${how}`, await runProgram<number>('import', [name, how], {}));
      }
    }
  }
  return samples;
}

async function runProgram<T>(name: string, args: string[], env: Record<string, string>): Promise<T> {
  const program = fileURLToPath(new URL(`overhead/${name}.mjs`, import.meta.url));
  const { code, stdout, stderr } = await run(process.execPath, [program, ...args], {
    env,
    timeoutMS: 120_000,
  });
  if (code !== 0) throw new Error(`${name} ${args.join(' ')} ended with ${code}:\n${stderr}`);
  return JSON.parse(stdout) as T;
}

function fetchRows(samples: Samples): string[][] {
  const ours = median(samples.values().next().value ?? []);
  return [...samples].map(([name, ns]) => [
    name in fetchNames ? (fetchNames[name] as string) : name,
    spread(ns, (value) => duration(value / 1e6)),
    times(median(ns), ours),
  ]);
}

const fetchNames: Readonly<Record<string, string>> = {
  careful: `${names.careful}`,
  documented: `${names.documented} (from MSAL's cache)`,
};

function fetchAim(samples: Samples): Aim {
  const ns = Math.max(
    ...[...samples].filter(([name]) => name.startsWith('ours')).map(([, values]) => median(values)),
  );
  return {
    what: '`fetch` from memory',
    aim: 'under 2 µs',
    measured: duration(ns / 1e6),
    met: ns < FETCH_LIMIT_NS,
    missedBy: duration((ns - FETCH_LIMIT_NS) / 1e6),
  };
}

const firstTokenCases = [
  ['azure', 'false', 'managed identity, with the import of the SDK'],
  ['azure', 'true', 'managed identity, the SDK is imported before'],
  ['gcp', 'false', 'GCP metadata server, with the import of the SDK'],
  ['gcp', 'true', 'GCP metadata server, the SDK is imported before'],
] as const;

function firstTokenRows(samples: Samples): string[][] {
  return firstTokenCases.map(([cloud, isLoaded, what]) => {
    const [ours, raw] = ['ours', 'raw'].map((whose) => samples.get(`${cloud} ${whose} ${isLoaded}`) ?? []);
    const difference = median(ours ?? []) - median(raw ?? []);
    return [
      what,
      spread(ours ?? [], duration),
      spread(raw ?? [], duration),
      `${difference.toFixed(1).replace('-', '−')} ms, ${percent(difference / median(raw ?? []))}`,
    ];
  });
}

function firstTokenAims(samples: Samples): Aim[] {
  return firstTokenCases.map(([cloud, isLoaded, what]) => {
    const ours = median(samples.get(`${cloud} ours ${isLoaded}`) ?? []);
    const raw = median(samples.get(`${cloud} raw ${isLoaded}`) ?? []);
    const share = ours / raw - 1;
    return {
      what: `first token to the raw SDK: ${what}`,
      aim: 'within 5 %',
      measured: percent(share),
      met: share <= FIRST_TOKEN_LIMIT,
      missedBy: duration(ours - raw * (1 + FIRST_TOKEN_LIMIT)),
    };
  });
}

function importRows(samples: Samples): string[][] {
  return [...entries, ...sdks, DRIVER].map((name) => [
    `\`${name}\``,
    ...['import', 'require'].map((how) => spread(samples.get(`${name} ${how}`) ?? [], duration)),
  ]);
}

function importAim(samples: Samples): Aim {
  const ms = Math.max(...['import', 'require'].map((how) => median(samples.get(`${ROOT} ${how}`) ?? [])));
  return {
    what: 'the root entry beyond the driver',
    aim: 'under 10 ms',
    measured: duration(ms),
    met: ms < IMPORT_LIMIT_MS,
    missedBy: duration(ms - IMPORT_LIMIT_MS),
  };
}

function plotOf(samples: Samples): TopLevelSpec {
  const kinds = { ours: 'entry of this package', sdk: 'SDK', driver: 'driver' };
  const order = [...entries, ...sdks, DRIVER];
  const values = order.map((name) => ({
    name,
    kind: name === DRIVER ? kinds.driver : sdks.includes(name) ? kinds.sdk : kinds.ours,
    ms: Number(median(samples.get(`${name} import`) ?? []).toFixed(1)),
  }));
  const x = { field: 'ms', type: 'quantitative', title: 'milliseconds' } as const;
  const y = { field: 'name', type: 'nominal', title: null, sort: order } as const;
  const title = 'Time to import, beyond the driver';
  return {
    description: title,
    title,
    config,
    width: 480,
    height: { step: 26 },
    data: { values },
    layer: [
      {
        mark: 'bar',
        encoding: {
          x,
          y,
          color: {
            field: 'kind',
            type: 'nominal',
            scale: { domain: Object.values(kinds), range: ['#0072B2', '#999999', '#cccccc'] },
          },
        },
      },
      { mark: { type: 'text', align: 'left', dx: 4 }, encoding: { x, y, text: { field: 'ms' } } },
    ],
  };
}

function add(samples: Samples, name: string, value: number): void {
  const known = samples.get(name);
  if (known) known.push(value);
  else samples.set(name, [value]);
}
