// A program that is asked, and answers, over its standard input and output: what Node.js has for that, the IPC of
// `fork`, does not work with every runtime.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { childEnvironment, type Launch } from '../emulators/child.js';

/** Longer than any of them takes. */
const TIMEOUT_MS = 60_000;

export class Program {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #closed: Promise<unknown>;
  #stderr = '';

  constructor({ command, args, cwd }: Launch, env: Record<string, string> = {}) {
    this.#child = spawn(command, args, {
      cwd,
      env: childEnvironment(env),
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    this.#closed = once(this.#child, 'close');
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    // Of a program that has ended the answer is missing, which says more.
    this.#child.stdin.on('error', () => {});
  }

  /** One question at a time. */
  async ask<T>(question: object): Promise<T> {
    this.#child.stdin.write(`${JSON.stringify(question)}\n`);
    const { value, done } = await this.#lines.next();
    if (!done) return JSON.parse(value) as T;
    await this.#closed;
    const { exitCode, signalCode } = this.#child;
    throw new Error(`the program ended (${exitCode ?? signalCode}):\n${this.#stderr}`);
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }
}
