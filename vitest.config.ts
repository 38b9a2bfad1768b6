import { defineConfig } from 'vitest/config';
import { reporters } from './vitest.report.js';
import { slow } from './vitest.slow.js';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/package/**', ...slow],
    // Most of the time they wait for a token to expire: two cores are enough for three.
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters,
  },
});
