/**
 * What a run did, step by step: a fold of its events, with what the ledger knows of its calls of models. The same events
 * give the same timeline, in however many parts they are read. Each event belongs to exactly one step.
 */
import type { AgentEvent } from "./Event.ts"
import { type LedgerEntry, roundCost, tokenNames, type Tokens, tokensOf } from "./Ledger.ts"
import type { Run } from "./Run.ts"
import type { Timeline, TimelineStep } from "./TimelineRecord.ts"
import { noUsage } from "./UsageSum.ts"

/** Steps of one timeline at most; those beyond are counted in the sums, but not told. A reply holds fewer blocks than that. */
export const maxSteps = 5_000

/** A step in the making. */
type Draft<S = TimelineStep> = S extends unknown ? { -readonly [K in keyof S]: S[K] } : never
type Of<Type extends TimelineStep["type"]> = Extract<Draft, { type: Type }>

/** Nothing where one of them is no date, though it has the form of one. */
const millisBetween = (from: string, to: string): number => Math.max(0, Date.parse(to) - Date.parse(from) || 0)

const noTokens: Tokens = tokensOf(noUsage)

/** Takes a run's events one after the other; `render` may be asked at any time, and again. */
export interface Fold {
  readonly add: (seq: number, event: AgentEvent) => void
  readonly render: (entries: ReadonlyArray<LedgerEntry>, is_complete: boolean) => Timeline
}

export const fold = (run: Run): Fold => {
  const steps: Array<Draft> = []
  /** The id of the event that began a call, by which the ledger names it. */
  const starts = new Map<Draft, string>()
  const tools = new Map<string, Of<"tool">>()
  let call: Of<"model_call"> | undefined
  let wait: Of<"wait"> | undefined
  let last: Draft | undefined
  let made = 0
  let events = 0
  const counts = { model_calls: 0, tool_calls: 0, waits: 0 }
  const spent = { model_ms: 0, tool_ms: 0, waited_ms: 0 }

  const begin = (seq: number, { created_at }: AgentEvent) => ({
    seq,
    last_seq: seq,
    events: 1,
    started_at: created_at,
    ended_at: null,
    duration_ms: null
  })

  /** What happened at once, in one event. */
  const moment = (seq: number, { created_at }: AgentEvent) => ({
    seq,
    last_seq: seq,
    events: 1,
    started_at: created_at,
    ended_at: created_at,
    duration_ms: 0
  })

  const push = <S extends Draft>(made_step: S): S => {
    made++
    last = made_step
    if (steps.length < maxSteps) steps.push(made_step)
    return made_step
  }

  const more = (of: Draft, seq: number) => {
    of.events++
    of.last_seq = seq
  }

  const close = (of: Draft, { created_at }: AgentEvent) => {
    of.ended_at = created_at
    of.duration_ms = millisBetween(of.started_at, created_at)
    if (of.type === "model_call") spent.model_ms += of.duration_ms
    else if (of.type === "tool") spent.tool_ms += of.duration_ms
    else if (of.type === "wait") spent.waited_ms += of.duration_ms
  }

  const endCall = (event: AgentEvent) => {
    if (call !== undefined) close(call, event)
    call = undefined
  }

  const endWait = (event: AgentEvent) => {
    if (wait !== undefined) close(wait, event)
    wait = undefined
  }

  const endAll = (event: AgentEvent) => {
    endCall(event)
    endWait(event)
    for (const tool of tools.values()) close(tool, event)
    tools.clear()
  }

  /** What belongs to no step; a row of the same kind is one step. */
  const other = (seq: number, event: AgentEvent, name: string) => {
    if (last?.type !== "other" || last.name !== name) return void push({ type: "other", ...moment(seq, event), name })
    more(last, seq)
    close(last, event)
  }

  /** To the call of a model that goes on, if one does: it is what writes. */
  const written = (seq: number, event: AgentEvent) => {
    if (call === undefined) other(seq, event, event.type)
    else more(call, seq)
  }

  const waits = (seq: number, event: AgentEvent, waiting_for: Of<"wait">["waiting_for"]) => {
    if (wait !== undefined) return more(wait, seq)
    counts.waits++
    wait = push({ type: "wait", ...begin(seq, event), waiting_for })
  }

  const ofTool = (seq: number, event: Extract<AgentEvent, { readonly tool_call_id: string }>) => {
    const tool = tools.get(event.tool_call_id)
    if (tool === undefined) other(seq, event, event.type)
    else more(tool, seq)
    return tool
  }

  const custom = (seq: number, event: Extract<AgentEvent, { readonly type: "CUSTOM" }>) => {
    switch (event.name) {
      case "user_message":
        return void push({ type: "input", ...moment(seq, event), message_id: event.value.message.id })
      case "run_resumed":
        return void push({ type: "attempt", ...moment(seq, event), attempt: event.value.attempt })
      case "run_parked":
        return waits(seq, event, event.value.waiting_for)
      case "model_switched": {
        const { error, from, to } = event.value
        return void push({ type: "model_switch", ...moment(seq, event), from, to, code: error.code })
      }
      default:
        return other(seq, event, event.name)
    }
  }

  const add = (seq: number, event: AgentEvent): void => {
    events++
    switch (event.type) {
      case "CUSTOM":
        return custom(seq, event)
      case "REPLY_START":
        return void push({ type: "attempt", ...moment(seq, event), attempt: 1 })
      case "MODEL_CALL_START": {
        endCall(event)
        counts.model_calls++
        call = push({
          type: "model_call",
          ...begin(seq, event),
          model_name: event.model_name,
          provider: event.provider ?? null,
          credential_id: event.credential_id ?? null,
          ...noTokens,
          cost: null,
          first_token_ms: null,
          attempts: null,
          outcome: null,
          stop_reason: null
        })
        return void starts.set(call, event.id)
      }
      case "MODEL_CALL_END": {
        if (call === undefined) return other(seq, event, event.type)
        more(call, seq)
        Object.assign(call, tokensOf(event))
        call.outcome = event.finished_reason ?? null
        call.stop_reason = event.stop_reason ?? null
        return endCall(event)
      }
      case "TOOL_RESULT_START": {
        const going = tools.get(event.tool_call_id)
        if (going !== undefined) return more(going, seq)
        counts.tool_calls++
        return void tools.set(
          event.tool_call_id,
          push({
            type: "tool",
            ...begin(seq, event),
            tool_call_id: event.tool_call_id,
            tool_call_name: event.tool_call_name,
            provider_executed: event.provider_executed ?? false,
            state: "running"
          })
        )
      }
      case "TOOL_RESULT_TEXT_DELTA":
      case "TOOL_RESULT_DATA_DELTA":
        return void ofTool(seq, event)
      case "TOOL_RESULT_END": {
        const tool = ofTool(seq, event)
        if (tool === undefined) return
        tool.state = event.state
        close(tool, event)
        return void tools.delete(event.tool_call_id)
      }
      case "REQUIRE_USER_CONFIRM":
        return waits(seq, event, "user_confirmation")
      case "REQUIRE_EXTERNAL_EXECUTION":
        return waits(seq, event, "external_execution")
      case "USER_CONFIRM_RESULT":
      case "EXTERNAL_EXECUTION_RESULT":
        if (wait === undefined) return other(seq, event, event.type)
        more(wait, seq)
        return endWait(event)
      case "REPLY_END":
        endAll(event)
        return void push({
          type: "end",
          ...moment(seq, event),
          finished_reason: event.finished_reason,
          stop_reason: event.stop_reason ?? null,
          error: event.error
        })
      case "TEXT_BLOCK_START":
      case "TEXT_BLOCK_DELTA":
      case "TEXT_BLOCK_END":
      case "THINKING_BLOCK_START":
      case "THINKING_BLOCK_DELTA":
      case "THINKING_BLOCK_END":
      case "DATA_BLOCK_START":
      case "DATA_BLOCK_DELTA":
      case "DATA_BLOCK_END":
      case "TOOL_CALL_START":
      case "TOOL_CALL_DELTA":
      case "TOOL_CALL_END":
        return written(seq, event)
      default:
        // A newer version may have written what this one does not know.
        return other(seq, event, event.type)
    }
  }

  const render = (entries: ReadonlyArray<LedgerEntry>, is_complete: boolean): Timeline => {
    const { agent_id, attempt, created_at, ended_at, id, session_id, started_at, status } = run
    const known = new Map(entries.map((entry) => [entry.id, entry]))
    const priced = entries.filter(({ cost }) => cost !== null)
    return {
      run_id: id,
      session_id,
      agent_id,
      status,
      is_complete,
      steps: steps.map((made_step) => {
        const entry = made_step.type === "model_call" ? known.get(`${id}/${starts.get(made_step)}`) : undefined
        return made_step.type === "model_call" && entry !== undefined
          ? { ...made_step, ...factsOf(entry) }
          : { ...made_step }
      }),
      steps_left_out: made - steps.length,
      totals: {
        events,
        ...counts,
        attempts: attempt,
        queued_ms: started_at === null ? null : millisBetween(created_at, started_at),
        ...spent,
        duration_ms: started_at === null || ended_at === null ? null : millisBetween(started_at, ended_at),
        ...sumOf(entries),
        cost: priced.length === 0 ? null : roundCost(priced.reduce((sum, { cost }) => sum + (cost ?? 0), 0)),
        unpriced_calls: entries.length - priced.length
      }
    }
  }

  return { add, render }
}

/** What the ledger says of a call, which is more than its events do. */
const factsOf = ({ attempts, cost, first_token_ms, outcome, ...entry }: LedgerEntry) => ({
  ...tokensIn(entry),
  cost,
  first_token_ms,
  attempts,
  outcome
})

const tokensIn = (tokens: Tokens): Tokens => ({
  input_tokens: tokens.input_tokens,
  output_tokens: tokens.output_tokens,
  cache_input_tokens: tokens.cache_input_tokens,
  cache_creation_input_tokens: tokens.cache_creation_input_tokens,
  reasoning_tokens: tokens.reasoning_tokens
})

const sumOf = (entries: ReadonlyArray<LedgerEntry>): Tokens => {
  const sum: { -readonly [K in keyof Tokens]: number } = { ...noTokens }
  for (const entry of entries) for (const name of tokenNames) sum[name] += entry[name]
  return sum
}

/** The timeline of events that are all there. */
export const timelineOf = (
  run: Run,
  events: Iterable<{ readonly seq: number; readonly event: AgentEvent }>,
  entries: ReadonlyArray<LedgerEntry>
): Timeline => {
  const { add, render } = fold(run)
  for (const { event, seq } of events) add(seq, event)
  return render(entries, true)
}
