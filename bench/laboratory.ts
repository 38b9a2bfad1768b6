/** Processes in which measurements are taken, each in a network namespace of its own where that is permitted. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { run } from '../test/emulators/child.js';
import { namespaceObstacle, runInNamespace } from '../test/emulators/namespace.js';
import type { Outcomes, Task } from './tasks.js';

const script = fileURLToPath(new URL('measure.ts', import.meta.url));
const TIMEOUT_MS = 3_600_000;

interface Bench {
  measure(task: Task): Promise<unknown>;
  close(): Promise<void>;
}

export class Laboratory {
  /** Why the real metadata address cannot be had; undefined where it can. */
  readonly obstacle: string | undefined;
  readonly #idle: Bench[] = [];
  readonly #all: Bench[] = [];

  private constructor(obstacle: string | undefined) {
    this.obstacle = obstacle;
  }

  static async open(): Promise<Laboratory> {
    return new Laboratory(await namespaceObstacle());
  }

  /** Makes ready for so many measurements at the same time. */
  async prepare(count: number): Promise<void> {
    const missing = Math.max(0, count - this.#all.length);
    const opened = await Promise.all(
      Array.from({ length: missing }, () => openBench(this.obstacle === undefined)),
    );
    this.#all.push(...opened);
    this.#idle.push(...opened);
  }

  /** Undefined for the built-in environment where its address cannot be had. */
  async measure<T extends Task>(task: T): Promise<Outcomes[T['kind']] | undefined> {
    if (task.subject === 'builtin' && this.obstacle !== undefined) return undefined;
    if (this.#idle.length === 0) await this.prepare(this.#all.length + 1);
    const bench = this.#idle.shift() as Bench;
    try {
      return (await bench.measure(task)) as Outcomes[T['kind']];
    } finally {
      this.#idle.push(bench);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((bench) => bench.close()));
  }
}

async function openBench(inNamespace: boolean): Promise<Bench> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-'));
  const path = join(directory, 'socket');
  const server = createServer().listen(path);
  await once(server, 'listening');
  const args = [path, String(inNamespace)];
  const options = { timeoutMS: TIMEOUT_MS };
  const ended = inNamespace
    ? runInNamespace(script, args, {}, options)
    : run(process.execPath, ['--import=tsx', script, ...args], options);
  const failed = ended.then(({ code, stderr }) => {
    throw new Error(`measure.ts ended with ${code}:\n${stderr}`);
  });
  failed.catch(() => {});
  const [socket] = (await Promise.race([once(server, 'connection'), failed])) as [Socket];
  const lines = createInterface(socket);
  return {
    async measure(task) {
      const answer = once(lines as Interface, 'line');
      socket.write(`${JSON.stringify(task)}\n`);
      const [line] = (await Promise.race([answer, failed])) as [string];
      const { outcome, error } = JSON.parse(line);
      if (error) throw new Error(`${JSON.stringify(task)}: ${error}`);
      return outcome;
    },
    async close() {
      socket.end();
      await ended;
      server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
