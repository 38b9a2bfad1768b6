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

export function exceptionOf({ runtime }: Cell, scenario: string): Exception | undefined {
  return exceptions.find((exception) => exception.runtime === runtime && exception.scenario === scenario);
}
