// Stryker knows a threshold for all files together; here each must reach it.

import { readFileSync } from 'node:fs';

const LEAST_PERCENT = 85;

interface Report {
  readonly files: Readonly<Record<string, { readonly mutants: readonly { readonly status: string }[] }>>;
}

const report: Report = JSON.parse(readFileSync('reports/mutants.json', 'utf8'));

for (const [file, { mutants }] of Object.entries(report.files)) {
  const count = (...statuses: string[]) => mutants.filter(({ status }) => statuses.includes(status)).length;
  const noticed = count('Killed', 'Timeout');
  const valid = noticed + count('Survived', 'NoCoverage');
  const percent = (100 * noticed) / valid;
  // Of a file without mutants nothing is known.
  const isEnough = percent >= LEAST_PERCENT;
  console.log(
    `${file}: ${noticed} of ${valid} noticed, ${percent.toFixed(1)} %${isEnough ? '' : ', too few'}`,
  );
  if (!isEnough) process.exitCode = 1;
}
