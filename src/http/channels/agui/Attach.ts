/**
 * A thread as somebody sees it who comes back: all messages and the state, and then what runs, to its end. The run is told
 * from its beginning, also where it has waited for answers in between, so that nothing is missing and nothing is there twice.
 */
import { Deferred, Effect, FiberId } from "effect"
import type { AgentEvent } from "../../../domain/Event.ts"
import { eventsOf } from "../../../domain/Frames.ts"
import { charactersIn, type Message } from "../../../domain/Message.ts"
import { awaited } from "../../../domain/OpenCalls.ts"
import type { Run, RunStatus } from "../../../domain/Run.ts"
import { endsStream } from "../../../domain/RunOf.ts"
import type { Session } from "../../../domain/Session.ts"
import type { Sink } from "../../../services/Rooms.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { Storage } from "../../../services/Storage.ts"
import { internal, type Problem as Failure } from "../../middleware/Problems.ts"
import { Sse } from "../../Sse.ts"
import { cutShort, problemOf } from "../Failures.ts"
import type { Problem } from "../Hooks.ts"
import * as Rewriting from "../Rewriting.ts"
import { isOldVersion } from "./Asked.ts"
import { type Head, Stream } from "./Encode.ts"
import { callId } from "./Ids.ts"
import { stateIn } from "./Metadata.ts"
import { outcomeOf } from "./Outcome.ts"
import { interruptOf, protocolVersion } from "./Shapes.ts"
import { messagesOf } from "./Snapshot.ts"
import { member, ownOf } from "./State.ts"

/** A snapshot has the newest messages: those of so many pages, of so many messages each, until they have so many characters. */
const maxPages = 20
const page = 100
const maxSnapshot = 4 * 1024 * 1024

const first = { limit: 1, cursor: undefined }

/** What somebody follows: what works, before what waits for its turn. */
const open: ReadonlyArray<RunStatus> = ["running", "awaiting_permission", "awaiting_external_result", "queued"]

const decoder = new TextDecoder()
const encoder = new TextEncoder()

export interface Request {
  readonly session: Session
  readonly threadId: string
  readonly runId?: string | undefined
  readonly protocolVersion?: string | undefined
}

const framesOf = (events: ReadonlyArray<object>) =>
  encoder.encode(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(""))

/** A part of a run, up to its end or to a question. */
class Leg implements Sink {
  isOver = false
  /** It has stopped with a question, which may have been answered since. */
  isParked = false
  readonly over = Deferred.unsafeMake<void>(FiberId.none)
  readonly #stream: Stream
  readonly #out: Sink

  constructor(stream: Stream, out: Sink) {
    this.#stream = stream
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
    this.#send(this.#stream.failed(problem))
    this.#finish()
  }

  unread() {
    return this.#out.unread()
  }

  get drained() {
    return this.#out.drained
  }

  end(comment?: string) {
    if (!this.isOver) this.fail(cutShort(comment))
  }

  #step(event: AgentEvent): string {
    if (!endsStream(event)) return this.#stream.step(event)
    this.#finish()
    if (event.type !== "REPLY_END") {
      this.isParked = true
      return ""
    }
    const problem = problemOf(event)
    return problem === undefined ? this.#stream.step(event) : this.#stream.failed(problem)
  }

  #send(text: string) {
    if (text !== "") this.#out.write(encoder.encode(text))
  }

  #finish() {
    this.isOver = true
    Deferred.unsafeDone(this.over, Effect.void)
  }
}

export const make = Effect.gen(function*() {
  const hub = yield* SessionHub
  const { runs } = yield* Storage
  const sse = yield* Sse
  const rewriting = yield* Rewriting.make

  const openRun = (session: Session): Effect.Effect<Run | undefined> =>
    Effect.reduce(open, undefined as Run | undefined, (found, status) =>
      found !== undefined
        ? Effect.succeed(found)
        : Effect.map(
          Effect.orDie(runs.list(session.user_id, first, { session_id: session.id, status })),
          ({ items }) => items[0]
        ))

  /** The newest messages, oldest first. */
  const transcript = (session: Session) =>
    Effect.gen(function*() {
      const pages: Array<ReadonlyArray<Message>> = []
      // It is one event, and an event is written at once.
      for (let characters = 0; pages.length < maxPages && characters < maxSnapshot;) {
        const before = pages.at(-1)?.[0]?.id
        // A message that was there a moment ago is there.
        const { has_more, messages } = yield* Effect.orDie(hub.newest(session, { before, limit: page }))
        pages.push(messages)
        characters += messages.flatMap(({ content }) => content).reduce((sum, block) => sum + charactersIn(block), 0)
        if (!has_more || messages.length === 0) break
      }
      return pages.toReversed().flat()
    })

  /** The calls that the thread waits for, in its newest reply. */
  const waitsIn = Effect.fnUntraced(function*(session: Session) {
    if ((yield* hub.waitsFor(session)) === undefined) return undefined
    const { messages } = yield* Effect.orDie(hub.newest(session, { limit: 5 }))
    const reply = messages.findLast((message) => awaited(message).length > 0)
    return reply && { reply, calls: awaited(reply) }
  })

  /** Goes on with the run behind each question that has been answered. */
  const follow = Effect.fnUntraced(function*(session: Session, run: Run, stream: Stream, out: Sink) {
    let after = Math.max(0, (run.first_seq ?? 1) - 1)
    if (run.first_seq === null) after = yield* hub.liveEdge(session)
    for (;;) {
      const leg = new Leg(stream, out)
      yield* Effect.scoped(Effect.gen(function*() {
        const sink = yield* rewriting.streaming(leg, session, run.id)
        const counting: Sink = {
          write: (frames) => {
            after = eventsOf(decoder.decode(frames)).at(-1)?.seq ?? after
            sink.write(frames)
          },
          unread: () => sink.unread(),
          drained: sink.drained,
          end: (comment) => sink.end(comment)
        }
        yield* hub.attach(session, counting, { after, only: run.id })
        yield* sse.whileValid(Deferred.await(leg.over))
      }))
      if (!leg.isParked) return
      const waits = yield* waitsIn(session)
      const ids = waits?.calls.map(({ id }) => callId(waits.reply.id, id)) ?? []
      if (ids.length > 0 && ids.every((id) => stream.waitsFor.includes(id))) {
        return out.write(encoder.encode(stream.parked()))
      }
      const more = stream.goOn()
      if (more !== "") out.write(encoder.encode(more))
    }
  })

  const write = Effect.fnUntraced(function*(request: Request, out: Sink) {
    const { session, threadId } = request
    const run = yield* openRun(session)
    const isWaiting = run?.status === "awaiting_permission" || run?.status === "awaiting_external_result"
    const isLive = run !== undefined && !isWaiting
    const all = yield* transcript(session)
    // What runs is told by its events.
    const told = isLive ? all.filter(({ id }) => id !== run.reply_id) : all
    const ids = new Set(told.map(({ id }) => id))
    const messages = isLive ? [...told, ...run.input.filter(({ id }) => !ids.has(id))] : told
    const state = stateIn(messages.findLast((message) => stateIn(message) !== undefined) ?? all[0] ?? { metadata: {} })
    const isOld = isOldVersion(request.protocolVersion)
    const runId = request.runId ?? run?.id ?? threadId
    const head: Head = { threadId, runId, isOld, answered: new Set(), state }
    const { tasks_context } = session.state
    const own = ownOf(state)
    const snapshot = { ...own, ...(tasks_context !== undefined && { [member]: { tasks: tasks_context.tasks } }) }
    out.write(framesOf([
      { type: "RUN_STARTED", threadId, runId, ...(!isOld && { protocolVersion }) },
      { type: "MESSAGES_SNAPSHOT", messages: messagesOf(messages, isOld) },
      ...(Object.keys(snapshot).length > 0 ? [{ type: "STATE_SNAPSHOT", snapshot }] : [])
    ]))
    if (isLive) {
      const stream = new Stream(head, true)
      const fail = (problem: Failure) => Effect.sync(() => out.write(encoder.encode(stream.failed(problem))))
      yield* follow(session, run, stream, out).pipe(
        // Its key has ended the stream.
        Effect.catchTags({ Unauthenticated: () => Effect.void, Gone: fail, Conflict: fail, Malformed: fail }),
        // The status has gone out: nothing else can tell a client that this was not the end.
        Effect.catchAllDefect((defect) =>
          Effect.zipRight(Effect.logError("A thread could not be followed", defect), fail(internal))
        )
      )
    } else {
      const { calls, reply } = (isWaiting ? yield* waitsIn(session) : undefined) ?? { calls: [], reply: undefined }
      const asking = calls.filter((call) => call.state === "asking").map((call) => interruptOf(reply?.id ?? "", call))
      const pending = calls.filter((call) => call.state === "submitted").map(({ id }) => callId(reply?.id ?? "", id))
      out.write(framesOf([{ type: "RUN_FINISHED", threadId, runId, outcome: outcomeOf(asking, pending, isOld) }]))
    }
    out.end()
  })

  /** Answers the request with the stream. */
  return (request: Request) => sse.respond((out) => write(request, out))
})
