/** Ollama: models on a host of one's own. */
import { Schema } from "effect"
import * as AiSdkProvider from "../aisdk/Provider.ts"
import * as Chat from "../families/Chat.ts"
import * as Fields from "../families/Fields.ts"
import { effortOf } from "../families/Thinking.ts"
import { named } from "../Listing.ts"

const name = "ollama"
const usualHost = "http://localhost:11434"

/** The host itself, also where its OpenAI-compatible address was given. */
const hostOf = (host = usualHost): string => Chat.trimmed(host).replace(/\/v1$/, "")

export const provider = AiSdkProvider.make({
  type: "ollama_credential",
  title: "Ollama",
  fields: Schema.Struct({
    host: Fields.baseUrl(usualHost, "Host"),
    api_key: Fields.optionalKey()
  }),
  parameters: Schema.Struct({ ...Fields.usual, ...Fields.think, ...Fields.effort("none", "low", "medium", "high") }),
  dialect: { ...Chat.dialect(name, [[/^image\//, false]]), reasoning: "always" },
  open: ({ api_key, host }, fetch) =>
    Chat.open({ name, api_key, base_url: `${hostOf(host)}/v1`, structured: true }, fetch),
  options: ({ card, output, parameters }) =>
    Chat.options(name, { ...parameters, reasoning_effort: effortOf(parameters, card) }, output),
  structured: true,
  listing: ({ api_key, host }) => ({
    url: `${hostOf(host)}/api/tags`,
    headers: Chat.bearer(api_key),
    names: named("models", "name")
  }),
  dimensions: (dimensions) => ({ openaiCompatible: { dimensions } })
})
