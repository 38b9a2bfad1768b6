/** A command that a program runs: here a shell script. */
import { writeFile } from 'node:fs/promises';

export async function writeCommand(path: string, lines: readonly string[]): Promise<void> {
  await writeFile(path, ['#!/bin/sh', ...lines].join('\n'), { mode: 0o755 });
}

/** The lines of one that prints JSON. */
export function answer(value: object): string[] {
  return [`cat <<'END'\n${JSON.stringify(value)}\nEND`];
}
