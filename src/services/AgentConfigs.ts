import { Context, type Effect } from "effect"
import type { Agent } from "../domain/Agent.ts"
import type { AgentConfig, OpenConfig } from "../domain/AgentConfig.ts"
import type { AgentDefinition } from "../domain/Definition.ts"
import type { Invalid, LimitReached, NotFound } from "../domain/Errors.ts"
import type { UserId } from "../domain/Ids.ts"
import type { JsonObject } from "../domain/Json.ts"

/** A user's record of a personal agent, and what the operator has defined it to be. */
export interface PersonalAgent {
  readonly agent: Pick<Agent, "id">
  readonly definition: AgentDefinition
}

/** What users tell personal agents, each user for itself. Secrets are sealed, and only those who run the agent get them. */
export class AgentConfigs extends Context.Tag("stoa/services/AgentConfigs")<AgentConfigs, {
  readonly get: (owner: UserId, agent: Pick<Agent, "id">) => Effect.Effect<AgentConfig, NotFound>
  /** Takes the place of what was told before. A secret that is given as it is shown stays. */
  readonly put: (
    owner: UserId,
    personal: PersonalAgent,
    given: JsonObject
  ) => Effect.Effect<AgentConfig, Invalid | LimitReached | NotFound>
  readonly remove: (owner: UserId, agent: Pick<Agent, "id">) => Effect.Effect<void, NotFound>
  /** What the agent works with; undefined while something is missing that its definition asks for now. */
  readonly open: (owner: UserId, personal: PersonalAgent) => Effect.Effect<OpenConfig | undefined>
  /** Whether nothing is missing. */
  readonly isComplete: (owner: UserId, personal: PersonalAgent) => Effect.Effect<boolean>
}>() {}
