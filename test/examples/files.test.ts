// Nothing in examples/ is without a test.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { examples } from './examples.js';
import { folder, listFiles } from './files.js';
import { manifests } from './manifests.js';

/** Those have tests of their own, in events/. */
const ofEvents = /^events-/;

test('each program has a test', () => {
  const programs = listFiles().filter((path) => path.endsWith('.ts') && !ofEvents.test(path));
  expect(examples.map(({ file }) => file).sort()).toEqual(programs);
});

test('each manifest has a test', () => {
  expect([...manifests].sort()).toEqual(listFiles().filter((path) => path.endsWith('.yaml')));
});

test('what else there is goes with them', () => {
  expect(listFiles().filter((path) => !/\.(ts|yaml)$/.test(path))).toEqual([
    'README.md',
    'aks/federated-credential.sh',
    'azure-functions/host.json',
    'gke-workload-identity/iam-binding.sh',
  ]);
});

test('README.md leads to each of them', () => {
  const text = readFileSync(join(folder, 'README.md'), 'utf8');
  const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, path]) => path);
  expect(links.sort()).toEqual(listFiles().filter((path) => path !== 'README.md'));
});
