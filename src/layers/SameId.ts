import { createHash } from "node:crypto"
import { AgentId, ScheduleId, type UserId } from "../domain/Ids.ts"

const prefix = "00000000"

/** An id that is the same in each process for the same names. It is in front of all ids that are made of times. */
export const sameId = (...names: ReadonlyArray<string>): string =>
  `${prefix}${createHash("sha256").update(JSON.stringify(names)).digest("hex").slice(0, 24)}`

export const isSameId = (id: string): boolean => id.startsWith(prefix)

/** The owner's record of an agent that the operator has defined. */
export const definedAgentId = (owner: UserId, agent: string): AgentId =>
  AgentId.make(sameId(owner, "definition", agent))

/** The owner's schedule of such an agent. */
export const definedScheduleId = (owner: UserId, agent: string, name: string): ScheduleId =>
  ScheduleId.make(sameId(owner, "definition", agent, "schedule", name))
