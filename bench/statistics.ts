/** Medians, and how figures are written. */

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  if (sorted.length % 2 === 1) return sorted[middle] as number;
  return ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** The median, and in parentheses the smallest and the largest where they are written otherwise. */
export function spread(values: readonly number[], write: (value: number) => string): string {
  const [least, middle, most] = [Math.min(...values), median(values), Math.max(...values)].map(write);
  return least === most ? `${middle}` : `${middle} (${least} to ${most})`;
}

export function duration(ms: number): string {
  if (ms < 0.001) return `${(ms * 1e6).toFixed(0)} ns`;
  if (ms < 1) return `${(ms * 1e3).toPrecision(3)} µs`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1_000) return `${ms.toFixed(0)} ms`;
  return `${(ms / 1_000).toFixed(1)} s`;
}

export function count(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString('en') : value.toFixed(1);
}

/** How many times `value` the other one is. */
export function times(other: number, value: number): string {
  const ratio = other / value;
  return ratio < 0.95 ? `1/${(1 / ratio).toPrecision(2)}` : `${significant(ratio)} ×`;
}

export function significant(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(2);
}

export function percent(share: number): string {
  return `${share >= 0 ? '+' : '−'}${Math.abs(100 * share).toFixed(1)} %`;
}
