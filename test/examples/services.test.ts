// The examples that run until they are told to stop: the server says who arrived, and the program answers over HTTP
// what it should, and ends when it gets SIGTERM.
import { expect, test } from 'vitest';
import { Stage } from '../stage.js';
import { runs } from './examples.js';
import { freePort, launchExample, request } from './run-example.js';

const services = runs.filter(({ prints }) => !prints);

test.each(services.map((run) => [run.title, run] as const))('%s', async (_, run) => {
  const { file, place, launch } = run;
  const stage = await Stage.open(place);
  const port = await freePort();
  const env = { PORT: port, CONTAINER_APP_PORT: port, TEST_FUNCTIONS_PORT: port };
  const program = launchExample(file, { ...stage.env, ...env, ...run.env?.(stage) }, launch);
  try {
    await stage.expectArrival(async () => {
      for (const exchange of run.answers?.(stage) ?? []) {
        const { status, answer } = exchange;
        expect(await request(program, port, exchange)).toEqual({ status, answer });
      }
    });
    program.kill('SIGTERM');
    expect(await program.ended).toMatchObject({ code: run.stops === 'by the signal' ? null : 0, stderr: '' });
    // The driver's farewell.
    expect(stage.server.stats.commands.endSessions ?? 0).toBe(run.stops === 'at once' ? 0 : 1);
  } finally {
    program.kill('SIGKILL');
    await stage.close();
  }
});
