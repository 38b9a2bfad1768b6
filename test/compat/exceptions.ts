// What is known not to run, and whose fault it is. It is tried all the same and must fail in this very way: it
// never counts as passed, and when it begins to pass it has to leave this list.

import type { Cell } from './cells.js';

export interface Exception {
  readonly runtime: Cell['runtime'];
  readonly scenario: string;
  /** For the README. */
  readonly reason: string;
  /** What the failure says. */
  readonly evidence: RegExp;
}

export const exceptions: readonly Exception[] = [];

/** What one scenario does not ask of one runtime, because it cannot hold there. The rest of it does. */
export interface Lenience {
  readonly runtime: Cell['runtime'];
  readonly scenario: string;
  /** For the README. */
  readonly reason: string;
}

export const leniences: readonly Lenience[] = [
  {
    runtime: 'Deno 2',
    scenario: 'rollover under load',
    // To be seen by stopping the program (SIGSTOP) while its token expires: 9 of 10 connections have a call of
    // their own then, each answered from memory; on Node.js and Bun it is one for all.
    reason:
      'no operation fails and the next token is in memory, but the driver may call the callback once for each connection, 100 ms apart, because Deno delivers what arrived on several connections before any of it is acted upon.',
  },
];

export function exceptionOf({ runtime }: Cell, scenario: string): Exception | undefined {
  return exceptions.find((exception) => exception.runtime === runtime && exception.scenario === scenario);
}

export function lenienceOf({ runtime }: Cell, scenario: string): Lenience | undefined {
  return leniences.find((lenience) => lenience.runtime === runtime && lenience.scenario === scenario);
}
