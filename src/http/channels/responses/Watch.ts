/** A response as its client sees it: a part of a run's events, followed as they come or read again from the log. */
import { Deferred, Effect, FiberId, type Scope } from "effect"
import { type Conflict, type Gone, type Malformed, Unavailable } from "../../../domain/Errors.ts"
import { endsStream } from "../../../domain/Event.ts"
import { eventsOf } from "../../../domain/Frames.ts"
import type { RunId } from "../../../domain/Ids.ts"
import type { ResponseHead } from "../../../domain/Response.ts"
import type { Session } from "../../../domain/Session.ts"
import type { Sink } from "../../../services/Rooms.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { Sse } from "../../Sse.ts"
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

const cutShort = (comment: string | undefined) =>
  new Unavailable({
    code: comment === "lagging" ? "lagging" : "interrupted",
    detail: comment === "lagging"
      ? "The stream was ended because it was not read."
      : "The server ended the stream before its run: it is stopping, or another process goes on with the run.",
    retry_after: 2
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
  problem: Unavailable | undefined
  /** The response has come to its own end, so that there is nothing to stop. */
  hasEnded = false
  #isOver = false
  readonly #out: Out | undefined
  readonly #isKept: boolean

  constructor(rendering: Rendering, out: Out | undefined, isKept: boolean) {
    this.rendering = rendering
    this.#out = out
    this.#isKept = isKept
  }

  write(frames: Uint8Array) {
    let text = ""
    for (const { event } of eventsOf(decoder.decode(frames))) {
      if (this.#isOver) return
      text += this.rendering.step(event)
      if (endsStream(event)) this.#isOver = this.hasEnded = true
      if (this.#isOver) break
    }
    // All of a batch goes out in one write: some readers lose what of a frame comes later.
    if (this.#isOver) this.#out?.write(text + end)
    else if (text !== "") this.#out?.write(text)
    if (this.#isOver) this.#finish()
  }

  unread() {
    return this.#out?.unread() ?? 0
  }

  get drained() {
    return this.#out?.drained ?? Effect.void
  }

  end(comment?: string) {
    if (this.#isOver) return
    this.#isOver = true
    this.problem = cutShort(comment)
    // Elsewhere the run goes on. Who does not read has left.
    this.hasEnded = comment !== "lagging"
    if (!this.#isKept) this.#out?.write(this.rendering.cut(this.problem) + end)
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

  const attach = (
    { after, head, isKept, run_id, session }: Watched,
    out: Out | undefined,
    startingAfter?: number
  ): Effect.Effect<Feed, Malformed | Conflict | Gone, Scope.Scope> =>
    Effect.gen(function*() {
      const feed = new Feed(new Rendering(head, startingAfter), out, isKept)
      // Before the first event can come: whatever ends the request, the run does not go on for nobody.
      yield* Effect.addFinalizer(() =>
        Effect.suspend(() =>
          isKept || feed.hasEnded ? Effect.void : Effect.catchAllCause(
            hub.cancel(session, run_id),
            (cause) => Effect.logWarning("A run whose client has left could not be stopped", cause)
          )
        )
      )
      yield* hub.attach(session, feed, { after, only: run_id })
      return feed
    })

  const through = (watched: Watched, out: Out | undefined) =>
    Effect.scoped(Effect.gen(function*() {
      const feed = yield* attach(watched, out)
      yield* Deferred.await(feed.over)
      return feed
    }))

  /** Waits until the response has come to its end; what it came to is in the rendering. */
  const whole = (watched: Watched) =>
    Effect.flatMap(through(watched, undefined), ({ problem, rendering }) => problem ?? Effect.succeed(rendering))

  return {
    attach,
    whole,
    /** Waits until the response has come to its end, while it is written. */
    through,
    /** Answers the request with the response as a stream. */
    stream: (watched: Watched, startingAfter?: number) =>
      sse.respond((out) => Effect.asVoid(attach(watched, bytes(out), startingAfter))),
    /** The same as `whole`, while the request's key is valid. */
    wait: (watched: Watched) => sse.whileValid(whole(watched))
  }
})
export type Watch = Effect.Effect.Success<typeof make>
