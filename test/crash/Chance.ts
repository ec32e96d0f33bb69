/** Random choices that a seed repeats. What runs at the same time still differs from run to run. */
export interface Chance {
  /** From `from` up to `to`, both whole numbers and both possible. */
  readonly between: (from: number, to: number) => number
  readonly of: (probability: number) => boolean
  readonly pick: <A>(items: ReadonlyArray<A>) => A
}

/** mulberry32 */
export const chance = (seed: number): Chance => {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  return {
    between: (from, to) => from + Math.floor(next() * (to - from + 1)),
    of: (probability) => next() < probability,
    pick: (items) => items[Math.floor(next() * items.length)]!
  }
}
