// `npm run soak -- --minutes N [--seed S]`: 20 clients of drivers old and new, in services of which each has its
// own source of tokens. Tokens live 5 s, and each source has faults and outages at random.
//
// How failures are counted. Each source notes the tokens that it issued and the outages that it had (of a file,
// which does not know its readers, the tokens are those that its reader says it got). An operation may fail
// only while no valid token could exist: an outage outlasted every token that its source had issued, and it lasts
// still or has been over for less than the recovery may take (2 s, the source's latency, a third of `timeoutMS`
// for a request that the SDK still retries or waits for, and half a second for two busy cores). Such failures
// are counted apart and must carry our code. Any other failure fails the run: also one in an outage that was
// shorter than what was left of the token's life, and one while a source is slow or spoils a few answers.
// One race is the driver's: it authenticates a connection with a token of its own cache, which expires before the
// command arrives (391 or 18 within half a second of an expiry). Such failures are counted apart too, and at most
// one in a thousand operations may be one.
//
// So that nothing passes by idleness: a run with too few outages, outages that a request met, rollovers (another
// token at the server) or operations fails, as does one in which the next token of a life without trouble came
// too late, or an operation took too long. The least numbers are in `totals.ts`.
//
// The seed brings back the plan of faults; the interleaving of processes is not in its power.

import { existsSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type MongoServer, startMongoServer } from '../emulators/mongodb/index.js';
import { tokenFile } from './file-source.js';
import { appService, entra, gcpMetadata, HTTP_KINDS, iam, imds } from './http-source.js';
import { type Random, seeded } from './random.js';
import { runService } from './service.js';
import type { Source } from './source.js';
import { type Result, Totals } from './totals.js';
import { weather } from './weather.js';

const DRIVERS = ['mongodb-6.17', 'mongodb-6.22', 'mongodb-7.0', 'mongodb-7.6', 'mongodb'];
const CLIENTS = 20;
const TIMEOUT_MS = 5_000;
const LATENCY_MS = [20, 150] as const;

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  const chosen = readArguments(args);
  if (typeof chosen === 'number') return chosen;
  if (!existsSync(new URL('../../dist/index.mjs', import.meta.url))) {
    console.error('The package is not built yet. Run: npm run build');
    return 1;
  }
  const { minutes, seed } = chosen;
  console.log(`${minutes} min, ${CLIENTS} clients, seed ${seed}\n`);
  const problems = await soak(minutes, seeded(seed)).catch((error: Error) => [error.message]);
  console.log(problems.length === 0 ? '\nsoak: ok' : `\nsoak: failed: ${problems.join('; ')}`);
  return problems.length === 0 ? 0 : 1;
}

/** What is wrong with it; nothing is good. */
async function soak(minutes: number, random: Random): Promise<readonly string[]> {
  const latency = () => Math.round(random.between(...LATENCY_MS));
  const sources = await Promise.all([
    ...[imds, appService, entra, gcpMetadata, iam].map((start) => start(latency())),
    tokenFile(),
  ]);
  const server = await startMongoServer({ identityProviders: sources.map(({ provider }) => provider) });
  const over = new AbortController();
  const lag = monitorEventLoopDelay();
  try {
    const drivers = deal(sources.length, random);
    // The sources that are asked over HTTP deal from one deck, so that a minute has every kind.
    const overHttp = random.deck(HTTP_KINDS);
    const plans = sources.map(async (source) => {
      const own = seeded(random.between(0, 2 ** 32));
      await connected(server, over.signal);
      lag.enable();
      await weather(source, own, source.seesRequests ? overHttp : own.deck(source.kinds), over.signal);
    });
    const reports = await Promise.all(
      sources.map((source, index) =>
        runService(source, {
          services: sources.length,
          drivers: drivers[index] ?? [],
          uri: server.uri,
          timeoutMS: TIMEOUT_MS,
          durationMS: minutes * 60_000,
        }),
      ),
    );
    over.abort();
    await Promise.all(plans);
    const ownLagMS = lag.max / 1e6;
    const results = sources.map((source, index): Result => {
      const report = reports[index] as Result['report'];
      if (!source.seesRequests) complete(source, report);
      const tokens = new Set(
        server.claims.filter(({ aud }) => [aud].flat().includes(source.audience)).map(({ jti }) => jti),
      );
      return { source, report, rollovers: tokens.size - 1 };
    });
    const totals = new Totals(results, { timeoutMS: TIMEOUT_MS, minutes, ownLagMS });
    console.log(totals.lines.join('\n'));
    for (const { source, report } of results) {
      if (report.warnings) console.log(`\n${source.name} says:\n${report.warnings.trimEnd()}`);
    }
    return totals.problems;
  } finally {
    over.abort();
    await server.close();
    await Promise.all(sources.map((source) => source.close()));
  }
}

/** Resolves when every client has authenticated. */
async function connected({ connections }: MongoServer, signal: AbortSignal): Promise<void> {
  const isThere = () => {
    const names = connections
      .filter(({ authentications }) => authentications > 0)
      .map(({ appName }) => appName);
    return new Set(names).size >= CLIENTS;
  };
  while (!signal.aborted && !isThere()) await sleep(100);
}

/** All drivers in turn, to all services. */
function deal(services: number, random: Random): string[][] {
  const next = random.deck(DRIVERS);
  const hands = Array.from({ length: services }, (): string[] => []);
  for (let client = 0; client < CLIENTS; client += 1) hands[client % services]?.push(next());
  return hands;
}

/** What a file does not see, its reader tells. */
function complete({ log }: Source, { counts, tokens, failedAttempts }: Result['report']): void {
  log.tokens.push(...tokens);
  log.requests = counts.attempts;
  for (const { at } of failedAttempts) {
    const outage = log.outages.find(({ from, to }) => from <= at && at <= to);
    log.meet(outage?.kind ?? 'a spoilt file', outage);
  }
}

function readArguments(args: string[]): { minutes: number; seed: number } | number {
  const usage =
    'npm run soak -- --minutes N [--seed S]   N: may be a fraction (default: 1), S: a whole number (default: any)';
  try {
    const { values } = parseArgs({
      args,
      options: {
        minutes: { type: 'string', default: '1' },
        seed: { type: 'string', default: String(Date.now() % 1_000_000) },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) {
      console.log(usage);
      return 0;
    }
    const minutes = Number(values.minutes);
    const seed = Number(values.seed);
    if (!(minutes > 0 && minutes < 20_000))
      throw new Error(`--minutes ${values.minutes} is no number of minutes`);
    if (!Number.isSafeInteger(seed) || seed < 0) throw new Error(`--seed ${values.seed} is no seed`);
    return { minutes, seed };
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    return 1;
  }
}
