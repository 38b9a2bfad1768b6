// The links of the documentation lead to files and headings that exist; what is on the web is not asked for.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { repository } from './snippets.js';

const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'bench/README.md',
  // Not the reference, which is below docs.
  ...documentsIn('docs', { recursive: false }),
  ...documentsIn('examples', { recursive: true }),
];

test('no link is broken', async () => {
  expect(await brokenLinks(repository, documents)).toEqual([]);
});

test('the documents are found', () => {
  expect(documents).toEqual(expect.arrayContaining(['README.md', 'bench/README.md', 'docs/README.md']));
});

describe('this check', () => {
  test('finds a file and a heading that are not there, and passes those that are', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'links-'));
    const text = [
      '# One',
      '[file](b.md) [heading](b.md#two) [own](#one) [code](a.ts)',
      '',
      '| in a table |',
      '|---|',
      '| [no file](c.md) |',
      '| [no heading](b.md#three) |',
      '',
      '[not here](#four) ![no picture](d.svg)',
    ];
    try {
      writeFileSync(join(folder, 'a.md'), text.join('\n'));
      writeFileSync(join(folder, 'b.md'), '## Two\n');
      writeFileSync(join(folder, 'a.ts'), '');
      expect(await brokenLinks(folder, ['a.md', 'b.md'])).toEqual([
        expect.stringMatching(/^a\.md:6: Cannot find file `c\.md`/),
        expect.stringMatching(/^a\.md:7: Cannot find heading for `#three` in `b\.md`/),
        expect.stringMatching(/^a\.md:9: Cannot find heading for `#four`/),
        expect.stringMatching(/^a\.md:9: Cannot find file `d\.svg`/),
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

function documentsIn(folder: string, options: { recursive: boolean }): string[] {
  const names = readdirSync(join(repository, folder), { encoding: 'utf8', ...options });
  return names.filter((name) => name.endsWith('.md')).map((name) => join(folder, name));
}

/** One line for each. Headings of other files are compared by the command line alone, not by remark's functions. */
async function brokenLinks(folder: string, files: readonly string[]): Promise<string[]> {
  const remark = join(repository, 'node_modules/remark-cli/cli.js');
  const links = `${join(repository, 'node_modules/remark-validate-links/index.js')}=repository:false,root:${JSON.stringify(folder)}`;
  const tables = join(repository, 'node_modules/remark-gfm/index.js');
  const options = ['--no-config', '--no-ignore', '--no-color', '--quiet', '--frail', '--no-stdout'];
  const args = [remark, ...options, '--use', tables, '--use', links, ...files];
  const { code, report } = await new Promise<{ code: unknown; report: string }>((resolve) => {
    execFile(process.execPath, args, { cwd: folder }, (error, _, stderr) =>
      resolve({ code: error?.code ?? 0, report: stderr }),
    );
  });
  const problems: string[] = [];
  let file = '';
  for (const line of report.split('\n')) {
    const [, row, message] =
      /^(\d+):\d+\S*\s+warning\s+(.*?)\s+missing-\S+\s+remark-validate-links/.exec(line) ?? [];
    if (row) problems.push(`${file}:${row}: ${message}`);
    else if (files.includes(line)) file = line;
  }
  if ((code === 0) !== (problems.length === 0)) throw new Error(`remark ended with ${code}:\n${report}`);
  return problems;
}
