import { Context, type Effect } from "effect"
import type { Conflict, Malformed, NotFound, Unavailable } from "../domain/Errors.ts"
import type { Fire, FireStatus } from "../domain/Fire.ts"
import type { UserId } from "../domain/Ids.ts"
import type { Page, PageRequest } from "../domain/Page.ts"
import type { Session } from "../domain/Session.ts"
import type { Schedules } from "./Schedules.ts"

/**
 * Agents that work by the clock. Each slot of a schedule is claimed once, over all processes that share the
 * storage, and then sent through `SessionHub.send` like any input, with the fire's id as its key.
 */
export class Scheduler extends Context.Tag("stoa/services/Scheduler")<
  Scheduler,
  typeof Schedules.Service & {
    /**
     * Removes it with its history and its sessions; what runs in these is stopped first. One that a definition says can
     * not be removed.
     */
    readonly remove: (owner: UserId, id: string) => Effect.Effect<void, NotFound | Conflict | Unavailable>
    /** Lets it fire now, beside its times, also while it is paused. Part of the caller's transaction. */
    readonly trigger: (owner: UserId, id: string) => Effect.Effect<Fire, NotFound | Conflict>
    /** Newest first. */
    readonly fires: (
      owner: UserId,
      id: string,
      page: PageRequest,
      status?: FireStatus
    ) => Effect.Effect<Page<Fire>, NotFound | Malformed>
    /** The sessions that its fires made, newest first. */
    readonly sessions: (
      owner: UserId,
      id: string,
      page: PageRequest
    ) => Effect.Effect<Page<Session>, NotFound | Malformed>
    /** Looks at once whether there is something to do. */
    readonly wake: Effect.Effect<void>
    /** Does what is due, and follows what the operator has defined, until it is interrupted. One in each process. */
    readonly run: Effect.Effect<never>
  }
>() {}
