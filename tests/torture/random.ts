/**
 * Random numbers that a seed repeats, so that a run which found something can be run again.
 */

/** A source of random numbers. */
export interface Random {
  readonly seed: number
  /** From 0 up to, not including, 1. */
  next(): number
  /** A whole number from 0 up to, not including, `limit`. */
  below(limit: number): number
  /** True with that probability. */
  chance(probability: number): boolean
  pick<T>(choices: readonly [T, ...T[]]): T
}

/** Creates a source (mulberry32: small, fast, and good enough to scatter faults with). */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    seed,
    next,
    below,
    chance: (probability) => next() < probability,
    // Sound: below() stays under the length, which the type says is not 0.
    pick: <T>(choices: readonly [T, ...T[]]): T => choices[below(choices.length)] as T,
  }
}
