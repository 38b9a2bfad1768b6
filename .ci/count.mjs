// Adds up what ran: the tests of the steps that have a report, and each step without one.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2];
let passed = 0;
let failed = 0;
let skipped = 0;
const failedSteps = [];
for (const line of readFileSync(join(folder, 'steps'), 'utf8').trim().split('\n')) {
  const [name, outcome] = line.split(' ');
  const path = join(folder, `${name}.json`);
  const report = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
  const failedTests = report?.numFailedTests ?? 0;
  passed += report ? report.numPassedTests : outcome === 'passed' ? 1 : 0;
  skipped += report ? report.numPendingTests + report.numTodoTests : 0;
  if (outcome === 'failed') failedSteps.push(name);
  // A step can fail without a failed test: a linter, a test file that does not load.
  failed += outcome === 'failed' ? Math.max(1, failedTests) : failedTests;
}
if (failedSteps.length > 0) console.log(`Failed: ${failedSteps.join(', ')}`);
console.log(`${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
