/** How long nothing else got its turn: the longest synchronous stretch of an effect. */
import { Effect } from "effect"
import { PerformanceObserver } from "node:perf_hooks"

/** Milliseconds. Shorter stretches are not looked at one by one. */
const short = 20

interface Stretch {
  readonly from: number
  readonly to: number
  /** What this process has worked meanwhile, all its threads together. */
  readonly worked: number
}

/** Milliseconds of the clock, and those that this process has worked. */
const times = () => {
  const { system, user } = process.cpuUsage()
  return { clock: performance.now(), worked: (system + user) / 1_000 }
}

const watch = () => {
  const stretches: Array<Stretch> = []
  const collections: Array<{ readonly startTime: number; readonly duration: number }> = []
  const observer = new PerformanceObserver((list) => void collections.push(...list.getEntries()))
  observer.observe({ entryTypes: ["gc"] })
  let last = times()
  let turns = 0
  /** Those until the end of what was watched. */
  let had = 0
  let going = true
  const look = () => {
    const now = times()
    if (now.clock - last.clock > short) {
      stretches.push({ from: last.clock, to: now.clock, worked: now.worked - last.worked })
    }
    last = now
    had = turns
  }
  const turn = () => {
    if (!going) return
    look()
    turns++
    setImmediate(turn)
  }
  turn()
  const collected = ({ from, to }: Stretch) =>
    collections
      .map(({ duration, startTime }) => Math.min(to, startTime + duration) - Math.max(from, startTime))
      .reduce((sum, overlap) => sum + Math.max(0, overlap), 0)
  return {
    end: () => {
      look()
      going = false
    },
    stop: () => {
      going = false
      observer.disconnect()
    },
    /** Collections are told of a moment later. */
    seen: Effect.promise(() => new Promise((done) => setTimeout(done, short))).pipe(
      Effect.map(() => ({
        turns: had,
        longest: Math.max(
          short,
          ...stretches.map((stretch) => Math.min(stretch.to - stretch.from, stretch.worked) - collected(stretch))
        )
      }))
    )
  }
}

/**
 * What the effect gives, how many turns others had, and the longest time in milliseconds between two turns of the event
 * loop meanwhile; none is shorter than 20. What does not count: time in which the machine did something else or garbage
 * was collected, which is that of all tests before too, and what other threads did at the same time.
 */
export const longestStretch = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(watch),
    ({ end, seen }) =>
      Effect.flatMap(effect, (value) => {
        end()
        return Effect.map(seen, (seen) => ({ value, ...seen }))
      }),
    ({ stop }) => Effect.sync(stop)
  )
