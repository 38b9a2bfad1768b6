import { defineConfig } from 'vitest/config';
import { reporters } from './vitest.report.js';

// Apart from the other tests, because these install from the npm registry.
export default defineConfig({
  test: {
    include: ['test/package/**/*.test.ts'],
    globalSetup: 'test/package/set-up.ts',
    // One fewer than there are processors would be the default: they wait for npm often enough.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 300_000,
    reporters,
  },
});
