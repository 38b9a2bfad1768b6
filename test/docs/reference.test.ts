// `npm run docs` makes a reference of the docstrings, without a complaint: no name undocumented, no link dead.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { repository } from './snippets.js';

test('typedoc has nothing to complain of', async () => {
  const typedoc = join(repository, 'node_modules/typedoc/bin/typedoc');
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, [typedoc, '--emit', 'none'], { cwd: repository }, (error, stdout, stderr) =>
      resolve(`${stdout}${stderr}${error ? `ended with ${error.code}` : ''}`),
    );
  });
  expect(output).toBe('');
}, 300_000);
