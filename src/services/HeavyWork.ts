/**
 * Work that takes the processor or a provider for long waits in the line of the
 * one whose work it is, so that a flood of one owner's leaves the others' way
 * free. Owners take turns: the next slot goes to the one that had its last turn
 * longest ago.
 */
import { Context, Data, Duration, Effect } from "effect"
import type { UserId } from "../domain/Ids.ts"

/** The owner has too much waiting, or it waited for too long. `retry_after` is in seconds. */
export class HeavyWorkRefused extends Data.TaggedError("HeavyWorkRefused")<{ readonly retry_after: number }> {}

/** What the work takes: `processor` counts among everybody's, `network` among the owner's only. */
export type Takes = "processor" | "network"

export interface Options {
  /** Works that take the processor at the same time, of all owners together. */
  readonly slots: number
  /** Works of one owner at the same time, and those of it that wait. */
  readonly perOwner: number
  readonly maxWaiting: number
  /** How long one waits. */
  readonly timeout: Duration.Duration
}

const usual: Options = { slots: 4, perOwner: 2, maxWaiting: 64, timeout: Duration.seconds(60) }

interface Work {
  readonly owner: UserId
  readonly takes: Takes
  /** It has a place, which it gives back at its end, however it ends. */
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
  /** By owner, the one whose last turn is longest ago first; an owner without work is not in it. */
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

  /** Begins what can begin, one of each owner at a time. */
  const pump = () => {
    for (let begun = true; begun;) {
      begun = false
      // Of those that are there now: who begins goes to the end, and would come again.
      const now = Array.from(lines.values())
      for (const line of now) {
        const [next] = line.waiting
        if (next === undefined || !isFree(line, next.work.takes)) continue
        line.waiting.delete(next)
        // Before it is told, so that nobody else takes the place meanwhile.
        begin(line, next.work)
        next.resume(Effect.void)
        begun = true
      }
    }
  }

  const end = (work: Work) => {
    const line = lines.get(work.owner)
    // One that never began has no place to give back.
    if (!work.begun || line === undefined) return
    line.running--
    if (work.takes === "processor") taken--
    // Before the pump: those who came while it went on are first now.
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

  /** Does the work when it is the owner's turn; fails without having begun it when that does not come. */
  const run = <A, E, R>(
    owner: UserId,
    takes: Takes,
    doing: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | HeavyWorkRefused, R> =>
    Effect.suspend(() => {
      const work: Work = { owner, takes, begun: false }
      // Around the waiting too: it may be interrupted just after its turn has come.
      return Effect.ensuring(Effect.zipRight(enter(work), doing), Effect.sync(() => end(work)))
    })

  return { run }
}

/** The process has one, for everybody's work. */
export class HeavyWork extends Context.Reference<HeavyWork>()("stoa/services/HeavyWork", {
  defaultValue: () => make()
}) {}
