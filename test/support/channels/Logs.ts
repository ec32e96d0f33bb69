/** Runs as the log has them, written by hand: every channel renders the same ones. */
import { Schema } from "effect"
import { AgentEvent, frame } from "../../../src/domain/Event.ts"
import type { AgentId, RunId, SessionId, Timestamp, UserId } from "../../../src/domain/Ids.ts"
import type { Session } from "../../../src/domain/Session.ts"
import { agentOf, sessionOf } from "../fixtures.ts"

const ids = { session_id: "the-session", run_id: "the-run" }
const reply = { reply_id: "the-reply" }

export const session: Session = {
  ...sessionOf({ ...agentOf("ada" as UserId), id: "the-agent" as AgentId }),
  id: ids.session_id as SessionId
}

export const run_id = ids.run_id as RunId

/** What every channel is to say of a run. */
export interface Said {
  readonly text: string
  readonly thoughts: string
  /** Calls of the client's own tools, by name and arguments; those of the agent need not be shown. */
  readonly calls: ReadonlyArray<{ readonly name: string; readonly input: string }>
  /** Outputs of the agent's own tools, where the channel shows them. */
  readonly results: ReadonlyArray<string>
  readonly usage: { readonly input: number; readonly output: number } | undefined
  readonly status: "completed" | "truncated" | "filtered" | "calls" | "failed"
}

export interface Scripted {
  readonly name: string
  readonly events: ReadonlyArray<AgentEvent>
  readonly said: Said
}

const decode = Schema.decodeUnknownSync(AgentEvent)

export const eventsOf = (drafts: ReadonlyArray<object>): ReadonlyArray<AgentEvent> =>
  drafts.map((draft, i) =>
    decode({
      id: `event-${i}`,
      created_at: `2026-01-31T09:30:00.${String(i).padStart(3, "0")}Z` as Timestamp,
      ...reply,
      ...draft
    })
  )

const start = { type: "REPLY_START", ...ids, name: "Ada", role: "assistant" }
const asks = { type: "MODEL_CALL_START", model_name: "demo-script" }
const used = (input_tokens: number, output_tokens: number) => ({ type: "MODEL_CALL_END", input_tokens, output_tokens })
const end = (more: object) => ({
  type: "REPLY_END",
  ...ids,
  finished_reason: "completed",
  error: null,
  usage: { input_tokens: 30, output_tokens: 9 },
  ...more
})

const block = (kind: "TEXT" | "THINKING", block_id: string, ...deltas: ReadonlyArray<string>) => [
  { type: `${kind}_BLOCK_START`, block_id },
  ...deltas.map((delta) => ({ type: `${kind}_BLOCK_DELTA`, block_id, delta })),
  { type: `${kind}_BLOCK_END`, block_id, ...kind === "TEXT" && { annotations: [] } }
]

const call = (tool_call_id: string, tool_call_name: string, ...deltas: ReadonlyArray<string>) => [
  { type: "TOOL_CALL_START", tool_call_id, tool_call_name },
  ...deltas.map((delta) => ({ type: "TOOL_CALL_DELTA", tool_call_id, delta })),
  { type: "TOOL_CALL_END", tool_call_id }
]

const result = (tool_call_id: string, tool_call_name: string, ...deltas: ReadonlyArray<string>) => [
  { type: "TOOL_RESULT_START", tool_call_id, tool_call_name },
  ...deltas.map((delta) => ({ type: "TOOL_RESULT_TEXT_DELTA", tool_call_id, delta })),
  { type: "TOOL_RESULT_END", tool_call_id, state: "success" }
]

/** Of two pictures of a letter, one is cut in the middle by the end of a piece. */
const weather = [
  start,
  asks,
  ...block("THINKING", "t1", "The city ", "is Kiel. 🤔"),
  ...block("TEXT", "x1", "Let me ", "look.\n"),
  ...call("c1", "weather", "{\"city\":", "\"Kiel\"}"),
  used(10, 4),
  ...result("c1", "weather", "9 ", "degrees"),
  asks,
  ...block("TEXT", "x2", "It is \"9\" ", "degrees ☀️", ".\u2028")
]

const before = {
  text: "Let me look.\n\n\nIt is \"9\" degrees ☀️.\u2028",
  thoughts: "The city is Kiel. 🤔",
  calls: [],
  results: ["9 degrees"]
}

const usage = { input: 30, output: 9 }

const toolCall = (id: string, name: string, input: string) => ({
  type: "tool_call",
  id,
  name,
  input,
  state: "finished",
  suggested_rules: []
})

export const logs: ReadonlyArray<Scripted> = [
  {
    name: "a run with thoughts, a tool and two calls of its model",
    events: eventsOf([...weather, used(20, 5), end({ stop_reason: "end_turn" })]),
    said: { ...before, usage, status: "completed" }
  },
  {
    name: "one whose answer was cut off",
    events: eventsOf([...weather, used(20, 5), end({ stop_reason: "max_tokens" })]),
    said: { ...before, usage, status: "truncated" }
  },
  {
    name: "one whose answer was filtered",
    events: eventsOf([...weather, used(20, 5), end({ stop_reason: "content_filter" })]),
    said: { ...before, usage, status: "filtered" }
  },
  {
    name: "one that waits for two tools of its client",
    events: eventsOf([
      start,
      asks,
      ...block("TEXT", "x1", "Look."),
      ...call("c1", "weather", "{\"city\":\"Kiel\"}"),
      ...call("c2", "time", "{}"),
      used(30, 9),
      {
        type: "REQUIRE_EXTERNAL_EXECUTION",
        tool_calls: [toolCall("c1", "weather", "{\"city\":\"Kiel\"}"), toolCall("c2", "time", "{}")]
      },
      { type: "CUSTOM", name: "run_parked", value: { ...ids, ...reply, waiting_for: "external_execution" } }
    ]),
    said: {
      text: "Look.",
      thoughts: "",
      calls: [{ name: "weather", input: "{\"city\":\"Kiel\"}" }, { name: "time", input: "{}" }],
      results: [],
      usage,
      status: "calls"
    }
  },
  {
    name: "one that fails in the middle",
    events: eventsOf([
      ...weather,
      end({
        finished_reason: "error",
        error: { type: "upstream", code: "upstream", message: "The provider failed.", retryable: true }
      })
    ]),
    said: { ...before, usage: undefined, status: "failed" }
  }
]

/** The bytes that a room gives its subscribers, several events at a time. */
export const pagesOf = (events: ReadonlyArray<AgentEvent>, size: number): ReadonlyArray<Uint8Array> => {
  const frames = events.map((event, i) => frame(i + 1, JSON.stringify(event)))
  const pages: Array<Uint8Array> = []
  for (let i = 0; i < frames.length; i += size) {
    pages.push(new TextEncoder().encode(frames.slice(i, i + size).join("")))
  }
  return pages
}
