import type { Agent } from "../../api/Lists.ts"

/** The agents that think with a credential, or fall back on it. */
export const usersOf = (agents: ReadonlyArray<Agent>, credential_id: string): ReadonlyArray<Agent> =>
  agents.filter(({ data }) =>
    [data.chat_model_config, ...data.fallback_chat_model_configs ?? []].some((config) =>
      config?.credential_id === credential_id
    )
  )
