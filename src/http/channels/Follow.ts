/**
 * A run as a channel's client sees it: its events go through the channel's encoder
 * to a socket, or are only read until the run is over. The run's own log is what
 * is read, so that nothing is sent which is not durable.
 */
import { Deferred, Effect, FiberId, Option, type Scope } from "effect"
import type { Accepted } from "../../domain/Chat.ts"
import { Conflict, type Gone, type Malformed } from "../../domain/Errors.ts"
import type { AgentEvent } from "../../domain/Event.ts"
import { eventsOf } from "../../domain/Frames.ts"
import { endsStream } from "../../domain/RunOf.ts"
import type { Session } from "../../domain/Session.ts"
import type { Sink } from "../../services/Rooms.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Sse } from "../Sse.ts"
import type { Encoder, Policy } from "./Channel.ts"
import { cutShort, type Failure, problemOf } from "./Failures.ts"
import * as Rewriting from "./Rewriting.ts"

/** How long a failure may still be told by the status of the answer; then the stream begins, so that its client hears something. */
const patience = "10 seconds"

const decoder = new TextDecoder()
const encoder = new TextEncoder()

const approvalRefused = new Conflict({
  code: "approval_required",
  detail: "The agent wanted to use a tool that somebody has to allow, which cannot be asked for here: the run was "
    + "stopped. Give the session's rules or the agent's tools what it needs, or talk to it by POST /chat."
})

/** Frames of the log in, frames of the protocol out. */
export class Fold implements Sink {
  /** Nothing more comes. */
  isOver = false
  /** The run has come to its own end, so that there is nothing to stop. */
  hasEnded = false
  problem: Failure | undefined
  /** Something ended the stream before the run. */
  isCut = false
  readonly begun = Deferred.unsafeMake<void>(FiberId.none)
  readonly over = Deferred.unsafeMake<void>(FiberId.none)
  readonly #encoder: Encoder
  readonly #policy: Policy
  readonly #out: Sink | undefined
  /** What ends the stream is not known by the events alone, and written by who follows. */
  readonly #isClosedByOther: boolean
  /** The status has gone out, so that only a frame can tell of a failure. */
  #isOpen = false
  /** The end of the stream waits for `release`. */
  readonly #isHeld: boolean

  constructor({ closing, encoder, policy, settle }: Rendered, out: Sink | undefined) {
    this.#isHeld = out !== undefined && settle !== undefined
    this.#encoder = encoder
    this.#policy = policy
    this.#out = out
    this.#isClosedByOther = closing !== undefined
  }

  write(frames: Uint8Array) {
    if (this.isOver) return
    let text = ""
    for (const { event } of eventsOf(decoder.decode(frames))) {
      if (this.isOver) break
      text += this.#step(event)
    }
    this.#pass(text)
  }

  feed(event: AgentEvent) {
    if (!this.isOver) this.#pass(this.#step(event))
  }

  #pass(text: string) {
    if (text === "" && !this.isOver) return
    if (text !== "") this.#send(text)
    if (this.isOver) this.#finish()
  }

  #step(event: AgentEvent): string {
    const ends = endsStream(event)
    if (!ends) return this.#encoder.step(event)
    this.isOver = true
    this.hasEnded = event.type === "REPLY_END"
    const refused = event.type === "CUSTOM" && this.#policy.approval === "refused" &&
      event.value.waiting_for === "user_confirmation"
    this.problem = refused ? approvalRefused : problemOf(event)
    if (event.type === "CUSTOM" && !refused) this.hasEnded = true
    if (this.problem !== undefined) return ""
    return this.#encoder.step(event) + (this.#isClosedByOther || this.#isHeld ? "" : this.#policy.end)
  }

  #send(text: string) {
    this.#isOpen = true
    this.#out?.write(encoder.encode(text))
    Deferred.unsafeDone(this.begun, Effect.void)
  }

  #finish() {
    if (this.#isClosedByOther && !this.isCut) {
      Deferred.unsafeDone(this.begun, Effect.void)
      Deferred.unsafeDone(this.over, Effect.void)
      return
    }
    if (this.problem !== undefined && this.#isOpen) {
      this.#out?.write(encoder.encode(this.#encoder.failed(this.problem) + this.#policy.end))
    }
    Deferred.unsafeDone(this.begun, Effect.void)
    Deferred.unsafeDone(this.over, Effect.void)
    if (this.problem === undefined && this.#isHeld) return
    // A failure before the first frame is answered by a status, so the stream is not begun.
    if (this.problem === undefined || this.#isOpen) this.#out?.end()
  }

  release() {
    if (this.problem !== undefined || this.#isClosedByOther) return
    this.#out?.write(encoder.encode(this.#policy.end))
    this.#out?.end()
  }

  isOpened() {
    return this.#isOpen
  }

  /** From now on a failure is a frame. */
  commit() {
    this.#isOpen = true
  }

  unread() {
    return this.#out?.unread() ?? 0
  }

  get drained() {
    return this.#out?.drained ?? Effect.void
  }

  /** Nothing more of the run is shown; it has not ended. */
  fail(problem: Failure) {
    if (this.isOver) return
    this.isOver = true
    this.problem = problem
    this.#finish()
  }

  end(comment?: string) {
    if (this.isOver) return
    this.isOver = true
    this.isCut = true
    // It goes on in another process, or after the next start. Who does not read has left.
    this.hasEnded = comment !== "lagging"
    this.problem = cutShort(comment)
    this.#finish()
  }
}

/** How a run becomes a stream. */
export interface Rendered {
  readonly encoder: Encoder
  readonly policy: Policy
  /** The frames that end the stream of a run that has ended or waits, where more than the run's events has to be asked for them. */
  readonly closing?: ((problem: Failure | undefined) => Effect.Effect<string>) | undefined
  /** What is done when the answer is whole, before the client hears that it is over. It does not fail. */
  readonly settle?: Effect.Effect<void> | undefined
}

export interface Followed extends Rendered {
  readonly session: Session
  readonly accepted: Accepted
  /** Whoever sent the input may come back for the answer, by its key: the run goes on without them. */
  readonly isKept: boolean
}

export const make = Effect.gen(function*() {
  const hub = yield* SessionHub
  const sse = yield* Sse
  const rewriting = yield* Rewriting.make

  const settled = (fold: Fold, settle: Effect.Effect<void>) =>
    Effect.flatMap(
      Deferred.await(fold.over),
      () => fold.problem === undefined ? Effect.ensuring(settle, Effect.sync(() => fold.release())) : Effect.void
    )

  const attach = (
    followed: Followed,
    out: Sink | undefined
  ): Effect.Effect<Fold, Malformed | Conflict | Gone, Scope.Scope> =>
    Effect.gen(function*() {
      const { accepted, isKept, policy, session, settle } = followed
      const fold = new Fold(followed, out)
      // Before the first event can come: whatever ends the request, the run does not go on for nobody.
      yield* Effect.addFinalizer(() =>
        Effect.suspend(() => {
          const isLeft = policy.leaving === "cancels" && !isKept && !fold.hasEnded
          const isRefused = fold.problem === approvalRefused
          if (!isLeft && !isRefused) return Effect.void
          return Effect.catchAllCause(
            hub.cancel(session, accepted.run_id),
            (cause) => Effect.logWarning("A run whose client has left could not be stopped", cause)
          )
        })
      )
      if (out !== undefined && settle !== undefined) yield* Effect.forkScoped(settled(fold, settle))
      const sink = out === undefined ? fold : yield* rewriting.streaming(fold, session, accepted.run_id)
      yield* hub.attach(session, sink, { after: accepted.seq, only: accepted.run_id })
      return fold
    })

  /** Waits for the end of the run, and ends the stream. A key that is no longer valid has ended it before. */
  const close = (fold: Fold, out: Sink, { closing, policy }: Followed) =>
    closing === undefined ? Effect.void : Effect.gen(function*() {
      yield* sse.whileValid(Deferred.await(fold.over))
      if (fold.isCut) return
      out.write(encoder.encode((yield* closing(fold.problem)) + policy.end))
      out.end()
    }).pipe(Effect.catchTag("Unauthenticated", () => Effect.void))

  return {
    /** Answers the request with the run as a stream. A run that fails before its first frame is answered with a status. */
    stream: (followed: Followed) =>
      sse.respond((out) =>
        Effect.gen(function*() {
          const fold = yield* attach(followed, out)
          const begun = yield* Effect.timeoutOption(Deferred.await(fold.begun), patience)
          if (Option.isNone(begun)) fold.commit()
          else if (fold.problem !== undefined && fold.isOver && !fold.isOpened()) return yield* fold.problem
          yield* close(fold, out, followed)
        })
      ),
    /** Waits until the run is over; what it came to is in the encoder. */
    whole: (followed: Followed) =>
      sse.whileValid(Effect.scoped(Effect.gen(function*() {
        const { done, encoder } = rewriting.replying(followed.encoder, followed.session, followed.accepted.run_id)
        const fold = yield* attach({ ...followed, encoder }, undefined)
        yield* Deferred.await(fold.over)
        if (fold.problem !== undefined) return yield* fold.problem
        yield* done
        if (followed.settle !== undefined) yield* followed.settle
      })))
  }
})
