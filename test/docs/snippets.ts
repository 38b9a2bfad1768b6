// Finds the code snippets of Markdown files and of docstrings, and compiles them against the built package.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export interface Snippet {
  /** Where its code begins, such as `README.md:12`. */
  readonly place: string;
  /** The word after the fence. */
  readonly language: string;
  readonly code: string;
}

export const repository = fileURLToPath(new URL('../..', import.meta.url));

/** The fenced code of a Markdown text. */
export function findSnippets(markdown: string, path: string): Snippet[] {
  const snippets: Snippet[] = [];
  let fence: { indent: string; marker: string; language: string; start: number; lines: string[] } | undefined;
  for (const [index, line] of markdown.split('\n').entries()) {
    const [, indent = '', marker = '', language = ''] = /^(\s*)(`{3,}|~{3,})\s*(\S*)/.exec(line) ?? [];
    if (!fence) {
      if (marker) fence = { indent, marker, language, start: index + 2, lines: [] };
    } else if (marker === fence.marker && language === '') {
      snippets.push({
        place: `${path}:${fence.start}`,
        language: fence.language,
        code: fence.lines.join('\n'),
      });
      fence = undefined;
    } else {
      // A fence in a list is indented with its code.
      fence.lines.push(line.startsWith(fence.indent) ? line.slice(fence.indent.length) : line);
    }
  }
  if (fence) throw new Error(`${path}:${fence.start}: the code has no end`);
  return snippets;
}

/** What is in docstrings, on the same lines, without the asterisks; all other lines are empty. */
export function docstringsOf(source: string): string {
  let inside = false;
  const lines = source.split('\n').map((line) => {
    if (/^\s*\/\*\*/.test(line)) inside = true;
    const text = inside ? (/^\s*\*(?!\/) ?(.*)/.exec(line)?.[1] ?? '') : '';
    if (line.includes('*/')) inside = false;
    return text;
  });
  return lines.join('\n');
}

const compilerOptions: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2023.d.ts'],
  types: ['node'],
  module: ts.ModuleKind.NodeNext,
  moduleDetection: ts.ModuleDetectionKind.Force,
  strict: true,
  allowJs: true,
  checkJs: true,
  skipLibCheck: true,
  noEmit: true,
};

/**
 * The compiler's complaints about each snippet, one string each. Every snippet is a module of its own in the root of
 * this repository, where the package's name leads to its built entries; with `require(` it is a CommonJS one.
 */
export function compile(snippets: readonly Snippet[]): Map<Snippet, string[]> {
  const files = new Map(snippets.map((snippet, index) => [fileNameOf(snippet, index), snippet]));
  const host = ts.createCompilerHost(compilerOptions);
  const { fileExists, readFile } = host;
  host.fileExists = (name) => files.has(name) || fileExists(name);
  host.readFile = (name) => files.get(name)?.code ?? readFile(name);
  const program = ts.createProgram([...files.keys()], compilerOptions, host);

  const [problem] = [...program.getGlobalDiagnostics(), ...program.getOptionsDiagnostics()];
  if (problem) throw new Error(ts.flattenDiagnosticMessageText(problem.messageText, '\n'));
  return new Map(
    [...files].map(([name, snippet]) => {
      const file = program.getSourceFile(name);
      const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
      return [snippet, found.map(describe)];
    }),
  );
}

function fileNameOf({ language, code }: Snippet, index: number): string {
  // In TypeScript, what `require` returns has no type.
  const commonJS = /\brequire\(/.test(code);
  const esm = /^([cm]?js|javascript)$/.test(language) ? 'mjs' : 'mts';
  return join(repository, `snippet-${index}.${commonJS ? 'cjs' : esm}`);
}

function describe({ file, start = 0, messageText }: ts.Diagnostic): string {
  const line = (file?.getLineAndCharacterOfPosition(start).line ?? 0) + 1;
  return `line ${line} of the snippet: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
}
