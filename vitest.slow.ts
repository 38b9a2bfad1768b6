// The tests that take their time: `npm run test:life` runs them, and `npm test` does not.

export const slow = [
  'test/faults/**',
  'test/properties/**',
  'test/integration/one-request.test.ts',
  'test/integration/rollover.test.ts',
  'test/integration/secrets-canary.test.ts',
];
