/** Begins and ends the model calls of one round, and notes for the ledger how they go. */
import type { Clock } from "effect"
import type { MessageId } from "../../domain/Ids.ts"
import type { CallProgress } from "../../domain/Ledger.ts"
import * as Reply from "../../domain/Reply.ts"
import { errorTypeOf } from "../../domain/RunError.ts"
import { stopFields, type StopReason } from "../../domain/Stop.ts"
import { reported } from "../../domain/Usage.ts"
import { addUsage, noUsage } from "../../domain/UsageSum.ts"
import type { Out } from "../../services/AgentRunner.ts"
import type { ModelName, ModelPart } from "../../services/Models.ts"
import { monotonic } from "../../services/Now.ts"

type Switch = Extract<ModelPart, { readonly type: "switch" }>
type Charged = Extract<ModelPart, { readonly type: "charged" }>
type Finish = Extract<ModelPart, { readonly type: "finish" }>

/** Models and events have words of their own for the same. */
const reasons: Readonly<Record<Finish["reason"], StopReason>> = {
  stop: "end_turn",
  tool_calls: "tool_calls",
  length: "max_tokens",
  content_filter: "content_filter",
  refusal: "refusal",
  paused: "pause_turn",
  other: "unknown"
}

export interface Options {
  readonly out: Out
  readonly reply_id: MessageId
  readonly clock: Clock.Clock
  /** What the calls are for, when they are not the reply's own. */
  readonly purpose?: "compaction" | "workflow"
}

export const make = ({ clock, out, purpose, reply_id }: Options) => {
  let since = 0
  let progress: CallProgress

  const begin = ({ credential_id, model, type }: ModelName) => {
    since = monotonic(clock)
    progress = { attempts: 1, first_token_ms: null, outcome: "interrupted", prices: undefined }
    out.calling(progress)
    out.emit({
      type: "MODEL_CALL_START",
      reply_id,
      model_name: model,
      provider: type,
      credential_id,
      ...(purpose !== undefined && { purpose })
    })
  }

  /** Ends the call without an answer; the next one is for the same round. */
  const broke = () =>
    out.emit({
      type: "MODEL_CALL_END",
      reply_id,
      ...noUsage,
      finished_reason: "interrupted",
      ...stopFields({ reason: "error", details: undefined })
    })

  return {
    begin,
    broke,
    /** Whether a part of the answer has come. */
    hasCome: () => progress.first_token_ms !== null,
    retry: () => {
      progress.attempts++
    },
    /** Notes what an attempt that broke off is paid for. */
    charged: ({ prices, usage }: Charged) => {
      progress.charged = addUsage(progress.charged ?? noUsage, reported(usage))
      progress.prices ??= prices
    },
    /** Notes that a part of the answer has come. */
    come: () => {
      progress.first_token_ms ??= Math.round(monotonic(clock) - since)
    },
    failed: (outcome: string) => {
      progress.outcome = outcome
    },
    /** Notes a switch to a fallback. Nothing of the failed call was handed over, so no block is open. */
    switch: ({ error, from, to }: Switch) => {
      progress.outcome = error.type
      broke()
      const { message, type: code } = error
      out.emit({
        type: "CUSTOM",
        name: "model_switched",
        value: { reply_id, from, to, error: { type: errorTypeOf(code), code, message } }
      })
      begin(to)
    },
    finish: ({ details, prices, reason, usage }: Finish) => {
      progress.outcome = "completed"
      progress.prices = prices ?? progress.prices
      for (const draft of Reply.closeBlocks(out.reply())) out.emit(draft)
      for (const draft of Reply.closeProvidersCalls(out.reply())) out.emit(draft)
      out.emit({
        type: "MODEL_CALL_END",
        reply_id,
        // Every model's numbers come through here: a value that is not a count would make the run unreadable for ever.
        ...reported(usage),
        finished_reason: "completed",
        ...stopFields({ reason: reasons[reason], details })
      })
    }
  }
}
