// What the terminal is told.

import { styleText } from 'node:util';
import { sdkNames } from './cells.js';
import type { CellResult, Outcome } from './run-cell.js';

export interface Counts {
  readonly passed: number;
  readonly failed: number;
}

export function count(outcomes: readonly Outcome[]): Counts {
  const failed = outcomes.filter(({ failure }) => failure !== undefined).length;
  return { passed: outcomes.length - failed, failed };
}

/** Said as soon as a cell is through. */
export function lineOf({ cell, outcomes }: CellResult, seconds: number): string {
  const { passed, failed } = count(outcomes);
  const parts = [`${passed} of ${outcomes.length} scenarios passed`];
  if (failed > 0) parts.push(styleText('red', `${failed} failed`));
  return `${cell.name}: ${parts.join(', ')} (${seconds.toFixed(0)} s)`;
}

/** Why scenarios failed, by cell. */
export function failuresOf(results: readonly CellResult[]): string[] {
  return results.flatMap(({ cell, outcomes }) =>
    outcomes
      .filter(({ failure }) => failure !== undefined)
      .map(({ scenario, failure }) => {
        const title = styleText('red', `${cell.name}, ${scenario}`);
        return `${title}: ${failure?.replaceAll('\n', '\n  ')}`;
      }),
  );
}

/** All cells, with what was installed in each. */
export function tableOf(results: readonly CellResult[]): string {
  const rows = results.map(({ cell, versions, outcomes }) => {
    const { passed, failed } = count(outcomes);
    const kind = cell.runtime.replace(/ \d+$/, '');
    const [runtime, ...packages] = versions;
    return [`${kind} ${runtime}`, ...packages, `${passed}`, `${failed}`];
  });
  const head = ['', 'mongodb', ...sdkNames, 'passed', 'failed'];
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  return [head, ...rows]
    .map((row) =>
      row
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
