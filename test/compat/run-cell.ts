// Runs every scenario in one cell.

import type { Project } from '../package/npm.js';
import { inParallel } from '../parallel.js';
import { type Cell, sdkNames } from './cells.js';
import { connectionStrings } from './connection-strings.js';
import { lenienceOf } from './leniences.js';
import { recovery } from './recovery.js';
import { rollover } from './rollover.js';
import type { Runtime } from './runtimes.js';
import type { Scenario, Stage } from './scenario.js';
import { wayScenarios } from './ten-ways.js';

/** The longest first, because the others end beside them. */
export const scenarios: readonly Scenario[] = [rollover, recovery, ...wayScenarios, connectionStrings];

/** Programs at a time: most of their time they wait for a token to expire. */
const CONCURRENCY = 5;

export interface Outcome {
  readonly scenario: string;
  /** Undefined where it passed. */
  readonly failure?: string;
}

export interface CellResult {
  readonly cell: Cell;
  /** What was installed, the runtime first. */
  readonly versions: readonly string[];
  readonly outcomes: readonly Outcome[];
}

export async function runCell(cell: Cell, project: Project, runtime: Runtime): Promise<CellResult> {
  const packages = ['mongodb', ...sdkNames].map((name) => project.manifest(name));
  const launch: Stage['launch'] = (file) => runtime.launch(project, file);
  const unsuitable = packages.find(({ engines }) => leastNode(engines?.node) > nodeMajor(cell));
  if (unsuitable) throw new Error(`${cell.name}: a package there wants Node.js ${unsuitable.engines?.node}`);
  const outcomes = await inParallel(CONCURRENCY, scenarios, (scenario) =>
    runScenario(cell, scenario, launch),
  );
  return { cell, versions: [runtime.version, ...packages.map(({ version }) => version)], outcomes };
}

async function runScenario(cell: Cell, scenario: Scenario, launch: Stage['launch']): Promise<Outcome> {
  const { name } = scenario;
  const isLenient = lenienceOf(cell, name) !== undefined;
  try {
    await scenario.run({ launch, variant: cell.variant, isLenient });
  } catch (error) {
    return { scenario: name, failure: (error as Error).message };
  }
  return { scenario: name };
}

/** Of what the packages here write: `>=20.19.0`, `>=22`. */
function leastNode(range = '>=0'): number {
  return Number(/^>=\s*(\d+)/.exec(range)?.[1] ?? Number.NaN);
}

/** Bun and Deno are what they are. */
function nodeMajor({ runtime }: Cell): number {
  return Number(/^Node\.js (\d+)/.exec(runtime)?.[1] ?? Number.POSITIVE_INFINITY);
}
