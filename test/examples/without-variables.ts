// Loads examples, each time with some of their variables, and prints what each says.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { folder } from './files.js';

const cases: readonly { file: string; others: readonly string[] }[] = JSON.parse(process.argv[2] ?? '');
const messages: (string | null)[] = [];
for (const [index, { file, others }] of cases.entries()) {
  for (const name of others) process.env[name] = 'mongodb://localhost/';
  // Loaded once more, whatever was loaded before.
  const url = `${pathToFileURL(join(folder, file))}?${index}`;
  messages.push(
    await import(url).then(
      () => null,
      (error: Error) => error.message,
    ),
  );
  for (const name of others) delete process.env[name];
}
console.log(JSON.stringify(messages));
process.exit();
