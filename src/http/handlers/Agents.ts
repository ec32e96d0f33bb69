import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { viewOf } from "../../domain/Agent.ts"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { OwnAgents } from "../../services/OwnAgents.ts"
import { Storage } from "../../services/Storage.ts"
import { agentForm } from "../AgentForm.ts"
import { Api } from "../Api.ts"
import * as AgentRecords from "./AgentRecords.ts"
import { created } from "./Created.ts"

export const layer = HttpApiBuilder.group(Api, "agents", (handlers) =>
  Effect.gen(function*() {
    const { agents } = yield* Storage
    const records = yield* AgentRecords.make
    const own = yield* OwnAgents

    return handlers
      .handle(
        "list",
        Effect.fnUntraced(function*({ urlParams }) {
          const { user_id } = yield* CurrentPrincipal
          yield* own.ensure(user_id)
          const { items, ...rest } = yield* agents.list(user_id, urlParams)
          return { agents: items.map(viewOf), ...rest }
        })
      )
      .handle(
        "create",
        Effect.fnUntraced(function*({ headers, payload }) {
          const { user_id } = yield* CurrentPrincipal
          const making = { request: "POST /agent", key: headers["idempotency-key"] }
          const { agent_id } = yield* records.create(user_id, making, payload)
          return created({ agent_id }, `/agent/${agent_id}`)
        })
      )
      .handle(
        "get",
        ({ path }) =>
          Effect.flatMap(CurrentPrincipal, ({ user_id }) => Effect.map(agents.get(user_id, path.agent_id), viewOf))
      )
      .handle("update", ({ path, payload }) =>
        Effect.flatMap(
          CurrentPrincipal,
          ({ user_id }) => Effect.map(records.update(user_id, path.agent_id, payload), viewOf)
        ))
      .handle("remove", ({ path }) =>
        Effect.flatMap(CurrentPrincipal, ({ user_id }) => records.remove(user_id, path.agent_id)))
      .handle("form", () =>
        Effect.sync(() => ({ schema: agentForm().whole })))
      .handle("sections", () => Effect.sync(() => agentForm().sections))
  }))
