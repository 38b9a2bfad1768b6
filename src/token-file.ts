// Reads a token file without ever blocking the file system of the process.

import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { OIDCCallbackError } from './errors.js';

const SIZE_LIMIT_BYTES = 64 * 1024;

/** A volume can come a moment after the container; a path that is wrong should be told soon. */
export const START_UP_MS = 5_000;

/** Where a path came from is part of every error: it is what the reader has to change. */
export interface TokenFile {
  readonly path: string;
  /** Such as `the option tokenFile` or `AZURE_FEDERATED_TOKEN_FILE`. */
  readonly origin: string;
}

/** Four reads that hang (a stuck mount) block every file-system call of a process, so there is only one. */
const reads = new Map<string, Promise<string>>();

/**
 * The trimmed content of the file.
 *
 * @throws OIDCCallbackError `ERR_OIDC_TOKEN_FILE`, naming the path and where it came from
 */
export async function readTokenFile(file: TokenFile): Promise<string> {
  let read = reads.get(file.path);
  if (!read) {
    read = readContent(file.path).finally(() => reads.delete(file.path));
    reads.set(file.path, read);
  }
  try {
    return await read;
  } catch (error) {
    throw new OIDCCallbackError(
      'ERR_OIDC_TOKEN_FILE',
      `The token file ${file.path} (from ${file.origin}) ${problemOf(error)}. In Kubernetes, mount a projected service-account token with the audience that MongoDB expects.`,
      {
        ...(error instanceof Unusable ? {} : { cause: error }),
        retryForMS: isPassing(error) ? START_UP_MS : 0,
      },
    );
  }
}

async function readContent(path: string): Promise<string> {
  // Opening a FIFO waits for its writer, but for O_NONBLOCK.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const content = await readRegularFile(handle);
    const token = content.trim();
    if (token === '') throw new Unusable('is empty', true);
    return token;
  } finally {
    await handle.close();
  }
}

async function readRegularFile(handle: FileHandle): Promise<string> {
  const stats = await handle.stat();
  if (stats.isDirectory()) throw new Unusable('is a directory; name the file in it');
  if (!stats.isFile()) throw new Unusable('is not a regular file', true);
  const buffer = Buffer.alloc(SIZE_LIMIT_BYTES + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length);
    if (bytesRead === 0) return buffer.toString('utf8', 0, length);
    length += bytesRead;
    if (length > SIZE_LIMIT_BYTES) throw new Unusable('is larger than 64 KiB, which no token is');
  }
}

/** A file that can be opened and holds no token, for now or for good. */
class Unusable extends Error {
  constructor(
    problem: string,
    readonly isPassing = false,
  ) {
    super(problem);
  }
}

const PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist',
  EACCES: 'may not be read by this user',
  EPERM: 'may not be read by this user',
  ENXIO: 'is not a regular file',
  ERR_ACCESS_DENIED: "may not be read under Node's permission model (--allow-fs-read)",
};

function isPassing(error: unknown): boolean {
  if (error instanceof Unusable) return error.isPassing;
  return !['EACCES', 'EPERM', 'ERR_ACCESS_DENIED'].includes((error as NodeJS.ErrnoException).code ?? '');
}

function problemOf(error: unknown): string {
  if (error instanceof Unusable) return error.message;
  const { code } = error as NodeJS.ErrnoException;
  return (code && PROBLEMS[code]) ?? `cannot be read (${code ?? 'unknown error'})`;
}
