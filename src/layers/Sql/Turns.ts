/**
 * A queue for a connection that serves one statement at a time, in the order of
 * arrival. It is a plain class because every statement passes through it.
 */
import { Effect } from "effect"

/** A statement on PGlite blocks the event loop; after so many milliseconds of statements, sockets and timers are served. */
const sliceMillis = 5

interface Ticket {
  readonly start: () => void
  state: "waiting" | "begun" | "withdrawn"
}

export class Turns {
  private busy = false
  private readonly waiting: Array<Ticket> = []
  private sliceStart: number | undefined

  /** Waits for a turn, which lasts until `leave`. An interrupted wait takes no turn. */
  readonly take: Effect.Effect<void> = Effect.async<void>((resume) => {
    const ticket = this.enter(() => resume(Effect.void))
    return Effect.sync(() => {
      // The turn had begun when the fiber was interrupted, so the fiber never saw it.
      if (!this.withdraw(ticket)) this.leave()
    })
  })

  leave(): void {
    const next = this.waiting.shift()
    if (next === undefined) this.busy = false
    else this.begin(next)
  }

  /**
   * One turn for `run`. Interruption before it withdraws; afterwards `run` goes
   * on to its end, and the next turn begins only then.
   */
  run<A, E>(run: () => Promise<A>, failure: (cause: unknown) => E): Effect.Effect<A, E> {
    return Effect.async<A, E>((resume) => {
      const ticket = this.enter(() => {
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
      })
      return Effect.sync(() => {
        this.withdraw(ticket)
      })
    })
  }

  private enter(start: () => void): Ticket {
    const ticket: Ticket = { start, state: "waiting" }
    if (this.busy) this.waiting.push(ticket)
    else {
      this.busy = true
      this.begin(ticket)
    }
    return ticket
  }

  private begin(ticket: Ticket): void {
    if (this.sliceStart === undefined) {
      this.sliceStart = performance.now()
      setImmediate(() => {
        this.sliceStart = undefined
      })
    } else if (performance.now() - this.sliceStart > sliceMillis) {
      setImmediate(() => this.start(ticket))
      return
    }
    this.start(ticket)
  }

  private start(ticket: Ticket): void {
    if (ticket.state === "withdrawn") {
      this.leave()
      return
    }
    ticket.state = "begun"
    ticket.start()
  }

  /** Removes a waiter; false when its turn has begun. */
  private withdraw(ticket: Ticket): boolean {
    if (ticket.state === "begun") return false
    ticket.state = "withdrawn"
    const at = this.waiting.indexOf(ticket)
    if (at >= 0) this.waiting.splice(at, 1)
    return true
  }
}
