/** OpenAI's models at Azure: Responses at the v1 address, Chat Completions at deployments of dated versions. */
import { Schema } from "effect"
import * as AiSdkProvider from "../aisdk/Provider.ts"
import * as Chat from "../families/Chat.ts"
import * as Fields from "../families/Fields.ts"
import * as OpenAi from "../families/OpenAi.ts"
import { named } from "../Listing.ts"

const dialectOf = OpenAi.dialects("azure")

interface Place {
  readonly resource?: string
  readonly base_url?: string
  readonly api_version?: string
}

/** `…/openai`, or `…/openai/v1` without a dated version. */
const addressOf = ({ api_version, base_url, resource }: Place): string =>
  Chat.trimmed(base_url ?? `https://${resource}.openai.azure.com/openai${isDated(api_version) ? "" : "/v1"}`)

/** `2024-10-21`; others are names of the v1 address's. */
const isDated = (api_version: string | undefined): boolean => /^\d{4}-/.test(api_version ?? "")

export const provider = AiSdkProvider.make({
  type: "azure_openai_credential",
  title: "Azure OpenAI",
  fields: Schema.Struct({
    api_key: Fields.key(),
    resource: Fields.optionalName("Resource", /^[A-Za-z0-9-]+$/, "letters, digits and dashes"),
    base_url: Fields.baseUrl("https://example.openai.azure.com/openai/v1"),
    api_version: Fields.optionalName("API version"),
    deployment: Fields.optionalName("Deployment"),
    api: Fields.choice("API", ["responses", "chat"])
  }),
  problems: ({ base_url, resource }) =>
    base_url === undefined && resource === undefined
      ? [{ path: "resource", message: "Expected the resource's name, or a base_url." }]
      : [],
  parameters: OpenAi.Parameters,
  dialect: ({ credential, parameters }) =>
    dialectOf(isDated(credential.api_version) ? "chat" : credential.api, parameters),
  open: async (credential, fetch) => {
    const { api_key, api_version, deployment } = credential
    const { createAzure } = await import("@ai-sdk/azure")
    const client = createAzure({
      apiKey: api_key,
      baseURL: addressOf(credential),
      useDeploymentBasedUrls: isDated(api_version),
      fetch,
      ...(api_version !== undefined && { apiVersion: api_version })
    })
    return {
      chat: (model, { api }) =>
        api === "chat" ? client.chat(deployment ?? model) : client.responses(deployment ?? model),
      embedding: (model) => client.embeddingModel(model)
    }
  },
  options: (call) => {
    const options = OpenAi.options("azure", call)
    // Its chat reads the options of OpenAI.
    return { ...options, providerOptions: { ...options.providerOptions, openai: options.providerOptions!["azure"]! } }
  },
  structured: true,
  listing: (credential) => ({
    url: `${addressOf(credential)}/models${
      isDated(credential.api_version) ? `?api-version=${credential.api_version}` : ""
    }`,
    headers: { "api-key": credential.api_key },
    names: named("data", "id")
  }),
  dimensions: (dimensions) => ({ openai: { dimensions } })
})
