/** Readers of a run's log: of one part of it, and of whether it has begun. */
import { Deferred, Effect, FiberId } from "effect"
import type { AgentEvent } from "../../../domain/Event.ts"
import { eventsOf } from "../../../domain/Frames.ts"
import { endsStream } from "../../../domain/RunOf.ts"
import type { Sink } from "../../../services/Rooms.ts"
import type { Problem } from "../../middleware/Problems.ts"
import type { Encoder } from "../Channel.ts"
import { cutShort, problemOf } from "../Failures.ts"

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** A part of a run, up to its end or to a question. */
export class Leg implements Sink {
  isOver = false
  /** It has stopped with a question, which may have been answered since. */
  isParked = false
  problem: Problem | undefined
  /** Something ended the stream before the run. */
  cutBy: Problem | undefined
  readonly over = Deferred.unsafeMake<void>(FiberId.none)
  readonly #encoder: Encoder
  readonly #out: Sink | undefined

  constructor(encoder: Encoder, out: Sink | undefined) {
    this.#encoder = encoder
    this.#out = out
  }

  write(frames: Uint8Array) {
    let text = ""
    for (const { event } of eventsOf(decoder.decode(frames))) {
      if (this.isOver) break
      text += this.#step(event)
    }
    this.#send(text)
  }

  feed(event: AgentEvent) {
    if (!this.isOver) this.#send(this.#step(event))
  }

  fail(problem: Problem) {
    if (this.isOver) return
    this.problem = problem
    this.#send(this.#encoder.failed(problem))
    this.#finish()
  }

  unread() {
    return this.#out?.unread() ?? 0
  }

  get drained() {
    return this.#out?.drained ?? Effect.void
  }

  end(comment?: string) {
    if (this.isOver) return
    this.cutBy = cutShort(comment)
    this.#finish()
  }

  #step(event: AgentEvent): string {
    const text = this.#encoder.step(event)
    if (!endsStream(event)) return text
    if (event.type === "REPLY_END") this.problem = problemOf(event)
    else this.isParked = true
    this.#finish()
    return this.problem === undefined ? text : text + this.#encoder.failed(this.problem)
  }

  #send(text: string) {
    if (text !== "") this.#out?.write(encoder.encode(text))
  }

  #finish() {
    this.isOver = true
    Deferred.unsafeDone(this.over, Effect.void)
  }
}

/** Waits for a run's first event. */
export class Knock implements Sink {
  isHeard = false
  readonly over = Deferred.unsafeMake<void>(FiberId.none)
  readonly drained = Effect.void
  unread = () => 0

  write(frames: Uint8Array) {
    this.isHeard ||= eventsOf(decoder.decode(frames)).some(({ event }) =>
      event.type !== "CUSTOM" || event.name !== "run_queued"
    )
    if (this.isHeard) this.end()
  }

  end() {
    Deferred.unsafeDone(this.over, Effect.void)
  }
}
