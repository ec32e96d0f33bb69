/** Agents of the program, and those that the operator has defined, with a record of each in the storage of every owner who asks for agents. */
import { Clock, Effect, Layer, Schema } from "effect"
import { type Agent, AgentDraft } from "../../domain/Agent.ts"
import { isVisibleTo } from "../../domain/Definition.ts"
import { AgentId, type UserId } from "../../domain/Ids.ts"
import { type Book, Catalog } from "../../services/Catalog.ts"
import { timestampOf } from "../../services/Now.ts"
import { type OwnAgent, OwnAgents } from "../../services/OwnAgents.ts"
import { Storage } from "../../services/Storage.ts"
import { definedAgentId, sameId } from "../SameId.ts"

/** Owners whose records are known to be there, and records that are made at the same time. */
const maxKnown = 10_000
const concurrency = 8

const idOf = (owner: UserId, name: string) => AgentId.make(sameId(owner, name))

const draft = Schema.decodeSync(AgentDraft)

export const make = (agents: ReadonlyArray<OwnAgent>) =>
  Effect.gen(function*() {
    const storage = yield* Storage
    const byName = new Map(agents.map((agent) => [agent.name, agent]))

    const catalog = yield* Catalog

    const ensureOne = (owner: UserId, id: AgentId, made: () => Omit<Agent["data"], "id">) =>
      Effect.suspend(() => {
        const insert = Effect.flatMap(Clock.currentTimeMillis, (millis) => {
          const at = timestampOf(millis)
          return storage.agents.insert({ id, user_id: owner, created_at: at, updated_at: at, data: { id, ...made() } })
        })
        return storage.agents.get(owner, id).pipe(
          Effect.catchTag("NotFound", () => insert),
          // Another request, or another process, was first.
          Effect.catchTags({ Conflict: () => Effect.void, NotFound: () => Effect.void })
        )
      })

    const ensureCode = (owner: UserId, { description, name }: OwnAgent) =>
      ensureOne(owner, idOf(owner, name), () => ({
        ...draft({ name, system_prompt: description, tools: "none" }),
        code: name
      }))

    /** Of which book each owner has all records, the latest last. */
    const known = new Map<UserId, number>()

    const ensureDefined = (owner: UserId, { agents, revision }: Book) =>
      Effect.suspend(() => {
        if (agents.size === 0 || known.get(owner) === revision) return Effect.void
        const visible = [...agents.values()].filter((definition) => isVisibleTo(definition, owner))
        return Effect.forEach(
          visible,
          ({ id }) =>
            ensureOne(owner, definedAgentId(owner, id), () => ({
              ...draft({ name: id, system_prompt: "" }),
              definition: id
            })),
          { discard: true, concurrency }
        ).pipe(Effect.tap(() => {
          known.delete(owner)
          known.set(owner, revision)
          if (known.size > maxKnown) { for (const [first] of known) return void known.delete(first) }
        }))
      })

    return OwnAgents.of({
      get: (code) => byName.get(code),
      only: (owner) => agents.length === 1 ? idOf(owner, agents[0]!.name) : undefined,
      ensure: (owner) =>
        Effect.zipRight(
          Effect.forEach(agents, (agent) => ensureCode(owner, agent), { discard: true }),
          Effect.suspend(() => ensureDefined(owner, catalog.book()))
        )
    })
  })

export const layerWith = (agents: ReadonlyArray<OwnAgent>): Layer.Layer<OwnAgents, never, Catalog | Storage> =>
  Layer.effect(OwnAgents, make(agents))
