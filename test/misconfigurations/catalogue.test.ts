// Each mistake of the catalogue is set up, doctor is run on it, and names it; what it says becomes the page.
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { connectionCases } from './connection-cases.js';
import type { Misconfiguration } from './misconfiguration.js';
import { pageOf, type Section } from './page.js';
import { type Diagnosis, diagnose, Projects, showRepaired } from './run-case.js';
import { serverCases } from './server-cases.js';
import { sourceCases } from './source-cases.js';
import { tokenCases } from './token-cases.js';

// Each case runs several processes at once.
vi.setConfig({ maxConcurrency: 3, testTimeout: 120_000 });

const sections: readonly (readonly [title: string, cases: readonly Misconfiguration[]])[] = [
  ['There is no token', sourceCases],
  ['The token is no good', tokenCases],
  ['The server refuses the token', serverCases],
  ['The way to the server', connectionCases],
];

/** They check the cases, as mutants do, and take as long: `npm run twins`. */
const withTwins = Boolean(process.env.CATALOGUE_TWINS);

const projects = new Projects();
const named = new Map<string, Section['entries'][number]>();
afterAll(() => projects.close());

describe.each(sections)('%s', { timeout: 180_000 }, (_, cases) => {
  it.concurrent.each(cases.map((each) => [each.title, each] as const))('%s', async (_, misconfiguration) => {
    const {
      check,
      code,
      says,
      fix,
      status = 'failed',
      isRefusal = false,
      hasTwin = false,
      id,
      title,
      symptom,
    } = misconfiguration;
    const diagnosis = await diagnose(misconfiguration, projects);
    const { checks, unaided, exitCode, leaks, normalize } = diagnosis;
    const found = checks.filter((each) => each.status === status);

    expect(found, printed(diagnosis)).toMatchObject([{ name: check, code }]);
    const [{ summary, fix: remedy, causes }] = found as [(typeof found)[0]];
    expect(summary).toMatch(says);
    expect(remedy).toMatch(fix);
    expect(causes).toBeUndefined();
    expect(exitCode).toBe(status === 'failed' ? 1 : 0);
    expect(unaided !== undefined, 'what the server refuses is compared with its configuration').toBe(
      isRefusal,
    );
    if (unaided) {
      expect(unaided).toContain('AUTHENTICATION_FAILED');
      expect(unaided).toContain(`(${code})`);
    }
    expect(leaks).toEqual([]);
    if (hasTwin && withTwins) {
      const twin = await showRepaired(misconfiguration, projects);
      expect(twin).toMatchObject({ code: 0, stderr: '', leaks: [] });
      expect(twin.stdout).toMatch(/\nAll well\.\n$/);
    }
    named.set(id, {
      title,
      symptom,
      code,
      isRefusal,
      summary: normalize(summary),
      fix: normalize(remedy),
    });
  });
});

it('is what docs/troubleshooting.md says', async () => {
  const page = pageOf(
    sections.map(([title, cases]) => ({
      title,
      entries: cases.flatMap(({ id }) => named.get(id) ?? []),
    })),
  );
  await expect(page).toMatchFileSnapshot(
    fileURLToPath(new URL('../../docs/troubleshooting.md', import.meta.url)),
  );
});

it('has no two cases of one name', () => {
  const ids = sections.flatMap(([, cases]) => cases.map(({ id }) => id));
  expect(ids).toEqual([...new Set(ids)]);
});

function printed({ checks }: Diagnosis): string {
  return JSON.stringify(
    checks.filter(({ status }) => status !== 'ok'),
    undefined,
    2,
  );
}
