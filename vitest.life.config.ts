import { defineConfig } from 'vitest/config';
import { reporters } from './vitest.report.js';
import { slow } from './vitest.slow.js';

// What happens to a token in its life, under load and over real sockets. One file at a time: they mind the load.
export default defineConfig({
  test: {
    include: slow.map((path) => (path.endsWith('**') ? `${path}/*.test.ts` : path)),
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters,
  },
});
