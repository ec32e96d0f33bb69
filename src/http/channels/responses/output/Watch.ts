/** A response as its client sees it: a part of a run's events, followed as they come or read again from the log. */
import { Deferred, Effect, FiberId, type Scope } from "effect"
import type { Conflict, Gone, Malformed } from "../../../../domain/Errors.ts"
import type { AgentEvent } from "../../../../domain/Event.ts"
import { eventsOf } from "../../../../domain/Frames.ts"
import type { RunId } from "../../../../domain/Ids.ts"
import type { ResponseHead } from "../../../../domain/Response.ts"
import { endsStream } from "../../../../domain/RunOf.ts"
import type { Session } from "../../../../domain/Session.ts"
import type { Sink } from "../../../../services/Rooms.ts"
import { SessionHub } from "../../../../services/SessionHub.ts"
import { Sse } from "../../../Sse.ts"
import type { Encoder } from "../../Channel.ts"
import { cutShort } from "../../Failures.ts"
import type { Problem } from "../../Hooks.ts"
import * as Rewriting from "../../Rewriting.ts"
import { Rendering } from "./Encode.ts"

const decoder = new TextDecoder()
const encoder = new TextEncoder()

const end = "data: [DONE]\n\n"

/** Where frames go, as text. */
export interface Out {
  readonly write: (frames: string) => void
  readonly unread: () => number
  readonly drained: Effect.Effect<void>
  readonly end: (comment?: string) => void
}

const bytes = (out: Sink): Out => ({
  write: (frames) => out.write(encoder.encode(frames)),
  unread: () => out.unread(),
  drained: out.drained,
  end: (comment) => out.end(comment)
})

export interface Watched {
  readonly session: Session
  readonly run_id: RunId
  /** The response's events have a greater `seq`. */
  readonly after: number
  readonly head: ResponseHead
  /** Whoever leaves may come back for it: the run goes on without them, and a stream that is cut says nothing of the run. */
  readonly isKept: boolean
}

/** Frames of the log in, frames of the protocol out. */
class Feed implements Sink {
  readonly rendering: Rendering
  readonly over = Deferred.unsafeMake<void>(FiberId.none)
  problem: Problem | undefined
  /** The response has come to its own end, so that there is nothing to stop. */
  hasEnded = false
  isOver = false
  readonly #encoder: Pick<Encoder, "step">
  readonly #out: Out | undefined
  readonly #isKept: boolean

  /** The encoder is the rendering, or what gives it the events later. */
  constructor(rendering: Rendering, encoder: Pick<Encoder, "step">, out: Out | undefined, isKept: boolean) {
    this.rendering = rendering
    this.#encoder = encoder
    this.#out = out
    this.#isKept = isKept
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
    this.problem = problem
    this.#out?.write(this.rendering.cut(problem) + end)
    this.#finish()
  }

  #step(event: AgentEvent): string {
    if (endsStream(event)) this.isOver = this.hasEnded = true
    return this.#encoder.step(event)
  }

  /** All of a batch goes out in one write: some readers lose what of a frame comes later. */
  #pass(text: string) {
    if (this.isOver) this.#out?.write(text + end)
    else if (text !== "") this.#out?.write(text)
    if (this.isOver) this.#finish()
  }

  unread() {
    return this.#out?.unread() ?? 0
  }

  get drained() {
    return this.#out?.drained ?? Effect.void
  }

  end(comment?: string) {
    if (this.isOver) return
    this.isOver = true
    const problem = cutShort(comment)
    this.problem = problem
    // Elsewhere the run goes on. Who does not read has left.
    this.hasEnded = comment !== "lagging"
    if (!this.#isKept) this.#out?.write(this.rendering.cut(problem) + end)
    this.#finish(this.#isKept ? comment : undefined)
  }

  #finish(comment?: string) {
    Deferred.unsafeDone(this.over, Effect.void)
    this.#out?.end(comment)
  }
}

export const make = Effect.gen(function*() {
  const hub = yield* SessionHub
  const sse = yield* Sse
  const rewriting = yield* Rewriting.make

  const attachAs = (
    { after, isKept, run_id, session }: Watched,
    rendering: Rendering,
    stepping: Pick<Encoder, "step">,
    out: Out | undefined
  ): Effect.Effect<Feed, Malformed | Conflict | Gone, Scope.Scope> =>
    Effect.gen(function*() {
      const feed = new Feed(rendering, stepping, out, isKept)
      // Before the first event can come: whatever ends the request, the run does not go on for nobody.
      yield* Effect.addFinalizer(() =>
        Effect.suspend(() =>
          isKept || feed.hasEnded ? Effect.void : Effect.catchAllCause(
            hub.cancel(session, run_id),
            (cause) => Effect.logWarning("A run whose client has left could not be stopped", cause)
          )
        )
      )
      const sink = out === undefined ? feed : yield* rewriting.streaming(feed, session, run_id)
      yield* hub.attach(session, sink, { after, only: run_id })
      return feed
    })

  const attach = (watched: Watched, out: Out, startingAfter?: number) =>
    Effect.suspend(() => {
      const rendering = new Rendering(watched.head, startingAfter)
      return attachAs(watched, rendering, rendering, out)
    })

  /** Waits until the response has come to its end; what it came to is in the rendering. */
  const whole = (watched: Watched) =>
    Effect.scoped(Effect.gen(function*() {
      const rendering = new Rendering(watched.head)
      const own: Encoder = { step: (event) => rendering.step(event), failed: () => "" }
      const held = rewriting.replying(own, watched.session, watched.run_id)
      const feed = yield* attachAs(watched, rendering, held.encoder, undefined)
      yield* Deferred.await(feed.over)
      if (feed.problem !== undefined) return yield* feed.problem
      // Also where the run has failed, or was stopped: what it has said goes out when the response is asked for.
      yield* held.done
      return rendering
    }))

  return {
    /** Waits until the response has come to its end, while it is written. */
    through: (watched: Watched, out: Out) =>
      Effect.scoped(Effect.gen(function*() {
        const feed = yield* attach(watched, out)
        yield* Deferred.await(feed.over)
        return feed
      })),
    /** Answers the request with the response as a stream. */
    stream: (watched: Watched, startingAfter?: number) =>
      sse.respond((out) => Effect.asVoid(attach(watched, bytes(out), startingAfter))),
    /** The same as `whole`, while the request's key is valid. */
    wait: (watched: Watched) => sse.whileValid(whole(watched))
  }
})
export type Watch = Effect.Effect.Success<typeof make>
