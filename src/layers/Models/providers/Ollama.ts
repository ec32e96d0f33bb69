/** Ollama: models on a host of one's own. */
import { Schema } from "effect"
import * as AiSdkProvider from "../AiSdkProvider.ts"
import * as Chat from "../Chat.ts"
import * as Fields from "../Fields.ts"
import { named } from "../Listing.ts"

const name = "ollama"
const usualHost = "http://localhost:11434"

export const provider = AiSdkProvider.make({
  type: "ollama_credential",
  title: "Ollama",
  fields: Schema.Struct({
    host: Fields.baseUrl(usualHost, "Host"),
    api_key: Fields.optionalKey()
  }),
  parameters: Schema.Struct({ ...Fields.usual, ...Fields.effort("none", "low", "medium", "high") }),
  dialect: Chat.dialect(name, [[/^image\//, false]]),
  open: ({ api_key, host = usualHost }, fetch) =>
    Chat.open({ name, api_key, base_url: `${Chat.trimmed(host)}/v1`, structured: true }, fetch),
  options: ({ output, parameters }) => Chat.options(name, parameters, output),
  structured: true,
  listing: ({ api_key, host = usualHost }) => ({
    url: `${Chat.trimmed(host)}/api/tags`,
    headers: Chat.bearer(api_key),
    names: named("models", "name")
  }),
  dimensions: (dimensions) => ({ openaiCompatible: { dimensions } })
})
