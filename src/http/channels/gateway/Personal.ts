/** Agents of the operator's definitions, and what each user tells those that are personal. */
import { Effect } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { hidden, sensitiveIn } from "../../../domain/AgentConfig.ts"
import { Malformed, NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import { AgentConfigs } from "../../../services/AgentConfigs.ts"
import { Catalog } from "../../../services/Catalog.ts"

const notPersonal = ({ data }: Agent) =>
  new Malformed({
    code: "not_personal_agent",
    detail: `The agent '${data.name}' is not personal: it asks its users for nothing.`
  })

const noConfig = ({ data }: Agent) =>
  new NotFound({
    code: "config_not_found",
    detail: `You have no configuration of the agent '${data.name}'.`
  })

export const make = Effect.gen(function*() {
  const catalog = yield* Catalog
  const configs = yield* AgentConfigs

  const definitionOf = ({ data: { definition } }: Agent) =>
    definition === undefined ? undefined : catalog.book().agents.get(definition)

  /** The definition of an agent that is configured by each of its users; undefined of any other. */
  const personalOf = (agent: Agent) => {
    const definition = definitionOf(agent)
    return definition?.front.scope === "personal" ? { agent, definition } : undefined
  }

  return {
    lacksSetup: (owner: UserId, agent: Agent) => {
      const personal = personalOf(agent)
      return personal === undefined
        ? Effect.succeed(false)
        : Effect.map(configs.isComplete(owner, personal), (isComplete) => !isComplete)
    },
    schema: (agent: Agent) =>
      Effect.suspend(() => {
        const personal = personalOf(agent)
        return personal === undefined ? notPersonal(agent) : Effect.succeed({
          agent_id: agent.id,
          scope: "personal" as const,
          setup_schema: personal.definition.front.setup_schema
        })
      }),
    get: Effect.fnUntraced(function*(owner: UserId, agent: Agent) {
      const personal = personalOf(agent)
      if (personal === undefined) return yield* noConfig(agent)
      const { created_at, instructions, secrets, updated_at, values } = yield* configs.get(owner, agent)
      // What the operator has made secret since is one from now on.
      const sensitive = sensitiveIn(personal.definition.front.setup_schema ?? {})
      const names = new Set([...secrets, ...Object.keys(values).filter((name) => sensitive.has(name))])
      return {
        user_id: owner,
        agent_id: agent.id,
        instructions: instructions === "" ? null : instructions,
        config_values: Object.fromEntries(Object.entries(values).filter(([name]) => !names.has(name))),
        secrets: Object.fromEntries([...names].map((name) => [name, hidden])),
        setup_completed: yield* configs.isComplete(owner, personal),
        created_at,
        updated_at
      }
    }),
    put: Effect.fnUntraced(function*(owner: UserId, agent: Agent, given: JsonObject) {
      const personal = personalOf(agent)
      if (personal === undefined) return yield* notPersonal(agent)
      yield* configs.put(owner, personal, given)
      return { user_id: owner, agent_id: agent.id, setup_completed: yield* configs.isComplete(owner, personal) }
    }),
    remove: (owner: UserId, agent: Agent) =>
      Effect.suspend(() => personalOf(agent) === undefined ? noConfig(agent) : configs.remove(owner, agent)).pipe(
        Effect.as({ deleted: true as const })
      )
  }
})
