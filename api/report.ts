/**
 * `npm run api` writes what each entry exports, with its types, to `api/*.api.md`, so that a change is seen in review.
 * With `--check` it writes nothing and fails where a report is out of date.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Extractor, ExtractorConfig, type ExtractorMessage } from '@microsoft/api-extractor';

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
const repository = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(`${repository}/package.json`, 'utf8')) as {
  exports: Record<string, { require?: { types: string } }>;
};

for (const [name, { require: entry }] of Object.entries(manifest.exports)) {
  if (entry) report(name === '.' ? 'index' : name.replace('./', ''), entry.types);
}

function report(name: string, types: string): void {
  const config = ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: `${repository}/package.json`,
    configObject: {
      projectFolder: repository,
      mainEntryPointFilePath: `<projectFolder>/${types}`,
      compiler: { tsconfigFilePath: '<projectFolder>/src/tsconfig.json' },
      apiReport: {
        enabled: true,
        includeForgottenExports: true,
        reportFileName: `${name}.api.md`,
        reportFolder: '<projectFolder>/api',
        reportTempFolder: '<projectFolder>/reports/api',
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        // The report is for people: what it lacks in documentation it says itself.
        extractorMessageReporting: { default: { logLevel: 'none' as never } },
        tsdocMessageReporting: { default: { logLevel: 'none' as never } },
      },
    },
  });
  const problems: string[] = [];
  const { succeeded, apiReportChanged } = Extractor.invoke(config, {
    localBuild: !values.check,
    showVerboseMessages: false,
    messageCallback: (message: ExtractorMessage) => {
      if (message.logLevel === 'error') problems.push(message.text);
      message.handled = true;
    },
  });
  if (succeeded) return;
  process.exitCode = 1;
  console.error(
    apiReportChanged
      ? `api/${name}.api.md does not say any more what is exported. Run: npm run api`
      : `${name}: ${problems.join('\n')}`,
  );
}
