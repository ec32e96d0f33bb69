/**
 * A model by itself answers through an agent that says and does nothing of its own: so its answers are durable runs like all
 * others. It is made for an owner when it is first needed.
 */
import { Effect, Schema } from "effect"
import { createHash } from "node:crypto"
import { type Agent, AgentDraft } from "../../../../domain/Agent.ts"
import { AgentId, type UserId } from "../../../../domain/Ids.ts"
import { now } from "../../../../services/Now.ts"
import { Storage } from "../../../../services/Storage.ts"

const draft = Schema.decodeSync(AgentDraft)({
  name: "Models of the Responses API",
  system_prompt: "",
  tools: "none",
  channels: "none"
})

const idOf = (owner: UserId) =>
  AgentId.make(createHash("sha256").update(`responses ${owner}`).digest("hex").slice(0, 32))

export const make = Effect.map(Storage, ({ agents }) => (owner: UserId): Effect.Effect<Agent> => {
  const id = idOf(owner)
  const made = Effect.flatMap(
    now,
    (at) => agents.insert({ id, user_id: owner, created_at: at, updated_at: at, data: { id, ...draft } })
  )
  return agents.get(owner, id).pipe(
    Effect.catchTag("NotFound", () => made),
    // Another request was quicker.
    Effect.catchTag("Conflict", () => agents.get(owner, id)),
    Effect.orDie
  )
})
