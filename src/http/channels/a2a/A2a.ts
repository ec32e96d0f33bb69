/** A2A: agents here for agents elsewhere. */
import { Layer } from "effect"
import { type Channel, make } from "../Channel.ts"
import { api, wellKnown } from "./Api.ts"
import { respondRest, respondRpc, schema, statusOf } from "./Errors.ts"
import { layer, wellKnownLayer } from "./Handlers.ts"

const common = { name: "a2a", title: "A2A", respond: respondRest, errors: { statusOf, schema }, options: [] }

const own = make({
  ...common,
  mount: "/a2a",
  api,
  handlers: layer,
  filePlaces: [/^(?:params\.)?message\.parts\.\d+\.raw$/]
})

/** The card has its place at the root, whatever the mount. */
const root = (mount: string) =>
  make({
    ...common,
    mount: "",
    api: wellKnown,
    handlers: (mounted, options) => wellKnownLayer(mounted, mount, options)
  })

interface Document {
  readonly paths: object
}

export const a2a: Channel = {
  ...own,
  at: (options) => {
    const mine = own.at(options)
    const card = root(options.mount).at({ ...options, mount: "" })
    const { mount } = mine
    /** Where calls of JSON-RPC go: the mount itself, and the address of one agent. */
    const isRpc = (path: string) =>
      path === mount || path === `${mount}/` ||
      (path.startsWith(`${mount}/agents/`) && !path.slice(`${mount}/agents/`.length).includes("/"))
    return {
      ...mine,
      routes: [...mine.routes, ...card.routes],
      respondAt: (path) => isRpc(path) ? respondRpc : respondRest,
      document: () => {
        const document = mine.document() as Document
        return { ...document, paths: { ...(card.document() as Document).paths, ...document.paths } }
      },
      layer: Layer.merge(mine.layer, card.layer)
    }
  }
}
