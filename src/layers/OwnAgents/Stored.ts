/** Agents of the program, with a record of each in the storage of every owner who asks for agents. */
import { Clock, Effect, Layer, Schema } from "effect"
import { createHash } from "node:crypto"
import { type Agent, AgentDraft } from "../../domain/Agent.ts"
import { AgentId, type UserId } from "../../domain/Ids.ts"
import { timestampOf } from "../../services/Now.ts"
import { type OwnAgent, OwnAgents } from "../../services/OwnAgents.ts"
import { Storage } from "../../services/Storage.ts"

/** The same for each process. It is in front of all ids that are made of times. */
const idOf = (owner: UserId, name: string) =>
  AgentId.make(`00000000${createHash("sha256").update(JSON.stringify([owner, name])).digest("hex").slice(0, 24)}`)

const draft = Schema.decodeSync(AgentDraft)

export const make = (agents: ReadonlyArray<OwnAgent>) =>
  Effect.gen(function*() {
    const storage = yield* Storage
    const byName = new Map(agents.map((agent) => [agent.name, agent]))

    const ensureOne = (owner: UserId, { description, name }: OwnAgent) =>
      Effect.suspend(() => {
        const id = idOf(owner, name)
        const made = Effect.flatMap(Clock.currentTimeMillis, (millis) => {
          const at = timestampOf(millis)
          const data = { id, ...draft({ name, system_prompt: description, tools: "none" }), code: name }
          return storage.agents.insert({ id, user_id: owner, created_at: at, updated_at: at, data } satisfies Agent)
        })
        return storage.agents.get(owner, id).pipe(
          Effect.catchTag("NotFound", () => made),
          // Another request, or another process, was first.
          Effect.catchTags({ Conflict: () => Effect.void, NotFound: () => Effect.void })
        )
      })

    return OwnAgents.of({
      get: (code) => byName.get(code),
      only: (owner) => agents.length === 1 ? idOf(owner, agents[0]!.name) : undefined,
      ensure: (owner) =>
        agents.length === 0
          ? Effect.void
          : Effect.forEach(agents, (agent) => ensureOne(owner, agent), { discard: true })
    })
  })

export const layerWith = (agents: ReadonlyArray<OwnAgent>): Layer.Layer<OwnAgents, never, Storage> =>
  Layer.effect(OwnAgents, make(agents))
