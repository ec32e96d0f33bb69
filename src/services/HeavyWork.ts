/**
 * Work that takes the processor or a provider for long waits in the queue of its
 * owner, so that one owner's flood of work does not delay the others.
 * Owners take turns: the next slot goes to the owner that was served longest
 * ago.
 */
import { Context, Data, Duration, Effect } from "effect"
import type { UserId } from "../domain/Ids.ts"

/** The owner has too many works queued, or this one has waited for too long. `retry_after` is in seconds. */
export class HeavyWorkRefused extends Data.TaggedError("HeavyWorkRefused")<{ readonly retry_after: number }> {}

/** The resource that the work needs: `processor` counts towards the bound of all owners, `network` only towards its owner's. */
export type Takes = "processor" | "network"

export interface Options {
  /** Most works that use the processor at the same time, of all owners together. */
  readonly slots: number
  /** Most works of one owner at the same time, and most of its works that wait. */
  readonly perOwner: number
  readonly maxWaiting: number
  /** How long a work waits before it fails. */
  readonly timeout: Duration.Duration
}

const usual: Options = { slots: 4, perOwner: 2, maxWaiting: 64, timeout: Duration.seconds(60) }

interface Work {
  readonly owner: UserId
  readonly takes: Takes
  /** The work runs and holds a slot, which it gives back however it ends. */
  begun: boolean
}

interface Waiter {
  readonly work: Work
  readonly resume: (answer: Effect.Effect<void, HeavyWorkRefused>) => void
}

interface Line {
  running: number
  /** Oldest first. */
  readonly waiting: Set<Waiter>
}

export const make = ({ maxWaiting, perOwner, slots, timeout }: Options = usual) => {
  let taken = 0
  /** The queues by owner; the owner that was served longest ago comes first. An owner without work has no queue. */
  const lines = new Map<UserId, Line>()

  const isFree = (line: Line, takes: Takes) => line.running < perOwner && (takes === "network" || taken < slots)

  const toTheEnd = (owner: UserId, line: Line) => {
    lines.delete(owner)
    lines.set(owner, line)
  }

  const begin = (line: Line, work: Work) => {
    line.running++
    if (work.takes === "processor") taken++
    work.begun = true
    toTheEnd(work.owner, line)
  }

  const forgetIfIdle = (owner: UserId, line: Line) => {
    if (line.running === 0 && line.waiting.size === 0) lines.delete(owner)
  }

  /** Begins all works that can begin, one of each owner per round. */
  const pump = () => {
    for (let begun = true; begun;) {
      begun = false
      // Only the owners that are in the map now: one that begins moves to the end, and would be visited again.
      const now = Array.from(lines.values())
      for (const line of now) {
        const [next] = line.waiting
        if (next === undefined || !isFree(line, next.work.takes)) continue
        line.waiting.delete(next)
        // The slot is counted before the waiting fiber is resumed, so that nobody else takes it meanwhile.
        begin(line, next.work)
        next.resume(Effect.void)
        begun = true
      }
    }
  }

  const end = (work: Work) => {
    const line = lines.get(work.owner)
    // A work that never began has no slot to give back.
    if (!work.begun || line === undefined) return
    line.running--
    if (work.takes === "processor") taken--
    // The owner moves to the end before the pump runs: owners that came meanwhile are first now.
    toTheEnd(work.owner, line)
    forgetIfIdle(work.owner, line)
    pump()
  }

  const refused = new HeavyWorkRefused({ retry_after: Math.ceil(Duration.toSeconds(timeout)) })

  const wait = (line: Line, work: Work) =>
    Effect.async<void, HeavyWorkRefused>((resume) => {
      const mine: Waiter = { work, resume }
      line.waiting.add(mine)
      return Effect.sync(() => {
        line.waiting.delete(mine)
        forgetIfIdle(work.owner, line)
      })
    }).pipe(Effect.timeoutFail({ duration: timeout, onTimeout: () => refused }))

  const enter = (work: Work): Effect.Effect<void, HeavyWorkRefused> =>
    Effect.suspend(() => {
      const line = lines.get(work.owner) ?? { running: 0, waiting: new Set<Waiter>() }
      if (line.waiting.size === 0 && isFree(line, work.takes)) {
        begin(line, work)
        return Effect.void
      }
      if (line.waiting.size >= maxWaiting) return Effect.fail(refused)
      lines.set(work.owner, line)
      return wait(line, work)
    })

  /** Does the work when it is the owner's turn; fails without having begun it when that takes too long. */
  const run = <A, E, R>(
    owner: UserId,
    takes: Takes,
    doing: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | HeavyWorkRefused, R> =>
    Effect.suspend(() => {
      const work: Work = { owner, takes, begun: false }
      // The release covers the waiting too: the fiber may be interrupted just after its turn has come.
      return Effect.ensuring(Effect.zipRight(enter(work), doing), Effect.sync(() => end(work)))
    })

  return { run }
}

/** The process has one queue, for everybody's work. */
export class HeavyWork extends Context.Reference<HeavyWork>()("stoa/services/HeavyWork", {
  defaultValue: () => make()
}) {}
