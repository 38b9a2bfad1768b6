import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: [
      'test/unit/{token-cache,kept-token,refresh-delay,retry,diagnostics,jwt,connection-string,hosts}.test.ts',
    ],
    testTimeout: 10_000,
  },
});
