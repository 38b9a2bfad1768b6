// A line at the bottom of the terminal that says what is going on; nothing at all where output is no terminal.

import type { WriteStream } from 'node:tty';
import type { MongoServer } from '../test/emulators/mongodb/index.js';

const INTERVAL_MS = 100;
const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const CLEAR_LINE = '\r\x1b[K';

export class Progress {
  readonly #output: WriteStream;
  readonly #total: number;
  readonly #running = new Map<string, MongoServer | undefined>();
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;
  #done = 0;
  #frame = 0;

  constructor(output: WriteStream, total: number) {
    this.#output = output;
    this.#total = total;
    if (output.isTTY) this.#timer = setInterval(() => this.#draw(), INTERVAL_MS);
  }

  begin(name: string): void {
    this.#running.set(name, undefined);
  }

  /** From now on the line says how far this one is. */
  watch(name: string, server: MongoServer): void {
    this.#running.set(name, server);
  }

  end(name: string): void {
    this.#running.delete(name);
    this.#done += 1;
  }

  /** Prints above the line. */
  print(text: string): void {
    this.#clear();
    this.#output.write(`${text}\n`);
    if (this.#running.size > 0) this.#draw();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#clear();
  }

  #clear(): void {
    if (this.#timer) this.#output.write(CLEAR_LINE);
  }

  #draw(): void {
    if (!this.#timer) return;
    this.#frame = (this.#frame + 1) % FRAMES.length;
    const seconds = Math.floor((performance.now() - this.#startedAt) / 1000);
    const running = [...this.#running].map(([name, server]) => `${name} ${phaseOf(server)}`);
    const line = `${FRAMES[this.#frame]} ${this.#done} of ${this.#total} done, ${seconds} s · ${running.join(' · ')}`;
    const width = this.#output.columns - 1;
    this.#output.write(CLEAR_LINE + (line.length > width ? `${line.slice(0, width - 1)}…` : line));
  }
}

/** How far a program is, as its server sees it. */
function phaseOf(server: MongoServer | undefined): string {
  if (!server || server.stats.authentications === 0) return 'starts';
  return server.stats.reauthentications === 0 ? 'works' : 'has a new token';
}
