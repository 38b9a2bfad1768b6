/** What a soak comes to: the figures that it prints, and what is wrong with them. */
import {
  hasExpiredOnTheWay,
  hasOurCode,
  isExcused,
  isLonger,
  isUntroubled,
  punctuality,
  recoveryBoundMS,
} from './judge.js';
import type { Operation, ServiceReport } from './service.js';
import type { Source } from './source.js';

/** For each minute. */
const FEWEST = { outages: 20, metOutages: 10, rollovers: 30, operations: 3_000, untroubledLives: 8 };
/** Outages longer than what was left of the token's life. */
const FEWEST_LONGER_SHARE = 0.1;
/** Of the token lives without trouble, those that may end before the next token is there. */
const MOST_LATE_SHARE = 0.1;
/** Of all operations, those whose token expired between the driver and the server. */
const MOST_EXPIRED_SHARE = 0.001;
/** What an operation may take beyond `timeoutMS`, when it fails. */
const LONGEST_BEYOND_TIMEOUT_MS = 12_000;
/** What it may take when nothing is wrong: a machine that is busy is not our concern, a stampede is. */
const LONGEST_UNTROUBLED_MS = 5_000;
const MOST_EXAMPLES = 5;

export interface Result {
  readonly source: Source;
  readonly report: ServiceReport;
  readonly rollovers: number;
}

export interface Circumstances {
  readonly timeoutMS: number;
  readonly minutes: number;
  /** How long the event loop of the sources and the server stood still. */
  readonly ownLagMS: number;
}

export class Totals {
  readonly problems: string[] = [];
  readonly lines: string[] = [];

  constructor(results: readonly Result[], { timeoutMS, minutes, ownLagMS }: Circumstances) {
    const outages = results.flatMap(({ source }) => source.log.outages.map((outage) => ({ source, outage })));
    const longer = outages.filter(({ source, outage }) => isLonger(source.log, outage));
    const met = outages.filter(({ outage }) => outage.met > 0);
    const lives = results.map(({ source, report }) =>
      source.seesRequests ? punctuality(source.log, report.endedAt) : { ahead: 0, late: 0 },
    );
    const ahead = sum(lives.map((each) => each.ahead));
    const late = sum(lives.map((each) => each.late));
    const operations = sum(results.map(({ report }) => report.counts.operations));
    const rollovers = sum(results.map((each) => each.rollovers));
    const faults = new Map<string, number>();
    for (const { source } of results) {
      for (const [kind, count] of source.log.faults) faults.set(kind, (faults.get(kind) ?? 0) + count);
    }

    const unavoidable: Operation[] = [];
    const failed: string[] = [];
    const foreign: string[] = [];
    const expired: string[] = [];
    let slowest = 0;
    let slowestUntroubled = 0;
    for (const { source, report } of results) {
      const boundMS = recoveryBoundMS(source.latencyMS, timeoutMS);
      for (const operation of report.operations) {
        const { from, to, durationMS, failure } = operation;
        slowest = Math.max(slowest, durationMS);
        if (isUntroubled(source.log, from, to, boundMS)) {
          slowestUntroubled = Math.max(slowestUntroubled, durationMS);
        }
        if (!failure) continue;
        const about = `${source.name}, ${operation.driver}, ${when(to, source)}: ${failure.text}`;
        if (hasExpiredOnTheWay(source.log, operation)) expired.push(about);
        else if (!isExcused(source.log, to, boundMS)) failed.push(about);
        else if (!hasOurCode(operation)) foreign.push(about);
        else unavoidable.push(operation);
      }
      for (const { driver, from } of report.hung) {
        this.problems.push(`an operation hung: ${source.name}, ${driver}, from ${when(from, source)}`);
      }
    }

    this.lines.push(
      `faults injected     ${sum([...faults.values()])}: ${[...faults].map(([kind, count]) => `${count} × ${kind}`).join(', ')}`,
      `outages             ${outages.length}, ${longer.length} of them longer than what was left of the token's life; ${met.length} met by a request`,
      `rollovers           ${rollovers}; of ${ahead + late} token lives without trouble, ${ahead} had the next token in time`,
      `operations          ${operations}`,
      `failures            ${failed.length + foreign.length}, and ${unavoidable.length} while no valid token could exist (${codes(unavoidable)}); ${expired.length} because a token expired between the driver and the server`,
      `token requests      ${sum(results.map(({ source }) => source.log.requests))}`,
      `slowest operation   ${milliseconds(slowest)}, without trouble at its source ${slowestUntroubled === 0 ? 'less than 500 ms' : milliseconds(slowestUntroubled)}`,
      `heap                ${mebibytes(results.map(({ report }) => report.heapAtStart))} at the start, ${mebibytes(results.map(({ report }) => report.heapAtEnd))} at the end (${results.length} processes)`,
      `longest pause       ${milliseconds(Math.max(...results.map(({ report }) => report.longestLagMS)))} of a service's event loop, ${milliseconds(ownLagMS)} of the sources' and the server's`,
    );

    this.#examples('operations failed that should not have', failed);
    this.#examples('operations failed with an error that is not ours', foreign);
    if (expired.length > MOST_EXPIRED_SHARE * operations) {
      this.#examples('operations failed because their token expired on the way', expired);
    }
    this.#tooFew('outages', outages.length, FEWEST.outages * minutes);
    this.#tooFew('outages that a request met', met.length, FEWEST.metOutages * minutes);
    this.#tooFew('outages longer than a token', longer.length, FEWEST_LONGER_SHARE * outages.length);
    this.#tooFew('outages shorter than a token', outages.length - longer.length, outages.length / 2);
    this.#tooFew('rollovers', rollovers, FEWEST.rollovers * minutes);
    this.#tooFew('operations', operations, FEWEST.operations * minutes);
    this.#tooFew('token lives without trouble', ahead + late, FEWEST.untroubledLives * minutes);
    if (late > MOST_LATE_SHARE * (ahead + late)) {
      this.problems.push(`the next token was late in ${late} of ${ahead + late} lives without trouble`);
    }
    if (slowestUntroubled > LONGEST_UNTROUBLED_MS) {
      this.problems.push(`an operation took ${milliseconds(slowestUntroubled)} without any trouble`);
    }
    if (slowest > timeoutMS + LONGEST_BEYOND_TIMEOUT_MS) {
      this.problems.push(`an operation took ${milliseconds(slowest)}`);
    }
    const kinds = new Set(outages.map(({ outage }) => outage.kind));
    const missing = results.flatMap(({ source }) => source.kinds).filter((kind) => !kinds.has(kind));
    if (minutes >= 1 && missing.length > 0) {
      this.problems.push(`no outage of the kind ${[...new Set(missing)].join(', ')}`);
    }
  }

  #tooFew(what: string, count: number, fewest: number): void {
    if (count < fewest) this.problems.push(`too few ${what}: ${count}, not ${Math.ceil(fewest)}`);
  }

  #examples(what: string, all: readonly string[]): void {
    if (all.length === 0) return;
    this.problems.push(`${all.length} ${what}`);
    this.lines.push('', `${what}:`, ...all.slice(0, MOST_EXAMPLES).map((line) => `  ${line}`));
  }
}

/** A time, and what its source was doing. */
function when(time: number, { log }: Source): string {
  const last = log.outages.findLast(({ from }) => from <= time);
  if (!last) return `${time}, before any outage`;
  const since = time <= last.to ? 'still lasts' : `has been over for ${milliseconds(time - last.to)}`;
  return `${milliseconds(time - last.from)} into an outage (${last.kind}) that ${since}`;
}

function codes(operations: readonly Operation[]): string {
  const counts = new Map<string, number>();
  for (const { failure } of operations) {
    const code = String(failure?.code);
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  return [...counts].map(([code, count]) => `${count} × ${code}`).join(', ') || 'none';
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function milliseconds(duration: number): string {
  return `${Math.round(duration)} ms`;
}

function mebibytes(sizes: readonly number[]): string {
  return `${(sum(sizes) / 2 ** 20).toFixed(1)} MiB`;
}
