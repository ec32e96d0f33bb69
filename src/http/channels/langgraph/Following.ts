/**
 * A run as its client sees it. It is told from its first event on, whoever asks and from where: what the client has already
 * is only counted, so that a stream which was cut goes on with the very next frame.
 */
import { Deferred, Effect } from "effect"
import { eventsOf } from "../../../domain/Frames.ts"
import type { Run } from "../../../domain/Run.ts"
import { endsStream } from "../../../domain/RunOf.ts"
import type { Session } from "../../../domain/Session.ts"
import type { Sink } from "../../../services/Rooms.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { Storage } from "../../../services/Storage.ts"
import { internal, type Problem } from "../../middleware/Problems.ts"
import { type Answering, Sse } from "../../Sse.ts"
import type { Encoder } from "../Channel.ts"
import { cutShort } from "../Failures.ts"
import * as Rewriting from "../Rewriting.ts"
import { Knock, Leg } from "./Legs.ts"
import { frame, Frames, type Head } from "./output/Encode.ts"
import { messagesOf } from "./output/Messages.ts"

/** Most messages that come before the run and are told with it. */
const maxBefore = 100

const decoder = new TextDecoder()
const encoder = new TextEncoder()

export interface Followed {
  readonly session: Session
  readonly run: Run
  readonly head: Head
  /** Only what comes behind this `seq` is sent, in whole parts of the run between two questions. */
  readonly from: number
  /** The client has heard nothing of the run yet. */
  readonly isNew: boolean
  readonly leaving: "cancels" | "goes on"
}

export const make = Effect.gen(function*() {
  const hub = yield* SessionHub
  const { runs } = yield* Storage
  const sse = yield* Sse
  const rewriting = yield* Rewriting.make

  const latest = (run: Run) => Effect.orElseSucceed(runs.get(run.user_id, run.id), () => run)

  /** The run when it has begun: what comes before it in the thread is known then. */
  const begun = Effect.fnUntraced(function*(session: Session, run: Run, from: number) {
    if (run.first_seq !== null) return run
    // Its events come behind this, as it has not begun yet.
    const edge = yield* hub.liveEdge(session)
    const read = yield* latest(run)
    if (read.first_seq !== null || read.status === "ended") return read
    const knock = new Knock()
    yield* Effect.scoped(Effect.zipRight(
      hub.attach(session, knock, { after: from > 0 ? from : edge, only: run.id }),
      Deferred.await(knock.over)
    ))
    return knock.isHeard ? yield* latest(run) : undefined
  })

  /** What was said before the run, as far as there is room. */
  const before = Effect.fnUntraced(function*(session: Session, run: Run) {
    const first = run.input[0]?.id ?? run.reply_id
    const page = yield* Effect.orElse(
      hub.newest(session, { before: first, limit: maxBefore }),
      () => Effect.orDie(hub.newest(session, { limit: maxBefore }))
    )
    return page.messages.filter(({ id }) => id !== run.reply_id).flatMap(messagesOf)
  })

  /** Whether the question at this `seq` has been answered, or its run was stopped. */
  const hasGoneOn = Effect.fnUntraced(function*(session: Session, run: Run, seq: number) {
    const { status } = yield* latest(run)
    const next = yield* hub.endAfter(session, run.id, seq)
    return next !== undefined || (status !== "awaiting_permission" && status !== "awaiting_external_result")
  })

  /** Goes through the run to where it ends or waits; answers with its last part. */
  const legs = Effect.fnUntraced(function*(
    followed: Followed,
    frames: Frames,
    target: Encoder,
    out: Sink | undefined
  ) {
    const { from, session } = followed
    let isTold = !followed.isNew
    const announce = ({ id: run_id }: Run) => {
      if (isTold) return
      isTold = true
      out?.write(encoder.encode(frame(frames.count, "metadata", { run_id, thread_id: followed.head.thread_id })))
    }
    // A client whose connection breaks while the run waits for its turn knows where to come back.
    if (followed.run.first_seq === null) announce(followed.run)
    const run = yield* begun(session, followed.run, from)
    if (run === undefined) {
      const leg = new Leg(target, out)
      leg.end("closing")
      return leg
    }
    frames.begin(yield* before(session, run))
    let after = run.first_seq === null ? from : run.first_seq - 1
    for (;;) {
      const end = from > after ? yield* hub.endAfter(session, run.id, after) : undefined
      frames.isSilent = end !== undefined && end <= from
      if (!frames.isSilent) announce(run)
      const leg = new Leg(target, out)
      yield* Effect.scoped(Effect.gen(function*() {
        const sink = out === undefined ? leg : yield* rewriting.streaming(leg, session, run.id)
        const counting: Sink = {
          write: (bytes) => {
            const events = eventsOf(decoder.decode(bytes))
            after = (events.find(({ event }) => endsStream(event)) ?? events.at(-1))?.seq ?? after
            sink.write(bytes)
          },
          unread: () => sink.unread(),
          drained: sink.drained,
          end: (comment) => sink.end(comment)
        }
        yield* hub.attach(session, counting, { after, only: run.id })
        yield* Deferred.await(leg.over)
      }))
      if (!leg.isParked || !(yield* hasGoneOn(session, run, after))) return leg
    }
  })

  const tell = Effect.fnUntraced(function*(followed: Followed, out: Answering, done: () => void) {
    const frames = new Frames(followed.head)
    const leg = yield* legs(followed, frames, frames, out)
    done()
    // A stream that ends as it should is one whose run has come to its end.
    if (leg.cutBy !== undefined) out.cut()
    else out.end()
  })

  return {
    /** Answers the request with the run, which has begun or will. */
    stream: (followed: Followed) =>
      sse.respond((out) =>
        Effect.gen(function*() {
          let isDone = false
          if (followed.leaving === "cancels") {
            yield* Effect.addFinalizer(() =>
              isDone
                ? Effect.void
                : Effect.catchAllCause(
                  hub.cancel(followed.session, followed.run.id),
                  (cause) => Effect.logWarning("A run whose client has left could not be stopped", cause)
                )
            )
          }
          const fail = (problem: Problem) =>
            Effect.sync(() => {
              isDone = true
              out.write(encoder.encode(new Frames({ ...followed.head, after: 0 }).failed(problem)))
              out.end()
            })
          yield* tell(followed, out, () => {
            isDone = true
          }).pipe(
            Effect.catchAll(fail),
            Effect.catchAllDefect((defect) =>
              Effect.zipRight(Effect.logError("A run could not be told", defect), fail(internal))
            ),
            Effect.forkScoped
          )
        })
      ),
    /** Waits until the run has ended or waits itself; answers with what the thread holds then, and with what went wrong. */
    whole: (followed: Followed) =>
      sse.whileValid(Effect.scoped(Effect.gen(function*() {
        const { run, session } = followed
        if (followed.leaving === "cancels") {
          yield* Effect.addFinalizer((exit) =>
            exit._tag === "Success" ? Effect.void : Effect.ignoreLogged(hub.cancel(session, run.id))
          )
        }
        const frames = new Frames(followed.head)
        const { done, encoder } = rewriting.replying(frames, session, run.id)
        const leg = yield* legs(followed, frames, encoder, undefined)
        if (leg.cutBy !== undefined) return yield* cutShort("closing")
        if (leg.problem === undefined) yield* done
        const { problem } = leg
        return {
          ...frames.values(),
          ...(problem !== undefined && { __error__: { error: problem.code, message: problem.detail } })
        }
      })))
  }
})
