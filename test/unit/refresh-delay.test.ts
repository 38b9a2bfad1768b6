import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { nextLookMS, refreshDelayMS, type TokenLife } from '../../src/refresh-delay.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const RECEIVED_AT = Date.parse('2026-03-01T12:00:00Z');

const random = vi.spyOn(Math, 'random');

beforeEach(() => {
  random.mockReturnValue(0.5);
});
afterEach(() => {
  random.mockReset();
});

/** A token's life; times are milliseconds from its receipt. */
const life = (lifeMS: number | undefined, refreshAfterMS?: number): TokenLife => ({
  receivedAt: RECEIVED_AT,
  expiresAt: lifeMS === undefined ? undefined : RECEIVED_AT + lifeMS,
  refreshAfter: refreshAfterMS === undefined ? undefined : RECEIVED_AT + refreshAfterMS,
});

describe('the next fetch', () => {
  const delayOf = (token: TokenLife, { afterMS = 0, fetchMS = 0 } = {}) =>
    refreshDelayMS(token, RECEIVED_AT + afterMS, fetchMS);

  test('is due when 80 % of what remains are over', () => {
    expect(delayOf(life(HOUR))).toBe(48 * MINUTE);
    expect(delayOf(life(HOUR), { afterMS: 30 * MINUTE })).toBe(24 * MINUTE);
  });

  test.each([
    [0, 0.76],
    [0.25, 0.78],
    [0.75, 0.82],
    [1, 0.84],
  ])('is spread over ± 5 %% of that, evenly: at %d by %d of the life', (drawn, share) => {
    random.mockReturnValue(drawn);
    expect(delayOf(life(HOUR))).toBeCloseTo(share * HOUR);
  });

  test('is due when the source says, and then as late as 5 % more, never sooner', () => {
    random.mockReturnValue(0);
    expect(delayOf(life(DAY, HOUR))).toBe(HOUR);
    random.mockReturnValue(1);
    expect(delayOf(life(DAY, HOUR))).toBeCloseTo(1.05 * HOUR);
    random.mockReturnValue(0.5);
    expect(delayOf(life(DAY, HOUR), { afterMS: 20 * MINUTE })).toBeCloseTo(1.025 * 40 * MINUTE);
  });

  test('is due by 80 % where the source says later', () => {
    expect(delayOf(life(HOUR, 50 * MINUTE))).toBe(48 * MINUTE);
    expect(delayOf(life(HOUR, 2 * HOUR))).toBe(48 * MINUTE);
  });

  test('is due so early that three as slow as the last one end before expiry', () => {
    expect(delayOf(life(MINUTE), { fetchMS: 10 * SECOND })).toBe(30 * SECOND);
    expect(delayOf(life(HOUR, 48 * MINUTE), { fetchMS: 10 * MINUTE })).toBe(30 * MINUTE);
    expect(delayOf(life(MINUTE), { fetchMS: 4 * SECOND })).toBe(48 * SECOND);
  });

  test.each([
    ['what the source says is over', HOUR, { refreshAfterMS: -HOUR }, 5 * SECOND],
    ['fetches are too slow', HOUR, { fetchMS: 25 * MINUTE }, 5 * SECOND],
    ['the life is just long enough', 50 * SECOND, { refreshAfterMS: 0 }, 5 * SECOND],
    ['the life is short', 20 * SECOND, { refreshAfterMS: 0 }, 2 * SECOND],
    ['the life is very short', SECOND, { fetchMS: SECOND }, 100],
  ])('is at least 5 s or 10 %% of the life away, whichever is less: %s', (_, lifeMS, more, expected) => {
    const { refreshAfterMS, fetchMS = 0 } = more as { refreshAfterMS?: number; fetchMS?: number };
    expect(delayOf(life(lifeMS, refreshAfterMS), { fetchMS })).toBe(expected);
  });

  test('is at most 12 hours away, which setTimeout can hold', () => {
    expect(delayOf(life(365 * DAY))).toBe(12 * HOUR);
    expect(delayOf(life(365 * DAY, 20 * HOUR))).toBe(12 * HOUR);
    expect(delayOf(life(14 * HOUR))).toBeCloseTo(0.8 * 14 * HOUR);
  });

  test('is none for a token without expiry, or as good as expired on arrival', () => {
    expect(delayOf(life(undefined))).toBeUndefined();
    expect(delayOf(life(undefined, HOUR))).toBeUndefined();
    expect(delayOf(life(-HOUR))).toBeUndefined();
    expect(delayOf(life(-HOUR, HOUR))).toBeUndefined();
    expect(delayOf(life(0))).toBeUndefined();
    expect(delayOf(life(999, HOUR))).toBeUndefined();
    expect(delayOf(life(1_000))).toBe(800);
  });
});

describe('another look, after the source brought nothing new', () => {
  const lookOf = (token: TokenLife, afterMS: number, hasFailed = false) =>
    nextLookMS(token, RECEIVED_AT + afterMS, hasFailed);

  test('is due at half of what remains', () => {
    expect(lookOf(life(HOUR), 40 * MINUTE)).toBe(10 * MINUTE);
    expect(lookOf(life(HOUR, 30 * MINUTE), 40 * MINUTE)).toBe(10 * MINUTE);
    expect(lookOf(life(HOUR, 40 * MINUTE), 40 * MINUTE)).toBe(10 * MINUTE);
  });

  test('is due when the source says, where that is sooner and still to come', () => {
    expect(lookOf(life(DAY, HOUR), 0)).toBe(HOUR);
    expect(lookOf(life(HOUR, 55 * MINUTE), 40 * MINUTE)).toBe(10 * MINUTE);
    expect(lookOf(life(HOUR, 40 * MINUTE + 1), 40 * MINUTE)).toBe(5 * SECOND);
  });

  test('is due within 30 s where the source failed, whatever it said before', () => {
    expect(lookOf(life(HOUR), 40 * MINUTE, true)).toBe(30 * SECOND);
    expect(lookOf(life(HOUR), 59 * MINUTE + 10 * SECOND, true)).toBe(25 * SECOND);
    expect(lookOf(life(HOUR, 40 * MINUTE + 10 * SECOND), 40 * MINUTE, true)).toBe(30 * SECOND);
  });

  test('is not due up to the instant of expiry, but as long as half is 5 s or 10 % of the life', () => {
    expect(lookOf(life(HOUR), HOUR - 10 * SECOND)).toBe(5 * SECOND);
    expect(lookOf(life(HOUR), HOUR - 10 * SECOND + 1)).toBeUndefined();
    expect(lookOf(life(10 * SECOND), 8 * SECOND)).toBe(SECOND);
    expect(lookOf(life(10 * SECOND), 8 * SECOND + 1)).toBeUndefined();
    expect(lookOf(life(HOUR), HOUR - 10 * SECOND + 1, true)).toBeUndefined();
  });

  test('is at most 12 hours away', () => {
    expect(lookOf(life(365 * DAY), DAY)).toBe(12 * HOUR);
    expect(lookOf(life(365 * DAY, 20 * DAY), DAY)).toBe(12 * HOUR);
  });

  test('is none for a token without expiry, or one that is over', () => {
    expect(lookOf(life(undefined), 0)).toBeUndefined();
    expect(lookOf(life(undefined, HOUR), 0)).toBeUndefined();
    expect(lookOf(life(HOUR), HOUR + 1)).toBeUndefined();
    expect(lookOf(life(-HOUR), 0)).toBeUndefined();
    expect(lookOf(life(-HOUR, HOUR), 0)).toBeUndefined();
  });
});

describe('of any life', () => {
  const LONGEST_MS = 12 * HOUR;
  const floorMS = ({ receivedAt, expiresAt = receivedAt }: TokenLife) =>
    Math.min(5 * SECOND, 0.1 * (expiresAt - receivedAt));

  const duration = fc.oneof(
    fc.integer({ min: -DAY, max: 2 * DAY }),
    fc.integer({ min: -MINUTE, max: 5 * MINUTE }),
    fc.double({ min: -DAY, max: 4_000 * DAY, noNaN: true }),
  );
  const odd = fc.constantFrom(
    0,
    -1,
    1,
    -RECEIVED_AT,
    Number.MIN_VALUE,
    -Number.MAX_VALUE,
    Number.MAX_VALUE,
    Number.MAX_SAFE_INTEGER,
    2 ** 31,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  );
  const lives = fc
    .record({
      lifeMS: fc.option(fc.oneof({ weight: 9, arbitrary: duration }, odd), { nil: undefined }),
      refreshAfterMS: fc.option(fc.oneof(duration, odd), { nil: undefined }),
    })
    .map(({ lifeMS, refreshAfterMS }) => life(lifeMS, refreshAfterMS));
  const fetchTimes = fc.oneof(fc.integer({ min: 0, max: 60 * SECOND }), fc.constantFrom(0, HOUR));
  const draws = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

  test('the next fetch is never, or between the shortest time and 12 hours from now: no hot loop', () => {
    fc.assert(
      fc.property(lives, fetchTimes, fc.nat({ max: 2 * DAY }), draws, (token, fetchMS, afterMS, drawn) => {
        random.mockReturnValue(drawn);
        for (const delayMS of [
          refreshDelayMS(token, RECEIVED_AT, fetchMS),
          refreshDelayMS(token, RECEIVED_AT + afterMS, fetchMS),
        ]) {
          if (delayMS === undefined) continue;
          expect(delayMS).toBeGreaterThanOrEqual(Math.min(LONGEST_MS, floorMS(token)));
          expect(delayMS).toBeGreaterThan(0);
          expect(delayMS).toBeLessThanOrEqual(LONGEST_MS);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  test('another look is never, or between the shortest time and 12 hours from now, and before expiry', () => {
    fc.assert(
      fc.property(lives, fc.nat({ max: 2 * DAY }), fc.boolean(), (token, afterMS, hasFailed) => {
        const now = RECEIVED_AT + afterMS;
        const delayMS = nextLookMS(token, now, hasFailed);
        if (delayMS === undefined) return;
        expect(delayMS).toBeGreaterThanOrEqual(floorMS(token));
        expect(delayMS).toBeLessThanOrEqual(LONGEST_MS);
        expect(delayMS).toBeLessThanOrEqual((token.expiresAt as number) - now);
      }),
      { numRuns: 3_000 },
    );
  });

  /** When a source is looked at that never has another token, and looks like this each time. */
  function looksOf(token: TokenLife, fetchMS: number, hasFailed: boolean, refreshAfterMS?: number): number[] {
    const looks: number[] = [];
    let now = RECEIVED_AT;
    let delayMS = refreshDelayMS(token, now, fetchMS);
    while (delayMS !== undefined) {
      now += delayMS;
      looks.push(now - RECEIVED_AT);
      if (looks.length > 1_000_000) throw new Error('a hot loop');
      const refreshAfter = refreshAfterMS === undefined ? token.refreshAfter : now + refreshAfterMS;
      delayMS = nextLookMS({ ...token, refreshAfter }, now, hasFailed);
    }
    return looks;
  }

  test('the looks are few, whatever the source says and however it fails', () => {
    const finite = fc.record({
      lifeMS: fc.oneof(fc.integer({ min: 1, max: 2 * DAY }), fc.integer({ min: 1, max: MINUTE })),
      refreshAfterMS: fc.option(fc.oneof(duration, odd), { nil: undefined }),
    });
    fc.assert(
      fc.property(finite, fetchTimes, draws, fc.boolean(), (of, fetchMS, drawn, hasFailed) => {
        random.mockReturnValue(drawn);
        const looks = looksOf(life(of.lifeMS, of.refreshAfterMS), fetchMS, hasFailed);
        // From 12 hours down to 5 s it takes 13 halvings.
        const halvings = 16;
        const regular = of.lifeMS / (hasFailed ? 30 * SECOND : LONGEST_MS);
        expect(looks.length).toBeLessThanOrEqual(regular + halvings);
        if (of.lifeMS < SECOND) expect(looks).toEqual([]);
        else expect(looks.at(-1)).toBeLessThanOrEqual(of.lifeMS);
      }),
      { numRuns: 200 },
    );
  });

  test('a year is looked at every 12 hours, or hourly where the source says so', () => {
    const year = life(365 * DAY);
    expect(looksOf(year, 0, false).length).toBeLessThan(2 * 365 + 16);
    const hourly = looksOf(life(365 * DAY, HOUR), 0, false, HOUR);
    expect(hourly[1]).toBe((hourly[0] ?? 0) + HOUR);
    expect(hourly.length).toBeLessThan(24 * 365 + 16);
  });
});
