/** The response object: what its request said, what has come of it, and all the keys that strict readers ask for. */
import type { ResponseHead } from "../../../../domain/Response.ts"
import type { Usage } from "../../../../domain/Usage.ts"
import type { Item } from "./Items.ts"

export type Status = "queued" | "in_progress" | "completed" | "failed" | "cancelled" | "incomplete"

export interface Progress {
  readonly status: Status
  readonly output: ReadonlyArray<Item>
  readonly error: { readonly code: string; readonly message: string } | null
  readonly incomplete: "max_output_tokens" | "content_filter" | null
  /** Seconds; null until it is completed. */
  readonly completed_at: number | null
  readonly usage: Usage | null
}

export const begun = (status: "queued" | "in_progress"): Progress => ({
  status,
  output: [],
  error: null,
  incomplete: null,
  completed_at: null,
  usage: null
})

const usageOf = (usage: Usage) => ({
  input_tokens: usage.input_tokens,
  input_tokens_details: {
    cached_tokens: usage.cache_input_tokens ?? 0,
    cache_write_tokens: usage.cache_creation_input_tokens ?? 0
  },
  output_tokens: usage.output_tokens,
  output_tokens_details: { reasoning_tokens: usage.reasoning_tokens ?? 0 },
  total_tokens: usage.input_tokens + usage.output_tokens
})

export const responseOf = (
  { created_at, echo, id, model }: Pick<ResponseHead, "id" | "created_at" | "echo" | "model">,
  { completed_at, error, incomplete, output, status, usage }: Progress
) => ({
  id,
  object: "response" as const,
  created_at,
  completed_at,
  status,
  error,
  incomplete_details: incomplete === null ? null : { reason: incomplete },
  model,
  output,
  usage: usage === null ? null : usageOf(usage),
  ...echo
})
export type Answered = ReturnType<typeof responseOf>
