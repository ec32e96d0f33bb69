/** Values to try the domain with: any that JSON can carry, and the events of plausible and implausible replies. */
import { Arbitrary, FastCheck, type Schema } from "effect"
import { type AgentEvent, AgentEvent as AgentEventSchema, type EventDraft } from "../../src/domain/Event.ts"
import type { BlockId, MessageId, RunId, SessionId, ToolCallId } from "../../src/domain/Ids.ts"
import type { ToolCallBlock } from "../../src/domain/Message.ts"
import { time } from "../support/fixtures.ts"

/** What JSON keeps of a value; `Schema.Unknown` makes more than that. No key `__proto__`: no door lets one in. */
export const jsonable = (value: unknown): unknown => {
  if (typeof value === "number") return Number.isFinite(value) ? value + 0 : 0
  if (typeof value === "bigint" || typeof value === "symbol" || typeof value === "function") return String(value)
  if (typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) return value.map((item) => jsonable(item) ?? null)
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) =>
      key === "__proto__" || item === undefined ? [] : [[key, jsonable(item ?? null)]]
    )
  )
}

export const arbitrary = <A, I>(schema: Schema.Schema<A, I>): FastCheck.Arbitrary<A> =>
  Arbitrary.make(schema).map((value) => (value instanceof Error ? value : jsonable(value)) as A)

export const replyId = "reply-1" as MessageId
export const run = { session_id: "session-1" as SessionId, run_id: "run-1" as RunId }

let stamped = 0

/** The event that a log makes of a draft. */
export const stamp = (draft: EventDraft): AgentEvent =>
  ({ id: `e${++stamped}`, created_at: time, ...draft }) as AgentEvent

export const replyStart = stamp({ type: "REPLY_START", ...run, reply_id: replyId, name: "Zeno", role: "assistant" })

const pick = <A>(...items: ReadonlyArray<A>) => FastCheck.constantFrom(...items)

/**
 * Events of every type, with so few ids that they meet: of this reply and of
 * others, in any order, some of them twice. User messages have ids of their own.
 */
export const anyEvents: FastCheck.Arbitrary<ReadonlyArray<AgentEvent>> = FastCheck.array(
  FastCheck.tuple(
    arbitrary(AgentEventSchema),
    FastCheck.record({
      reply_id: pick(replyId, replyId, replyId, "reply-2" as MessageId),
      block_id: pick("a", "b").map((id) => id as BlockId),
      tool_call_id: pick("a", "c").map((id) => id as ToolCallId)
    })
  ).map(([event, ids]): AgentEvent => {
    const known: Record<string, unknown> = { ...event }
    for (const [key, id] of Object.entries(ids)) if (key in known) known[key] = id
    for (const key of ["tool_calls", "execution_results"]) {
      if (key in known) {
        known[key] = (known[key] as ReadonlyArray<object>).map((block) => ({ ...block, id: ids.tool_call_id }))
      }
    }
    if (event.type === "USER_CONFIRM_RESULT") {
      known["confirm_results"] = event.confirm_results.map((result) => ({
        ...result,
        tool_call: { ...result.tool_call, id: ids.tool_call_id }
      }))
    }
    return known as unknown as AgentEvent
  }),
  { maxLength: 40 }
).chain((events) => FastCheck.shuffledSubarray([...events, ...events.slice(0, 5)], { minLength: events.length }))

const texts = FastCheck.array(FastCheck.string({ maxLength: 5 }), { maxLength: 3 })

type Step = (n: number) => ReadonlyArray<EventDraft>

const textBlock = texts.map((deltas): Step => (n) => {
  const block = { reply_id: replyId, block_id: `block-${n}` as BlockId }
  return [
    { type: "TEXT_BLOCK_START", ...block },
    ...deltas.map((delta) => ({ type: "TEXT_BLOCK_DELTA", ...block, delta }) as const),
    { type: "TEXT_BLOCK_END", ...block }
  ]
})

const thinkingBlock = texts.map((deltas): Step => (n) => {
  const block = { reply_id: replyId, block_id: `block-${n}` as BlockId }
  return [
    { type: "THINKING_BLOCK_START", ...block },
    ...deltas.map((delta) => ({ type: "THINKING_BLOCK_DELTA", ...block, delta }) as const),
    { type: "THINKING_BLOCK_END", ...block, provider_metadata: { signature: "s" } }
  ]
})

const dataBlock = texts.map((pieces): Step => (n) => {
  const block = { reply_id: replyId, block_id: `block-${n}` as BlockId }
  const media_type = "image/png"
  return [
    { type: "DATA_BLOCK_START", ...block, media_type },
    ...pieces.map((data) => ({ type: "DATA_BLOCK_DELTA", ...block, data, media_type }) as const),
    { type: "DATA_BLOCK_END", ...block }
  ]
})

const toolCall = texts.map((deltas): Step => (n) => {
  const call = { reply_id: replyId, tool_call_id: `call-${n}` as ToolCallId }
  return [
    { type: "TOOL_CALL_START", ...call, tool_call_name: "calculate" },
    ...deltas.map((delta) => ({ type: "TOOL_CALL_DELTA", ...call, delta }) as const),
    { type: "TOOL_CALL_END", ...call }
  ]
})

const blockOf = (id: ToolCallId): ToolCallBlock => ({
  type: "tool_call",
  id,
  name: "calculate",
  input: "{}",
  state: "pending",
  suggested_rules: []
})

type Answer = (tool_call_id: ToolCallId) => ReadonlyArray<EventDraft>

const resultOf = (deltas: ReadonlyArray<string>, state: "success" | "denied"): Answer => (tool_call_id) => {
  const call = { reply_id: replyId, tool_call_id }
  return [
    { type: "TOOL_RESULT_START", ...call, tool_call_name: "calculate" },
    ...deltas.map((delta) => ({ type: "TOOL_RESULT_TEXT_DELTA", ...call, delta }) as const),
    { type: "TOOL_RESULT_END", ...call, state }
  ]
}

const asked = (confirmed: boolean): Answer => (id) => [
  { type: "REQUIRE_USER_CONFIRM", reply_id: replyId, tool_calls: [blockOf(id)] },
  { type: "CUSTOM", name: "run_parked", value: { ...run, reply_id: replyId, waiting_for: "user_confirmation" } },
  { type: "USER_CONFIRM_RESULT", reply_id: replyId, confirm_results: [{ confirmed, tool_call: blockOf(id) }] }
]

const external = (output: string): Answer => (id) => [
  { type: "REQUIRE_EXTERNAL_EXECUTION", reply_id: replyId, tool_calls: [blockOf(id)] },
  { type: "CUSTOM", name: "run_parked", value: { ...run, reply_id: replyId, waiting_for: "external_execution" } },
  {
    type: "EXTERNAL_EXECUTION_RESULT",
    reply_id: replyId,
    execution_results: [{ type: "tool_result", id, name: "calculate", output, state: "success" }]
  }
]

/** How a call is answered: by our tool, after a person was asked, or by the client. */
const answer = FastCheck.oneof(
  texts.map((deltas) => resultOf(deltas, "success")),
  texts.map((deltas): Answer => (id) => [...asked(true)(id), ...resultOf(deltas, "success")(id)]),
  texts.map((deltas): Answer => (id) => [...asked(false)(id), ...resultOf(deltas, "denied")(id)]),
  FastCheck.string().map(external)
)

const usage = FastCheck.record({ input_tokens: FastCheck.nat(99), output_tokens: FastCheck.nat(99) })

/** One model call with its blocks, and the answers to its tool calls. */
const round = FastCheck.record({
  blocks: FastCheck.array(FastCheck.oneof(textBlock, thinkingBlock, dataBlock), { maxLength: 3 }),
  calls: FastCheck.array(FastCheck.tuple(toolCall, answer), { maxLength: 3 }),
  usage
})

/** A reply from its start to its end, as the run loop would write it. */
export const plausibleReply: FastCheck.Arbitrary<ReadonlyArray<AgentEvent>> = FastCheck.array(round, {
  minLength: 1,
  maxLength: 3
}).map((rounds) => {
  let n = 0
  const drafts: Array<EventDraft> = []
  for (const { blocks, calls, usage } of rounds) {
    drafts.push({ type: "MODEL_CALL_START", reply_id: replyId, model_name: "demo-chat" })
    for (const block of blocks) drafts.push(...block(++n))
    const ids = calls.map(([call]) => {
      drafts.push(...call(++n))
      return `call-${n}` as ToolCallId
    })
    drafts.push({ type: "MODEL_CALL_END", reply_id: replyId, ...usage })
    calls.forEach(([, answer], i) => drafts.push(...answer(ids[i]!)))
  }
  drafts.push({
    type: "REPLY_END",
    ...run,
    reply_id: replyId,
    finished_reason: "completed",
    error: null,
    usage: { input_tokens: 0, output_tokens: 0 }
  })
  return [replyStart, ...drafts.map(stamp)]
})

/** A plausible reply that was cut off anywhere after its start. */
export const cutReply: FastCheck.Arbitrary<ReadonlyArray<AgentEvent>> = plausibleReply.chain((events) =>
  FastCheck.integer({ min: 1, max: events.length }).map((length) => events.slice(0, length))
)
