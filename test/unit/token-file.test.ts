import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { OIDCCallbackError, retryForMS } from '../../src/errors.js';
import { readTokenFile } from '../../src/token-file.js';
import { type CompiledSource, compileSource } from './compiled-source.js';
import { jwt } from './jwts.js';
import { deferred } from './promises.js';

vi.mock('node:fs/promises', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:fs/promises')>();
  return { ...original, open: vi.fn(original.open) };
});

const ORIGIN = 'the option tokenFile';
const ADVICE =
  'In Kubernetes, mount a projected service-account token with the audience that MongoDB expects.';

let folder: string;
const at = (name: string) => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'token-file-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  vi.mocked(fs.open).mockClear();
});

const read = (path: string) => readTokenFile({ path, origin: ORIGIN });

async function failureOf(path: string): Promise<OIDCCallbackError> {
  const error = await read(path).then(
    () => new Error('expected a failure'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(OIDCCallbackError);
  return error as OIDCCallbackError;
}

async function write(name: string, content: string | Buffer): Promise<string> {
  await fs.writeFile(at(name), content);
  return at(name);
}

const openFiles = async () => (await fs.readdir('/proc/self/fd')).length;

describe('the content of a token file', () => {
  test('is read', async () => {
    expect(await read(await write('token', jwt()))).toBe(jwt());
  });

  test('is trimmed, since many tools end a file with a line break', async () => {
    expect(await read(await write('token', `\ufeff \n${jwt()}\r\n\n`))).toBe(jwt());
  });

  test('is read anew each time', async () => {
    expect(await read(await write('token', 'one'))).toBe('one');
    expect(await read(await write('token', 'two'))).toBe('two');
  });

  test('is found behind the symlinks of the kubelet, before and after it swaps them', async () => {
    for (const version of ['1', '2']) {
      mkdirSync(at(`..v${version}`));
      writeFileSync(join(at(`..v${version}`), 'token'), `token ${version}`);
    }
    symlinkSync('..v1', at('..data'));
    symlinkSync('..data/token', at('token'));
    expect(await read(at('token'))).toBe('token 1');
    symlinkSync('..v2', at('..data_tmp'));
    renameSync(at('..data_tmp'), at('..data'));
    expect(await read(at('token'))).toBe('token 2');
  });

  test('may be 64 KiB', async () => {
    const content = 'a'.repeat(64 * 1024);
    expect(await read(await write('token', content))).toBe(content);
  });

  test.runIf(process.platform === 'linux')('counts, not the size that the file system tells', async () => {
    expect((await fs.stat('/proc/self/comm')).size).toBe(0);
    expect(await read('/proc/self/comm')).toMatch(/\S/);
  });
});

describe('a token file that cannot be used', () => {
  const problems: [what: string, path: () => string | Promise<string>, problem: string][] = [
    ['is missing', () => at('none'), 'does not exist'],
    ['is in a folder that is none', async () => join(await write('file', 'x'), 'token'), 'does not exist'],
    ['is empty', () => write('token', ''), 'is empty'],
    ['holds nothing but spaces', () => write('token', ' \n\t\r\n'), 'is empty'],
    ['is a directory', () => folder, 'is a directory; name the file in it'],
    ['is a FIFO', () => fifo('fifo'), 'is not a regular file'],
    ['is a device', () => '/dev/null', 'is not a regular file'],
    [
      'is larger than 64 KiB',
      () => write('token', 'a'.repeat(64 * 1024 + 1)),
      'is larger than 64 KiB, which no token is',
    ],
    [
      'is far larger',
      () => write('token', Buffer.alloc(8 << 20, 'a')),
      'is larger than 64 KiB, which no token is',
    ],
    [
      'is larger, most of it spaces',
      () => write('token', `${' '.repeat(64 * 1024)}a`),
      'is larger than 64 KiB, which no token is',
    ],
    ['is a symlink to itself', () => loop('loop'), 'cannot be read (ELOOP)'],
    ['has a path that no file can have', () => 'a\0b', 'cannot be read (ERR_INVALID_ARG_VALUE)'],
  ];

  function fifo(name: string): string {
    execFileSync('mkfifo', [at(name)]);
    return at(name);
  }
  function loop(name: string): string {
    symlinkSync(name, at(name));
    return at(name);
  }

  test.each(problems)(
    'because it %s: the error names the path, where it came from and the problem',
    async (_, make, problem) => {
      const path = await make();
      const error = await failureOf(path);
      expect(error.code).toBe('ERR_OIDC_TOKEN_FILE');
      expect(error.message).toBe(`The token file ${path} (from ${ORIGIN}) ${problem}. ${ADVICE}`);
    },
  );

  test.each<[what: string, path: () => string | Promise<string>]>([
    ['is missing', () => at('none')],
    ['is empty', () => write('token', '')],
  ])('may be usable a moment later: it is worth 5 s where it %s', async (_, make) => {
    expect(retryForMS(await failureOf(await make()))).toBe(5_000);
  });

  test.each<[what: string, path: () => string | Promise<string>]>([
    ['is a directory', () => folder],
    ['is too large', () => write('token', 'a'.repeat(64 * 1024 + 1))],
  ])('is told at once where it %s', async (_, make) => {
    expect(retryForMS(await failureOf(await make()))).toBe(0);
  });

  test.each([
    ['EACCES', 0],
    ['EPERM', 0],
    ['ERR_ACCESS_DENIED', 0],
    ['EIO', 5_000],
    ['EMFILE', 5_000],
    [undefined, 5_000],
  ])('is worth another attempt or not: the system says %s', async (code, expected) => {
    vi.mocked(fs.open).mockRejectedValueOnce(Object.assign(new Error('x'), { code }));
    expect(retryForMS(await failureOf(at('token')))).toBe(expected);
  });

  test('has what the system said as its cause, where it said something', async () => {
    expect((await failureOf(at('none'))).cause).toMatchObject({ code: 'ENOENT' });
    expect((await failureOf(await write('token', ''))).cause).toBeUndefined();
  });

  test('because it is a socket', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(at('socket'), resolve));
    try {
      expect((await failureOf(at('socket'))).message).toContain('is not a regular file');
    } finally {
      server.close();
    }
  });

  test.each([
    ['EPERM', 'may not be read by this user'],
    ['EMFILE', 'cannot be read (EMFILE)'],
    [undefined, 'cannot be read (unknown error)'],
  ])('because the system says %s', async (code, problem) => {
    vi.mocked(fs.open).mockRejectedValueOnce(Object.assign(new Error('x'), { code }));
    expect((await failureOf(at('token'))).message).toContain(problem);
  });

  test('leaves nothing open', async () => {
    const paths = [
      await write('empty', ''),
      await write('large', 'a'.repeat(70_000)),
      folder,
      fifo('fifo'),
      '/dev/null',
    ];
    const before = await openFiles();
    for (const path of paths) await failureOf(path);
    await read(await write('token', 'a'));
    expect(await openFiles()).toBe(before);
  });

  test('does not block the file system of the process: FIFOs without a writer, more than there are threads', async () => {
    const paths = Array.from({ length: 12 }, (_, n) => fifo(`fifo${n}`));
    await Promise.all(paths.map(failureOf));
    expect(await fs.readFile(await write('other', 'still readable'), 'utf8')).toBe('still readable');
  });

  test('because it is a FIFO is told with a writer, too, whose bytes are not taken', async () => {
    const path = fifo('fifo');
    const handle = await fs.open(path, 'r+');
    try {
      await handle.write('a token');
      expect((await failureOf(path)).message).toContain('is not a regular file');
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(7), 0, 7);
      expect(buffer.toString('utf8', 0, bytesRead)).toBe('a token');
    } finally {
      await handle.close();
    }
  });
});

describe('a token file that this process may not read', () => {
  let source: CompiledSource;
  let path: string;
  beforeAll(() => {
    source = compileSource();
  });
  afterAll(() => source.remove());
  beforeEach(() => {
    chmodSync(folder, 0o755);
    path = at('token');
    writeFileSync(path, jwt(), { mode: 0o000 });
  });

  const script = (preparation: string) => `
    const { readTokenFile } = load('token-file');
    ${preparation}
    readTokenFile({ path: ${JSON.stringify(path)}, origin: 'here' }).catch((error) => error)
      .then(({ code, message, cause }) => console.log(JSON.stringify({ code, message, cause: cause.code })));`;

  test('for its mode', async () => {
    // Modes do not stop root, so root becomes somebody else once the modules are loaded.
    const becomeNobody =
      'if (process.getuid() === 0) { process.setgroups([]); process.setgid(65534); process.setuid(65534); }';
    expect(await source.run(script(becomeNobody))).toEqual({
      code: 'ERR_OIDC_TOKEN_FILE',
      message: `The token file ${path} (from here) may not be read by this user. ${ADVICE}`,
      cause: 'EACCES',
    });
  });

  test('under the permission model of Node.js', async () => {
    const flag = process.allowedNodeEnvironmentFlags.has('--permission')
      ? '--permission'
      : '--experimental-permission';
    const flags = [flag, '--no-warnings', `--allow-fs-read=${source.folder}/*`];
    expect(await source.run(script(''), flags)).toEqual({
      code: 'ERR_OIDC_TOKEN_FILE',
      message: `The token file ${path} (from here) may not be read under Node's permission model (--allow-fs-read). ${ADVICE}`,
      cause: 'ERR_ACCESS_DENIED',
    });
  });
});

describe('reads of one path at the same time', () => {
  test('are one', async () => {
    const path = await write('token', 'a');
    expect(await Promise.all([read(path), read(path), read(path)])).toEqual(['a', 'a', 'a']);
    expect(fs.open).toHaveBeenCalledOnce();
    await read(path);
    expect(fs.open).toHaveBeenCalledTimes(2);
  });

  test('that hang are one, however many callers come and go', async () => {
    const stuck = deferred<never>();
    vi.mocked(fs.open).mockReturnValueOnce(stuck.promise);
    const reads = Array.from({ length: 10 }, () => failureOf(at('stuck')));
    await Promise.resolve();
    reads.push(failureOf(at('stuck')));
    expect(fs.open).toHaveBeenCalledOnce();
    stuck.reject(Object.assign(new Error('x'), { code: 'EIO' }));
    for (const error of await Promise.all(reads)) expect(error.message).toContain('cannot be read (EIO)');
    expect(await read(await write('stuck', 'a'))).toBe('a');
  });

  test('say each where its path came from', async () => {
    const origins = ['the option tokenFile', 'the variable AZURE_FEDERATED_TOKEN_FILE'];
    const errors = await Promise.all(
      origins.map((origin) =>
        readTokenFile({ path: at('none'), origin }).catch((error: Error) => error.message),
      ),
    );
    origins.forEach((origin, index) => {
      expect(errors[index]).toContain(`(from ${origin})`);
    });
  });

  test('of other paths are others', async () => {
    const paths = [await write('a', 'a'), await write('b', 'b')];
    expect(await Promise.all(paths.map(read))).toEqual(['a', 'b']);
  });
});
