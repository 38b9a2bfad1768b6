// What happens in each cell.

import type { Launch } from '../emulators/child.js';

export interface Stage {
  /** How the cell's runtime runs a program that lies in the cell's project. */
  launch(file: string): Launch;
  /** Which of several variants, taken modulo their number. */
  readonly variant: number;
  /** Whether this scenario asks less of this runtime: see `leniences`. */
  readonly isLenient: boolean;
}

export interface Scenario {
  readonly name: string;
  /** @throws Error where something is not as it should be */
  run(stage: Stage): Promise<void>;
}

const INTERVAL_MS = 50;

/** Waits for what cannot be listened to. */
export async function eventually(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`it never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
}
