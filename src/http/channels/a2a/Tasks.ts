/** What a client can do with tasks, whichever transport it speaks. */
import { Clock, Effect } from "effect"
import { Schema } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { Accepted, type ChatRequest } from "../../../domain/Chat.ts"
import { Invalid } from "../../../domain/Errors.ts"
import type { Message } from "../../../domain/Message.ts"
import { awaited } from "../../../domain/OpenCalls.ts"
import type { Run } from "../../../domain/Run.ts"
import type { Session } from "../../../domain/Session.ts"
import { ClientKey } from "../../../domain/SessionKey.ts"
import { Idempotency } from "../../../services/Idempotency.ts"
import { NewId } from "../../../services/NewId.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { Storage } from "../../../services/Storage.ts"
import { note } from "../../LogNotes.ts"
import * as Body from "../../middleware/Body.ts"
import { Sse } from "../../Sse.ts"
import type { Options } from "../Channel.ts"
import { comparable } from "../Comparable.ts"
import * as Rewriting from "../Rewriting.ts"
import * as Sessions from "../Sessions.ts"
import { type From, Updates, type Write } from "./Encode.ts"
import { unsupported, wrong } from "./Errors.ts"
import { Feed } from "./Feed.ts"
import { type Caller, type Found, headOf, isWaiting, make as finding } from "./Find.ts"
import * as Lists from "./Lists.ts"
import * as Pushes from "./Pushes.ts"
import { answerOf, fitsOutput, inputOf } from "./Reading.ts"
import { contextOf, taskOf } from "./Render.ts"
import type { SendRequest } from "./Requests.ts"
import type { Task } from "./Shapes.ts"
import * as Target from "./Target.ts"

const isKey = Schema.is(ClientKey)

const encoder = new TextEncoder()

export interface Asking extends Caller {
  readonly idempotencyKey: string | undefined
}

/** An input that has been taken. */
interface Begun {
  readonly accepted: Accepted
  readonly session: Session
  /** What the run had said when it was left waiting. */
  readonly before: Message | undefined
}

const contextWaits = unsupported(
  "A task of this context waits for an answer: send it with its taskId, or cancel that task first."
)

const notCancelable = new Invalid({ code: "task_not_cancelable", detail: "The task has ended, and stays as it is." })

const ended = unsupported("The task has ended: send the message without a taskId, with the same contextId.")

/** As it was when nobody had worked on it. */
const fresh = (run: Run): Run => ({
  ...run,
  status: "queued",
  finished_reason: null,
  updated_at: run.created_at,
  ended_at: null
})

const endedWithText = ({ content }: Message): boolean =>
  content.findLast(({ type }) => type === "text" || type === "data")?.type === "text"

const begunBy = ({ content }: Message): boolean => content.some(({ type }) => type === "text" || type === "data")

export const make = (options: Options) =>
  Effect.gen(function*() {
    const { name: channel } = options
    const hub = yield* SessionHub
    const { runs, sessions } = yield* Storage
    const { once } = yield* Idempotency
    const newId = yield* NewId
    const sse = yield* Sse
    const rewriting = yield* Rewriting.make
    const own = yield* Sessions.make(options)
    const target = yield* Target.make(options)
    const list = yield* Lists.make(options)
    const { find, replyOf } = yield* finding(channel)
    const pushes = yield* Pushes.make(channel)
    const origin = { source: "channel" as const, source_id: channel }

    const chatOf = (agent: Agent["id"], session: Session, input: ChatRequest["input"]): ChatRequest => ({
      agent_id: agent,
      session_id: session.id,
      input,
      on_busy: "enqueue",
      tools: []
    })

    /** A message that begins a task. */
    const beginning = Effect.fnUntraced(function*(caller: Caller, request: SendRequest) {
      const { message, metadata } = request
      const asked = message.contextId ?? ""
      if (asked !== "" && !isKey(asked)) {
        return yield* wrong("message.contextId", "Expected 1 to 256 printable ASCII characters")
      }
      const agent = caller.agent ?? (yield* target.standing(caller.owner, message.metadata?.agent ?? metadata?.agent))
      const contextId = asked === "" ? newId.record(yield* Clock.currentTimeMillis) : asked
      const input = yield* inputOf(message, contextId)
      const { isNew, session } = yield* own.of(caller.owner, agent, contextId, {})
      if (!isNew && (yield* hub.waitsFor(session)) !== undefined) return yield* contextWaits
      return { chat: chatOf(agent.id, session, input) }
    })

    /** A message to a task that waits for it. */
    const answering = Effect.fnUntraced(function*({ run, session }: Found, { message }: SendRequest) {
      if (!isWaiting(run.status)) {
        return yield* run.status === "ended"
          ? ended
          : unsupported("The task works, and takes a message when it asks for one.")
      }
      const reply = yield* replyOf({ run, session })
      const state = run.status === "awaiting_permission" ? "asking" : "submitted"
      const calls = reply === undefined ? [] : awaited(reply).filter((call) => call.state === state)
      if (reply === undefined || calls.length === 0) return yield* unsupported("The task has gone on already.")
      return { chat: chatOf(run.agent_id, session, yield* answerOf(message, run.status, reply, calls)) }
    })

    const accept = Effect.fnUntraced(function*(caller: Asking, request: SendRequest) {
      const { idempotencyKey: key, owner } = caller
      const { message } = request
      yield* fitsOutput(request)
      const asked = request.configuration?.taskPushNotificationConfig ?? undefined
      const push = asked && Pushes.namedBy(asked, message.messageId)
      const taskId = message.taskId ?? ""
      const found = taskId === "" ? undefined : yield* find(caller, taskId)
      if (push !== undefined) yield* pushes.check(push, found?.run)
      const contextId = message.contextId ?? ""
      if (found !== undefined && contextId !== "" && contextOf(found.run) !== contextId) {
        return yield* wrong("message.contextId", "Expected the context of the task")
      }
      const before = found !== undefined && isWaiting(found.run.status) ? yield* replyOf(found) : undefined
      const accepted = yield* once(
        {
          owner,
          key,
          request: `POST ${channel}/message`,
          body: key === undefined ? undefined : comparable({ message, agent: caller.agent?.id }),
          answer: Accepted
        },
        Effect.fnUntraced(function*({ claim }) {
          const { chat } = yield* found === undefined ? beginning(caller, request) : answering(found, request)
          return yield* hub.send(owner, chat, claim, origin)
        })
      )
      yield* note({ session_id: accepted.session_id, run_id: accepted.run_id })
      if (push !== undefined) yield* pushes.put(caller, accepted.run_id, push)
      const session = found?.session ?? (yield* sessions.get(owner, accepted.session_id))
      const begun: Begun = { accepted, session, before }
      return begun
    }, (accepting) => Effect.ensuring(accepting, Body.release))

    const taskNow = Effect.fnUntraced(function*(caller: Caller, id: string, historyLength: number | undefined) {
      const found = yield* find(caller, id)
      return taskOf(found.head, found.run, yield* replyOf(found), { historyLength })
    })

    /** Follows a run from here on. */
    const following = (
      { run_id, session }: { readonly run_id: Run["id"]; readonly session: Session },
      from: From,
      write: Write,
      { task, after, goesOnAfter }: { readonly task: Task; readonly after: number; readonly goesOnAfter?: string }
    ) =>
      sse.respond((out) =>
        Effect.gen(function*() {
          const feed = new Feed({ encoder: new Updates(from, write), first: write({ task }), goesOnAfter, out })
          const sink = yield* rewriting.streaming(feed, session, run_id)
          yield* hub.attach(session, sink, { after, only: run_id })
          feed.open()
        })
      )

    return {
      list,
      pushes,
      /** Whether the caller has such a task. */
      known: (caller: Caller, id: string) => Effect.asVoid(find(caller, id)),
      get: taskNow,

      /** Answers when the task has ended or waits; or at once. */
      send: Effect.fnUntraced(function*(caller: Asking, request: SendRequest) {
        const { accepted: { run_id, seq }, session } = yield* accept(caller, request)
        const { historyLength, returnImmediately } = request.configuration ?? {}
        if (returnImmediately === true) {
          return { task: yield* taskNow(caller, run_id, historyLength ?? undefined) }
        }
        const reply = yield* sse.whileValid(hub.reply(session, run_id, seq))
        const run = yield* runs.get(caller.owner, run_id)
        return { task: taskOf(headOf(caller, run), run, reply, { historyLength: historyLength ?? undefined }) }
      }),

      /** The task, then what becomes of it, until it has ended or waits. */
      stream: Effect.fnUntraced(function*(caller: Asking, request: SendRequest, write: Write) {
        const { accepted: { run_id, seq }, before, session } = yield* accept(caller, request)
        const run = yield* runs.get(caller.owner, run_id)
        const head = headOf(caller, run)
        const shown = { historyLength: request.configuration?.historyLength ?? undefined }
        const task = before === undefined
          ? taskOf(head, fresh(run), undefined, shown)
          : taskOf(head, { ...fresh(run), status: "running" }, before, shown)
        const from: From = before === undefined
          ? { head }
          : {
            head,
            begun: begunBy(before),
            endedWithText: endedWithText(before),
            usage: before.usage,
            waiting: awaited(before)
          }
        return yield* following({ run_id, session }, from, write, { task, after: seq })
      }),

      /** The task as it is, then all that it has said so far once more, and what comes. */
      subscribe: Effect.fnUntraced(function*(caller: Caller, id: string, write: Write) {
        const { session } = yield* find(caller, id)
        // It is asked before the run is read again: what is still queued then begins after it.
        const edge = yield* hub.liveEdge(session)
        const found = yield* find(caller, id)
        const { head, run } = found
        if (run.status === "ended") return yield* unsupported("The task has ended: get it instead.")
        if (isWaiting(run.status)) {
          const task = taskOf(head, run, yield* replyOf(found))
          return yield* sse.respond((out) =>
            Effect.sync(() => {
              out.write(encoder.encode(write({ task })))
              out.end()
            })
          )
        }
        const after = run.first_seq === null ? edge : run.first_seq - 1
        const task = taskOf(head, run, undefined)
        return yield* following({ run_id: run.id, session }, { head }, write, {
          task,
          after,
          goesOnAfter: run.updated_at
        })
      }),

      cancel: Effect.fnUntraced(function*(caller: Caller, id: string) {
        const { run, session } = yield* find(caller, id)
        if (run.status === "ended") return yield* notCancelable
        yield* hub.cancel(session, run.id)
        const task = yield* taskNow(caller, id, undefined)
        return task.status.state === "TASK_STATE_CANCELED" ? task : yield* notCancelable
      })
    }
  })
export type Tasks = Effect.Effect.Success<ReturnType<typeof make>>
