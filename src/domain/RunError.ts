/** Why runs fail: a few classes that every client of the Agent Service knows, and beside them finer words of ours. */
import { Schema } from "effect"

/** No other class is ever told; clients choose their words by it. */
export const ErrorType = Schema.Literal(
  "authentication",
  "permission",
  "rate_limit",
  "invalid_request",
  "upstream",
  "connection",
  "internal",
  "setup",
  "unknown"
)
export type ErrorType = typeof ErrorType.Type

const isErrorType = Schema.is(ErrorType)

/** The classes of finer words: of the failures of models, and of those that older versions told as classes. */
const classes = new Map<string, ErrorType>([
  ["context_length", "invalid_request"],
  ["content_policy", "invalid_request"],
  ["invalid_output", "upstream"],
  ["limit", "internal"],
  ["timeout", "internal"]
])

/** The class that a word belongs to. */
export const errorTypeOf = (word: string): ErrorType => isErrorType(word) ? word : classes.get(word) ?? "unknown"

/** What went wrong, safe to show: a class and a sentence of ours, never a provider's body, a stack or a secret. */
export const RunError = Schema.Struct({
  type: ErrorType,
  /** A finer word than `type`: `context_length`, `content_policy`, `run_timeout`, `crash_loop` … Later versions may have more. */
  code: Schema.String,
  message: Schema.String,
  retryable: Schema.Boolean
}).annotations({ identifier: "RunError" })
export type RunError = typeof RunError.Type
