// `npm run compat [-- --only TEXT | --list | --write]`: the packed package with drivers, SDKs and runtimes old and
// new. It installs from the npm registry, and runs on Linux on x64, because that is what its binaries are for.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeFolder, type Project, pack, remove } from '../package/npm.js';
import { inParallel } from '../parallel.js';
import { type Cell, cells } from './cells.js';
import { installProject, projectName } from './projects.js';
import { markdownOf, readTable, writeTable } from './readme-table.js';
import { type CellResult, runCell, scenarios } from './run-cell.js';
import { installRuntimes } from './runtimes.js';
import { type Counts, count, failuresOf, lineOf, tableOf } from './table.js';

/** As much as two processors bear: a machine without time to spare lets tokens expire before they are used. */
const INSTALLATIONS = 2;
const CELLS = 3;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      list: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
    },
  });
  const { only = '' } = values;
  const chosen = cells.filter(({ name }) => name.toLowerCase().includes(only.toLowerCase()));
  if (values.list) {
    console.log(chosen.map(({ name }) => name).join('\n'));
    return 0;
  }
  if (chosen.length === 0) {
    console.error(`No cell has '${only}' in its name. Those that there are: npm run compat -- --list`);
    return 2;
  }

  const startedAt = performance.now();
  const results = await runCells(chosen);
  console.log(`\n${tableOf(results)}\n`);
  for (const failure of failuresOf(results)) console.log(`${failure}\n`);
  const { passed, failed } = count(results.flatMap(({ outcomes }) => outcomes));
  const isStale = chosen.length === cells.length && !(await isInReadme(results, values.write));
  const isComplete = passed + failed === chosen.length * scenarios.length;
  if (!isComplete) console.error('Not every scenario ran.');
  const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1);
  console.log(`${results.length} cells, ${passed} scenarios passed, ${failed} failed, ${minutes} min`);
  const problems = failed + Number(isStale) + Number(!isComplete);
  await report({ passed, failed: problems });
  return problems === 0 && passed > 0 ? 0 : 1;
}

async function runCells(chosen: readonly Cell[]): Promise<CellResult[]> {
  const folder = await makeFolder();
  try {
    const tarball = await pack(folder);
    const kinds = [...new Map(chosen.map((cell) => [projectName(cell), cell]))];
    const projects = new Map<string, Project>();
    let runtimes: Awaited<ReturnType<typeof installRuntimes>> | undefined;
    await inParallel(INSTALLATIONS, [undefined, ...kinds], async (kind) => {
      if (kind) {
        const [name, cell] = kind;
        projects.set(name, await installProject(join(folder, name.replaceAll('/', '-')), tarball, cell));
      } else {
        runtimes = await installRuntimes(join(folder, 'runtimes'), [
          ...new Set(chosen.map(({ runtime }) => runtime)),
        ]);
      }
    });
    return await inParallel(CELLS, chosen, async (cell) => {
      const startedAt = performance.now();
      const project = projects.get(projectName(cell));
      const runtime = runtimes?.(cell.runtime);
      if (!project || !runtime) throw new Error(`${cell.name} is not installed`);
      const result = await runCell(cell, project, runtime);
      console.log(lineOf(result, (performance.now() - startedAt) / 1_000));
      return result;
    });
  } finally {
    await remove(folder);
  }
}

async function isInReadme(results: readonly CellResult[], mayWrite: boolean): Promise<boolean> {
  const markdown = markdownOf(
    results.map(({ cell, outcomes }) => ({
      cell,
      passed: count(outcomes).passed,
      total: outcomes.length,
    })),
  );
  if (mayWrite) await writeTable(markdown);
  if ((await readTable()) === markdown) return true;
  console.error(
    `README.md says something else between its marks than what ran:\n\n${markdown}\nnpm run compat -- --write writes it.\n`,
  );
  return false;
}

/** As other reports have it. */
async function report({ passed, failed }: Counts): Promise<void> {
  const file = process.env.TEST_REPORT;
  if (!file) return;
  const counts = { numPassedTests: passed, numFailedTests: failed, numPendingTests: 0, numTodoTests: 0 };
  await writeFile(file, JSON.stringify(counts));
}
