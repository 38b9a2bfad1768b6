// The examples that end by themselves: the server says who arrived, and the program prints what it should.
import { expect, test } from 'vitest';
import { Stage } from '../stage.js';
import { runs } from './examples.js';
import { launchExample } from './run-example.js';

const programs = runs.filter(({ prints }) => prints);

test.each(programs.map((run) => [run.title, run] as const))('%s', async (_, run) => {
  const { file, place, env, launch, prints } = run;
  const stage = await Stage.open(place);
  try {
    await stage.expectArrival(async () => {
      const program = launchExample(file, { ...stage.env, ...env?.(stage) }, launch);
      expect(await program.ended).toEqual({ code: 0, stderr: '', stdout: prints?.(stage) });
    });
  } finally {
    await stage.close();
  }
});
