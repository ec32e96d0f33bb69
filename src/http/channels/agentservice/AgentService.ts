/**
 * The newest Agent Service: the root answers as its first version, and is what
 * later ones read as far as one answer can serve both. Three endpoints cannot, and
 * are answered here; requests for the others go to the root's as if they had been sent there.
 */
import * as OpenApi from "@effect/platform/OpenApi"
import { Api } from "../../Api.ts"
import { encoded } from "../../middleware/CardIds.ts"
import { finderOf, methodsOf, routesOf } from "../../middleware/Methods.ts"
import { respond } from "../../middleware/Problems.ts"
import { type Channel, make, type Mounted } from "../Channel.ts"
import { api } from "./Api.ts"
import { layer } from "./Handlers.ts"

const channel = make({
  name: "agent_service",
  title: "The newest Agent Service",
  mount: "/agent-service",
  api,
  handlers: layer,
  respond,
  options: "all",
  errors: { statusOf: (status) => status, schema: {} }
})

/** The root's document below the mount, with what is otherwise in the place of what is not. */
const documented = (mount: string): object => {
  const root = OpenApi.fromApi(Api)
  const own = OpenApi.fromApi(mount === "" ? api : api.prefix(mount as `/${string}`))
  const paths = Object.fromEntries(Object.entries(root.paths).map(([path, item]) => [`${mount}${path}`, item]))
  for (const [path, item] of Object.entries(own.paths)) paths[path] = { ...paths[path], ...item }
  return {
    ...root,
    info: { ...root.info, title: "Stoa: the newest Agent Service" },
    paths,
    components: { ...root.components, schemas: { ...own.components.schemas, ...root.components.schemas } }
  }
}

/** Where the root answers a request; undefined for what is answered here, and for what is nowhere. */
const forwarding = ({ mount, routes }: Pick<Mounted, "mount" | "routes">) => {
  const isOwn = finderOf(routes, () => true as const)
  const nativeAt = methodsOf(routesOf(Api))
  return (method: string, url: string): string | undefined => {
    if (isOwn(method === "HEAD" ? "GET" : method, url) === true) return undefined
    const path = encoded(url.slice(mount.length))
    return nativeAt(path).length > 0 ? path : undefined
  }
}

export const agentService: Channel = {
  ...channel,
  at: (options) => {
    const mounted = channel.at(options)
    return { ...mounted, document: () => documented(options.mount), forward: forwarding(mounted) }
  }
}
