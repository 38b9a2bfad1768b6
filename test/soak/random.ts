/** Random numbers that a seed brings back. */

export interface Random {
  /** From `low` to below `high`. */
  between(low: number, high: number): number;
  /** One of them. */
  pick<T>(items: readonly T[]): T;
  /** Deals the items in random order, all of them before any comes again. */
  deck<T>(items: readonly T[]): () => T;
}

/** Mulberry32, which is in the public domain. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const random: Random = {
    between: (low, high) => low + next() * (high - low),
    pick: (items) => items[Math.floor(next() * items.length)] as (typeof items)[number],
    deck(items) {
      let left: (typeof items)[number][] = [];
      return () => {
        if (left.length === 0) left = [...items];
        return left.splice(Math.floor(next() * left.length), 1)[0] as (typeof items)[number];
      };
    },
  };
  return random;
}
