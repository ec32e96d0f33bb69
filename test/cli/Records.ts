/** Records and events as a server sends them. */
import { frame } from "../../src/domain/Event.ts"

const at = "2026-01-31T09:30:00.000Z"
const owned = { user_id: "local", created_at: at, updated_at: at }

export const agent = (id: string, name = "assistant", created_at = at) => ({
  ...owned,
  id,
  created_at,
  data: {
    id,
    name,
    system_prompt: "Help.",
    context_config: {
      trigger_ratio: 0.8,
      reserve_ratio: 0.1,
      compression_prompt: "",
      summary_template: "",
      summary_schema: {},
      tool_result_limit: 3000
    },
    react_config: {
      max_iters: 20,
      stop_on_reject: false,
      structured_output_grace_iters: 5,
      interruption_message: "Stopped.",
      interruption_raise_cancelled_error: false
    }
  },
  source: "user",
  editable: true
})

export const demoModel = { type: "demo_credential", credential_id: "c1", model: "demo-chat", parameters: {} }

/** A session, alone and in a list. */
export const session = (id: string, agent_id = "a1", chat_model_config: typeof demoModel | null = demoModel) => {
  const record = {
    ...owned,
    id,
    agent_id,
    source: "user",
    source_schedule_id: null,
    config: { workspace_id: "w1", name: "talk", chat_model_config },
    state: {
      session_id: id,
      permission_context: { mode: "default", allow_rules: {}, deny_rules: {}, ask_rules: {} }
    }
  }
  return { ...record, status: "idle", is_running: false, session: record, team: null }
}

export const credential = (id: string, type = "demo_credential", more: Record<string, unknown> = {}) => ({
  ...owned,
  id,
  data: { type, id, name: "Demo", ...more },
  editable: true
})

export const schedule = (id: string, data: Record<string, unknown> = {}, more: Record<string, unknown> = {}) => ({
  ...owned,
  id,
  agent_id: "a1",
  status: "active",
  status_reason: null,
  next_slot_at: at,
  next_fire_at: at,
  last_fire_at: null,
  fire_count: 3,
  ...more,
  data: {
    name: "Morning",
    description: "What is there to do today?",
    enabled: true,
    cron_expression: "0 9 * * MON-FRI",
    interval_seconds: null,
    once_at: null,
    timezone: "Europe/Athens",
    started_at: at,
    ended_at: null,
    jitter_seconds: 0,
    max_fires: null,
    overlap: "skip",
    missed: "once",
    missed_grace_seconds: 3600,
    missed_limit: 10,
    expires_after_seconds: null,
    chat_model_config: demoModel,
    stateful: false,
    permission_mode: "dont_ask",
    instructions: "",
    input: null,
    output_schema: null,
    keep_sessions: 100,
    source: "USER",
    source_session_id: null,
    ...data
  }
})

export const fire = (id: string, more: Record<string, unknown> = {}) => ({
  ...owned,
  id,
  schedule_id: "t1",
  agent_id: "a1",
  trigger: "clock",
  number: 1,
  slot_at: at,
  due_at: at,
  status: "completed",
  reason: null,
  missed: 0,
  sent_at: at,
  lateness_ms: 12,
  session_id: "s1",
  run_id: "r1",
  error: null,
  usage: null,
  started_at: at,
  ended_at: at,
  duration_ms: 850,
  ...more
})

export const page = <Plural extends string>(
  plural: Plural,
  records: ReadonlyArray<unknown>,
  next: string | null = null
) => ({
  [plural]: records,
  total: records.length,
  next_cursor: next
})

const ids = { session_id: "s1", run_id: "r1" }
const reply = { reply_id: "m1" }
const event = (type: string, fields: object) => ({ id: `e-${type}`, created_at: at, type, ...fields })
export const custom = <Value extends object>(name: string, value: Value) => ({ ...event("CUSTOM", {}), name, value })

/** A run of the session `s1`, whose reply is `m0`. */
export const run = (id: string, status = "running") => ({
  ...owned,
  id,
  session_id: "s1",
  agent_id: "a1",
  status,
  reply_id: "m0",
  input: [],
  tools: [],
  first_seq: 1,
  last_seq: null,
  attempt: 1,
  finished_reason: null,
  error: null,
  usage: null,
  started_at: at,
  ended_at: null
})

/** What the run has done so far: a call of a model, and a wait that goes on. */
export const timeline = (run_id: string) => {
  const step = (type: string, seq: number, more: object) => ({
    type,
    seq,
    last_seq: seq,
    events: 1,
    started_at: at,
    ended_at: at,
    duration_ms: 1500,
    ...more
  })
  const tokens = {
    input_tokens: 7,
    output_tokens: 3,
    cache_input_tokens: 0,
    cache_creation_input_tokens: 0,
    reasoning_tokens: 0
  }
  return {
    run_id,
    session_id: "s1",
    agent_id: "a1",
    status: "running",
    is_complete: true,
    steps: [
      step("attempt", 1, { attempt: 2 }),
      step("model_call", 2, {
        model_name: "demo-chat",
        provider: "demo_credential",
        credential_id: "c1",
        ...tokens,
        cost: 0.25,
        first_token_ms: 5,
        attempts: 1,
        outcome: "completed",
        stop_reason: "tool_calls"
      }),
      step("wait", 3, { waiting_for: "user_confirmation", ended_at: null, duration_ms: null })
    ],
    steps_left_out: 0,
    totals: {
      events: 3,
      model_calls: 1,
      tool_calls: 0,
      waits: 1,
      attempts: 2,
      queued_ms: 0,
      model_ms: 1500,
      tool_ms: 0,
      waited_ms: 0,
      duration_ms: null,
      ...tokens,
      cost: 0.25,
      unpriced_calls: 0
    }
  }
}

/** Messages of which the last is a reply whose call waits for somebody. */
export const transcript = (id: string, name: string, state = "asking") => ({
  messages: [{
    id,
    name: "assistant",
    role: "assistant",
    content: [{ type: "tool_call", id: "t1", name, input: "{}", state }],
    metadata: {},
    created_at: at,
    finished_at: null,
    usage: null
  }],
  is_running: true,
  total: 1,
  has_more: false,
  next_cursor: null
})

export const queued = custom("run_queued", ids)

export const started = [
  custom("user_message", {
    ...ids,
    message: {
      id: "u1",
      name: "user",
      role: "user",
      content: [{ type: "text", id: "b0", text: "hi" }],
      metadata: {},
      created_at: at,
      finished_at: at,
      usage: null
    }
  }),
  event("REPLY_START", { ...ids, ...reply, name: "assistant", role: "assistant" })
]

export const text = (...deltas: ReadonlyArray<string>) => [
  event("TEXT_BLOCK_START", { ...reply, block_id: "b1" }),
  ...deltas.map((delta) => event("TEXT_BLOCK_DELTA", { ...reply, block_id: "b1", delta })),
  event("TEXT_BLOCK_END", { ...reply, block_id: "b1" })
]

export const thinking = (delta: string) => [
  event("THINKING_BLOCK_START", { ...reply, block_id: "b2" }),
  event("THINKING_BLOCK_DELTA", { ...reply, block_id: "b2", delta }),
  event("THINKING_BLOCK_END", { ...reply, block_id: "b2" })
]

export const toolCall = (name: string, input: string, result: string, state = "success") => {
  const call = { ...reply, tool_call_id: "t1" }
  return [
    event("TOOL_CALL_START", { ...call, tool_call_name: name }),
    event("TOOL_CALL_DELTA", { ...call, delta: input.slice(0, 3) }),
    event("TOOL_CALL_DELTA", { ...call, delta: input.slice(3) }),
    event("TOOL_CALL_END", call),
    event("TOOL_RESULT_START", { ...call, tool_call_name: name }),
    event("TOOL_RESULT_TEXT_DELTA", { ...call, delta: result }),
    event("TOOL_RESULT_END", { ...call, state })
  ]
}

export const ended = (finished_reason = "completed", error: object | null = null) =>
  event("REPLY_END", { ...ids, ...reply, finished_reason, error, usage: { input_tokens: 1, output_tokens: 2 } })

export const parked = custom("run_parked", { ...ids, ...reply, waiting_for: "user_confirmation" })

/** Frames with the numbers from `first` on. */
export const framesOf = (events: ReadonlyArray<object>, first = 1): string =>
  events.map((event, i) => frame(first + i, JSON.stringify(event))).join("")

/** A call that asks somebody, and the run that waits for the answer. */
export const asking = (
  name: string,
  input: string,
  waiting_for: "user_confirmation" | "external_execution" = "user_confirmation"
) => {
  const isPerson = waiting_for === "user_confirmation"
  const call = { type: "tool_call", id: "call's", name, input, state: isPerson ? "asking" : "submitted" }
  return [
    event("TOOL_CALL_START", { ...reply, tool_call_id: call.id, tool_call_name: name }),
    event("TOOL_CALL_DELTA", { ...reply, tool_call_id: call.id, delta: input }),
    event("TOOL_CALL_END", { ...reply, tool_call_id: call.id }),
    event(isPerson ? "REQUIRE_USER_CONFIRM" : "REQUIRE_EXTERNAL_EXECUTION", { ...reply, tool_calls: [call] }),
    custom("run_parked", { ...ids, ...reply, waiting_for })
  ]
}
