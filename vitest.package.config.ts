import { defineConfig } from 'vitest/config';
import { reporters } from './vitest.report.js';

// Apart from the other tests, because these install from the npm registry.
export default defineConfig({
  test: {
    include: ['test/package/**/*.test.ts'],
    globalSetup: 'test/package/set-up.ts',
    testTimeout: 120_000,
    hookTimeout: 300_000,
    reporters,
  },
});
