import { describe, test } from 'vitest';
import { ANSWERS } from './runs.js';
import { randomSeed, runSource, SOURCES } from './sources.js';

describe.concurrent('whatever a source answers, a token or our error comes of it, in time', () => {
  test.for(SOURCES)('%s', { timeout: 180_000 }, async (source, { expect }) => {
    const outcomes = await runSource(source, ANSWERS, randomSeed());
    expect(outcomes.token + outcomes.error).toBe(ANSWERS);
    if (source !== 'file') expect(outcomes.served).toBeGreaterThan(0);
    expect(outcomes.error).toBeGreaterThan(0);
    expect(outcomes.token).toBeGreaterThan(0);
  });
});
