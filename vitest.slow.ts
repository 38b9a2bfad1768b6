// The tests that take their time: `npm run test:life` runs them, and `npm test` does not.

/** They give an SDK seconds for what it does in tenths: a busy machine takes those away. */
export const alone = ['test/faults/**'];

/** Each was seen to bear a neighbour that keeps a processor busy. The longest first. */
export const twoAtATime = [
  'test/properties/sources.test.ts',
  'test/integration/secrets-canary.test.ts',
  'test/integration/rollover.test.ts',
  'test/integration/one-request.test.ts',
  'test/properties/in-process.test.ts',
];

export const slow = [...alone, ...twoAtATime];
