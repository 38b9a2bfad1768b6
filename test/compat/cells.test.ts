// That the cells of `npm run compat` cover what they should, and that the README tells of them. Nothing is installed.

import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { drivers as testedDrivers } from '../life/drivers.js';
import { inParallel } from '../parallel.js';
import { type Cell, cells, drivers, nodes, otherRuntimes, sdkNames } from './cells.js';
import { leniences } from './leniences.js';
import { projectName } from './projects.js';
import { markdownOf, readTable } from './readme-table.js';
import { scenarios } from './run-cell.js';
import { count } from './table.js';

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  peerDependencies: Record<string, string>;
  engines: { node: string };
};

function pairsOf(left: (cell: Cell) => string, right: (cell: Cell) => string): Set<string> {
  return new Set(cells.map((cell) => `${left(cell)} + ${right(cell)}`));
}

describe('the cells', () => {
  it('have each driver with each Node.js once', () => {
    const onNode = cells.map(({ name }) => name).filter((name) => name.startsWith('Node.js'));
    const expected = drivers.flatMap((driver) => nodes.map((node) => `Node.js ${node}, mongodb ${driver}`));
    expect(onNode.sort()).toEqual(expected.sort());
  });

  it('have the newest driver with the other runtimes', () => {
    const others = cells.filter(({ runtime }) => !runtime.startsWith('Node.js'));
    expect(others.map(({ runtime, driver }) => [runtime, driver])).toEqual(
      otherRuntimes.map((runtime) => [runtime, '7']),
    );
  });

  it.each(sdkNames)('have each version of %s with each Node.js that it runs on', (name) => {
    const pairs = pairsOf(
      ({ sdks }) => sdks[name],
      ({ runtime }) => runtime,
    );
    const needNode22 = ['^4.14', '11'];
    const versions = new Set(cells.map(({ sdks }) => sdks[name]));
    const expected = [...versions].flatMap((version) =>
      nodes
        .filter((node) => node !== 20 || !needNode22.includes(version))
        .map((node) => `${version} + Node.js ${node}`),
    );
    expect([...pairs].filter((pair) => pair.includes('Node.js')).sort()).toEqual(expected.sort());
    expect(versions.size).toBe(3);
  });

  it('begin with what the package says that it supports', () => {
    const { mongodb, ...sdks } = manifest.peerDependencies;
    expect(mongodb).toMatch(new RegExp(`^\\^${drivers[0]}`));
    for (const name of sdkNames) expect(sdks[name]).toMatch(new RegExp(`^\\^${cells[0]?.sdks[name]}`));
    expect(manifest.engines.node).toMatch(new RegExp(`^>=${nodes[0]}\\.`));
  });

  it('have the drivers that the other tests have', () => {
    const names = drivers.map((driver) =>
      driver === '7' ? 'mongodb' : `mongodb-${driver.replace(/\.0$/, '')}`,
    );
    expect(testedDrivers.map(({ name }) => name)).toEqual(names);
  });

  it('take few installations', () => {
    expect(new Set(cells.map(projectName)).size).toBeLessThanOrEqual(8);
  });

  it('try each variant of the ways with several drivers', () => {
    const pairs = pairsOf(
      ({ driver }) => driver,
      ({ variant }) => `${variant % 2}`,
    );
    expect(pairs.size).toBe(2 * drivers.length);
  });
});

test('what is not asked of a runtime names a cell and a scenario', () => {
  for (const { runtime, scenario } of leniences) {
    expect(cells.map((cell) => cell.runtime)).toContain(runtime);
    expect(scenarios.map(({ name }) => name)).toContain(scenario);
  }
});

test('the README has the table of these cells, all as expected', async () => {
  const entries = cells.map((cell) => ({ cell, passed: scenarios.length, total: scenarios.length }));
  expect(await readTable()).toBe(markdownOf(entries));
});

test('what failed is not counted as passed', () => {
  const outcomes = [{ scenario: 'a' }, { scenario: 'b' }, { scenario: 'c', failure: 'why' }];
  expect(count(outcomes)).toEqual({ passed: 2, failed: 1 });
});

test('work in parallel keeps its order and its width', async () => {
  let running = 0;
  let most = 0;
  const results = await inParallel(2, [3, 1, 2], async (turns) => {
    most = Math.max(most, ++running);
    for (let i = 0; i < turns; i++) await Promise.resolve();
    running -= 1;
    return turns;
  });
  expect(results).toEqual([3, 1, 2]);
  expect(most).toBe(2);
});
