/** What OpenAI's models have in common at OpenAI and at Azure: two APIs, Responses and Chat Completions. */
import { Schema } from "effect"
import type { ModelCard } from "../../../domain/Model.ts"
import { plain } from "../aisdk/CallId.ts"
import { type Dialect, media } from "../aisdk/Dialect.ts"
import { inChat, inResponses } from "../aisdk/Overheard.ts"
import type { Options } from "../aisdk/Provider.ts"
import { isStrict } from "../aisdk/Strict.ts"
import type { ProviderCall } from "../Provider.ts"
import { settings } from "./Chat.ts"
import * as Fields from "./Fields.ts"
import { effortOf } from "./Thinking.ts"

const parameters = {
  ...Fields.usual,
  ...Fields.think,
  ...Fields.effort("none", "minimal", "low", "medium", "high", "xhigh", "max"),
  thinking_summary: Fields.choice("Show thoughts", ["auto", "concise", "detailed"]),
  verbosity: Fields.choice("Verbosity", ["low", "medium", "high"]),
  ...Fields.parallel,
  ...Fields.caching,
  ...Fields.voice
}

export const Parameters = Schema.Struct(parameters)
type Parameters = typeof Parameters.Type

/** Nothing is stored at OpenAI: what its models thought comes back to them encrypted. */
const responses = (namespace: string): Dialect => ({
  namespace,
  api: "responses",
  keep: ["reasoningEncryptedContent"],
  beside: ["itemId", "phase"],
  sealedFor: true,
  thinking: "signed",
  sealed: { item: "itemId", seal: "reasoningEncryptedContent" },
  overheard: inResponses,
  media: [media.image, [/^application\/pdf$/, true]],
  prefill: false,
  callId: plain,
  looseTools: true
})

const chat = (namespace: string): Dialect => ({
  namespace,
  api: "chat",
  keep: [],
  thinking: "none",
  overheard: inChat,
  media: [media.image, media.sound, media.pdf],
  prefill: true,
  callId: plain,
  looseTools: true
})

/** Responses does not know these. */
const needsChat = ({ frequency_penalty, presence_penalty, seed, stop }: Parameters): boolean =>
  [frequency_penalty, presence_penalty, seed, stop].some((value) => value !== undefined)

export type Api = "responses" | "chat"

/** The API that the credential names, else Responses, unless a parameter needs the other. */
export const dialects = (namespace: string) => {
  const byApi = { responses: responses(namespace), chat: chat(namespace) }
  return (api: Api | undefined, parameters: Parameters): Dialect =>
    byApi[api ?? (needsChat(parameters) ? "chat" : "responses")]
}

const thinks = (card: ModelCard | undefined) => card?.output_types.includes("application/x-thinking") === true

export const options = (
  namespace: string,
  { card, messages, output, parameters }: ProviderCall<object, Parameters>
): Options => {
  const { parallel_tool_calls, prompt_caching, thinking_summary, verbosity } = parameters
  const reasoning_effort = effortOf(parameters, card)
  const reasons = thinks(card) || (reasoning_effort ?? "none") !== "none" || thinking_summary !== undefined
  const first = messages[0]?.id
  return {
    ...settings(parameters),
    providerOptions: {
      [namespace]: {
        store: false,
        ...(reasons && { forceReasoning: true }),
        ...(reasoning_effort !== undefined && { reasoningEffort: reasoning_effort }),
        ...(thinking_summary !== undefined && { reasoningSummary: thinking_summary }),
        ...(verbosity !== undefined && { textVerbosity: verbosity }),
        ...(parallel_tool_calls !== undefined && { parallelToolCalls: parallel_tool_calls }),
        // Calls of a session share their beginning, and are kept at the same place by its first message's id.
        ...(prompt_caching !== false && first !== undefined && { promptCacheKey: first.slice(0, 64) }),
        ...(output !== undefined && { strictJsonSchema: isStrict(output.schema) })
      }
    }
  }
}
