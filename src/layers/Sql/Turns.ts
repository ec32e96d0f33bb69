/**
 * Whose turn it is on a connection that serves one at a time, in the order of
 * asking. A plain class because every statement passes through it.
 */
import { Effect } from "effect"

/** A statement on PGlite blocks the event loop; after this much of it, sockets and timers get theirs. */
const sliceMillis = 5

export class Turns {
  private busy = false
  private readonly waiting: Array<() => void> = []
  private sliceStart: number | undefined

  enter(start: () => void): void {
    if (this.busy) {
      this.waiting.push(start)
      return
    }
    this.busy = true
    this.begin(start)
  }

  leave(): void {
    const next = this.waiting.shift()
    if (next === undefined) this.busy = false
    else this.begin(next)
  }

  /** Removes a `start` that has not been called; false when it is no longer waiting. */
  withdraw(start: () => void): boolean {
    const at = this.waiting.indexOf(start)
    if (at < 0) return false
    this.waiting.splice(at, 1)
    return true
  }

  /** Waits for a turn, which lasts until `leave`. An interrupted wait takes none. */
  readonly take: Effect.Effect<void> = Effect.async<void>((resume) => {
    let withdrawn = false
    const start = () => withdrawn ? this.leave() : resume(Effect.void)
    this.enter(start)
    return Effect.sync(() => {
      if (this.withdraw(start)) return
      // Given in the same moment: either still to begin, or begun and never seen by the fiber.
      withdrawn = true
    })
  })

  /**
   * One turn for `run`. Interruption before it withdraws; afterwards `run` goes
   * on to its end, and the next turn begins only then.
   */
  run<A, E>(run: () => Promise<A>, failure: (cause: unknown) => E): Effect.Effect<A, E> {
    return Effect.async<A, E>((resume) => {
      const start = () => {
        run().then(
          (value) => {
            this.leave()
            resume(Effect.succeed(value))
          },
          (cause) => {
            this.leave()
            resume(Effect.fail(failure(cause)))
          }
        )
      }
      this.enter(start)
      return Effect.sync(() => {
        this.withdraw(start)
      })
    })
  }

  private begin(start: () => void): void {
    if (this.sliceStart === undefined) {
      this.sliceStart = performance.now()
      setImmediate(() => {
        this.sliceStart = undefined
      })
    } else if (performance.now() - this.sliceStart > sliceMillis) {
      setImmediate(start)
      return
    }
    start()
  }
}
