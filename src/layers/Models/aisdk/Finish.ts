/** What the end of a provider's answer means: why it stopped, or that it failed. */
import type { LanguageModelV3FinishReason } from "@ai-sdk/provider"
import type { StopDetails } from "../../../domain/Stop.ts"
import { type ModelErrorType, ModelFailed, type StopReason } from "../../../services/Models.ts"

type Failure = readonly [type: ModelErrorType, retryable: boolean]

const broke: Failure = ["upstream", true]
const tooLong: Failure = ["context_length", false]
const refusedRequest: Failure = ["invalid_request", false]

/**
 * Providers' words, in small letters: of OpenAI and those who speak its protocol, of
 * https://docs.claude.com/en/api/handling-stop-reasons, https://ai.google.dev/api/generate-content#FinishReason,
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_MessageStopEvent.html,
 * https://docs.mistral.ai/api and https://api-docs.deepseek.com/api/create-chat-completion.
 */
const words = new Map<string, StopReason | Failure>([
  ...["stop", "end_turn", "stop_sequence", "eos", "eos_token", "complete", "completed", "done"].map((word) =>
    [word, "stop"] as const
  ),
  ...["length", "max_tokens", "max_output_tokens", "max_completion_tokens", "token_limit"].map((word) =>
    [word, "length"] as const
  ),
  ...["tool_calls", "tool_call", "tool_use", "function_call"].map((word) => [word, "tool_calls"] as const),
  ...["pause_turn", "compaction"].map((word) => [word, "paused"] as const),
  ["refusal", "refusal"],
  ...[
    "content_filter",
    "content_filtered",
    "guardrail_intervened",
    "safety",
    "recitation",
    "blocklist",
    "prohibited_content",
    "spii",
    "model_armor",
    "image_safety",
    "image_prohibited_content",
    "image_recitation",
    "sensitive"
  ].map((word) => [word, "content_filter"] as const),
  ...["model_length", "model_context_window_exceeded", "context_length_exceeded"].map((word) =>
    [word, tooLong] as const
  ),
  ...[
    "error",
    "abort",
    "other",
    "insufficient_system_resource",
    "network_error",
    "malformed_function_call",
    "malformed_response",
    "malformed_model_output",
    "malformed_tool_use",
    "unexpected_tool_call",
    "too_many_tool_calls",
    "no_image",
    "image_other",
    "load",
    "unload"
  ].map((word) => [word, broke] as const),
  ...["missing_thought_signature", "language"].map((word) => [word, refusedRequest] as const)
])

/** What a word that is not known says, by a part of it; the first that fits. */
const hints: ReadonlyArray<readonly [RegExp, StopReason | Failure]> = [
  [/context|window/, tooLong],
  [/filter|safety|block|prohibit|recitation|guardrail|moderat|sensitive|polic|harm/, "content_filter"],
  [/refus|declin/, "refusal"],
  [/error|abort|fail|malformed|unexpected|insufficient|unavailable|overload|timeout|timed_out|cancel|interrupt/, broke],
  [/length|limit|max_|_tokens/, "length"],
  [/tool|function/, "tool_calls"]
]

/** Longest word that is read or passed on, in characters. */
const maxWord = 64

/** A single word, which cannot hold a sentence of the provider's, nor a secret of the request's. */
const isWord = (value: unknown): value is string =>
  typeof value === "string" && value.length <= maxWord && /^[A-Za-z][A-Za-z0-9_./-]*$/.test(value)

const meaningOf = (raw: string): StopReason | Failure | undefined => {
  const word = raw.toLowerCase().replaceAll("-", "_")
  return words.get(word) ?? hints.find(([pattern]) => pattern.test(word))?.[1]
}

const byPackage: Readonly<Record<LanguageModelV3FinishReason["unified"], StopReason | Failure>> = {
  stop: "stop",
  length: "length",
  "content-filter": "content_filter",
  "tool-calls": "tool_calls",
  error: broke,
  other: "other"
}

const sentences: Partial<Record<ModelErrorType, string>> = {
  context_length: "The model's context is full: its answer ended before it was whole. "
    + "Start a new session, or choose a model with a larger context.",
  invalid_request: "The provider ended the answer because it could not serve the request"
}

const failed = ([type, retryable]: Failure, word: string | undefined) => {
  const sentence = sentences[type] ?? "The provider ended its answer with an error"
  const message = sentence.endsWith(".") ? sentence : `${sentence}${word === undefined ? "" : ` (${word})`}.`
  return new ModelFailed({ type, message, retryable })
}

export interface Heard {
  /** Whether the model asked for tools that are run here. */
  readonly called: boolean
  /** Whether the model declined in so many words. */
  readonly refused: boolean
  /** What the filter found. */
  readonly category: string | undefined
  /** Whether nothing of the answer could be shown. */
  readonly empty: boolean
}

export interface Ended {
  readonly reason: StopReason
  readonly details?: StopDetails
}

/** Some servers say `stop` after calls, or speak of calls where there are none. */
const withCalls = (reason: StopReason, called: boolean): StopReason =>
  called && (reason === "stop" || reason === "other")
    ? "tool_calls"
    : !called && reason === "tool_calls"
    ? "stop"
    : reason

/** The package knows which words of a prompt's block are a filter's: there `OTHER` is one too. */
export const endOf = ({ raw, unified }: LanguageModelV3FinishReason, heard: Heard): Ended | ModelFailed => {
  const word = isWord(raw) ? raw : undefined
  const meaning = unified === "content-filter" && word?.toLowerCase() !== "refusal"
    ? "content_filter"
    : (raw === undefined ? undefined : meaningOf(raw)) ?? byPackage[unified]
  if (typeof meaning !== "string") return failed(meaning, word)
  // A call without a name, say, which the package has left out.
  if (meaning === "tool_calls" && heard.empty) return failed(broke, word)
  const reason = heard.refused && meaning === "stop" ? "refusal" : withCalls(meaning, heard.called)
  if (reason !== "content_filter" && reason !== "refusal" && reason !== "other") return { reason }
  const details = {
    ...(word !== undefined && word !== reason && word !== "stop" && { provider_reason: word }),
    ...(isWord(heard.category) && { category: heard.category })
  }
  return Object.keys(details).length === 0 ? { reason } : { reason, details }
}

/** How deep, and into how many values, a provider's findings are searched. */
const maxDepth = 8
const maxValues = 512

/**
 * The first category that a filter names as the one it stopped for: Gemini's `blocked` ratings, Azure's `filtered`
 * ones, what a guardrail of Bedrock's `BLOCKED`, and Anthropic's `stopDetails`.
 */
export const categoryIn = (findings: unknown): string | undefined => {
  const next: Array<readonly [value: unknown, depth: number]> = [[findings, 0]]
  for (let at = 0; at < next.length && at < maxValues; at++) {
    const [value, depth] = next[at]!
    if (typeof value !== "object" || value === null) continue
    const { action, blocked, category, name, stopDetails, type } = value as Readonly<Record<string, unknown>>
    if (blocked === true && isWord(category)) return category
    if (action === "BLOCKED") {
      const found = [name, type].find(isWord)
      if (found !== undefined) return found
    }
    if (typeof stopDetails === "object" && stopDetails !== null && "category" in stopDetails) {
      if (isWord(stopDetails.category)) return stopDetails.category
    }
    for (const [key, one] of Object.entries(value)) {
      if (typeof one !== "object" || one === null) continue
      if ("filtered" in one && one.filtered === true && isWord(key)) return key
      if (depth < maxDepth) next.push([one, depth + 1])
    }
  }
  return undefined
}
