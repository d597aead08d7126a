/** Random numbers that a seed repeats (mulberry32): the same seed, the same run of faults and of calls. */
export interface Random {
  /** [0, 1) */
  next(): number;
  /** Whole, from 0 to `below` - 1. */
  whole(below: number): number;
  between(low: number, high: number): number;
  /** Undefined only of an empty list. */
  of<T>(list: readonly T[]): T | undefined;
}

export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const whole = (below: number): number => Math.floor(next() * below);
  return {
    next,
    whole,
    between: (low, high) => low + next() * (high - low),
    of: (list) => list[whole(list.length)],
  };
}
