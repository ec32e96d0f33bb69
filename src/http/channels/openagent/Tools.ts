/** Toolkits as their owner sees them: the server's tools are one, and each agent has its own. */
import { Effect } from "effect"
import { isPublished } from "../../../domain/Channel.ts"
import { NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { maxLimit } from "../../../domain/Page.ts"
import { Storage } from "../../../services/Storage.ts"
import { Toolbox } from "../../../services/Toolbox.ts"
import * as AgentRecords from "../../handlers/AgentRecords.ts"
import type { Options } from "../Channel.ts"
import { refuse } from "../openai/request/Refused.ts"
import { toolkitsOf } from "./Toolkits.ts"

/** The toolkit of the server's tools. */
const own = {
  id: "stoa",
  name: "stoa",
  instructions: "Tools that the server runs. Which of them an agent has is chosen by its tools at PATCH /agent."
}

/** An agent's toolkit, by the agent and its own name. Names may have dots, and ids have none. */
const idOf = (agent: string, name: string) => `${agent}.${name}`

const nothing = (id: string) => NotFound.of("Tool", id)

export const make = ({ name: channel }: Pick<Options, "name">) =>
  Effect.gen(function*() {
    const { agents } = yield* Storage
    const { namesOf } = yield* Toolbox
    const { update } = yield* AgentRecords.make

    /** The agent's toolkit that has this id. */
    const find = Effect.fnUntraced(function*(owner: UserId, id: string) {
      const dot = id.indexOf(".")
      const agent = yield* Effect.mapError(agents.get(owner, id.slice(0, Math.max(0, dot))), () => nothing(id))
      const toolkit = toolkitsOf(agent.data).find(({ name }) => name === id.slice(dot + 1))
      return toolkit === undefined || !isPublished(agent.data.channels, channel)
        ? yield* nothing(id)
        : { agent, toolkit }
    })

    return {
      /** Of one page of agents: what all of them hold together need not be in memory. */
      list: (owner: UserId) =>
        Effect.map(
          Effect.orDie(agents.list(owner, { limit: maxLimit, cursor: undefined })),
          ({ items }) => [
            { ...own, functions: [...namesOf("all")] },
            ...items.filter(({ data }) => isPublished(data.channels, channel)).flatMap(({ data, id }) =>
              toolkitsOf(data).map(({ functions, instructions, name }) => ({
                id: idOf(id, name),
                name,
                instructions,
                functions: functions.map((fn) => fn.name)
              }))
            )
          ]
        ),

      get: Effect.fnUntraced(function*(owner: UserId, id: string) {
        const shown = (given: {
          readonly name: string
          readonly instructions: string
          readonly functions: ReadonlyArray<object>
        }) => ({
          id,
          type: "toolkit" as const,
          name: given.name,
          description: given.instructions,
          instructions: given.instructions,
          parameters: { type: "object", properties: {} },
          functions: given.functions.map((fn) => ({ ...fn }))
        })
        if (id === own.id) return shown({ ...own, functions: [...namesOf("all")].map((name) => ({ name })) })
        return shown((yield* find(owner, id)).toolkit)
      }),

      remove: Effect.fnUntraced(function*(owner: UserId, id: string) {
        if (id === own.id) {
          return yield* refuse("tool_of_the_server", "tool_id", "The server's own tools are there for all its agents")
        }
        const { agent: { data, id: agent }, toolkit } = yield* find(owner, id)
        const gone = new Set(toolkit.functions.map(({ name }) => name))
        yield* update(owner, agent, {
          client_tools: data.client_tools.filter(({ name }) => !gone.has(name)),
          toolkits: data.toolkits?.filter(({ name }) => name !== toolkit.name) ?? []
        })
        return { id }
      })
    }
  })
