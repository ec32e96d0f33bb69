import { Context, type Effect } from "effect"
import type { Accepted } from "../domain/Chat.ts"
import type { Claim } from "../domain/Claim.ts"
import type { Invalid, Malformed, NotFound } from "../domain/Errors.ts"
import type { UserId } from "../domain/Ids.ts"
import type { Run } from "../domain/Run.ts"
import type { RunsRequest } from "../domain/RunQuery.ts"
import type { Timeline } from "../domain/TimelineRecord.ts"
import type { SendFailure } from "./SessionHub.ts"

/** Runs as their owner looks back on them. */
export class RunHistory extends Context.Tag("stoa/services/RunHistory")<RunHistory, {
  /**
   * Newest first. `NotFound` when the agent, the session or the schedule is not the owner's. Where a text is looked for,
   * `total` is null, and a page may hold few runs, or none, and still have a next one.
   */
  readonly list: (
    owner: UserId,
    request: RunsRequest
  ) => Effect.Effect<
    { readonly items: ReadonlyArray<Run>; readonly total: number | null; readonly next_cursor: string | null },
    NotFound | Invalid | Malformed
  >
  /** From the events that are kept and the ledger, as far as the run has come. */
  readonly timeline: (owner: UserId, run: string) => Effect.Effect<Timeline, NotFound>
  /** Sends the input of an ended run again, to the same session. `Conflict` when the run has not ended, or its input is gone. */
  readonly retry: (
    owner: UserId,
    run: string,
    claim?: (accepted: Accepted) => Claim
  ) => Effect.Effect<Accepted, SendFailure>
}>() {}
