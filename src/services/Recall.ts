import { Context, type Effect } from "effect"
import type { LimitReached, NotFound } from "../domain/Errors.ts"
import type { AgentId, RecollectionId, UserId } from "../domain/Ids.ts"
import type { ChatModelConfig } from "../domain/Model.ts"
import type { Recollection } from "../domain/Recollection.ts"
import type { CallFor } from "./DirectCalls.ts"
import type { ModelFailed } from "./Models.ts"

/** Whose memory it is: what an agent remembers of one user is for no other one. */
export interface Of {
  readonly owner: UserId
  readonly agent_id: AgentId
}

export type Remembered = Pick<Recollection, "content" | "kind" | "source" | "importance">

export interface Compacted {
  /** How many things others stand for now. */
  readonly count: number
  /** Why some are as they were. */
  readonly failed: ModelFailed | undefined
}

/** What agents remember across sessions. */
export class Recall extends Context.Tag("stoa/services/Recall")<Recall, {
  /** The same id is remembered once. */
  readonly save: (
    of: Of,
    id: RecollectionId,
    remembered: Remembered
  ) => Effect.Effect<Recollection, LimitReached | NotFound>
  /** Everything, what matters most now first. */
  readonly all: (of: Of) => Effect.Effect<ReadonlyArray<Recollection>>
  /** What holds words of the query, the best first. */
  readonly search: (of: Of, query: string, limit: number) => Effect.Effect<ReadonlyArray<Recollection>>
  readonly forget: (of: Of, id: string) => Effect.Effect<void, NotFound>
  /** Others take the place of these, all at once or not at all. Those that have changed meanwhile stay. */
  readonly replace: (
    of: Of,
    before: ReadonlyArray<Recollection>,
    after: ReadonlyArray<Remembered>
  ) => Effect.Effect<void>
  /** Lets a model sum up what matters least where there is much. What it could not sum up stays as it is. */
  readonly compact: (of: Of, config: ChatModelConfig, session?: CallFor) => Effect.Effect<Compacted>
}>() {}
