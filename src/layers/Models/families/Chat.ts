/** The Chat Completions protocol through `@ai-sdk/openai-compatible`, which many providers speak. */
import type { OpenAICompatibleProviderSettings } from "@ai-sdk/openai-compatible"
import type { SharedV3ProviderOptions } from "@ai-sdk/provider"
import { withoutTrailing } from "../../../domain/Text.ts"
import type { StructuredOutput } from "../../../services/Models.ts"
import { type Dialect, media } from "../aisdk/Dialect.ts"
import type { Client, Options } from "../aisdk/Provider.ts"
import { isStrict } from "../aisdk/Strict.ts"
import type { Listing } from "../Listing.ts"
import { named } from "../Listing.ts"
import * as ChatDetails from "./ChatDetails.ts"

export const dialect = (
  namespace: string,
  types: Dialect["media"] = [media.image, media.sound, media.pdf]
): Dialect => ({
  namespace,
  keep: ["thoughtSignature"],
  sendAs: "google",
  thinking: "text",
  media: types,
  prefill: true
})

interface Usual {
  readonly temperature?: number
  readonly top_p?: number
  readonly top_k?: number
  readonly max_tokens?: number
  readonly stop?: string | ReadonlyArray<string>
  readonly seed?: number
  readonly frequency_penalty?: number
  readonly presence_penalty?: number
}

/** The parameters that the SDK knows itself. */
export const settings = (parameters: Usual): Options => ({
  ...(parameters.temperature !== undefined && { temperature: parameters.temperature }),
  ...(parameters.top_p !== undefined && { topP: parameters.top_p }),
  ...(parameters.top_k !== undefined && { topK: parameters.top_k }),
  ...(parameters.max_tokens !== undefined && { maxOutputTokens: parameters.max_tokens }),
  ...(parameters.stop !== undefined && { stopSequences: [parameters.stop].flat() as Array<string> }),
  ...(parameters.seed !== undefined && { seed: parameters.seed }),
  ...(parameters.frequency_penalty !== undefined && { frequencyPenalty: parameters.frequency_penalty }),
  ...(parameters.presence_penalty !== undefined && { presencePenalty: parameters.presence_penalty })
})

interface Asked extends Usual {
  readonly reasoning_effort?: string | undefined
}

/** All of a call's options; `others` go into the request's body as they are. */
export const options = (
  namespace: string,
  parameters: Asked,
  structured: StructuredOutput | undefined,
  others: SharedV3ProviderOptions[string] = {}
): Options => ({
  ...settings(parameters),
  providerOptions: {
    [namespace]: others,
    openaiCompatible: {
      ...(parameters.reasoning_effort !== undefined && { reasoningEffort: parameters.reasoning_effort }),
      ...(structured !== undefined && { strictJsonSchema: isStrict(structured.schema) })
    }
  }
})

type ReadUsage = Exclude<OpenAICompatibleProviderSettings["convertUsage"], undefined>

/** Token counts as OpenAI means them. */
export const usageOf: ReadUsage = (usage) => {
  const cacheRead = usage?.prompt_tokens_details?.cached_tokens ?? undefined
  const reasoning = usage?.completion_tokens_details?.reasoning_tokens ?? undefined
  return {
    inputTokens: { total: usage?.prompt_tokens ?? undefined, noCache: undefined, cacheRead, cacheWrite: undefined },
    outputTokens: { total: usage?.completion_tokens ?? undefined, text: undefined, reasoning }
  }
}

interface Server {
  /** Also the namespace of its options. */
  readonly name: string
  readonly base_url: string
  readonly api_key?: string | undefined
  readonly structured?: boolean
  /** Reads the token counts, if the server means others than OpenAI by them. */
  readonly convertUsage?: ReadUsage
  /** Reads what is special to the server. */
  readonly metadataExtractor?: Exclude<OpenAICompatibleProviderSettings["metadataExtractor"], undefined>
}

export const open = async (
  { api_key, base_url, convertUsage, metadataExtractor, name, structured = false }: Server,
  fetch: typeof globalThis.fetch
): Promise<Client & Required<Pick<Client, "embedding">>> => {
  const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible")
  const provider = createOpenAICompatible({
    name,
    baseURL: base_url,
    includeUsage: true,
    supportsStructuredOutputs: structured,
    fetch,
    metadataExtractor: ChatDetails.extractor(name, metadataExtractor),
    ...(convertUsage !== undefined && { convertUsage }),
    ...(api_key !== undefined && { apiKey: api_key })
  })
  return {
    chat: (model: string) => provider.chatModel(model),
    embedding: (model: string) => provider.embeddingModel(model)
  }
}

export const bearer = (api_key: string | undefined): Readonly<Record<string, string>> =>
  api_key === undefined ? {} : { authorization: `Bearer ${api_key}` }

/** An address without the slashes at its end. */
export const trimmed = (base_url: string): string => withoutTrailing(base_url, "/")

/** `GET <base_url>/models`, as OpenAI has it. */
export const listing = (base_url: string, api_key: string | undefined, path = "/models"): Listing => ({
  url: `${trimmed(base_url)}${path}`,
  headers: bearer(api_key),
  names: named("data", "id")
})
