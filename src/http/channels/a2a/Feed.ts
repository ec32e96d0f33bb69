/** Events of a run in, frames of its task out. The run goes on whoever leaves. */
import type { Effect } from "effect"
import type { AgentEvent } from "../../../domain/Event.ts"
import { eventsOf } from "../../../domain/Frames.ts"
import { endsStream } from "../../../domain/RunOf.ts"
import type { Sink } from "../../../services/Rooms.ts"
import type { Problem } from "../../middleware/Problems.ts"
import type { Encoder } from "../Channel.ts"

const decoder = new TextDecoder()
const encoder = new TextEncoder()

export class Feed implements Sink {
  isOver = false
  readonly #encoder: Encoder
  readonly #out: Sink
  /** The frame of the task, which comes first. While it waits, a failure is still told by the status. */
  #first: string
  /** A run that goes on has been left waiting before; those ends are none any more. */
  readonly #goesOnAfter: string

  constructor({ encoder, first, goesOnAfter = "", out }: {
    readonly encoder: Encoder
    readonly first: string
    readonly goesOnAfter?: string | undefined
    readonly out: Sink
  }) {
    this.#encoder = encoder
    this.#first = first
    this.#out = out
    this.#goesOnAfter = goesOnAfter
  }

  /** From now on the task is told, whatever comes of it and when. */
  open() {
    if (!this.isOver) this.#pass("")
  }

  write(frames: Uint8Array) {
    if (this.isOver) return
    let text = ""
    for (const { event } of eventsOf(decoder.decode(frames))) {
      text += this.#step(event)
      if (this.isOver) break
    }
    this.#pass(text)
  }

  /** One event that hooks have seen. */
  feed(event: AgentEvent) {
    if (!this.isOver) this.#pass(this.#step(event))
  }

  /** A hook shows nothing more of the run. */
  fail(problem: Problem) {
    if (this.isOver) return
    this.isOver = true
    this.#pass(this.#encoder.failed(problem))
  }

  #step(event: AgentEvent): string {
    if (!endsStream(event)) return this.#encoder.step(event)
    if (event.type === "CUSTOM" && event.created_at <= this.#goesOnAfter) return ""
    this.isOver = true
    return this.#encoder.step(event)
  }

  /** All of a batch goes out in one write. */
  #pass(text: string) {
    const frames = this.#first + text
    this.#first = ""
    if (frames !== "") this.#out.write(encoder.encode(frames))
    if (this.isOver) this.#out.end()
  }

  unread() {
    return this.#out.unread()
  }

  get drained(): Effect.Effect<void> {
    return this.#out.drained
  }

  /** The server ends the stream before its run: who subscribes again gets the rest. */
  end(comment?: string) {
    if (this.isOver) return
    this.open()
    this.isOver = true
    this.#out.end(comment)
  }
}
