// The test's side of `service.mjs`.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Failure {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly name: string;
  readonly code: number | string | undefined;
  readonly message: string;
}

/** What came of a client's operations. */
export interface Report {
  readonly operations: number;
  readonly failures: readonly Failure[];
  /** How often the driver called the callback, ever. */
  readonly calls: number;
}

/** An event of the package's, as IPC passes it on, and the channel that it came through. */
export type ChannelEvent = Readonly<Record<string, unknown>> & { readonly channel: string };

interface Reply {
  readonly number?: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly event?: ChannelEvent;
}

interface Waiting {
  resolve(result: unknown): void;
  reject(reason: Error): void;
}

const program = fileURLToPath(new URL('service.mjs', import.meta.url));

export class Service {
  readonly events: ChannelEvent[] = [];
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended: Promise<void>;
  #calls = 0;

  /** Its environment is what it is given and nothing of this machine's. */
  constructor(env: Readonly<Record<string, string>> = {}) {
    this.#child = fork(program, { env, serialization: 'advanced' });
    this.#child.on('message', (reply: Reply) => this.#receive(reply));
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        const reason = new Error(`the service ended (${code ?? signal})`);
        for (const { reject } of this.#waiting.values()) reject(reason);
        resolve();
      });
    });
  }

  call<T = void>(action: string, parameters: object = {}): Promise<T> {
    const number = ++this.#calls;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(number, { resolve: resolve as (result: unknown) => void, reject });
      this.#child.send({ number, action, parameters });
    });
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name);
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  #receive({ number, result, error, event }: Reply): void {
    if (event) {
      this.events.push(event);
      return;
    }
    const waiting = this.#waiting.get(number as number);
    this.#waiting.delete(number as number);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(error));
  }
}
