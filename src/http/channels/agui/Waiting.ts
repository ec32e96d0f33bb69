/** Runs of a thread that wait: for a person, who answers interrupts, or for results of the client's own tools. */
import { Effect } from "effect"
import type { AnswerInput, ConfirmInput, ExternalInput } from "../../../domain/Chat.ts"
import { Conflict, type Invalid } from "../../../domain/Errors.ts"
import type { BlockId } from "../../../domain/Ids.ts"
import { isObject } from "../../../domain/JsonSchema.ts"
import type { Message, ToolCallBlock, ToolOutput } from "../../../domain/Message.ts"
import { awaited } from "../../../domain/OpenCalls.ts"
import type { Session } from "../../../domain/Session.ts"
import { NewId } from "../../../services/NewId.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { Storage } from "../../../services/Storage.ts"
import { refuse } from "../openai/request/Refused.ts"
import { callId } from "./Ids.ts"
import type { Result } from "./Read.ts"
import type { Resume } from "./Requests.ts"

/** Runs of a session that wait at the same time; there is one. */
const fewRuns = { limit: 5, cursor: undefined }

export type Status = "awaiting_permission" | "awaiting_external_result"

export interface Waits {
  readonly reply: Message
  readonly calls: ReadonlyArray<ToolCallBlock>
}

const notOpen = (ids: ReadonlyArray<string>) =>
  new Conflict({
    code: "interrupt_not_open",
    detail: `Nothing waits for an answer to ${
      ids.slice(0, 5).join(", ")
    }: it may have been answered, or its run was stopped. Cancel it to go on in the thread.`
  })

const uncovered = (ids: ReadonlyArray<string>) =>
  new Conflict({
    code: "interrupts_open",
    detail: `The thread waits for answers to interrupts, which resume has to bring: ${ids.slice(0, 5).join(", ")}.`
  })

const notWaiting = new Conflict({
  code: "not_waiting",
  detail: "No run of this thread waits for these results of tools, and nothing else is new. They may have come already."
})

/** What a person has decided: undefined where the answer does not say. */
const decisionOf = (
  { payload, status }: Resume
): { readonly approved: boolean; readonly input?: string } | undefined => {
  if (status === "cancelled") return { approved: false }
  if (typeof payload === "boolean") return { approved: payload }
  if (!isObject(payload)) return undefined
  const { approved, editedArgs } = payload
  if (typeof approved !== "boolean") return undefined
  if (editedArgs == null) return { approved }
  return isObject(editedArgs) ? { approved, input: JSON.stringify(editedArgs) } : undefined
}

const confirmOf = (
  { calls, reply }: Waits,
  resume: ReadonlyArray<Resume>
): Effect.Effect<ConfirmInput, Conflict | Invalid> =>
  Effect.gen(function*() {
    const open = new Map(calls.map((call) => [callId(reply.id, call.id), call]))
    const strangers = resume.filter(({ interruptId, status }) => !open.has(interruptId) && status !== "cancelled")
    if (strangers.length > 0) return yield* notOpen(strangers.map(({ interruptId }) => interruptId))
    const answers = new Map(resume.map((entry, i) => [entry.interruptId, { entry, at: `resume.${i}` }]))
    const missing = [...open.keys()].filter((id) => !answers.has(id))
    if (missing.length > 0) return yield* uncovered(missing)
    const confirm_results: Array<ConfirmInput["confirm_results"][number]> = []
    for (const [id, call] of open) {
      const { at, entry } = answers.get(id)!
      const decision = decisionOf(entry)
      if (decision === undefined) {
        return yield* refuse(
          "invalid",
          `${at}.payload`,
          "Expected {approved: true} or {approved: false}, with editedArgs as an object where they are edited"
        )
      }
      confirm_results.push({
        confirmed: decision.approved,
        tool_call: { id: call.id, ...(decision.input !== undefined && { input: decision.input }) }
      })
    }
    return { type: "USER_CONFIRM_RESULT", reply_id: reply.id, confirm_results }
  })

export const make = Effect.gen(function*() {
  const hub = yield* SessionHub
  const { runs } = yield* Storage
  const newId = yield* NewId

  const waitsIn = Effect.fnUntraced(function*(session: Session, status: Status) {
    const { items: [run] } = yield* Effect.orDie(
      runs.list(session.user_id, fewRuns, { session_id: session.id, status })
    )
    if (run === undefined) return undefined
    const { messages } = yield* Effect.orDie(hub.newest(session, { limit: 5 }))
    const reply = messages.findLast(({ id }) => id === run.reply_id)
    const state = status === "awaiting_permission" ? "asking" : "submitted"
    return reply && { reply, calls: awaited(reply).filter((call) => call.state === state) } satisfies Waits
  })

  const outputOf = ({ content }: Result): ToolOutput =>
    typeof content === "string"
      ? content
      : content.every(({ type }) => type === "text")
      ? content.map((block) => block.type === "text" ? block.text : "").join("")
      : content.map((block) => ({ ...block, id: newId.short() as BlockId }))

  const resultsOf = ({ calls, reply }: Waits, results: ReadonlyArray<Result>): Effect.Effect<ExternalInput, Invalid> =>
    Effect.gen(function*() {
      const told = new Map(results.map((result) => [result.callId, result]))
      const missing = calls.map(({ id }) => callId(reply.id, id)).filter((id) => !told.has(id))
      if (missing.length > 0) {
        return yield* refuse(
          "tool_results_missing",
          "messages",
          `Expected a message of the role tool for each call that waits. Missing: ${missing.slice(0, 5).join(", ")}`
        )
      }
      return {
        type: "EXTERNAL_EXECUTION_RESULT",
        reply_id: reply.id,
        execution_results: calls.map(({ id }) => {
          const result = told.get(callId(reply.id, id))!
          return { id, output: outputOf(result), state: result.hasFailed ? "error" as const : "success" as const }
        })
      }
    })

  return {
    waitsIn,
    /**
     * What the request answers; undefined when it answers nothing, and says something new. `gone`: interrupts that it
     * cancels and that are not open any more.
     */
    answerOf: Effect.fnUntraced(function*(session: Session, asked: {
      readonly resume: ReadonlyArray<Resume>
      readonly results: ReadonlyArray<Result>
      readonly saysMore: boolean
    }) {
      const { results, resume, saysMore } = asked
      const status = yield* hub.waitsFor(session)
      const waits = status && (yield* waitsIn(session, status))
      if (waits !== undefined && status === "awaiting_permission") {
        return (yield* confirmOf(waits, resume)) as AnswerInput
      }
      const resolved = resume.filter(({ status }) => status === "resolved")
      if (resolved.length > 0) return yield* notOpen(resolved.map(({ interruptId }) => interruptId))
      const known = new Set(waits?.calls.map(({ id }) => callId(waits.reply.id, id)))
      const isAnswer = results.some((result) => known.has(result.callId))
      if (waits !== undefined && (isAnswer || !saysMore)) return (yield* resultsOf(waits, results)) as AnswerInput
      if (saysMore) return undefined
      return yield* resume.length > 0 ? notOpen(resume.map(({ interruptId }) => interruptId)) : notWaiting
    })
  }
})
