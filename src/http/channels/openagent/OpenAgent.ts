/** The Open Agent API: agents of one's own over HTTP, whose clients bring tools of theirs along. */
import { Layer } from "effect"
import { KeyHeader } from "../../api/Operation.ts"
import { type Channel, type Definition, make, type Mounted } from "../Channel.ts"
import { api as openAiApi } from "../openai/Api.ts"
import { statusOf } from "../openai/Errors.ts"
import { layer as openAiLayer } from "../openai/Handlers.ts"
import { filePlaces } from "../openai/OpenAi.ts"
import { api, keyHeader } from "./Api.ts"
import { respond, schema } from "./Errors.ts"
import { layer } from "./Handlers.ts"

const common = {
  name: "open_agent",
  title: "The Open Agent API",
  mount: "/open-agent/v1",
  respond,
  errors: { statusOf, schema },
  options: "all",
  filePlaces
} satisfies Partial<Definition<never, never, never>>

const own = make({ ...common, api, handlers: layer })

/** Its own copies of OpenAI's paths: their handlers, with its errors and its ways to say who asks. */
const openAi = make({ ...common, api: openAiApi.annotate(KeyHeader, keyHeader), handlers: openAiLayer })

interface Document {
  readonly paths: object
  readonly components: { readonly schemas: object; readonly securitySchemes?: object }
}

/** One document of both, which names the header of the key as well. */
const documented = (mine: Mounted, others: Mounted): object => {
  const document = mine.document() as Document
  const { components, paths } = others.document() as Document
  return {
    ...document,
    security: [{ apiKey: [] }, { key: [] }, { user: [] }],
    paths: { ...paths, ...document.paths },
    components: {
      ...document.components,
      schemas: { ...components.schemas, ...document.components.schemas },
      securitySchemes: {
        ...document.components.securitySchemes,
        apiKey: { type: "apiKey", name: "X-API-Key", in: "header", description: "An API key: `stoa_…`." }
      }
    }
  }
}

export const openAgent: Channel = {
  ...own,
  at: (options) => {
    const mine = own.at(options)
    const others = openAi.at(options)
    return {
      ...mine,
      routes: [...mine.routes, ...others.routes],
      document: () => documented(mine, others),
      layer: Layer.merge(mine.layer, others.layer)
    }
  }
}
