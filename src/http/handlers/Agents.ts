import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Clock, Effect } from "effect"
import { type AgentDraft, type AgentPatch, patchAgent, viewOf } from "../../domain/Agent.ts"
import { Invalid } from "../../domain/Errors.ts"
import { AgentId, type UserId } from "../../domain/Ids.ts"
import { fallbacksIn } from "../../domain/Model.ts"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { Idempotency } from "../../services/Idempotency.ts"
import { Models } from "../../services/Models.ts"
import { NewId } from "../../services/NewId.ts"
import { now, timestampOf } from "../../services/Now.ts"
import { OwnAgents } from "../../services/OwnAgents.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"
import { Toolbox } from "../../services/Toolbox.ts"
import { Workspace } from "../../services/Workspace.ts"
import { agentForm } from "../AgentForm.ts"
import { Api } from "../Api.ts"
import { AgentCreated } from "../api/Agents.ts"
import { checkedModel } from "./CheckedModel.ts"
import { created } from "./Created.ts"
import { everything } from "./Everything.ts"

export const layer = HttpApiBuilder.group(Api, "agents", (handlers) =>
  Effect.gen(function*() {
    const { agents, sessions } = yield* Storage
    const hub = yield* SessionHub
    const models = yield* Models
    const own = yield* OwnAgents
    const workspaces = yield* Workspace
    const { knows, namesOf } = yield* Toolbox

    const checkTools = ({ client_tools, tools }: Pick<AgentDraft, "client_tools" | "tools">) => {
      const unknown = typeof tools === "string" ? -1 : tools.findIndex((name) => !knows(name))
      if (unknown >= 0) {
        const message = `There is no tool called '${tools[unknown]}'.`
        return new Invalid({
          detail: "The agent cannot have these tools.",
          errors: [{ path: `tools.${unknown}`, message }]
        })
      }
      const names = namesOf(tools)
      const place = client_tools.findIndex(({ name }) => names.has(name))
      if (place < 0) return Effect.void
      const message = `A built-in tool is called '${client_tools[place]?.name}'.`
      return new Invalid({
        detail: `${message} Give the agent's own tool another name.`,
        errors: [{ path: `client_tools.${place}.name`, message }]
      })
    }

    const checked = checkedModel(models)

    const checkModels = (owner: UserId, { chat_model_config, fallback_chat_model_configs }: AgentPatch) =>
      Effect.forEach(
        [
          ...fallbacksIn("chat_model_config", chat_model_config),
          ...fallbacksIn("fallback_chat_model_configs", fallback_chat_model_configs)
        ],
        ({ config, path }) => checked(owner, config, path),
        { discard: true }
      )

    const newId = yield* NewId
    const { once } = yield* Idempotency

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
          const { agent_id } = yield* once(
            {
              owner: user_id,
              key: headers["idempotency-key"],
              request: "POST /agent",
              body: payload,
              answer: AgentCreated
            },
            Effect.fnUntraced(function*({ keep }) {
              yield* checkTools(payload)
              yield* checkModels(user_id, payload)
              const millis = yield* Clock.currentTimeMillis
              const at = timestampOf(millis)
              const id = AgentId.make(newId.record(millis))
              const agent = { id, user_id, created_at: at, updated_at: at, data: { id, ...payload } }
              return yield* keep(Effect.as(Effect.orDie(agents.insert(agent)), { agent_id: id }))
            })
          )
          return created({ agent_id }, `/agent/${agent_id}`)
        })
      )
      .handle(
        "get",
        ({ path }) =>
          Effect.flatMap(CurrentPrincipal, ({ user_id }) => Effect.map(agents.get(user_id, path.agent_id), viewOf))
      )
      .handle(
        "update",
        Effect.fnUntraced(function*({ path, payload }) {
          const { user_id } = yield* CurrentPrincipal
          if (payload.tools != null || payload.client_tools != null) {
            const { data } = yield* agents.get(user_id, path.agent_id)
            yield* checkTools({
              tools: payload.tools ?? data.tools,
              client_tools: payload.client_tools ?? data.client_tools
            })
          }
          yield* checkModels(user_id, payload)
          const at = yield* now
          return viewOf(yield* agents.modify(user_id, path.agent_id, (agent) => patchAgent(agent, payload, at)))
        })
      )
      .handle(
        "remove",
        Effect.fnUntraced(function*({ path: { agent_id } }) {
          const { user_id } = yield* CurrentPrincipal
          const going = yield* Effect.orDie(everything((page) => sessions.list(user_id, page, { agent_id })))
          yield* Effect.forEach(going, hub.forget, { concurrency: 16, discard: true })
          yield* agents.remove(user_id, agent_id)
          yield* workspaces.agentRemoved(user_id, agent_id)
          yield* Effect.forEach(going, ({ config, id }) =>
            workspaces.sessionRemoved(
              user_id,
              id,
              { agent_id, workspace_id: config.workspace_id },
              Effect.succeed(false)
            ), {
            concurrency: 4,
            discard: true
          })
        })
      )
      .handle("form", () => Effect.sync(() => ({ schema: agentForm().whole })))
      .handle("sections", () => Effect.sync(() => agentForm().sections))
  }))
