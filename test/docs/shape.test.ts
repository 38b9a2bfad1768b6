// The page of each place has the same parts in the same order, so that whoever knows one finds the way in all.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findSnippets, repository } from './snippets.js';

const PAGES = [
  'azure-vm',
  'azure-functions',
  'azure-app-service',
  'azure-container-apps',
  'azure-arc',
  'aks',
  'azure-documentdb',
  'compute-engine',
  'cloud-run',
  'cloud-functions',
  'gke',
  'gke-workload-identity',
  'kubernetes',
  'eks',
  'laptop',
];
const PARTS = ['What you need', 'In the cloud', 'In MongoDB', 'The code', 'Check it', 'What goes wrong'];

describe.each(PAGES)('docs/%s.md', (name) => {
  const path = `docs/${name}.md`;

  test('exists', () => {
    expect(existsSync(join(repository, path))).toBe(true);
  });

  test('has one title, and the parts of all pages in their order', () => {
    expect(headings(read(path), 1)).toHaveLength(1);
    expect(headings(read(path), 2)).toEqual(PARTS);
  });

  test('shows the code three ways', () => {
    const languages = findSnippets(part(read(path), 'The code'), path).map(({ language }) => language);
    expect(languages.filter((language) => language === 'ts')).toHaveLength(3);
  });

  test('names the doctor, and codes of errors in a table', () => {
    expect(part(read(path), 'Check it')).toContain('mongodb-workload-identity doctor');
    expect(part(read(path), 'What goes wrong')).toMatch(/^\| .*`ERR_OIDC_[A-Z_]+`/m);
  });

  test('is in the index', () => {
    expect(read('docs/README.md')).toContain(`](${name}.md)`);
  });
});

test.each(PAGES.filter((name) => name !== 'azure-documentdb'))(
  'docs/%s.md leads to the MongoDB side',
  (name) => {
    const text = part(read(`docs/${name}.md`), 'In MongoDB');
    expect(text).toContain('](mongodb.md#atlas)');
    expect(text).toContain('](mongodb.md#enterprise)');
  },
);

test('every code that the documentation names exists', () => {
  const known = read('src/errors.ts');
  const unknown = [
    ...PAGES.map((name) => `docs/${name}.md`),
    'docs/detection.md',
    'docs/token-life.md',
  ].flatMap((path) =>
    [...read(path).matchAll(/ERR_OIDC_[A-Z_]*[A-Z]/g)]
      .filter(([code]) => !known.includes(`'${code}'`))
      .map(([code]) => `${path}: ${code}`),
  );
  expect(unknown).toEqual([]);
});

/** Empty where there is none: that it exists is a test of its own. */
function read(path: string): string {
  return existsSync(join(repository, path)) ? readFileSync(join(repository, path), 'utf8') : '';
}

function headings(text: string, level: number): string[] {
  return withoutCode(text).flatMap((line) => {
    const [, marks, title = ''] = /^(#+) (.*)/.exec(line) ?? [];
    return marks?.length === level ? [title] : [];
  });
}

/** A comment in a shell snippet looks like a title. */
function withoutCode(text: string): string[] {
  let inside = false;
  return text.split('\n').filter((line) => {
    const isFence = /^\s*```/.test(line);
    if (isFence) inside = !inside;
    return !inside && !isFence;
  });
}

function part(text: string, title: string): string {
  return text.split(/^## /m).find((section) => section.startsWith(`${title}\n`)) ?? '';
}
