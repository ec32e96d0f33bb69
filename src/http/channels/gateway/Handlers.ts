import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect, Layer } from "effect"
import type { Reloaded } from "../../../domain/Definition.ts"
import { CurrentPrincipal } from "../../../domain/Principal.ts"
import { Catalog } from "../../../services/Catalog.ts"
import { Readiness } from "../../../services/Readiness.ts"
import { Toolbox } from "../../../services/Toolbox.ts"
import { aroundOf } from "../../Around.ts"
import { asker } from "../../handlers/Asker.ts"
import type { Options } from "../Channel.ts"
import * as Agents from "./Agents.ts"
import type { api } from "./Api.ts"
import * as CatalogShown from "./Catalog.ts"
import * as Conversations from "./Conversations.ts"
import * as Executions from "./Executions.ts"
import * as Invoke from "./Invoke.ts"
import * as McpServers from "./McpServers.ts"
import * as Notifications from "./Notifications.ts"
import * as Personal from "./Personal.ts"
import * as Schedules from "./Schedules.ts"
import * as Timing from "./Timing.ts"
import * as Typed from "./Typed.ts"

type Api = typeof api

const reloaded = ({ agents, skills, tools }: Reloaded) => ({
  status: "ok" as const,
  agents,
  tools,
  skills,
  message: `There are ${agents} agents, ${tools} tools and ${skills} skills.`
})

const owner = Effect.map(CurrentPrincipal, ({ user_id }) => user_id)

export const layer = (mounted: Api, options: Options) => {
  const health = HttpApiBuilder.group(
    mounted,
    "health",
    (handlers) =>
      Effect.map(
        Effect.all([Readiness, Toolbox]),
        ([{ isReady }, { all }]) =>
          handlers.handle("health", () =>
            Effect.sync(() => ({
              status: isReady() ? "ok" as const : "degraded" as const,
              tool_count: all.length
            })))
      )
  )

  const agents = HttpApiBuilder.group(
    mounted,
    "agents",
    (handlers) =>
      Effect.gen(function*() {
        const shown = yield* Agents.make(options)
        const personal = yield* Personal.make
        const { compact, find, get, list } = shown
        const document = yield* Typed.make(mounted, shown, options)
        /** The caller, and the agent that the path names. */
        const named = ({ path }: { readonly path: { readonly agent_id: string } }) =>
          Effect.flatMap(
            owner,
            (user_id) => Effect.map(find(user_id, path.agent_id), (agent) => [user_id, agent] as const)
          )
        return handlers
          .handle("document", ({ request }) =>
            Effect.flatMap(owner, (user_id) => document(user_id, aroundOf(request).base)))
          .handle("list", () =>
            Effect.flatMap(owner, list))
          .handle("get", ({ path }) => Effect.flatMap(owner, (user_id) => get(user_id, path.agent_id)))
          .handle("setup", (request) => Effect.flatMap(named(request), ([, agent]) => personal.schema(agent)))
          .handle("config", (request) => Effect.flatMap(named(request), (of) => personal.get(...of)))
          .handle(
            "configure",
            (request) =>
              Effect.flatMap(named(request), ([user_id, agent]) => personal.put(user_id, agent, request.payload))
          )
          .handle("unconfigure", (request) => Effect.flatMap(named(request), (of) => personal.remove(...of)))
          .handle("compact", ({ path }) => Effect.flatMap(owner, (user_id) => compact(user_id, path.agent_id)))
      })
  )

  const runs = HttpApiBuilder.group(mounted, "runs", (handlers) =>
    Effect.map(
      Effect.flatMap(Agents.make(options), (found) => Invoke.make(found, options)),
      ({ chat, invoke }) =>
        handlers
          .handle("invoke", ({ headers, path, payload }) =>
            Effect.flatMap(owner, (user_id) => invoke(user_id, path.agent_id, headers["idempotency-key"], payload)))
          .handle("chat", ({ headers, path, payload }) =>
            Effect.flatMap(owner, (user_id) =>
              chat(user_id, path.agent_id, headers["idempotency-key"], payload)))
    ))

  const executions = HttpApiBuilder.group(
    mounted,
    "executions",
    (handlers) =>
      Effect.map(Executions.make, ({ cancel, get, list, workflow }) =>
        handlers
          .handle("list", ({ urlParams }) => Effect.flatMap(owner, (user_id) => list(user_id, urlParams)))
          .handle("get", ({ path }) =>
            Effect.tap(
              Effect.flatMap(owner, (user_id) => get(user_id, path.execution_id)),
              ({ execution_id }) => Timing.about(execution_id)
            ))
          .handle("workflow", ({ path }) => Effect.flatMap(owner, (user_id) => workflow(user_id, path.execution_id)))
          .handle("cancel", ({ path }) =>
            Effect.tap(
              Effect.flatMap(owner, (user_id) => cancel(user_id, path.execution_id)),
              ({ execution_id }) => Timing.about(execution_id)
            )))
  )

  const sessions = HttpApiBuilder.group(
    mounted,
    "sessions",
    (handlers) =>
      Effect.map(Conversations.make, ({ get, list, remove }) =>
        handlers
          .handle("list", ({ urlParams }) => Effect.flatMap(owner, (user_id) => list(user_id, urlParams)))
          .handle("get", ({ path }) => Effect.flatMap(owner, (user_id) => get(user_id, path.session_id)))
          .handle("remove", ({ path }) => Effect.flatMap(owner, (user_id) => remove(user_id, path.session_id))))
  )

  const conversations = HttpApiBuilder.group(
    mounted,
    "conversations",
    (handlers) =>
      Effect.map(Conversations.make, ({ conversations, messages }) =>
        handlers
          .handle("list", ({ urlParams }) => Effect.flatMap(owner, (user_id) => conversations(user_id, urlParams)))
          .handle(
            "messages",
            ({ path, urlParams }) => Effect.flatMap(owner, (user_id) => messages(user_id, path.session_id, urlParams))
          ))
  )

  const catalog = HttpApiBuilder.group(
    mounted,
    "catalog",
    (handlers) =>
      Effect.map(CatalogShown.make(options.name), ({ skill, skills, tool, tools }) =>
        handlers
          .handle("tools", () => Effect.flatMap(owner, tools))
          .handle("tool", ({ path }) => Effect.flatMap(owner, (user_id) => tool(user_id, path.tool_id)))
          .handle("skills", () => Effect.flatMap(owner, skills))
          .handle("skill", ({ path }) => Effect.flatMap(owner, (user_id) => skill(user_id, path.skill_id))))
  )

  const schedules = HttpApiBuilder.group(mounted, "schedules", (handlers) =>
    Effect.map(
      Effect.flatMap(Agents.make(options), Schedules.make),
      ({ create, get, list, pause, remove, resume, trigger }) =>
        handlers
          .handle("list", () => Effect.flatMap(owner, list))
          .handle("get", ({ path }) => Effect.flatMap(owner, (user_id) => get(user_id, path.schedule_id)))
          .handle("create", ({ payload }) => Effect.flatMap(owner, (user_id) => create(user_id, payload)))
          .handle("remove", ({ path }) => Effect.flatMap(owner, (user_id) => remove(user_id, path.schedule_id)))
          .handle("pause", ({ path }) => Effect.flatMap(owner, (user_id) => pause(user_id, path.schedule_id)))
          .handle("resume", ({ path }) => Effect.flatMap(owner, (user_id) => resume(user_id, path.schedule_id)))
          .handle("trigger", ({ path }) => Effect.flatMap(owner, (user_id) => trigger(user_id, path.schedule_id)))
    ))

  const admin = HttpApiBuilder.group(
    mounted,
    "admin",
    (handlers) =>
      Effect.map(
        Effect.all([McpServers.make, Notifications.make, Catalog]),
        ([servers, notifications, catalog]) =>
          handlers
            .handle(
              "notifications",
              ({ urlParams }) => Effect.flatMap(owner, (user_id) => notifications(user_id, urlParams))
            )
            .handle("servers", () => Effect.flatMap(asker, servers.list))
            .handle("server", ({ path }) => Effect.flatMap(asker, (asker) => servers.get(asker, path.mcp_id)))
            .handle("addServer", ({ payload }) => Effect.flatMap(asker, (asker) => servers.add(asker, payload)))
            .handle(
              "changeServer",
              ({ path, payload }) => Effect.flatMap(asker, (asker) => servers.change(asker, path.mcp_id, payload))
            )
            .handle("removeServer", ({ path }) => Effect.flatMap(asker, (asker) => servers.remove(asker, path.mcp_id)))
            .handle("testServer", ({ path }) => Effect.flatMap(asker, (asker) => servers.test(asker, path.mcp_id)))
            .handle("refreshServer", ({ path }) => Effect.flatMap(asker, (asker) => servers.test(asker, path.mcp_id)))
            .handle("serverTools", ({ path }) => Effect.flatMap(asker, (asker) => servers.tools(asker, path.mcp_id)))
            .handle("reload", () => Effect.map(catalog.reload, reloaded))
      )
  )

  return Layer.mergeAll(health, agents, runs, executions, sessions, conversations, catalog, schedules, admin).pipe(
    Layer.provide(Timing.layer)
  )
}
