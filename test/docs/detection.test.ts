// The page on detection shows the table of src/detection.ts: the same rows in the same order.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TABLE } from '../../src/detection.js';
import { repository } from './snippets.js';

test('docs/detection.md has the rows of the table, in its order', () => {
  const expected = TABLE.map(({ name, environment, kubernetes }, index) => [
    `${index + 1}`,
    name,
    kubernetes === undefined ? 'anywhere' : kubernetes ? 'in Kubernetes' : 'outside Kubernetes',
    `\`${environment}\``,
  ]);
  const page = readFileSync(join(repository, 'docs/detection.md'), 'utf8');
  const rows = page.split('\n').flatMap((line) => {
    const [, number = '', name, where, , environment] = line.split('|').map((cell) => cell.trim());
    return /^\d+$/.test(number) ? [[number, name, where, environment]] : [];
  });
  expect(rows).toEqual(expected);
});
