// Timers and clocks that only the test moves, and no jitter.

import { afterEach, beforeEach, vi } from 'vitest';

/** For every test of a file. Returns what decides on jitter, which is halfway unless a test says otherwise. */
export function useFakeClock() {
  const random = vi.spyOn(Math, 'random');
  beforeEach(() => {
    vi.useFakeTimers();
    // Such a clock begins at 0, which would hide what is measured from there.
    vi.advanceTimersByTime(12_345);
    random.mockReturnValue(0.5);
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  return random;
}
