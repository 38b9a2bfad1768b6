#!/usr/bin/env node
// The command `mongodb-workload-identity`.

import { type Answer, readArguments, type Settings } from './arguments.js';
import { examine } from './examine.js';
import { fixOf } from './fixes.js';
import { type Check, type Listener, Report, STEPS } from './report.js';
import { Terminal } from './terminal.js';

const { version } = require('../../package.json') as { version: string };

const SILENT: Listener = { begin() {}, end() {} };

async function main(): Promise<void> {
  // Whoever read has gone, as `head` does.
  process.stdout.on('error', () => process.exit(1));
  const settings = readArguments(process.argv.slice(2), version);
  if ('text' in settings) return answer(settings);
  // What this package warns of once in a program, doctor says as a finding, each time.
  process.removeAllListeners('warning');
  const exitCode = await run(settings);
  // A source that hangs would keep the process alive.
  process.exit(exitCode);
}

function answer({ text, exitCode }: Answer): void {
  (exitCode === 0 ? process.stdout : process.stderr).write(`${text}\n`);
  process.exitCode = exitCode;
}

async function run(settings: Settings): Promise<0 | 1> {
  const terminal = settings.json ? undefined : new Terminal(process.stdout);
  const report = new Report(terminal ?? SILENT, fixOf);
  const advice = await examine(settings, report).catch((error: unknown) => report.fail(error));
  const { checks, hasFailed } = report;
  if (terminal) {
    const isTaken = checks.some(({ name, status }) => name === 'authentication' && status === 'ok');
    if (advice && !isTaken) terminal.advise(advice);
    terminal.conclude(checks);
  } else {
    const document = { ok: !hasFailed, version, steps: bySteps(checks), advice };
    await new Promise((resolve) =>
      process.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`, resolve),
    );
  }
  return hasFailed ? 1 : 0;
}

function bySteps(checks: readonly Check[]) {
  return STEPS.map((step) => ({
    step,
    checks: checks.filter((check) => check.step === step).map(({ step: _, ...check }) => check),
  }));
}

void main();
