import { Context, type Duration, Effect } from "effect"
import type { RunId, SessionId, UserId } from "../domain/Ids.ts"

/** What something is looked up for. */
export interface Query {
  /** The newest input of the run, as far as it is text. */
  readonly text: string
  readonly owner: UserId
  /** The name of the agent. */
  readonly agent: string
  readonly session_id: SessionId
  readonly run_id: RunId
}

/** One text or several; none where nothing fits. */
export type Retrieved = string | ReadonlyArray<string>

/** Code of the operator's that finds what an agent should know for an input. */
export interface Retriever {
  /** As the definitions of agents name it. */
  readonly name: string
  /** How long it may take; never longer than 30 seconds, and 5 without it. */
  readonly patience?: Duration.DurationInput
  /** The signal is aborted when nobody waits for the answer any more. */
  readonly retrieve: (
    query: Query,
    signal: AbortSignal
  ) => Retrieved | PromiseLike<Retrieved> | Effect.Effect<Retrieved, unknown>
}

/** What one has found. */
export interface Found {
  readonly name: string
  readonly texts: ReadonlyArray<string>
}

/** A server whose program brings none has none of them. */
export class Retrievers extends Context.Reference<Retrievers>()("stoa/services/Retrievers", {
  defaultValue: () => ({
    /** Asks those of these names, all at the same time. Never fails: one that is late, breaks or is not there finds nothing. */
    find: (_names: ReadonlyArray<string>, _query: Query): Effect.Effect<ReadonlyArray<Found>> => Effect.succeed([])
  })
}) {}
