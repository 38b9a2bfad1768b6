import { WriteStream } from 'node:tty';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Check } from '../../../src/doctor/report.js';
import { Terminal } from '../../../src/doctor/terminal.js';

let written: string;
beforeEach(() => {
  written = '';
  for (const name of ['NO_COLOR', 'NODE_DISABLE_COLORS', 'FORCE_COLOR', 'CI', 'COLORTERM', 'TMUX']) {
    vi.stubEnv(name, undefined);
  }
  vi.stubEnv('TERM', 'xterm-256color');
});
afterEach(() => vi.unstubAllEnvs());

/** A terminal's own stream, but for where it writes to; a pipe has none of the properties. */
function output(columns?: number): WriteStream {
  const write = (text: string) => {
    written += text;
    return true;
  };
  return Object.assign(
    Object.create(columns === undefined ? {} : WriteStream.prototype) as WriteStream,
    { write },
    columns === undefined ? {} : { isTTY: true, columns },
  );
}

const check: Check = {
  step: 'mongodb',
  name: 'authentication',
  status: 'failed',
  code: 'AUTHENTICATION_FAILED',
  summary: 'The server refuses the token, and does not say why: it never does, whatever the reason may be.',
  fix: 'Compare the token with the configuration of the server, by this command, as its usage has it.',
  causes: Array.from({ length: 10 }, () => ({
    code: 'AUDIENCE_DIFFERS',
    summary: "The server's provider may have another audience than 'api://mongodb', which the token has.",
    fix: 'Compare every character, upper and lower case, and any slash there may be at the end.',
  })),
  durationMS: 12.3,
};

const lines = () => stripVTControlCharacters(written.replaceAll('\r\x1b[K', '\n')).split('\n');
const indentOf = (line: string) => line.search(/\S/);

describe('in a pipe', () => {
  it('writes no escape sequence and no line that is overwritten', () => {
    const terminal = new Terminal(output());
    terminal.begin('mongodb', 'authenticating');
    terminal.end(check);
    terminal.conclude([check]);
    expect(written).not.toMatch(/[^\P{Cc}\n]/u);
    expect(written).not.toContain('authenticating');
    expect(written).toContain('✖ The server refuses the token');
    expect(written).toContain('1 check failed.');
  });

  it('says once what step it is at', () => {
    const terminal = new Terminal(output());
    terminal.end({ ...check, step: 'environment', status: 'ok' });
    terminal.end({ ...check, status: 'ok' });
    terminal.end({ ...check, status: 'skipped' });
    expect(lines().filter((line) => /^\S/.test(line))).toEqual(['Environment', 'MongoDB']);
  });
});

describe('on a terminal', () => {
  it('shows what goes on, and writes the result over it', () => {
    const terminal = new Terminal(output(60));
    terminal.begin('mongodb', 'authenticating');
    expect(stripVTControlCharacters(written)).toBe('MongoDB\n  … authenticating');
    terminal.end({ ...check, status: 'ok', summary: 'The server takes the token' });
    expect(stripVTControlCharacters(written.split('\r\x1b[K')[1] ?? '')).toBe(
      '  ✔ The server takes the token 12 ms\n',
    );
  });

  it('cuts off what would reach the next line, which could not be overwritten', () => {
    new Terminal(output(20)).begin('mongodb', 'connecting to a host of a long name');
    expect(Math.max(...lines().map((line) => line.length))).toBeLessThan(20);
  });

  it('has colours, and none where NO_COLOR is set', () => {
    new Terminal(output(60)).end(check);
    expect(written).toContain('\x1b[31m✖');
    written = '';
    vi.stubEnv('NO_COLOR', '1');
    new Terminal(output(60)).end(check);
    expect(written.replace('\r\x1b[K', '')).not.toContain('\x1b');
  });

  it('overwrites nothing where it cannot', () => {
    vi.stubEnv('TERM', 'dumb');
    const terminal = new Terminal(output(60));
    terminal.begin('mongodb', 'authenticating');
    terminal.end(check);
    expect(written).not.toMatch(/[^\P{Cc}\n]|authenticating/u);
  });

  it('breaks lines at its width, between words', () => {
    new Terminal(output(50)).end(check);
    expect(Math.max(...lines().map((line) => line.length))).toBeLessThanOrEqual(50);
    expect(lines().join(' ').replace(/\s+/g, ' ')).toContain(check.summary);
  });

  it('never breaks a word, such as a name to be copied', () => {
    const name = `api://${'x'.repeat(60)}`;
    new Terminal(output(50)).end({ ...check, fix: `Use ${name} instead` });
    expect(written).toContain(name);
  });

  it('never breaks a command', () => {
    const fix = `Run: az vm identity assign ${'--identities an-id '.repeat(8)}`.trim();
    new Terminal(output(40)).end({ ...check, causes: [], fix });
    expect(lines()).toContain(`      → ${fix}`);
  });

  it('keeps a text beside its mark, arrow or number', () => {
    new Terminal(output(50)).end(check);
    const shown = lines().slice(2);
    const starts = shown.map((line) => /^\s*(?:[✖→]|\d+\.) (?=\S)/.exec(line)?.[0].length);
    let beside = 0;
    for (const [index, line] of shown.entries()) {
      const start = starts[index];
      if (start !== undefined) beside = start;
      else if (line.trim() !== '' && line.trim() !== check.code)
        expect([line, indentOf(line)]).toEqual([line, beside]);
    }
    expect(starts.filter((start) => start !== undefined)).toHaveLength(22);
    expect(starts).toContain('      10. '.length);
  });
});

describe('the conclusion', () => {
  const ok = { status: 'ok', summary: '' } as const;
  const warning = { status: 'warning', summary: '' } as const;
  const failed = { status: 'failed', summary: '' } as const;
  it.each([
    [[ok], 'All well.'],
    [[ok, warning], 'All well, 1 warning.'],
    [[failed, warning, warning], '1 check failed, 2 warnings.'],
    [[failed, failed], '2 checks failed.'],
  ])('of %j', (checks, says) => {
    new Terminal(output()).conclude(checks);
    expect(written).toBe(`\n${says}\n`);
  });
});
