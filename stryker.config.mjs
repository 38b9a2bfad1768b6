// `npm run mutants`: breaks the code in small ways, and counts how often the unit tests notice.
// test/mutants/README.md says more.

const MUTATED = [
  // The life of a token
  'token-cache',
  'kept-token',
  'token-fetch',
  'token-validity',
  'refresh-delay',
  'retry',
  'jwt',
  // What a connection string says
  'connection-string',
  'workload',
  'driver-settings',
  'uri',
  'hosts',
];

/** @type {import('@stryker-mutator/api/core').PartialStrykerOptions} */
export default {
  mutate: MUTATED.map((name) => `src/${name}.ts`),
  testRunner: 'vitest',
  vitest: { configFile: 'test/mutants/vitest.config.ts', related: false },
  plugins: ['@stryker-mutator/vitest-runner'],
  ignorePatterns: ['/.ci', '/bench', '/demo', '/dist', '/examples', '/reports'],
  coverageAnalysis: 'perTest',
  concurrency: 2,
  timeoutMS: 10_000,
  reporters: ['clear-text', 'html', 'json'],
  htmlReporter: { fileName: 'reports/mutants.html' },
  jsonReporter: { fileName: 'reports/mutants.json' },
  clearTextReporter: { reportTests: false, logTests: false },
};
