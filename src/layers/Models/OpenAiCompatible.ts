/** Any server that speaks the Chat Completions protocol, through `@ai-sdk/openai-compatible`, which is loaded when first needed. */
import type { LanguageModelV3, LanguageModelV3CallOptions, LanguageModelV3FunctionTool } from "@ai-sdk/provider"
import { Effect, Schema } from "effect"
import type { ToolSpec } from "../../services/Models.ts"
import { promptOf } from "./AiSdkPrompt.ts"
import * as AiSdkStream from "./AiSdkStream.ts"
import * as Provider from "./Provider.ts"

/** Most models whose clients are kept per credential; the oldest goes first. */
const maxModels = 16

/** Longest key and longest address, in characters. */
const maxKey = 8192
const maxUrl = 2048

const isBaseUrl = (text: string): boolean => {
  if (!URL.canParse(text)) return false
  const { hash, password, protocol, search, username } = new URL(text)
  return (protocol === "http:" || protocol === "https:") && `${username}${password}${search}${hash}` === ""
}

const Fields = Schema.Struct({
  base_url: Schema.String.pipe(Schema.maxLength(maxUrl), Schema.filter(isBaseUrl)).annotations({
    title: "Base URL",
    description: "an http or https address without user, query and fragment, such as https://api.example.com/v1",
    jsonSchema: { format: "uri", maxLength: maxUrl }
  }),
  api_key: Schema.optionalWith(
    Schema.String.pipe(Schema.maxLength(maxKey), Schema.pattern(/^[\x21-\x7e]+$/)).annotations({
      title: "API key",
      description: `printable ASCII without blanks, at most ${maxKey} characters`,
      jsonSchema: { ...Provider.secret, maxLength: maxKey }
    }),
    { exact: true }
  )
})

const number = (least: number, most: number, title: string) =>
  Schema.optionalWith(
    Schema.Number.pipe(Schema.between(least, most)).annotations({
      title,
      description: `a number from ${least} to ${most}`
    }),
    { exact: true }
  )

const Parameters = Schema.Struct({
  temperature: number(0, 2, "Temperature"),
  top_p: number(0, 1, "Top P"),
  max_tokens: Schema.optionalWith(
    Schema.Number.pipe(Schema.int(), Schema.between(1, 10_000_000)).annotations({
      title: "Most output tokens",
      description: "a whole number from 1 to 10000000"
    }),
    { exact: true }
  ),
  stop: Schema.optionalWith(
    Schema.Union(
      Schema.String.pipe(Schema.length({ min: 1, max: 256 })),
      Schema.Array(Schema.String.pipe(Schema.length({ min: 1, max: 256 }))).pipe(Schema.maxItems(16))
    ).annotations({ title: "Stop", description: "a text, or up to 16 texts, of 1 to 256 characters" }),
    { exact: true }
  ),
  seed: Schema.optionalWith(
    Schema.Number.pipe(Schema.int()).annotations({ title: "Seed", description: "a whole number" }),
    { exact: true }
  ),
  frequency_penalty: number(-2, 2, "Frequency penalty"),
  presence_penalty: number(-2, 2, "Presence penalty"),
  reasoning_effort: Schema.optionalWith(
    Schema.Literal("none", "minimal", "low", "medium", "high", "xhigh").annotations({
      title: "Reasoning effort",
      description: "one of none, minimal, low, medium, high, xhigh"
    }),
    { exact: true }
  )
})

const settingsOf = (parameters: typeof Parameters.Type): Partial<LanguageModelV3CallOptions> => ({
  ...(parameters.temperature !== undefined && { temperature: parameters.temperature }),
  ...(parameters.top_p !== undefined && { topP: parameters.top_p }),
  ...(parameters.max_tokens !== undefined && { maxOutputTokens: parameters.max_tokens }),
  ...(parameters.stop !== undefined && { stopSequences: [parameters.stop].flat() as Array<string> }),
  ...(parameters.seed !== undefined && { seed: parameters.seed }),
  ...(parameters.frequency_penalty !== undefined && { frequencyPenalty: parameters.frequency_penalty }),
  ...(parameters.presence_penalty !== undefined && { presencePenalty: parameters.presence_penalty }),
  ...(parameters.reasoning_effort !== undefined && {
    providerOptions: { openaiCompatible: { reasoningEffort: parameters.reasoning_effort } }
  })
})

const toolOf = ({ description, name, parameters }: ToolSpec): LanguageModelV3FunctionTool => ({
  type: "function",
  name,
  description,
  inputSchema: parameters
})

const load = Effect.promise(() => import("@ai-sdk/openai-compatible"))

// A client compiles its schemas on first use; kept for as long as the credential stays the same.
const clients = new WeakMap<object, Map<string, LanguageModelV3>>()

const client = (credential: typeof Fields.Type, name: string) => {
  const known = clients.get(credential)?.get(name)
  if (known !== undefined) return Effect.succeed(known)
  return Effect.map(load, ({ createOpenAICompatible }) => {
    const models = clients.get(credential) ?? new Map<string, LanguageModelV3>()
    const { api_key, base_url } = credential
    const provider = createOpenAICompatible({
      name: "stoa",
      baseURL: base_url,
      includeUsage: true,
      ...(api_key !== undefined && { apiKey: api_key })
    })
    const model = provider.chatModel(name)
    models.set(name, model)
    if (models.size > maxModels) models.delete(models.keys().next().value!)
    clients.set(credential, models)
    return model
  })
}

export const provider: Provider.Provider = Provider.make({
  type: "openai_compatible_credential",
  title: "OpenAI-compatible",
  fields: Fields,
  parameters: Parameters,
  accepts: () => true,
  stream: ({ credential, messages, model: name, parameters, system, tools }, emit) =>
    Effect.flatMap(client(credential, name), (model) => {
      const options = {
        ...settingsOf(parameters),
        prompt: promptOf(system, messages),
        ...(tools.length > 0 && { tools: tools.map(toolOf) })
      }
      return AiSdkStream.stream({ model, options, emit })
    })
})
