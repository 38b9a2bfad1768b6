// What the demo says of one way when it is through, and of all of them in the end.

import { styleText } from 'node:util';
import type { WayOutcome } from '../test/ways/run-way.js';
import type { Way } from '../test/ways/ways.js';

export interface Row {
  readonly name: string;
  readonly passed: boolean;
  /** @param width - columns of the terminal; undefined: lines are not broken */
  format(width: number | undefined): string;
}

const INDENT = '      ';

export function rowOf(way: Way, outcome: WayOutcome, seconds: number): Row {
  const problem = problemOf(way, outcome);
  if (problem !== undefined || !outcome.report) {
    return failedRow(way, problem ?? '', seconds, outcome.server.authFailures[0]);
  }
  const { report, server, source } = outcome;
  const connection = server.connections.find(({ authentications }) => authentications > 0);
  const reauthentications = connection?.reauthentications ?? 0;
  const tokens = source.requests
    ? `${count(source.requests.filter(source.isTokenRequest).length, 'token')} asked for`
    : `${count(new Set(server.claims.map(({ jti }) => jti)).size, 'token')} read from the file`;
  return row(way, true, seconds, [
    `The server says we are ${styleText('cyan', report.users.join(', '))}`,
    `Inserted one document and found it · ${tokens}`,
    `${styleText('green', count(reauthentications, 'reauthentication'))} on its connection · ${count(report.operations, 'operation')}, none failed`,
  ]);
}

/** @param refusal - why the server refused a token, which the program never learns */
export function failedRow(way: Way, reason: string, seconds: number, refusal?: string): Row {
  return row(way, false, seconds, [
    styleText('red', `Failed: ${essenceOf(reason)}`),
    ...(refusal === undefined ? [] : [`The server refused a token: ${refusal}`]),
  ]);
}

export function summaryOf(rows: readonly Row[], durationMS: number): string {
  const failed = rows.filter(({ passed }) => !passed).map(({ name }) => name);
  const inAll = `in ${(durationMS / 1000).toFixed(1)} s.`;
  if (failed.length === 0) {
    const all = rows.length === 1 ? 'It' : `All ${rows.length}`;
    return styleText('green', `${all} authenticated, and went on when the token expired, ${inAll}`);
  }
  return styleText(
    'red',
    `${failed.length} of ${rows.length} failed, ${inAll} Alone: npm run demo -- ${failed.join(' ')}`,
  );
}

/** What is not as it should be; undefined where all is. */
function problemOf(way: Way, { report, failure, server, source }: WayOutcome): string | undefined {
  if (!report) return failure;
  const user = `${source.provider.authNamePrefix}/${way.subject}`;
  if (report.users.join() !== user) return `The server says we are ${report.users}, and not ${user}`;
  if (report.found?._id !== way.id) return 'The document that was inserted was not found';
  if (server.authFailures.length > 0) return 'Not every token was good';
  const isRenewed = server.connections.some(
    ({ authentications, reauthentications }) => authentications > 0 && reauthentications > 0,
  );
  if (!isRenewed) return 'No connection reauthenticated, although the token must have expired';
  return undefined;
}

function row(way: Way, passed: boolean, seconds: number, lines: readonly string[]): Row {
  return {
    name: way.id,
    passed,
    format(width) {
      const mark = passed ? styleText('green', '✔') : styleText('red', '✘');
      const head = `${String(way.number).padStart(2)}  ${styleText('bold', way.where)}`;
      const tail = styleText('dim', `${way.id}, ${seconds.toFixed(1)} s`);
      const configured = wrap(way.configured, width === undefined ? undefined : width - INDENT.length);
      return [
        `${mark} ${head}  ${tail}`,
        ...configured.map((line) => INDENT + styleText('yellow', line)),
        ...lines.map((line) => INDENT + line),
      ].join('\n');
    },
  };
}

/** Breaks connection strings and code where a reader would. */
function wrap(text: string, width = Number.POSITIVE_INFINITY): string[] {
  const lines = [''];
  for (const piece of text.split(/(?<=[&, ])/)) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && last.length + piece.trimEnd().length > width) lines.push(piece);
    else lines[lines.length - 1] = last + piece;
  }
  return lines.map((line) => line.trimEnd());
}

/** Of what Node.js writes when a program fails, the line that names the error. */
function essenceOf(reason: string): string {
  const lines = reason.split('\n').map((line) => line.trim());
  const named = lines.find((line) => /^(Uncaught )?\w*Error\b.*: /.test(line));
  const code = lines.find((line) => /^code: /.test(line));
  if (named === undefined) return lines.find(Boolean) ?? 'it gave no reason';
  return code === undefined ? named : `${named} (${code.replace(/,$/, '')})`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
