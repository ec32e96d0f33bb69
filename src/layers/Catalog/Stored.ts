/**
 * Storage in which the agents that the operator has defined are what the newest definitions say. A record of each is
 * stored for every owner who asks for agents, so that sessions can belong to it; what it says stands in the definition alone.
 */
import { Effect, Layer } from "effect"
import type { Agent } from "../../domain/Agent.ts"
import type { Credential } from "../../domain/Credential.ts"
import { type AgentDefinition, isVisibleTo } from "../../domain/Definition.ts"
import { NotFound } from "../../domain/Errors.ts"
import type { UserId } from "../../domain/Ids.ts"
import { Catalog } from "../../services/Catalog.ts"
import { Storage } from "../../services/Storage.ts"
import { choose } from "./ModelChoice.ts"

/** Credentials among which a model's is looked for: the newest. */
const maxCredentials = 1_000

const shown = (agent: Agent, { front, id }: AgentDefinition, credentials: ReadonlyArray<Credential>): Agent => ({
  ...agent,
  data: {
    ...agent.data,
    name: id,
    // The prompt is the operator's: who runs the agent puts it together.
    system_prompt: "",
    description: front.description,
    react_config: { ...agent.data.react_config, max_iters: front.max_iters },
    tools: front.tools,
    channels: front.channels,
    ...choose(front, credentials)
  }
})

const make = Effect.gen(function*() {
  const storage = yield* Storage
  const catalog = yield* Catalog
  const { agents, credentials } = storage

  const credentialsOf = (owner: UserId) =>
    Effect.map(
      Effect.orDie(credentials.list(owner, { limit: maxCredentials, cursor: undefined }, {}, "newest")),
      ({ items }) => items.toReversed()
    )

  /** The definition that the owner may see; undefined where it is gone, disabled or for others. */
  const definitionOf = (owner: UserId, { data: { definition = "" } }: Agent) => {
    const found = catalog.book().agents.get(definition)
    return found !== undefined && isVisibleTo(found, owner) ? found : undefined
  }

  const one = (owner: UserId, agent: Agent): Effect.Effect<Agent, NotFound> => {
    if (agent.data.definition === undefined) return Effect.succeed(agent)
    const definition = definitionOf(owner, agent)
    if (definition === undefined) {
      return new NotFound({
        code: "agent_undefined",
        detail: `The agent '${agent.data.definition}' is not defined any more, or is disabled.`
      })
    }
    return Effect.map(credentialsOf(owner), (held) => shown(agent, definition, held))
  }

  const many = (owner: UserId, found: ReadonlyArray<Agent>): Effect.Effect<ReadonlyArray<Agent>> =>
    found.every(({ data }) => data.definition === undefined)
      ? Effect.succeed(found)
      : Effect.map(credentialsOf(owner), (held) =>
        found.flatMap((agent) => {
          if (agent.data.definition === undefined) return [agent]
          const definition = definitionOf(owner, agent)
          return definition === undefined ? [] : [shown(agent, definition, held)]
        }))

  return Storage.of({
    ...storage,
    agents: {
      ...agents,
      get: (owner, id) => Effect.flatMap(agents.get(owner, id), (agent) => one(owner, agent)),
      list: (owner, ...rest) =>
        Effect.flatMap(
          agents.list(owner, ...rest),
          (page) => Effect.map(many(owner, page.items), (items) => ({ ...page, items }))
        ),
      search: (owner, ...rest) =>
        Effect.flatMap(
          agents.search(owner, ...rest),
          (page) => Effect.map(many(owner, page.items), (items) => ({ ...page, items }))
        ),
      holding: (owner, ...rest) => Effect.flatMap(agents.holding(owner, ...rest), (found) => many(owner, found))
    }
  })
})

export const layer: Layer.Layer<Storage, never, Catalog | Storage> = Layer.effect(Storage, make)
