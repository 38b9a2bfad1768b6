/** Runs arbitrary answers of a source in a process of its own. */
import { fileURLToPath } from 'node:url';
import { run } from '../emulators/child.js';

export const SOURCES = ['imds', 'appService', 'entra', 'metadata', 'google', 'file'] as const;
export type SourceName = (typeof SOURCES)[number];

export interface Outcomes {
  token: number;
  error: number;
  /** Answers that were sent, repetitions included. */
  served: number;
}

const child = fileURLToPath(new URL('source-child.ts', import.meta.url));

/** Throws with the seed and the answer if something else than a result or our error came of it. */
export async function runSource(source: SourceName, answers: number, seed: number): Promise<Outcomes> {
  const args = ['--import=tsx', '--no-warnings', child, source, String(answers), String(seed)];
  const timeoutMS = 60_000 + answers * 1_000;
  const env = { CLOUDSDK_CONFIG: '/nonexistent' };
  const { code, stdout, stderr } = await run(process.execPath, args, { env, timeoutMS });
  if (code !== 0) throw new Error(`${source}, seed ${seed}: the process ended with ${code}\n${stderr}`);
  return JSON.parse(stdout) as Outcomes;
}

export function randomSeed(): number {
  return Math.floor(Math.random() * 2 ** 31);
}
