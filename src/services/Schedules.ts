import { Context, type Effect } from "effect"
import type { Conflict, Invalid, LimitReached, Malformed, NotFound } from "../domain/Errors.ts"
import type { AgentId, ScheduleId, UserId } from "../domain/Ids.ts"
import type { Page, PageRequest } from "../domain/Page.ts"
import type {
  NextFires,
  Schedule,
  ScheduleDraft,
  SchedulePatch,
  ScheduleView,
  TimingInput
} from "../domain/Schedule.ts"

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

/** Schedules as records. What fires them is the `Scheduler`. */
export class Schedules extends Context.Tag("stoa/services/Schedules")<Schedules, {
  /** Checks a draft. `Invalid` names the field: an unreadable time, a foreign agent or credential, a model that does not exist. */
  readonly plan: (owner: UserId, draft: ScheduleDraft, author?: Author) => Effect.Effect<Planned, Invalid>
  /** The id of the owner's schedule of this name that the agent's definition says, or would. */
  readonly defined: (owner: UserId, agent: string, name: string) => ScheduleId
  readonly get: (owner: UserId, id: string) => Effect.Effect<ScheduleView, NotFound>
  /** Oldest first; those of one agent, or all. */
  readonly list: (
    owner: UserId,
    page: PageRequest,
    of?: { readonly agent_id: AgentId }
  ) => Effect.Effect<Page<ScheduleView>, Malformed>
  /** Changes it. Its next time is found anew from now on; what it missed while it was paused is not made up for. */
  readonly change: (
    owner: UserId,
    id: string,
    patch: SchedulePatch
  ) => Effect.Effect<ScheduleView, NotFound | Invalid | Conflict>
  readonly next: (owner: UserId, id: string, count: number) => Effect.Effect<NextFires, NotFound>
  /** The same for what is not stored. */
  readonly preview: (timing: TimingInput, count: number) => Effect.Effect<NextFires, Invalid>
}>() {}
