import { Context, type Effect } from "effect"
import type { Conflict, Invalid, LimitReached, Malformed, NotFound, Unavailable } from "../domain/Errors.ts"
import type { Fire, FireStatus } from "../domain/Fire.ts"
import type { UserId } from "../domain/Ids.ts"
import type { Page, PageRequest } from "../domain/Page.ts"
import type {
  NextFires,
  Schedule,
  ScheduleDraft,
  SchedulePatch,
  ScheduleView,
  TimingInput
} from "../domain/Schedule.ts"
import type { Session } from "../domain/Session.ts"

/** A schedule that has been checked and is not stored yet. */
export interface Planned {
  readonly schedule: Schedule
  /** Stores it. Part of the caller's transaction. */
  readonly add: Effect.Effect<void, LimitReached>
}

/** Who makes a schedule: a person, or an agent in one of its sessions. */
export interface Author {
  readonly source: "USER" | "AGENT"
  readonly source_session_id: string | null
}

/**
 * Agents that work by the clock. Each slot of a schedule is claimed once, over all processes that share the
 * storage, and then sent through `SessionHub.send` like any input, with the fire's id as its key.
 */
export class Scheduler extends Context.Tag("stoa/services/Scheduler")<Scheduler, {
  /** Checks a draft. `Invalid` names the field: an unreadable time, a foreign agent or credential, a model that does not exist. */
  readonly plan: (owner: UserId, draft: ScheduleDraft, author?: Author) => Effect.Effect<Planned, Invalid>
  readonly get: (owner: UserId, id: string) => Effect.Effect<ScheduleView, NotFound>
  /** Oldest first. */
  readonly list: (owner: UserId, page: PageRequest) => Effect.Effect<Page<ScheduleView>, Malformed>
  /** Changes it. Its next time is found anew from now on; what it missed while it was paused is not made up for. */
  readonly change: (
    owner: UserId,
    id: string,
    patch: SchedulePatch
  ) => Effect.Effect<ScheduleView, NotFound | Invalid | Conflict>
  /** Removes it with its history and its sessions; what runs in these is stopped first. */
  readonly remove: (owner: UserId, id: string) => Effect.Effect<void, NotFound | Unavailable>
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
  readonly next: (owner: UserId, id: string, count: number) => Effect.Effect<NextFires, NotFound>
  /** The same for what is not stored. */
  readonly preview: (timing: TimingInput, count: number) => Effect.Effect<NextFires, Invalid>
  /** Looks at once whether there is something to do. */
  readonly wake: Effect.Effect<void>
  /** Does what is due, until it is interrupted. One in each process. */
  readonly run: Effect.Effect<never>
}>() {}
