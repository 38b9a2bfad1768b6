import { describe, expect, it } from 'vitest';
import {
  hasExpiredOnTheWay,
  hasOurCode,
  isExcused,
  isLonger,
  isUntroubled,
  punctuality,
  recoveryBoundMS,
} from './judge.js';
import type { Outage } from './source-log.js';

const BOUND_MS = 4_000;

/** A token from 0 to 5 s, and an outage. */
function during(from: number, to: number) {
  const outage: Outage = { kind: '503', from, to, met: 1 };
  return { tokens: [{ at: 0, expiresAt: 5_000 }], outages: [outage], troubles: [outage], outage };
}

describe('the judge of a soak', () => {
  it('excuses a failure once an outage has outlasted the token', () => {
    const times = during(3_000, 9_000);

    expect(isLonger(times, times.outage)).toBe(true);
    expect(isExcused(times, 5_001, BOUND_MS)).toBe(true);
    expect(isExcused(times, 9_000 + BOUND_MS, BOUND_MS)).toBe(true);
  });

  it('excuses an outage that still lasts', () => {
    expect(isExcused(during(3_000, Number.POSITIVE_INFINITY), 60_000, BOUND_MS)).toBe(true);
  });

  it.each([
    ['while the token is valid', 4_999],
    ['before the outage', 2_999],
    ['after the recovery', 9_001 + BOUND_MS],
  ])('excuses none %s', (_, failedAt) => {
    expect(isExcused(during(3_000, 9_000), failedAt, BOUND_MS)).toBe(false);
  });

  it('excuses none because of an outage shorter than the token', () => {
    const times = during(3_000, 4_900);

    expect(isLonger(times, times.outage)).toBe(false);
    expect(isExcused(times, 5_100, BOUND_MS)).toBe(false);
  });

  it('excuses none while another token is valid', () => {
    const times = during(3_000, 9_000);
    times.tokens.push({ at: 2_999, expiresAt: 8_000 });

    expect(isExcused(times, 7_000, BOUND_MS)).toBe(false);
    expect(isExcused(times, 8_500, BOUND_MS)).toBe(true);
  });

  it('counts a token life as late that ends without another, unless there was trouble', () => {
    const tokens = [0, 4_000, 9_500, 13_000].map((at) => ({ at, expiresAt: at + 5_000 }));
    const times = { tokens, outages: [], troubles: [] };

    expect(punctuality(times, 17_000)).toEqual({ ahead: 2, late: 1 });
    expect(punctuality({ ...times, troubles: [{ from: 8_000, to: 8_100 }] }, 17_000)).toEqual({
      ahead: 2,
      late: 0,
    });
  });

  it('counts a while after a trouble as trouble', () => {
    const times = during(3_000, 4_000);

    expect(isUntroubled(times, 7_900, 8_100, BOUND_MS)).toBe(false);
    expect(isUntroubled(times, 8_100, 8_200, BOUND_MS)).toBe(true);
    expect(isUntroubled(times, 1_000, 2_000, BOUND_MS)).toBe(true);
  });

  it('gives a source two seconds and what its SDK holds on to', () => {
    expect(recoveryBoundMS(300, 6_000)).toBe(2_000 + 300 + 2_000 + 500);
  });

  it.each([
    [391, 5_100, true],
    [18, 5_100, true],
    [391, 5_600, false],
    [391, 4_900, false],
    ['ERR_OIDC_TIMEOUT', 5_100, false],
  ])('takes %s at %i ms for a token that expired on the way: %s', (code, to, expected) => {
    const operation = { driver: 'mongodb', from: 0, to, durationMS: 1, failure: { code, text: '' } };

    expect(hasExpiredOnTheWay(during(3_000, 9_000), operation)).toBe(expected);
  });

  it.each([
    ['ERR_OIDC_TIMEOUT', true],
    [18, false],
    [undefined, false],
  ])('takes %s for our code: %s', (code, expected) => {
    const operation = { driver: 'mongodb', from: 0, to: 1, durationMS: 1, failure: { code, text: '' } };

    expect(hasOurCode(operation)).toBe(expected);
  });
});
