// What one scenario does not ask of one runtime, because it cannot hold there. The rest of it does.

import type { Cell } from './cells.js';

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

export function lenienceOf({ runtime }: Cell, scenario: string): Lenience | undefined {
  return leniences.find((lenience) => lenience.runtime === runtime && lenience.scenario === scenario);
}
