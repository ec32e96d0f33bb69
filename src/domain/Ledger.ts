/** The ledger has an entry for each model call: what was used and what it cost. */
import { Schema } from "effect"
import type { AgentEvent } from "./Event.ts"
import { AgentId, CredentialId, RunId, SessionId, Timestamp, UserId } from "./Ids.ts"
import { type Prices, pricesFor } from "./Model.ts"
import type { Run } from "./Run.ts"
import { countOf, type Usage } from "./Usage.ts"
import { addUsage } from "./UsageSum.ts"

const Count = Schema.NonNegativeInt

/** Tokens as they are summed; what a provider did not report counts as none. */
export const Tokens = Schema.Struct({
  /** All of the input, what came from and went into the provider's cache included. */
  input_tokens: Count,
  /** All of the output, reasoning included. */
  output_tokens: Count,
  cache_input_tokens: Count,
  cache_creation_input_tokens: Count,
  reasoning_tokens: Count
})
export type Tokens = typeof Tokens.Type

export const tokenNames = Object.keys(Tokens.fields) as ReadonlyArray<keyof Tokens>

/** One call of a model, written with the events that say how it ended. It outlives its session. */
export const LedgerEntry = Schema.Struct({
  /** Made of the run and the event that began the call, so that a call is entered once. */
  id: Schema.String,
  kind: Schema.Literal("chat", "embedding"),
  user_id: UserId,
  session_id: Schema.NullOr(SessionId),
  run_id: Schema.NullOr(RunId),
  agent_id: Schema.NullOr(AgentId),
  credential_id: Schema.NullOr(CredentialId),
  /** The credential's type: `demo_credential`. */
  provider: Schema.NullOr(Schema.String),
  model: Schema.String,
  ...Tokens.fields,
  /** US dollars; null when the model's prices or the call's usage are not known. */
  cost: Schema.NullOr(Schema.Number),
  /** From the beginning of the call, waiting and retries included; null when nothing came. */
  first_token_ms: Schema.NullOr(Count),
  /** Null when the call was lost. */
  duration_ms: Schema.NullOr(Count),
  /** `completed`, `interrupted`, `lost` in a crash, or the type of the error. */
  outcome: Schema.String,
  /** Times that the provider was asked. */
  attempts: Count,
  /** When the call began. */
  created_at: Timestamp
}).annotations({ identifier: "LedgerEntry" })
export interface LedgerEntry extends Schema.Schema.Type<typeof LedgerEntry> {}

/** Rounds to the nanodollar, so that sums of costs do not depend on the order of adding. */
export const roundCost = (dollars: number): number => Math.round(dollars * 1e9) / 1e9

export const costOf = (tokens: Tokens, prices: Prices): number => {
  const { cache_write, cached_input, input, output } = pricesFor(prices, tokens.input_tokens)
  const cached = Math.min(tokens.cache_input_tokens, tokens.input_tokens)
  const written = Math.min(tokens.cache_creation_input_tokens, tokens.input_tokens - cached)
  const plain = tokens.input_tokens - cached - written
  const sum = plain * input + cached * (cached_input ?? input) + written * (cache_write ?? input) +
    tokens.output_tokens * output
  return roundCost(sum / 1e6)
}

export const tokensOf = (usage: Usage): Tokens => ({
  input_tokens: countOf(usage.input_tokens),
  output_tokens: countOf(usage.output_tokens),
  cache_input_tokens: countOf(usage.cache_input_tokens),
  cache_creation_input_tokens: countOf(usage.cache_creation_input_tokens),
  reasoning_tokens: countOf(usage.reasoning_tokens)
})

/** What the process that makes a call knows of it, beside its events. */
export interface CallProgress {
  attempts: number
  first_token_ms: number | null
  /** How the call ended, as far as it is known: `interrupted` until it has. */
  outcome: string
  /** Of the model that answered. */
  prices: Prices | undefined
  /** What the provider had named for attempts that broke off; the events do not tell it. */
  charged?: Usage
}

type CallStart = Extract<AgentEvent, { readonly type: "MODEL_CALL_START" }>
type CallEnd = Extract<AgentEvent, { readonly type: "MODEL_CALL_END" }>

/** A call that failed before its first part costs nothing; the usage of one that was cut off is not known. */
const costIn = (tokens: Tokens, progress: CallProgress | undefined): number | null => {
  if (progress === undefined) return null
  const { first_token_ms, outcome, prices } = progress
  if (prices !== undefined) return costOf(tokens, prices)
  return first_token_ms === null && outcome !== "completed" && outcome !== "interrupted" ? 0 : null
}

/** The entry of a call by its two events. Without `progress` the process that made it is gone. */
export const entryOf = (
  run: Run,
  start: CallStart,
  end: CallEnd,
  progress: CallProgress | undefined
): LedgerEntry => {
  const tokens = tokensOf(progress?.charged === undefined ? end : addUsage(end, progress.charged))
  return {
    id: `${run.id}/${start.id}`,
    kind: "chat",
    user_id: run.user_id,
    session_id: run.session_id,
    run_id: run.id,
    agent_id: run.agent_id,
    credential_id: start.credential_id ?? null,
    provider: start.provider ?? null,
    model: start.model_name,
    ...tokens,
    cost: costIn(tokens, progress),
    first_token_ms: progress?.first_token_ms ?? null,
    duration_ms: progress === undefined ? null : Math.max(0, Date.parse(end.created_at) - Date.parse(start.created_at)),
    outcome: progress?.outcome ?? "lost",
    attempts: progress?.attempts ?? 1,
    created_at: start.created_at
  }
}
