// A driver that is older than this package supports fails in ways that do not tell why.

import { createRequire } from 'node:module';

const OLDEST = [6, 17] as const;

let hasLooked = false;

/**
 * Warns once in the process where the driver that is installed beside this package is too old. One that comes
 * with mongoose, or in a bundle, may not be found from here; then nothing is said.
 */
export function warnOfOldDriver(): void {
  if (hasLooked) return;
  hasLooked = true;
  const version = installedVersion();
  if (version === undefined || isSupported(version)) return;
  process.emitWarning(
    `mongodb ${version} is installed, and mongodb-workload-identity needs ${OLDEST.join('.')}.0 or later: before, a callback does not learn its TOKEN_RESOURCE (NODE-6962), and before 6.13 a pool stops for good when its token expires (NODE-6340). Run: npm install mongodb@^${OLDEST.join('.')}.0`,
    { code: 'OIDC_OLD_DRIVER' },
  );
}

function installedVersion(): string | undefined {
  try {
    // Bundlers do not follow this, so nothing is bundled for it.
    const { version } = createRequire(__filename)('mongodb/package.json') as { version?: unknown };
    return typeof version === 'string' ? version : undefined;
  } catch {
    return undefined;
  }
}

/** What is no version counts as one. */
function isSupported(version: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)\./.exec(version) ?? [];
  if (major === undefined) return true;
  return Number(major) > OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) >= OLDEST[1]);
}
