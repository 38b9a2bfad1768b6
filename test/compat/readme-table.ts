// The README's table of what was tried, which must be what ran. No dates and no patch versions of what is newest:
// it changes only when a cell or a result does.

import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Cell, drivers, sdkNames } from './cells.js';
import { leniences } from './leniences.js';

/** What the table says of a cell. */
export interface TableEntry {
  readonly cell: Cell;
  readonly passed: number;
  readonly total: number;
}

const readme = fileURLToPath(new URL('../../README.md', import.meta.url));
const BLOCK = /(?<=<!-- compat -->\n)[\s\S]*?(?=<!-- \/compat -->)/;

export function markdownOf(entries: readonly TableEntry[]): string {
  const runtimes = [...new Set(entries.map(({ cell }) => cell.runtime))];
  const rows = runtimes.map((runtime) => {
    const own = entries.filter(({ cell }) => cell.runtime === runtime);
    const results = drivers.map((driver) => {
      const entry = own.find(({ cell }) => cell.driver === driver);
      return entry ? `${entry.passed} of ${entry.total}` : '';
    });
    const sdks = sdkNames.map((name) =>
      [...new Set(own.map(({ cell }) => cell.sdks[name]))].sort(byVersion).join(', '),
    );
    return [runtime, ...results, ...sdks];
  });
  const [first, ...others] = drivers;
  const head = ['', `\`mongodb\` ${first}`, ...others, ...sdkNames.map((name) => `\`${name}\``)];
  const table = [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`);
  const notes = leniences.map(({ runtime, scenario, reason }) => `- ${runtime}, ${scenario}: ${reason}`);
  return `${[...table, ...(notes.length > 0 ? ['', ...notes] : [])].join('\n')}\n`;
}

/** What the README says. */
export async function readTable(): Promise<string | undefined> {
  return BLOCK.exec(await readFile(readme, 'utf8'))?.[0];
}

export async function writeTable(markdown: string): Promise<void> {
  const text = await readFile(readme, 'utf8');
  await writeFile(
    readme,
    text.replace(BLOCK, () => markdown),
  );
}

function byVersion(a: string, b: string): number {
  return sortKey(a) - sortKey(b);
}

function sortKey(range: string): number {
  const [major = 0, minor = 0] = range.replace('^', '').split('.').map(Number);
  return 1_000 * major + minor;
}
