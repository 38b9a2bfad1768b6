import { defineConfig } from 'vitest/config';
import { reporters } from './vitest.report.js';
import { slow } from './vitest.slow.js';

/** They count what happens between a token's refresh and its expiry: a busy machine spoils that. */
const alone = ['test/integration/one-request.test.ts', 'test/integration/rollover.test.ts'];
const pattern = (path: string) => (path.endsWith('**') ? `${path}/*.test.ts` : path);

// What happens to a token in its life, under load and over real sockets.
export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters,
    projects: [
      {
        extends: true,
        test: {
          name: 'two at a time',
          include: slow.map(pattern).filter((path) => !alone.includes(path)),
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'alone', include: alone, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
