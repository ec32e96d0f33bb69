import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect, Layer } from "effect"
import { isPublished } from "../../../domain/Channel.ts"
import { CurrentPrincipal } from "../../../domain/Principal.ts"
import { OwnAgents } from "../../../services/OwnAgents.ts"
import { Readiness } from "../../../services/Readiness.ts"
import { Storage } from "../../../services/Storage.ts"
import { aroundOf } from "../../Around.ts"
import * as AgentRecords from "../../handlers/AgentRecords.ts"
import { quoted, warn } from "../../Warnings.ts"
import type { Options } from "../Channel.ts"
import * as Targets from "../openai/Targets.ts"
import type { api } from "./Api.ts"
import * as Records from "./Records.ts"
import * as Runs from "./Runs.ts"
import * as Tools from "./Tools.ts"

const owner = Effect.map(CurrentPrincipal, ({ user_id }) => user_id)

export const layer = (mounted: typeof api, options: Options) => {
  const targets = Targets.make(options)
  const records = Effect.flatMap(targets, Records.make)

  const agents = HttpApiBuilder.group(mounted, "agents", (handlers) =>
    Effect.gen(function*() {
      const storage = yield* Storage
      const own = yield* OwnAgents
      const stored = yield* AgentRecords.make
      const { draft, mine, patch, shown } = yield* records

      return handlers
        .handle(
          "create",
          Effect.fnUntraced(function*({ headers, payload }) {
            const user_id = yield* owner
            const making = { request: `POST ${options.name}/agents`, key: headers["idempotency-key"] }
            const { agent_id } = yield* stored.create(user_id, making, yield* draft(user_id, payload))
            const [made] = yield* shown(user_id, [yield* storage.agents.get(user_id, agent_id)])
            return HttpServerResponse.unsafeJson(made, {
              status: 201,
              headers: { location: `${options.mount}/agents/${agent_id}` }
            })
          })
        )
        .handle(
          "list",
          Effect.fnUntraced(function*({ urlParams }) {
            const user_id = yield* owner
            yield* own.ensure(user_id)
            const { items, next_cursor } = yield* storage.agents.list(user_id, urlParams)
            const published = items.filter(({ data }) => isPublished(data.channels, options.name))
            return { agents: yield* shown(user_id, published), next_cursor }
          })
        )
        .handle(
          "get",
          Effect.fnUntraced(function*({ path }) {
            const user_id = yield* owner
            const [found] = yield* shown(user_id, [yield* mine(user_id, path.agent_id)])
            return found!
          })
        )
        .handle(
          "replace",
          Effect.fnUntraced(function*({ path, payload }) {
            const user_id = yield* owner
            const agent = yield* mine(user_id, path.agent_id)
            if (payload.id != null && payload.id !== agent.id) {
              yield* warn([`The id of an agent stays as it is: ${quoted(payload.id)} has no effect.`])
            }
            const changed = yield* stored.update(user_id, agent.id, yield* patch(user_id, agent, payload))
            const [found] = yield* shown(user_id, [changed])
            return found!
          })
        )
        .handle(
          "remove",
          Effect.fnUntraced(function*({ path }) {
            const user_id = yield* owner
            const { id } = yield* mine(user_id, path.agent_id)
            yield* stored.remove(user_id, id)
            return { id }
          })
        )
    }))

  const runs = HttpApiBuilder.group(
    mounted,
    "runs",
    (handlers) =>
      Effect.map(Effect.flatMap(records, (own) => Runs.make(own, options)), (run) =>
        handlers
          .handle("run", ({ headers, path, payload }) => run(path.agent_id, headers, payload))
          .handle("chat", ({ headers, path, payload }) => run(path.agent_id, headers, payload)))
  )

  const tools = HttpApiBuilder.group(
    mounted,
    "tools",
    (handlers) =>
      Effect.map(Tools.make(options), ({ get, list, remove }) =>
        handlers
          .handle("list", () => Effect.flatMap(owner, list))
          .handle("get", ({ path }) => Effect.flatMap(owner, (user_id) => get(user_id, path.tool_id)))
          .handle("remove", ({ path }) => Effect.flatMap(owner, (user_id) => remove(user_id, path.tool_id))))
  )

  const system = HttpApiBuilder.group(mounted, "system", (handlers) =>
    Effect.map(Readiness, ({ isReady }) =>
      handlers
        .handle("root", ({ request }) =>
          Effect.succeed({
            name: "Open Agent API",
            version: "0.7.0",
            status: isReady() ? "ok" : "not_ready",
            documentation: `${aroundOf(request).base}/docs/${options.name}`
          }))
        .handle("health", () =>
          Effect.sync(() => {
            const status = isReady() ? 200 : 503
            return HttpServerResponse.unsafeJson({ status: status === 200 ? "ok" : "not_ready" }, { status })
          }))))

  return Layer.mergeAll(agents, runs, tools, system)
}
