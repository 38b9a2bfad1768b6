// Shows the checks to a person, as they run: a line of what goes on where there is a terminal, plain lines elsewhere.

import type { WriteStream } from 'node:tty';
import { stripVTControlCharacters, styleText } from 'node:util';
import type { Advice } from './advice.js';
import type { Check, Listener, Outcome, Step } from './report.js';

const TITLES: Readonly<Record<Step, string>> = {
  environment: 'Environment',
  source: 'Source',
  token: 'Token',
  mongodb: 'MongoDB',
};
const MARKS = {
  ok: ['✔', 'green'],
  warning: ['!', 'yellow'],
  failed: ['✖', 'red'],
  skipped: ['-', 'gray'],
} as const;
const INDENT = '      ';
const DEFAULT_WIDTH = 100;
/** What somebody will paste into a shell must not have a line break in it that is not the terminal's own. */
const COMMAND = /\bRun: |\bdb\.\w+\(/;

type Style = Parameters<typeof styleText>[0];

export class Terminal implements Listener {
  readonly #output: WriteStream;
  readonly #isLive: boolean;
  #step: Step | undefined;

  constructor(output: WriteStream) {
    this.#output = output;
    this.#isLive = Boolean(output.isTTY) && process.env.TERM !== 'dumb';
  }

  begin(step: Step, title: string): void {
    this.#enter(step);
    if (this.#isLive) this.#output.write(this.#paint('gray', `  … ${title}`.slice(0, this.#width - 1)));
  }

  end({ step, status, summary, code, fix, causes, durationMS }: Check): void {
    this.#enter(step);
    if (this.#isLive) this.#output.write('\r\x1b[K');
    const [mark, color] = MARKS[status];
    const took = durationMS >= 1 ? this.#paint('gray', ` ${duration(durationMS)}`) : '';
    const text = this.#wrap(summary, '    ').trimStart();
    this.#write(
      `  ${this.#paint(color, mark)} ${status === 'skipped' ? this.#paint('gray', text) : text}${took}`,
    );
    if (status === 'ok' || status === 'skipped') return;
    if (code) this.#write(this.#paint('gray', `${INDENT}${code}`));
    if (fix) this.#item('→', fix, INDENT);
    for (const [index, cause] of (causes ?? []).entries()) {
      const marker = `${index + 1}.`;
      this.#item(marker, `${cause.summary} ${this.#paint('gray', `(${cause.code})`)}`, INDENT);
      this.#item('→', cause.fix, INDENT + ' '.repeat(marker.length + 1));
    }
  }

  /** What would make the server take this token. */
  advise({ atlas, oidcIdentityProviders, commands, notes }: Advice): void {
    this.#write(`\n${this.#paint('bold', 'A server that takes this token')}`);
    if (atlas.length > 0) {
      this.#write('  On Atlas:');
      for (const [index, step] of atlas.entries()) this.#item(`${index + 1}.`, step, INDENT);
      this.#write('  On MongoDB Enterprise, setParameter.oidcIdentityProviders:');
      this.#write(JSON.stringify(oidcIdentityProviders, undefined, 2).replace(/^/gm, INDENT));
      this.#write('  and in mongosh:');
      for (const command of commands) this.#write(command.replace(/^/gm, INDENT));
    }
    for (const note of notes) this.#item('*', note, '  ');
  }

  conclude(checks: readonly Outcome[]): void {
    const count = (status: Outcome['status']) => checks.filter((check) => check.status === status).length;
    const [failed, warnings] = [count('failed'), count('warning')];
    const problems = failed === 0 ? 'All well' : `${failed} ${failed === 1 ? 'check' : 'checks'} failed`;
    const more = warnings === 0 ? '' : `, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`;
    this.#write(`\n${this.#paint(failed === 0 ? 'green' : 'red', problems)}${more}.`);
  }

  #enter(step: Step): void {
    if (step === this.#step) return;
    this.#write(`${this.#step ? '\n' : ''}${this.#paint('bold', TITLES[step])}`);
    this.#step = step;
  }

  get #width(): number {
    return this.#output.columns || DEFAULT_WIDTH;
  }

  #write(text: string): void {
    this.#output.write(`${text}\n`);
  }

  /** `NO_COLOR` and `FORCE_COLOR` are minded by `hasColors`. */
  #paint(style: Style, text: string): string {
    return this.#output.isTTY && this.#output.hasColors()
      ? styleText(style, text, { validateStream: false })
      : text;
  }

  /** What is beside the marker stays beside it. */
  #item(marker: string, text: string, indent: string): void {
    const beside = ' '.repeat(indent.length + marker.length + 1);
    const shown = COMMAND.test(text) ? text : this.#wrap(text, beside).trimStart();
    this.#write(`${indent}${marker} ${shown}`);
  }

  /** What is copied from here is never broken: a word longer than the line stays whole. */
  #wrap(text: string, indent: string): string {
    const lines: string[] = [];
    let line = '';
    for (const word of text.split(' ')) {
      if (line !== '' && stripVTControlCharacters(`${indent}${line} ${word}`).length > this.#width) {
        lines.push(line);
        line = word;
      } else line = line === '' ? word : `${line} ${word}`;
    }
    return [...lines, line].map((each) => indent + each).join('\n');
  }
}

function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
