// Where CI wants to count what ran, it names a file.

export const reporters: (string | [string, Record<string, unknown>])[] = ['default'];
const outputFile = process.env.TEST_REPORT;
if (outputFile) reporters.push(['json', { outputFile }]);
