// What the documentation shows compiles as it stands, and the scripts that it names exist.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { compile, docstringsOf, findSnippets, repository, type Snippet } from './snippets.js';

const documents = [...list('.', '.md'), ...list('docs', '.md')];
const sources = list('src', '.ts');

const all = [
  ...documents
    .filter((path) => path === 'README.md' || path.startsWith('docs'))
    .flatMap((path) => findSnippets(read(path), path)),
  ...sources.flatMap((path) => findSnippets(docstringsOf(read(path)), path)),
];
const snippets = all.filter(({ language }) => /^([cm]?[jt]s|javascript|typescript)$/.test(language));
const data = all.filter(({ language }) => /^(json|ya?ml)$/.test(language));

describe('the snippets', () => {
  let problems: Map<Snippet, string[]>;

  beforeAll(() => {
    problems = compile(snippets);
  });

  test.each(snippets.map((snippet) => [snippet.place, snippet] as const))('%s compiles', (_, snippet) => {
    expect(problems.get(snippet)).toEqual([]);
  });

  test.each(data.map((snippet) => [snippet.place, snippet] as const))('%s can be read', (_, snippet) => {
    expect(parseProblems(snippet)).toEqual([]);
  });

  test('README.md has some', () => {
    expect(snippets.filter(({ place }) => place.startsWith('README.md:'))).not.toEqual([]);
  });

  test('every @example is one', () => {
    const others = sources.flatMap((path) => {
      const lines = docstringsOf(read(path)).split('\n');
      return lines.flatMap((line, index) =>
        line.startsWith('@example') && lines[index + 1] !== '```ts' ? [`${path}:${index + 1}`] : [],
      );
    });
    expect(others).toEqual([]);
  });
});

test('every script that a document names exists', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const missing = documents.flatMap((path) =>
    [...read(path).matchAll(/\bnpm run ([\w:-]+)/g)]
      .filter(([, name = '']) => !Object.hasOwn(scripts, name))
      .map(([command]) => `${path}: ${command}`),
  );
  expect(missing).toEqual([]);
});

describe('this check', () => {
  test('finds code with its place, in a list too', () => {
    const text = ['Text', '```ts', 'const a = 1;', '```', '- item', '  ```js', '  f(', '    1)', '  ```'];
    expect(findSnippets(text.join('\n'), 'a.md')).toEqual([
      { place: 'a.md:3', language: 'ts', code: 'const a = 1;' },
      { place: 'a.md:7', language: 'js', code: 'f(\n  1)' },
    ]);
  });

  test('finds the code of a docstring on its line', () => {
    const text = ['const a = `', '```ts', '`;', '/**', ' * @example', ' * ```ts', ' * f();', ' * ```', ' */'];
    expect(findSnippets(docstringsOf(text.join('\n')), 'a.ts')).toEqual([
      { place: 'a.ts:7', language: 'ts', code: 'f();' },
    ]);
  });

  test('takes top-level await and both kinds of module, and knows the types', () => {
    const name = "'mongodb-workload-identity'";
    expect(
      problemsOf(
        ['ts', `import { OIDCCallback } from ${name};`, 'await OIDCCallback.name;'],
        ['js', `const { OIDCCallback } = require(${name});`, 'OIDCCallback.name;'],
        ['ts', `import { OIDCCallback } from ${name};`, 'OIDCCallback.nonsense;'],
        ['js', `import { OIDCCallback } from ${name};`, 'OIDCCallback.nonsense;'],
        ['js', `const { OIDCCallback } = require(${name});`, 'OIDCCallback.nonsense;'],
      ),
    ).toEqual([
      [],
      [],
      ...Array(3).fill([
        "line 2 of the snippet: Property 'nonsense' does not exist on type 'typeof OIDCCallback'.",
      ]),
    ]);
  });

  test('reads JSON and YAML, of several documents too, and refuses what is neither', () => {
    const problems = (language: string, code: string) => parseProblems({ place: '', language, code });
    expect(problems('json', '{ "a": [1] }')).toEqual([]);
    expect(problems('yaml', 'a: { b: 1 }\n---\na: 2')).toEqual([]);
    expect(problems('json', "{ 'a': 1 }")).toEqual([expect.stringMatching(/JSON/)]);
    expect(problems('json', '{ "a": 1, }')).toEqual([expect.stringMatching(/JSON/)]);
    expect(problems('yaml', 'a: 1\n---\na: {')).not.toEqual([]);
    expect(problems('yml', 'a: 1\na: 2')).toEqual([expect.stringMatching(/unique/)]);
  });

  test('refuses what could not be pasted', () => {
    expect(
      problemsOf(
        ['ts', 'const a = 1;'],
        ['ts', 'console.log(a);'],
        ['ts', "import 'mongodb-workload-identity/aws';"],
        ['ts', 'export const f = (x) => x;'],
        ['ts', 'f(', ')…'],
      ),
    ).toEqual([
      [],
      ["line 1 of the snippet: Cannot find name 'a'."],
      [expect.stringMatching(/Cannot find module .*mongodb-workload-identity\/aws/)],
      ["line 1 of the snippet: Parameter 'x' implicitly has an 'any' type."],
      expect.arrayContaining(['line 2 of the snippet: Invalid character.']),
    ]);
  });
});

function problemsOf(...texts: [language: string, ...lines: string[]][]): string[][] {
  const compiled = compile(
    texts.map(([language, ...lines]) => ({ place: '', language, code: lines.join('\n') })),
  );
  return [...compiled.values()];
}

function parseProblems({ language, code }: Snippet): string[] {
  if (language !== 'json') return parseAllDocuments(code).flatMap(({ errors }) => errors.map(String));
  try {
    JSON.parse(code);
    return [];
  } catch (error) {
    return [String(error)];
  }
}

function list(folder: string, extension: string): string[] {
  const path = join(repository, folder);
  return existsSync(path)
    ? readdirSync(path)
        .filter((name) => name.endsWith(extension))
        .map((name) => join(folder, name))
    : [];
}

function read(path: string): string {
  return readFileSync(join(repository, path), 'utf8');
}
