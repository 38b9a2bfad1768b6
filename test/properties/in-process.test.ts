import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { properties } from './properties.js';
import { RUNS } from './runs.js';

const unhandled: unknown[] = [];
const note = (reason: unknown) => {
  unhandled.push(reason);
};

beforeEach(() => {
  unhandled.length = 0;
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  process.on('unhandledRejection', note);
});
afterEach(() => {
  process.off('unhandledRejection', note);
  vi.restoreAllMocks();
});

test.each(properties)('$name', { timeout: 120_000 }, async ({ property, share, batch }) => {
  const numRuns = Math.ceil((share * RUNS) / batch);
  // The seed is in the message of a failure. What waits for time-outs would take minutes to shrink.
  await fc.assert(property as fc.IAsyncProperty<unknown>, { numRuns, endOnFailure: batch > 1 });
  // What settles late does it by now.
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(unhandled).toEqual([]);
});
