/**
 * A run from its beginning, for a client that has lost its stream: the streams that it was told by, one after the other, and
 * the rest as it comes. Calls of the client's own tools that were answered are not asked for again.
 */
import { Deferred, Effect, type Scope } from "effect"
import type { Conflict, Gone, Malformed } from "../../../domain/Errors.ts"
import type { Run } from "../../../domain/Run.ts"
import type { Session } from "../../../domain/Session.ts"
import type { Sink } from "../../../services/Rooms.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { Storage } from "../../../services/Storage.ts"
import { internal, type Problem } from "../../middleware/Problems.ts"
import { Sse } from "../../Sse.ts"
import type { Policy } from "../Channel.ts"
import { Fold } from "../Follow.ts"
import * as Rewriting from "../Rewriting.ts"
import { Chunks, type Head } from "./Chunks.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** The `seq` of the last of these frames. */
const lastSeq = (frames: Uint8Array): number | undefined => {
  const text = decoder.decode(frames)
  const at = text.lastIndexOf("\n\nid: ")
  const from = at >= 0 ? at + "\n\nid: ".length : text.startsWith("id: ") ? "id: ".length : -1
  return from < 0 ? undefined : Number.parseInt(text.slice(from), 10)
}

/** One stream of the run on its way into the whole. What is written by it comes behind `before`, and its end does not end the whole. */
class Part implements Sink {
  readonly #out: Sink
  #before: string
  hasWritten = false

  constructor(out: Sink, before: string) {
    this.#out = out
    this.#before = before
  }

  write(frames: Uint8Array) {
    this.hasWritten = true
    if (this.#before !== "") this.#out.write(encoder.encode(this.#before))
    this.#before = ""
    this.#out.write(frames)
  }

  unread() {
    return this.#out.unread()
  }

  get drained() {
    return this.#out.drained
  }

  end() {}
}

/** Knows how far it has been given the log. */
class Counted implements Sink {
  readonly #target: Sink
  seq: number

  constructor(target: Sink, after: number) {
    this.#target = target
    this.seq = after
  }

  write(frames: Uint8Array) {
    this.seq = lastSeq(frames) ?? this.seq
    this.#target.write(frames)
  }

  unread() {
    return this.#target.unread()
  }

  get drained() {
    return this.#target.drained
  }

  end(comment?: string) {
    this.#target.end(comment)
  }
}

export interface Replayed {
  readonly session: Session
  readonly run: Run
  readonly head: Head
  readonly policy: Policy
}

export const make = Effect.gen(function*() {
  const hub = yield* SessionHub
  const { runs } = yield* Storage
  const sse = yield* Sse
  const rewriting = yield* Rewriting.make

  const isWaiting = ({ id, user_id }: Run) =>
    Effect.match(runs.get(user_id, id), {
      onFailure: () => false,
      onSuccess: ({ status }) => status === "awaiting_permission" || status === "awaiting_external_result"
    })

  /** Tells the run from behind `after` on, and what comes before that, if anything does. */
  const tell = (
    replayed: Replayed,
    out: Sink,
    after: number,
    before: { readonly asks: string; readonly closing: string } | undefined
  ): Effect.Effect<void, Malformed | Conflict | Gone, Scope.Scope> =>
    Effect.gen(function*() {
      const { head, policy, run, session } = replayed
      const part = new Part(out, before?.closing ?? "")
      const chunks = new Chunks(head, true)
      const fold = new Fold({ encoder: chunks, policy: { ...policy, end: "" } }, part)
      // Its status has gone out with the first stream.
      fold.commit()
      const counted = new Counted(yield* rewriting.streaming(fold, session, run.id), after)
      yield* hub.attach(session, counted, { after, only: run.id })
      const finish = (frames: string) =>
        Effect.sync(() => {
          out.write(encoder.encode(frames + policy.end))
          out.end()
        })
      // All that the log has so far was written: nothing means that the run still waits there.
      if (before !== undefined && !part.hasWritten && (yield* isWaiting(run)) && !part.hasWritten) {
        return yield* finish(before.asks + before.closing)
      }
      yield* Deferred.await(fold.over)
      const { parked } = chunks
      if (parked === undefined || fold.problem !== undefined) return yield* finish("")
      yield* tell(replayed, out, counted.seq, parked)
    })

  return {
    /** Answers the request with the run, which has begun or will. */
    stream: (replayed: Replayed, after: number) =>
      sse.respond((out) => {
        const fail = (problem: Problem) =>
          Effect.sync(() => {
            out.write(encoder.encode(new Chunks(replayed.head).failed(problem) + replayed.policy.end))
            out.end()
          })
        return tell(replayed, out, after, undefined).pipe(
          Effect.catchAll(fail),
          Effect.catchAllDefect((defect) =>
            Effect.zipRight(Effect.logError("A run could not be told again", defect), fail(internal))
          ),
          Effect.forkScoped,
          Effect.asVoid
        )
      })
  }
})
