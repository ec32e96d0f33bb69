/** Runs that wait for somebody, and what a request has to say to them. */
import { Effect } from "effect"
import type { AnswerInput, ConfirmInput, ExternalInput } from "../../../../domain/Chat.ts"
import type { Invalid } from "../../../../domain/Errors.ts"
import type { ContentBlock, Message, ToolCallBlock, ToolResultBlock } from "../../../../domain/Message.ts"
import { awaited } from "../../../../domain/OpenCalls.ts"
import type { Run } from "../../../../domain/Run.ts"
import type { Session } from "../../../../domain/Session.ts"
import { SessionHub } from "../../../../services/SessionHub.ts"
import { Storage } from "../../../../services/Storage.ts"
import { storedCallId } from "../../openai/output/Encode.ts"
import { noApproval, noCall, noOutput } from "../Refusals.ts"
import type { Approval, Result } from "../request/Reading.ts"

/** Runs of a session that wait at the same time; there is one. */
const fewRuns = { limit: 5, cursor: undefined }

export type Status = "awaiting_permission" | "awaiting_external_result"

const idOf = ({ call }: Result) => storedCallId(call)

/** Every call has a result, and every result a call. */
const fit = (calls: ReadonlyArray<ToolCallBlock>, results: ReadonlyArray<Result>): Effect.Effect<void, Invalid> => {
  const known = new Set(calls.map(({ id }) => id as string))
  const stranger = results.find((result) => !known.has(idOf(result)))
  if (stranger !== undefined) return noCall(stranger.at, stranger.call)
  const told = new Set(results.map(idOf))
  const missing = calls.find(({ id }) => !told.has(id))
  return missing === undefined ? Effect.void : noOutput(missing.id)
}

/** A reply that waits, with the results that it waits for: the beginning of another one. */
export const completed = (reply: Message, results: ReadonlyArray<Result>): Effect.Effect<Message, Invalid> => {
  const calls = awaited(reply)
  return Effect.map(fit(calls, results), () => ({
    ...reply,
    finished_at: reply.finished_at ?? reply.created_at,
    content: [
      ...reply.content.flatMap((block): ReadonlyArray<ContentBlock> => {
        if (block.type === "tool_result" && block.state === "running") return []
        return block.type === "tool_call" ? [{ ...block, state: "finished" as const }] : [block]
      }),
      ...results.map((result): ToolResultBlock => {
        const call = calls.find(({ id }) => id === idOf(result))!
        return { type: "tool_result", id: call.id, name: call.name, output: result.output, state: "success" }
      })
    ]
  }))
}

export const make = Effect.gen(function*() {
  const hub = yield* SessionHub
  const { runs } = yield* Storage

  const callsOf = (session: Session, run: Run, state: ToolCallBlock["state"]) =>
    Effect.map(Effect.orDie(hub.newest(session, { limit: 1 })), ({ messages }) => {
      const reply = messages.find(({ id }) => id === run.reply_id)
      return reply === undefined ? [] : awaited(reply).filter((call) => call.state === state)
    })

  return {
    /** The run of a session that waits for this. */
    runIn: (session: Session, status: Status): Effect.Effect<Run | undefined> =>
      Effect.map(
        Effect.orDie(runs.list(session.user_id, fewRuns, { session_id: session.id, status })),
        ({ items: [run] }) => run
      ),

    /** The answer to a run that waits for results of a client's tools. */
    withResults: Effect.fnUntraced(function*(session: Session, run: Run, results: ReadonlyArray<Result>) {
      yield* fit(yield* callsOf(session, run, "submitted"), results)
      return {
        type: "EXTERNAL_EXECUTION_RESULT",
        reply_id: run.reply_id,
        execution_results: results.map((result) => ({
          id: idOf(result) as ExternalInput["execution_results"][number]["id"],
          output: result.output,
          state: "success" as const
        }))
      } satisfies AnswerInput as AnswerInput
    }),

    /** The answer to a run that waits for permissions. */
    withApprovals: Effect.fnUntraced(function*(session: Session, run: Run, approvals: ReadonlyArray<Approval>) {
      const asked = new Set((yield* callsOf(session, run, "asking")).map(({ id }) => id as string))
      // Clients that repeat all of an exchange repeat what was allowed before.
      const open = approvals.filter(({ call }) => asked.has(call))
      if (open.length === 0) return yield* noApproval
      return {
        type: "USER_CONFIRM_RESULT",
        reply_id: run.reply_id,
        confirm_results: open.map(({ approve, call }): ConfirmInput["confirm_results"][number] => ({
          confirmed: approve,
          tool_call: { id: call }
        }))
      } satisfies AnswerInput as AnswerInput
    })
  }
})
