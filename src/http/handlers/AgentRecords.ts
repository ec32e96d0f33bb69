/** A user's agents as they are made, changed and deleted, whichever protocol asks for it. */
import { Clock, Effect } from "effect"
import { type Agent, type AgentDraft, type AgentPatch, patchAgent } from "../../domain/Agent.ts"
import { Conflict, Invalid } from "../../domain/Errors.ts"
import { AgentId, type UserId } from "../../domain/Ids.ts"
import { fallbacksIn } from "../../domain/Model.ts"
import { Idempotency } from "../../services/Idempotency.ts"
import { Models } from "../../services/Models.ts"
import { NewId } from "../../services/NewId.ts"
import { now, timestampOf } from "../../services/Now.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"
import { Toolbox } from "../../services/Toolbox.ts"
import { Workspace } from "../../services/Workspace.ts"
import { AgentCreated } from "../api/Agents.ts"
import { checkedModel } from "./CheckedModel.ts"
import { everything } from "./Everything.ts"

/** The request that makes an agent, and the key with which it may come again. */
interface Making {
  readonly request: string
  readonly key: string | undefined
}

/** What the operator has defined is changed in its file. */
const checkOwn = ({ data: { definition } }: Agent) =>
  definition === undefined ? Effect.void : new Conflict({
    code: "agent_defined",
    detail: `The operator has defined the agent '${definition}': it cannot be changed or deleted here.`
  })

export const make = Effect.gen(function*() {
  const { agents, sessions } = yield* Storage
  const hub = yield* SessionHub
  const models = yield* Models
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

  return {
    create: (user_id: UserId, { key, request }: Making, draft: AgentDraft) =>
      once(
        { owner: user_id, key, request, body: draft, answer: AgentCreated },
        Effect.fnUntraced(function*({ keep }) {
          yield* checkTools(draft)
          yield* checkModels(user_id, draft)
          const millis = yield* Clock.currentTimeMillis
          const at = timestampOf(millis)
          const id = AgentId.make(newId.record(millis))
          const agent = { id, user_id, created_at: at, updated_at: at, data: { id, ...draft } }
          return yield* keep(Effect.as(Effect.orDie(agents.insert(agent)), { agent_id: id }))
        })
      ),

    update: Effect.fnUntraced(function*(user_id: UserId, id: AgentId, patch: AgentPatch) {
      yield* checkOwn(yield* agents.get(user_id, id))
      if (patch.tools != null || patch.client_tools != null) {
        const { data } = yield* agents.get(user_id, id)
        yield* checkTools({
          tools: patch.tools ?? data.tools,
          client_tools: patch.client_tools ?? data.client_tools
        })
      }
      yield* checkModels(user_id, patch)
      const at = yield* now
      return yield* agents.modify(user_id, id, (agent) => patchAgent(agent, patch, at))
    }),

    remove: Effect.fnUntraced(function*(user_id: UserId, agent_id: AgentId) {
      // One that is not defined any more may go.
      const found = yield* Effect.option(agents.get(user_id, agent_id))
      if (found._tag === "Some") yield* checkOwn(found.value)
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
        ), { concurrency: 4, discard: true })
    })
  }
})
