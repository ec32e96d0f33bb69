import { respond as respondPlain } from "../../middleware/Problems.ts"
import { type Channel, make } from "../Channel.ts"
import { api, streamPath } from "./Api.ts"
import { contents } from "./Contents.ts"
import { errors, respond } from "./Errors.ts"
import { layer } from "./Handlers.ts"

const own = make({
  name: "mcp",
  title: "MCP server",
  mount: "/mcp",
  api,
  handlers: (mounted, options) => layer(mounted, contents(options), options),
  respond,
  errors,
  options: []
})

/** Agents as tools of an MCP server, with the sessions that they were talked to in as its resources. */
export const mcp: Channel = {
  ...own,
  at: (options) => {
    const mine = own.at(options)
    const { mount } = mine
    const stream = `${mount}${streamPath}`
    return {
      ...mine,
      // GET without a stream, and the paths below, are the native API's.
      respondAt: (path, method) => path === stream || (path === mount && method !== "GET") ? respond : respondPlain,
      forward: (method, url, accept) =>
        method === "GET" && url === mount && accept?.includes("text/event-stream") === true ? stream : undefined
    }
  }
}
