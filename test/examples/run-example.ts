// Runs an example as its own unmodified file in a child process.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { launch, type Running } from '../emulators/child.js';
import type { Exchange, Run } from './examples.js';
import { folder } from './files.js';

/** Longer than the package's own budget for a token, so that its error is what a test shows. */
const TIMEOUT_MS = 45_000;
const PAUSE_MS = 50;

export function launchExample(
  file: string,
  env: Readonly<Record<string, string>>,
  how: Run['launch'] = { before: [] },
): Running {
  const program = 'instead' in how ? how.instead : [...how.before, join(folder, file)];
  return launch(process.execPath, ['--import=tsx', ...program], { env, timeoutMS: TIMEOUT_MS });
}

export async function freePort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `${port}`;
}

/** Waits until the program listens, or has ended. */
export async function request(
  program: Running,
  port: string,
  { method, path, body }: Exchange,
): Promise<Pick<Exchange, 'status' | 'answer'>> {
  let ended = false;
  program.ended.finally(() => {
    ended = true;
  });
  for (;;) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
      const isJson = response.headers.get('content-type')?.startsWith('application/json');
      return { status: response.status, answer: await (isJson ? response.json() : response.text()) };
    } catch (error) {
      if (ended) throw new Error(`it ended: ${(await program.ended).stderr}`);
      const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
      if (code !== 'ECONNREFUSED') throw error;
      await sleep(PAUSE_MS);
    }
  }
}
