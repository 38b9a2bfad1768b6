// Each example says which variable is missing.
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { run } from '../emulators/child.js';
import { examples } from './examples.js';

const cases = examples.flatMap(({ file, variables }) =>
  variables.map((missing) => ({ file, missing, others: variables.filter((name) => name !== missing) })),
);
let messages: (string | null)[];

// All in one process, because they load the same packages and come no further.
beforeAll(async () => {
  const program = fileURLToPath(new URL('without-variables.ts', import.meta.url));
  const { code, stdout, stderr } = await run(
    process.execPath,
    ['--import=tsx', program, JSON.stringify(cases)],
    { timeoutMS: 55_000 },
  );
  if (code !== 0) throw new Error(`it ended with ${code}: ${stderr}`);
  messages = JSON.parse(stdout);
});

test.each(cases.map(({ file, missing }, index) => [file, missing, index] as const))(
  '%s asks for %s',
  (_, missing, index) => {
    expect(messages[index]).toBe(`Set ${missing}.`);
  },
);
