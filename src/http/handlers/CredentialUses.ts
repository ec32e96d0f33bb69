/** What a credential is used by. */
import { type Context, Effect } from "effect"
import { type CredentialUse, maxUses, usesIn } from "../../domain/Credential.ts"
import type { CredentialId, UserId } from "../../domain/Ids.ts"
import { fallbacksIn } from "../../domain/Model.ts"
import type { Storage } from "../../services/Storage.ts"

/** The first few sessions, agents and schedules of the owner that name it. */
export const usesOf = (
  { agents, schedules, sessions }: Context.Tag.Service<typeof Storage>,
  owner: UserId,
  credential_id: CredentialId
): Effect.Effect<ReadonlyArray<CredentialUse>> => {
  const named = `"credential_id":${JSON.stringify(credential_id)}`
  const inSessions = Effect.map(
    sessions.holding(owner, named, maxUses),
    (found) =>
      found.flatMap(({ config: { chat_model_config, fallback_chat_model_config, name }, id }) =>
        usesIn(credential_id, "session", { id, name }, [
          ...fallbacksIn("chat_model_config", chat_model_config),
          ...fallbacksIn("fallback_chat_model_config", fallback_chat_model_config)
        ])
      )
  )
  const inAgents = Effect.map(
    agents.holding(owner, named, maxUses),
    (found) =>
      found.flatMap(({ data: { chat_model_config, fallback_chat_model_configs, name }, id }) =>
        usesIn(
          credential_id,
          "agent",
          { id, name },
          [
            ...fallbacksIn("chat_model_config", chat_model_config),
            ...fallbacksIn("fallback_chat_model_configs", fallback_chat_model_configs)
          ]
        )
      )
  )
  const inSchedules = Effect.map(
    schedules.holding(owner, named, maxUses),
    (found) =>
      found.flatMap(({ data: { chat_model_config, name }, id }) =>
        usesIn(credential_id, "schedule", { id, name }, fallbacksIn("chat_model_config", chat_model_config))
      )
  )
  return Effect.map(Effect.all([inSessions, inAgents, inSchedules]), (uses) => uses.flat().slice(0, maxUses))
}
