/** Which agents one may hand work to. */
import { type Context, Effect } from "effect"
import type { Agent } from "../../domain/Agent.ts"
import { type AgentDefinition, isVisibleTo } from "../../domain/Definition.ts"
import { delegateTool } from "../../domain/Delegation.ts"
import { maxLimit } from "../../domain/Page.ts"
import type { Catalog } from "../../services/Catalog.ts"
import type { OwnAgents } from "../../services/OwnAgents.ts"
import type { Storage } from "../../services/Storage.ts"
import type { ToolCaller } from "../../services/Toolbox.ts"
import { Refused } from "./Refused.ts"

type Caller = Pick<ToolCaller, "agent" | "session">

export interface Needed {
  readonly catalog: Context.Tag.Service<Catalog>
  readonly storage: Context.Tag.Service<Storage>
  readonly ownAgents: Context.Tag.Service<OwnAgents>
}

const shown = ({ front: { description }, id }: AgentDefinition) => ({ name: id, description })

/** Most names that a refusal tells. */
const maxNamed = 20

export const make = ({ catalog, ownAgents, storage }: Needed) => {
  const frontOf = ({ agent }: Caller) => catalog.bookOf(agent).agents.get(agent.data.definition ?? "")?.front

  /** The definitions that it may hand work to. */
  const definedFor = (caller: Caller) => {
    const { agent, session: { user_id } } = caller
    const wanted = frontOf(caller)?.delegates_to ?? []
    return [...catalog.bookOf(agent).agents.values()].filter((one) =>
      one.id !== agent.data.definition && isVisibleTo(one, user_id) && (wanted.length === 0 || wanted.includes(one.id))
    )
  }

  const delegates = (caller: Caller) => {
    const { tools } = caller.agent.data
    const isNamed = tools === "all" || (typeof tools !== "string" && tools.includes(delegateTool))
    const front = frontOf(caller)
    if (front === undefined) return isNamed ? definedFor(caller).map(shown) : undefined
    if (front.delegates_to.length === 0 && tools !== "default" && !isNamed) return undefined
    const all = definedFor(caller).map(shown)
    // With nobody but itself there is nobody to hand work to, unless it may choose among the user's own.
    return all.length === 0 && !isNamed ? undefined : all
  }

  const refused = (caller: Caller, name: string, why: string) => {
    const names = definedFor(caller).slice(0, maxNamed).map(({ id }) => id)
    return new Refused({
      message: `${why.replace("%", `'${name.slice(0, 128)}'`)}${
        names.length === 0 ? "" : ` Agents that you can hand work to: ${names.join(", ")}.`
      }`
    })
  }

  /** The owner's agent of this name or id, if this one may hand work to it. */
  const find = Effect.fnUntraced(function*(caller: Caller, name: string) {
    const { agent, session: { user_id: owner } } = caller
    yield* ownAgents.ensure(owner)
    const byId = yield* Effect.option(storage.agents.get(owner, name))
    const found = byId._tag === "Some" ? [byId.value] : (yield* Effect.orDie(
      storage.agents.list(owner, { limit: maxLimit, cursor: undefined })
    )).items.filter(({ data }) => data.name === name)
    const wanted = frontOf(caller)?.delegates_to ?? []
    const allowed = (one: Agent) =>
      wanted.length === 0 || wanted.some((definition) => definition === one.data.definition)
    const [target, other] = found.filter(allowed)
    if (target === undefined) {
      return yield* refused(
        caller,
        name,
        found.length === 0 ? "There is no agent % that answers." : "You may not hand work to %."
      )
    }
    if (other !== undefined) {
      const ids = found.slice(0, 5).map(({ id }) => id).join(", ")
      return yield* new Refused({ message: `Several agents are called '${name}'. Name one by its id: ${ids}.` })
    }
    if (target.id === agent.id) return yield* refused(caller, name, "You cannot hand work to yourself.")
    if (target.data.client_tools.length > 0) {
      return yield* refused(caller, name, "The agent % has tools of its client, which nobody runs here.")
    }
    return target
  })

  return { delegates, find }
}
