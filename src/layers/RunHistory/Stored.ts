/** Looks back on runs by what is stored of them. */
import { Effect, Layer } from "effect"
import type { ChatInput, ChatRequest } from "../../domain/Chat.ts"
import { Conflict } from "../../domain/Errors.ts"
import * as Find from "../../domain/Find.ts"
import { eventsOf } from "../../domain/Frames.ts"
import type { RunId, UserId } from "../../domain/Ids.ts"
import type { InputMessage, Message } from "../../domain/Message.ts"
import { maxLimit } from "../../domain/Page.ts"
import type { Run } from "../../domain/Run.ts"
import { rangeOf, type RunsRequest, wasSent } from "../../domain/RunQuery.ts"
import * as Timeline from "../../domain/Timeline.ts"
import { EventLog } from "../../services/EventLog.ts"
import { Ledger } from "../../services/Ledger.ts"
import { RunHistory } from "../../services/RunHistory.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"

/** Pages of the log that are read at a time, and entries of the ledger that one run has at most. */
const pagesAtOnce = 64
const maxEntries = 10_000

const notEnded = ({ id, status }: Run) =>
  new Conflict({
    code: "run_not_ended",
    detail: `Run '${id}' has not ended: it is ${status}. Wait for its end, or stop it by POST /runs/${id}/cancel.`
  })

const inputGone = ({ id }: Run) =>
  new Conflict({
    code: "input_gone",
    detail: `The input of run '${id}' names a file that is no longer stored. Send a new input.`
  })

/** A stored message as a client sends it. Its id and its time were the server's, and are made anew. */
const asSent = ({ content, metadata, name, role }: Message): InputMessage => ({
  name,
  role: role === "assistant" ? "assistant" : "user",
  metadata,
  content: content.flatMap((block): Exclude<InputMessage["content"], string> => {
    switch (block.type) {
      case "text":
        return [{ type: "text", text: block.text }]
      case "data":
        return [{ type: "data", name: block.name, source: block.source }]
      default:
        return []
    }
  })
})

const requestOf = ({ agent_id, input, output_schema, session_id, tool_choice, tools }: Run): ChatRequest => {
  const sent: ChatInput = input.length === 0 ? null : input.map(asSent)
  return {
    agent_id,
    session_id,
    input: sent,
    on_busy: "enqueue",
    tools,
    ...(tool_choice !== undefined && { tool_choice }),
    ...(output_schema !== undefined && { output_schema })
  }
}

export const make = Effect.gen(function*() {
  const { agents, fires, runs, schedules, sessions } = yield* Storage
  const log = yield* EventLog
  const ledger = yield* Ledger
  const hub = yield* SessionHub

  /** The ids of the runs that a schedule's fires have started, as far as the fires are kept. */
  const runsOf = Effect.fnUntraced(function*(owner: UserId, schedule_id: string) {
    yield* schedules.get(owner, schedule_id)
    const ids: Array<string> = []
    for (let cursor: string | undefined, more = true; more;) {
      const page = yield* fires.list(owner, { limit: maxLimit, cursor }, { schedule_id })
      for (const { run_id } of page.items) if (run_id !== null) ids.push(run_id)
      cursor = page.next_cursor ?? undefined
      more = cursor !== undefined
    }
    return ids
  })

  const list = Effect.fnUntraced(function*(owner: UserId, request: RunsRequest) {
    const { agent_id, cursor, limit, q, schedule_id, session_id, source, source_id, status } = request
    const range = yield* rangeOf(request)
    const text = q === undefined ? undefined : yield* Find.textOf(q, "q")
    if (agent_id !== undefined) yield* agents.get(owner, agent_id)
    if (session_id !== undefined) yield* sessions.get(owner, session_id)
    const ids = schedule_id === undefined ? undefined : yield* runsOf(owner, schedule_id)
    const where = {
      ...(session_id !== undefined && { session_id }),
      ...(agent_id !== undefined && { agent_id }),
      ...(status !== undefined && { status }),
      ...(source !== undefined && { source }),
      ...(source_id !== undefined && { source_id })
    }
    const narrowed = { ...range, ids }
    const page = { limit, cursor }
    if (text === undefined) return yield* runs.list(owner, page, where, "newest", narrowed)
    const isIn = (run: Run) => wasSent(text, run)
    return { ...yield* runs.search(owner, page, { anchor: text.anchor, isIn }, where, narrowed), total: null }
  })

  const timeline = Effect.fnUntraced(function*(owner: UserId, id: string) {
    const run = yield* runs.get(owner, id)
    const { add, render } = Timeline.fold(run)
    const { first, last } = yield* log.range(run.session_id)
    const from = run.first_seq
    // What comes after the head of now is for whoever asks again: a run may be faster than who reads it.
    const end = Math.min(run.last_seq ?? last, last)
    for (let after = (from ?? end + 1) - 1; after < end;) {
      const pages = yield* log.read(run.session_id, after, pagesAtOnce)
      const next = pages.at(-1)?.last_seq
      if (next === undefined) break
      for (const page of pages) {
        // Inputs that queued while it was parked stand in between.
        if (page.run_id !== run.id) continue
        for (const { event, seq } of eventsOf(page.frames)) if (seq > after && seq <= end) add(seq, event)
      }
      after = next
      // A log in memory answers at once: others have their turn in between.
      yield* Effect.yieldNow()
    }
    const entries = yield* ledger.calls(owner, run.id, maxEntries)
    return render(entries, from === null || from >= first)
  })

  const retry = (owner: UserId, id: string, claim: Parameters<typeof hub.send>[2]) =>
    Effect.gen(function*() {
      const run = yield* runs.get(owner, id)
      if (run.status !== "ended") return yield* notEnded(run)
      const origin = {
        source: "user" as const,
        source_id: null,
        retried_from: run.id as RunId,
        ...(run.instructions !== undefined && { instructions: run.instructions }),
        ...(run.compact === true && { compact: true as const })
      }
      return yield* hub.send(owner, requestOf(run), claim, origin).pipe(
        // It was taken once: what is wrong with a file of it now is that it is not there.
        Effect.catchIf(
          (error) => error._tag === "Invalid" && error.code === "invalid_file",
          () => Effect.fail(inputGone(run))
        )
      )
    })

  return RunHistory.of({ list, timeline, retry: (owner, id, claim) => retry(owner, id, claim) })
})

export const layer: Layer.Layer<RunHistory, never, Storage | EventLog | Ledger | SessionHub> = Layer.effect(
  RunHistory,
  make
)
