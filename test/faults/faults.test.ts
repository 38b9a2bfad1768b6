// Every source of tokens, every fault it can have, at the first token and at a refresh under load: what passes is not
// noticed, what lasts is told to every operation in time, what cannot pass is told at once.
//
// Each source meets each driver at both moments: the drivers take turns from fault to fault.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codes, type Final, faults, fileFaults, type Passing, type SourceCodes } from './codes.js';
import { type Case, type Course, drivers, type Outcome, runSource, type SourceRun } from './run-source.js';

const POOL = 100;
const LIFE_SECONDS = 30;
/** Longer than an SDK that asks again takes until it says what is wrong (Azure's: up to 7 s). */
const LASTING_TIMEOUT_MS = 9_000;
/** It has to be over between a refresh and the expiry, which is 16 % of a life at least. */
const VALID_TIMEOUT_MS = 3_000;
/** Of which a driver takes 10 s to ask a pool's connections one after another. */
const QUEUE_MS = 12_000;
const NOTICED_MS = 2_000;
/** A reply's way through a driver and two emulators. */
const REPLY_MS = 500;
const TEST_TIMEOUT_MS = 300_000;
/** Two cores are enough for so many at the same time. */
const SOURCES_AT_ONCE = 2;

const driver = (turn: number) => drivers[turn % drivers.length] as Case['driver'];

interface Matrix {
  readonly run: SourceRun;
  readonly of: (course: Course, fault: string) => Promise<Outcome>;
}

const sources = Object.entries<SourceCodes>(codes);
const runs = new Map<string, Matrix>();

// biome-ignore lint/correctness/noEmptyPattern: vitest wants to read there what is used
beforeAll(({}, { tasks }) => {
  const wanted = new Set(tasks.filter(({ mode }) => mode !== 'skip').map(({ name }) => name));
  sources.forEach(([name, source], index) => {
    if (!wanted.has(name)) return;
    const cases = new Map<string, Case>();
    const add = (course: Course, fault: string, turn: number, more: Omit<Case, 'course' | 'driver'>) =>
      cases.set(`${course} ${fault}`, { course, driver: driver(index + turn), ...more });

    // Those that cannot pass first, because an SDK takes its time to load; then those that wait longest.
    Object.entries<Final>(source.final).forEach(([fault, { fault: happens, options }], turn) => {
      add('first final', fault, turn, { fault: happens, options });
    });
    const passing = Object.keys(source.passing).map((fault) => ({
      fault,
      happens: happeningOf(source, fault),
    }));
    const each = (course: Course, offset: number, more: (fault: string) => Partial<Case>) =>
      passing.forEach(({ fault, happens }, turn) => {
        add(course, fault, turn + offset, { fault: happens, ...more(fault) });
      });
    each('refresh lasting', 0, () => ({ timeoutMS: LASTING_TIMEOUT_MS }));
    each('refresh valid', 1, () => ({ timeoutMS: VALID_TIMEOUT_MS }));
    each('refresh passing', 3, (fault) => ({ times: fault === 'no answer' ? 1 : 3 }));
    each('first lasting', 2, () => ({ timeoutMS: LASTING_TIMEOUT_MS }));
    each('first passing', 4, (fault) => ({ times: fault === 'no answer' ? 1 : 3 }));

    const earlier = [...runs.values()].at(-SOURCES_AT_ONCE);
    const after = Promise.resolve(earlier?.run.done.catch(() => {}));
    const run = runSource(source.start, [...cases.values()], { lifeSeconds: LIFE_SECONDS, after });
    const of = (course: Course, fault: string) => run.outcome(cases.get(`${course} ${fault}`) as Case);
    runs.set(name, { run, of });
  });
});

afterAll(async () => {
  await Promise.allSettled([...runs.values()].map(({ run }) => run.end));
});

describe.for(sources)('%s', { timeout: TEST_TIMEOUT_MS }, ([name, source]) => {
  const outcome = (course: Course, fault: string) => (runs.get(name) as Matrix).of(course, fault);

  const also = source.tooSlow ? [source.tooSlow] : [];

  describe.for(Object.entries<Passing>(source.passing))('%s', ([fault, { code, silent }]) => {
    const times = fault === 'no answer' ? 1 : 3;
    const told = [code, ...(silent ? ['ERR_OIDC_TIMEOUT'] : []), ...also];

    it.for(['first', 'refresh'] as const)('that passes (%s): no operation fails', async (moment) => {
      const { failures, attempts, faults } = await outcome(`${moment} passing`, fault);
      expect(failures).toEqual([]);
      expect(attempts).toContain('token');
      if (faults === undefined) expect(failed(attempts).length).toBeGreaterThanOrEqual(times);
      else expect(faults).toBe(times);
    });

    it('while the token is valid: no operation notices, one event says so', async () => {
      const { failures, outages, attempts } = await outcome('refresh valid', fault);
      expect(failures).toEqual([]);
      expect(outages).toEqual([{ code: expect.toBeOneOf(told), remainingMS: expect.any(Number) }]);
      expect(outages[0]?.remainingMS).toBeGreaterThan(0);
      expect(attempts.filter((result) => result === 'token').length).toBeGreaterThanOrEqual(2);
    });

    it.for(['first', 'refresh'] as const)('that lasts (%s): every operation is told', async (moment) => {
      const { failed = {}, early, slowestMS, attempts } = await outcome(`${moment} lasting`, fault);
      expect(told).toEqual(expect.arrayContaining(Object.keys(failed)));
      expect(Object.values(failed).reduce((sum, count) => sum + count, 0)).toBe(POOL);
      expect(early).toBe(0);
      expect(slowestMS).toBeLessThan(LASTING_TIMEOUT_MS + QUEUE_MS);
      if (silent !== 'all') expect(attempts).toContain(code);
    });

    it.for(['first', 'refresh'] as const)(
      'that lasted (%s): operations succeed when it is over',
      async (moment) => {
        const { failures, trials, recoveredAfterMS } = await outcome(`${moment} lasting`, fault);
        expect(recoveredAfterMS).toBeLessThan(NOTICED_MS + REPLY_MS);
        expect(told).toEqual(expect.arrayContaining([...(trials ?? [])]));
        expect(failures).toEqual([]);
      },
    );
  });

  it.for(Object.entries<Final>(source.final))(
    '%s: fails at once, after one attempt',
    async ([fault, { code, requests }]) => {
      const { failed, attempts, ...rest } = await outcome('first final', fault);
      expect(failed).toEqual({ [code]: 1 });
      expect(attempts.filter((result) => !also.includes(result as never))).toEqual([code]);
      expect(rest.requests).toBe(requests);
    },
  );

  it('leaves nothing behind that rejects or warns, or keeps the program alive', async () => {
    const { code, stderr, stdout } = await (runs.get(name) as Matrix).run.end;
    expect({ code, stderr, stdout }).toEqual({ code: 0, stderr: '', stdout: '' });
  });
});

function happeningOf(source: SourceCodes, fault: string): Case['fault'] {
  return source.faults?.[fault] ?? fileFaults[fault] ?? faults[fault as keyof typeof faults];
}

function failed(attempts: readonly string[]): readonly string[] {
  return attempts.filter((result) => result !== 'token');
}
