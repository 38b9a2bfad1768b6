import { beforeEach, expect, it } from 'vitest';
import { type Check, Report } from '../../../src/doctor/report.js';

let said: (string | Check)[];
let report: Report;
beforeEach(() => {
  said = [];
  report = new Report(
    { begin: (_, title) => said.push(title), end: (check) => said.push(check) },
    () => undefined,
  );
});

const NESTED = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzZWNyZXQifQ.c2lnbmF0dXJl';

it('hands on no token that stands in what was found out', async () => {
  const cause = { code: 'CAUSE', summary: NESTED, fix: NESTED };
  const details = { sub: NESTED, groups: [NESTED], deep: { name: NESTED } };
  await report.check('token', 'subject', NESTED, async () => [
    { status: 'failed', summary: NESTED, fix: NESTED, causes: [cause], details },
    undefined,
  ]);
  expect(JSON.stringify(said)).not.toContain('c2lnbmF0dXJl');
});

it('hands on nothing that a terminal would act upon', async () => {
  const text = 'a\u001b[2J\nb\u202ec\u009b31md';
  const details = { version: text, users: [text] };
  await report.check('mongodb', 'hello', text, async () => [{ status: 'ok', summary: text, details }, 0]);
  expect(JSON.stringify(said)).not.toMatch(/\\u001b|\\n|[\u202e\u009b]/);
});

it('leaves the rest as it is', async () => {
  const details = { validTo: new Date(0), maxWireVersion: 21, version: undefined, ok: true, none: null };
  await report.check('mongodb', 'hello', 'saying hello', async () => [
    { status: 'ok', summary: 'Ünïcode ✔ 日本', details },
    0,
  ]);
  expect(report.checks[0]).toMatchObject({ summary: 'Ünïcode ✔ 日本', details });
});

it('runs several checks at once, and tells of them in their order', async () => {
  const running: string[] = [];
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const check = (title: string, until: Promise<unknown>) => ({
    title,
    run: async () => {
      running.push(title);
      await until;
      if (title === 'b') throw new Error('b is not there');
      return [{ status: 'ok', summary: title }, title] as const;
    },
  });
  const checks = [check('a', released), check('b', Promise.resolve()), check('c', Promise.resolve())];
  const values = report.checkAll('mongodb', 'host', checks);
  expect(running).toEqual(['a', 'b', 'c']);
  release();
  expect(await values).toEqual(['a', undefined, 'c']);
  expect(said.map((each) => (typeof each === 'string' ? each : each.status))).toEqual([
    'a',
    'ok',
    'b',
    'failed',
    'c',
    'ok',
  ]);
});
