/** What a part of the bench hands back, and where it is written. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';

export interface Report {
  /** Markdown, without a heading. */
  readonly text: string;
  /** By name. */
  readonly plots: Readonly<Record<string, TopLevelSpec>>;
}

/** An aim of the project, and what was measured. */
export interface Aim {
  readonly what: string;
  readonly aim: string;
  readonly measured: string;
  /** Undefined where it could not be measured. */
  readonly met: boolean | undefined;
  /** By how much it is missed. */
  readonly missedBy?: string;
}

/** The figures of a whole part are replaced, or added, in this order. */
export const sections = ['rollover', 'long', 'start', 'outage', 'overhead'] as const;
export type Section = (typeof sections)[number];

const headings: Readonly<Record<Section, string>> = {
  rollover: 'Rollover',
  long: 'Rollover of a token that lives six minutes',
  start: 'Start',
  outage: 'Outage',
  overhead: 'Overhead',
};

/** The first column, and each one without a heading, is text. */
export function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [columns, ...rows];
  const widths = columns.map((_, i) => Math.max(2, ...lines.map((cells) => cells[i]?.length ?? 0)));
  const isText = (i: number) => i === 0 || columns[i] === '';
  const line = (cells: readonly string[]) => {
    const padded = cells.map((cell, i) =>
      isText(i) ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0),
    );
    return `| ${padded.join(' | ')} |`;
  };
  const rule = widths.map((width, i) => (isText(i) ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(columns), line(rule), ...rows.map(line)].join('\n');
}

export function aimsTable(aims: readonly Aim[]): string {
  return table(
    ['aim', 'wanted', 'measured', 'met'],
    aims.map(({ what, aim, measured, met, missedBy }) => [
      what,
      aim,
      measured,
      met === undefined ? 'not measured' : met ? 'yes' : `**no**${missedBy ? `: ${missedBy}` : ''}`,
    ]),
  );
}

/** Writes the plots, and the section of `results.md`; the other sections stay as they are. */
export async function writeReport(directory: URL, section: Section, { text, plots }: Report): Promise<void> {
  await mkdir(new URL('plots/', directory), { recursive: true });
  for (const [name, spec] of Object.entries(plots)) {
    await writeFile(new URL(`plots/${name}.svg`, directory), `${await toSVG(spec)}\n`);
  }
  const file = new URL('results.md', directory);
  const known = await readFile(file, 'utf8').catch(() => '');
  const images = Object.entries(plots).map(
    ([name, { description }]) => `![${description}](plots/${name}.svg)`,
  );
  const fresh = [`## ${headings[section]}`, text, ...images, `Measured on ${await conditions()}.`].join(
    '\n\n',
  );
  const bodies = sections.flatMap((name) => {
    const body = name === section ? fresh : sectionOf(known, name);
    return body === undefined ? [] : [`<!-- ${name} -->\n${body}\n<!-- /${name} -->`];
  });
  const intro =
    '# Results\n\nWritten by `npm run bench`; how it is measured is in [README.md](README.md). Of several rounds a figure is the median, with the least and the greatest in parentheses.';
  await writeFile(file, `${[intro, ...bodies].join('\n\n')}\n`);
}

function sectionOf(text: string, name: Section): string | undefined {
  const [, rest] = text.split(`<!-- ${name} -->\n`);
  return rest?.split(`\n<!-- /${name} -->`)[0];
}

/** A comma-separated list of what the figures depend on. */
async function conditions(): Promise<string> {
  const require = createRequire(import.meta.url);
  const versions = ['mongodb', '@azure/identity', 'google-auth-library'].map((name) => {
    const { version } = require(`${name}/package.json`) as { version: string };
    return `${name} ${version}`;
  });
  const [{ model = 'unknown processor' } = {}, ...others] = cpus();
  return [
    `${others.length + 1} cores (${model.trim()})`,
    `Node.js ${process.versions.node}`,
    ...versions,
  ].join(', ');
}

async function toSVG(spec: TopLevelSpec): Promise<string> {
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
