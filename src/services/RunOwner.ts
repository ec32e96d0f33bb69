import { Context, type Effect } from "effect"
import type { OnBusy } from "../domain/Chat.ts"
import type { Conflict, LimitReached, Unavailable } from "../domain/Errors.ts"
import type { SessionId } from "../domain/Ids.ts"
import type { Message } from "../domain/Message.ts"
import type { Run } from "../domain/Run.ts"
import type { Room } from "./Rooms.ts"

/** What a session is doing here and now. */
export interface Activity {
  readonly run: Run
  /** The reply so far. */
  readonly reply: Message
  readonly queued: number
}

/**
 * Drives runs, one at a time per session, in fibers of its own: a run outlives
 * the request that started it, and always reaches a terminal event.
 */
export class RunOwner extends Context.Tag("stoa/services/RunOwner")<RunOwner, {
  /**
   * Starts the run, or lets it wait its turn. The decision is made at once and
   * its first events are in the room when this returns; `seq` is the one before
   * them, and `alone` says that the session was idle.
   */
  readonly submit: (
    room: Room,
    run: Run,
    agentName: string,
    onBusy: OnBusy
  ) => Effect.Effect<{ readonly seq: number; readonly alone: boolean }, Conflict | LimitReached | Unavailable>
  /** Stops the session's run and waits until its terminal event is durable. Idle is fine. `drop` ends the waiting runs too. */
  readonly interrupt: (session: SessionId, queue: "keep" | "drop") => Effect.Effect<void>
  readonly activity: (session: SessionId) => Activity | undefined
  /** Finds what a crash left behind and drives it on. */
  readonly recover: Effect.Effect<void>
  /** Lets runs end by themselves for so long, then leaves the rest for the next start to recover. */
  readonly drain: (seconds: number) => Effect.Effect<void>
}>() {}
