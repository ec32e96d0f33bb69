/** Answers to the question of a parked run: which ones fit, and the events that they become. */
import { Effect } from "effect"
import type { AnswerInput, ConfirmInput, ExternalInput } from "../../domain/Chat.ts"
import { Conflict } from "../../domain/Errors.ts"
import type { EventDraft } from "../../domain/Event.ts"
import type { SessionId } from "../../domain/Ids.ts"
import type { Message, ToolCallBlock } from "../../domain/Message.ts"
import { awaited } from "../../domain/OpenCalls.ts"
import type { PermissionRule } from "../../domain/Permission.ts"

export const notWaiting = (session: SessionId) =>
  new Conflict({
    code: "not_waiting",
    detail: `Session '${session}' waits for no answer. It may have been answered already.`
  })

export const rulesOf = (input: AnswerInput): ReadonlyArray<PermissionRule> =>
  input.type === "USER_CONFIRM_RESULT" ? input.confirm_results.flatMap(({ rules }) => rules ?? []) : []

/** The calls with these ids. Each may be named once, and each must wait for this kind of answer. */
const callsOf = (message: Message, ids: ReadonlyArray<string>, state: ToolCallBlock["state"]) => {
  const waiting = new Map(
    awaited(message).filter((call) => call.state === state).map((call) => [call.id as string, call])
  )
  const calls = new Map<string, ToolCallBlock>()
  for (const id of ids) {
    const call = waiting.get(id)
    if (call === undefined) {
      const known = [...waiting.keys()]
      return Effect.fail(
        new Conflict({
          code: "not_asked",
          detail: `Tool call '${id}' waits for no such answer. ${
            known.length === 0 ? "None does." : `Waiting: ${known.join(", ")}.`
          }`
        })
      )
    }
    if (calls.has(id)) {
      return Effect.fail(new Conflict({ code: "answered_twice", detail: `Tool call '${id}' is answered twice.` }))
    }
    calls.set(id, call)
  }
  return Effect.succeed(calls)
}

const confirmed = (message: Message, input: ConfirmInput) =>
  Effect.map(
    callsOf(message, input.confirm_results.map(({ tool_call }) => tool_call.id), "asking"),
    (calls): ReadonlyArray<EventDraft> => [{
      type: "USER_CONFIRM_RESULT",
      reply_id: message.id,
      confirm_results: input.confirm_results.map(({ confirmed, rules, tool_call }) => {
        const asked = calls.get(tool_call.id)!
        return {
          confirmed,
          tool_call: {
            ...asked,
            name: tool_call.name ?? asked.name,
            input: tool_call.input ?? asked.input,
            state: confirmed ? "allowed" as const : "finished" as const
          },
          ...(rules != null && { rules })
        }
      })
    }]
  )

/** Events for the result's output as deltas, for its end, and for the answer as it came. */
const executed = (message: Message, input: ExternalInput) =>
  Effect.map(
    callsOf(message, input.execution_results.map(({ id }) => id), "submitted"),
    (calls): ReadonlyArray<EventDraft> => {
      const reply_id = message.id
      return [
        ...input.execution_results.flatMap(({ id: tool_call_id, output, state }): ReadonlyArray<EventDraft> => {
          const blocks = typeof output === "string" ? [{ type: "text" as const, text: output }] : output
          return [
            ...blocks.map((block): EventDraft => {
              if (block.type === "text") {
                return { type: "TOOL_RESULT_TEXT_DELTA", reply_id, tool_call_id, delta: block.text }
              }
              const { media_type } = block.source
              const content = block.source.type === "url" ? { url: block.source.url } : { data: block.source.data }
              return {
                type: "TOOL_RESULT_DATA_DELTA",
                reply_id,
                tool_call_id,
                block_id: block.id,
                media_type,
                ...content
              }
            }),
            { type: "TOOL_RESULT_END", reply_id, tool_call_id, state }
          ]
        }),
        {
          type: "EXTERNAL_EXECUTION_RESULT",
          reply_id,
          execution_results: input.execution_results.map(({ id, output, state }) => ({
            type: "tool_result",
            id,
            name: calls.get(id)!.name,
            output,
            state
          }))
        }
      ]
    }
  )

/** Turns the answer into events; `Conflict` when it does not fit the question. */
export const read = (message: Message, input: AnswerInput): Effect.Effect<ReadonlyArray<EventDraft>, Conflict> =>
  input.reply_id !== message.id
    ? Effect.fail(
      new Conflict({
        code: "wrong_reply",
        detail: `The session waits for answers to reply '${message.id}', not to that one.`
      })
    )
    : input.type === "USER_CONFIRM_RESULT"
    ? confirmed(message, input)
    : executed(message, input)
