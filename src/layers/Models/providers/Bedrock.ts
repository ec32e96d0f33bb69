/** Amazon Bedrock's Converse API, with an API key or with an AWS key pair. */
import { Schema } from "effect"
import { ModelFailed } from "../../../services/Models.ts"
import { marked } from "../aisdk/Caching.ts"
import { nine, plain } from "../aisdk/CallId.ts"
import type { Dialect } from "../aisdk/Dialect.ts"
import * as AiSdkProvider from "../aisdk/Provider.ts"
import { signed, signing } from "../families/Aws.ts"
import * as Chat from "../families/Chat.ts"
import * as Fields from "../families/Fields.ts"
import { thinkingOf } from "../families/Thinking.ts"
import { named } from "../Listing.ts"

const name = "bedrock"

/** Models that keep prompts. https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html */
const keepsPrompts = (model: string) => /claude-(3-7|[a-z]+-\d)|amazon\.nova/.test(model)

interface Place {
  readonly region: string
  readonly base_url?: string
}

const addressOf = ({ base_url, region }: Place, service: string): string =>
  Chat.trimmed(base_url ?? `https://${service}.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`)

const Credential = Schema.Struct({
  region: Fields.name("Region", /^[a-z]{2,4}(-[a-z]+)+-\d+$/, "an AWS region such as us-east-1"),
  api_key: Fields.optionalKey(),
  access_key_id: Fields.optionalName("Access key id", /^[A-Za-z0-9]+$/, "letters and digits"),
  secret_access_key: Fields.optionalKey("Secret access key"),
  session_token: Fields.optionalKey("Session token"),
  base_url: Fields.baseUrl("https://bedrock-runtime.us-east-1.amazonaws.com")
})

const keyless = () =>
  new ModelFailed({
    type: "setup",
    message: "The credential needs an api_key, or an access_key_id with its secret_access_key.",
    retryable: false
  })

const dialect: Dialect = {
  namespace: name,
  keep: ["signature", "redactedData", "redactedContent"],
  thinking: "signed",
  systemFirst: true,
  media: [[/^image\/(jpeg|png|gif|webp)$/, false], [/^application\/pdf$/, false]],
  namesInText: true,
  prefill: false,
  userFirst: true,
  callId: plain
}

/** The package cuts the ids of calls for these models, which could make two of them the same. */
const ofMistral: Dialect = { ...dialect, callId: nine }

const ofAnthropic: Dialect = { ...dialect, argument: /^[a-zA-Z0-9_.-]{1,64}$/ }

export const provider = AiSdkProvider.make({
  type: "bedrock_credential",
  title: "Amazon Bedrock",
  fields: Credential,
  parameters: Schema.Struct({
    ...Fields.temperature(1),
    ...Fields.sampling,
    ...Fields.topK,
    ...Fields.output,
    ...Fields.stop,
    ...Fields.thinking,
    ...Fields.effort("low", "medium", "high", "xhigh", "max"),
    ...Fields.caching
  }),
  dialect: ({ model }) => /mistral\./.test(model) ? ofMistral : /anthropic\./.test(model) ? ofAnthropic : dialect,
  open: async (credential, fetch) => {
    const { access_key_id = "", api_key = "", region, secret_access_key = "", session_token } = credential
    if (api_key === "" && (access_key_id === "" || secret_access_key === "")) throw keyless()
    const { createAmazonBedrock } = await import("@ai-sdk/amazon-bedrock")
    const keys = { access_key_id, secret_access_key, session_token }
    // The package would sign the body as it is before the last look at it; so it gets a key that is no secret, and never leaves.
    const client = createAmazonBedrock({
      apiKey: api_key === "" ? "signed" : api_key,
      region,
      baseURL: addressOf(credential, "bedrock-runtime"),
      fetch: api_key === "" ? signing(fetch, keys, region) : fetch
    })
    return { chat: (model) => client.languageModel(model), embedding: (model) => client.embeddingModel(model) }
  },
  options: ({ messages, model, parameters }) => {
    const thinking = thinkingOf(parameters, model, messages, name)
    const { reasoning_effort } = parameters
    const reasoningConfig = {
      ...thinking,
      ...(reasoning_effort !== undefined && { maxReasoningEffort: reasoning_effort })
    }
    return {
      ...Chat.settings(parameters),
      ...(Object.keys(reasoningConfig).length > 0 && { providerOptions: { [name]: { reasoningConfig } } })
    }
  },
  mark: (prompt, { model, parameters }) =>
    parameters.prompt_caching ?? keepsPrompts(model)
      ? marked(prompt, { [name]: { cachePoint: { type: "default" } } })
      : prompt,
  structured: true,
  /** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html */
  listing: (credential, now) => {
    const { access_key_id, api_key, region, secret_access_key, session_token } = credential
    const url = `${addressOf(credential, "bedrock")}/foundation-models`
    if (api_key !== undefined) return { url, headers: Chat.bearer(api_key), names: named("modelSummaries", "modelId") }
    if (access_key_id === undefined || secret_access_key === undefined) return keyless()
    const keys = { access_key_id, secret_access_key, session_token }
    return { url, headers: signed(url, keys, region, now), names: named("modelSummaries", "modelId") }
  },
  dimensions: (dimensions, model) => ({
    [name]: model.includes("cohere.")
      ? { outputDimension: dimensions }
      : model.includes("amazon.nova-")
      ? { embeddingDimension: dimensions }
      : { dimensions }
  })
})
