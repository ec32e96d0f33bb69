/** Anthropic's Messages API. */
import { Schema } from "effect"
import { marked } from "../aisdk/Caching.ts"
import { plain } from "../aisdk/CallId.ts"
import * as AiSdkProvider from "../aisdk/Provider.ts"
import * as Chat from "../families/Chat.ts"
import * as Fields from "../families/Fields.ts"
import { thinkingOf } from "../families/Thinking.ts"
import { named } from "../Listing.ts"

const address = "https://api.anthropic.com/v1"

/** Clients of Anthropic's own leave the version out of its address. */
const addressOf = (base_url = address): string =>
  Chat.trimmed(base_url) === "https://api.anthropic.com" ? address : Chat.trimmed(base_url)

/** https://docs.claude.com/en/api/versioning */
const version = "2023-06-01"

export const provider = AiSdkProvider.make({
  type: "anthropic_credential",
  title: "Anthropic",
  fields: Schema.Struct({ api_key: Fields.key(), base_url: Fields.baseUrl(address) }),
  parameters: Schema.Struct({
    ...Fields.temperature(1),
    ...Fields.sampling,
    ...Fields.topK,
    ...Fields.output,
    ...Fields.stop,
    ...Fields.thinking,
    thinking_mode: Fields.choice("How to think", ["adaptive", "enabled", "disabled"]),
    thinking_display: Fields.choice("Show thoughts", ["summarized", "omitted"]),
    ...Fields.effort("low", "medium", "high", "xhigh", "max"),
    ...Fields.parallel,
    ...Fields.caching
  }),
  dialect: {
    namespace: "anthropic",
    keep: ["signature", "redactedData"],
    thinking: "signed",
    media: [[/^image\/(jpeg|png|gif|webp)$/, true], [/^application\/pdf$/, true]],
    prefill: false,
    userFirst: true,
    argument: /^[a-zA-Z0-9_.-]{1,64}$/,
    callId: plain
  },
  open: async ({ api_key, base_url }, fetch) => {
    const { createAnthropic } = await import("@ai-sdk/anthropic")
    const client = createAnthropic({ apiKey: api_key, baseURL: addressOf(base_url), fetch })
    return { chat: (model) => client.messages(model) }
  },
  options: ({ messages, model, parameters }) => {
    const thinking = thinkingOf(parameters, model, messages, "anthropic")
    const { parallel_tool_calls, reasoning_effort } = parameters
    return {
      ...Chat.settings(parameters),
      providerOptions: {
        anthropic: {
          ...(thinking !== undefined && { thinking }),
          ...(reasoning_effort !== undefined && { effort: reasoning_effort }),
          ...(parallel_tool_calls !== undefined && { disableParallelToolUse: !parallel_tool_calls })
        }
      }
    }
  },
  mark: (prompt, { parameters }) =>
    parameters.prompt_caching === false
      ? prompt
      : marked(prompt, { anthropic: { cacheControl: { type: "ephemeral" } } }),
  structured: true,
  listing: ({ api_key, base_url }) => ({
    url: `${addressOf(base_url)}/models?limit=1000`,
    headers: { "x-api-key": api_key, "anthropic-version": version },
    names: named("data", "id")
  })
})
