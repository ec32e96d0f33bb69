/** DeepSeek. */
import { Schema } from "effect"
import type { Dialect } from "../aisdk/Dialect.ts"
import * as AiSdkProvider from "../aisdk/Provider.ts"
import * as Chat from "../families/Chat.ts"
import * as Fields from "../families/Fields.ts"
import { thoughtful } from "../families/Thoughtful.ts"

const address = "https://api.deepseek.com"

/** Of what it has now, only the old name of the mode without thoughts does not think unless told so. */
const thinks = (model: string, { thinking_enable }: { readonly thinking_enable?: boolean }) =>
  thinking_enable ?? !/deepseek-chat/.test(model)

/** In the mode without thoughts, the package would drop those of earlier turns and send those of this one. */
const dialect: Dialect = {
  namespace: "deepseek",
  keep: [],
  thinking: "none",
  media: [[/^image\/(jpeg|png|gif|webp)$/, true]],
  prefill: true
}
const thinking: Dialect = { ...thoughtful(dialect), thinking: "text", api: "thinking" }

/** The package sends thoughts of earlier turns to models that have this in their name, and drops them for others. */
const alias = "deepseek-v4:"

const withoutAlias = (fetch: typeof globalThis.fetch): typeof globalThis.fetch => (input, init) =>
  typeof init?.body === "string"
    ? fetch(input, { ...init, body: init.body.replace(`{"model":"${alias}`, "{\"model\":\"") })
    : fetch(input, init)

export const provider = AiSdkProvider.make({
  type: "deepseek_credential",
  title: "DeepSeek",
  fields: Schema.Struct({ api_key: Fields.key(), base_url: Fields.baseUrl(address) }),
  parameters: Schema.Struct({
    ...Fields.temperature(),
    ...Fields.sampling,
    ...Fields.output,
    ...Fields.stop,
    thinking_enable: Fields.toggle("Think"),
    ...Fields.effort("low", "medium", "high", "xhigh", "max")
  }),
  dialect: ({ model, parameters }) => thinks(model, parameters) ? thinking : dialect,
  open: async ({ api_key, base_url }, fetch) => {
    const { createDeepSeek } = await import("@ai-sdk/deepseek")
    const client = createDeepSeek({ apiKey: api_key, baseURL: base_url ?? address, fetch: withoutAlias(fetch) })
    return { chat: (model, { standIn }) => client.chat(standIn === undefined ? model : `${alias}${model}`) }
  },
  options: ({ parameters }) => {
    const { reasoning_effort, thinking_enable } = parameters
    return {
      ...Chat.settings(parameters),
      providerOptions: {
        deepseek: {
          ...(thinking_enable !== undefined && { thinking: { type: thinking_enable ? "enabled" : "disabled" } }),
          ...(reasoning_effort !== undefined && { reasoningEffort: reasoning_effort })
        }
      }
    }
  },
  // It has JSON without a schema only; but when it thinks, it can be made to call no tool.
  structured: ({ model, parameters }) => thinks(model, parameters),
  listing: ({ api_key, base_url }) => Chat.listing(base_url ?? address, api_key)
})
