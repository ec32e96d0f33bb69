import { Context, type Effect, type Scope } from "effect"
import type { Fire, FireStatus } from "../domain/Fire.ts"
import type { FireId, ScheduleId, SessionId, UserId } from "../domain/Ids.ts"
import type { Run } from "../domain/Run.ts"
import type { Schedule, ScheduleState, ScheduleStatus } from "../domain/Schedule.ts"

/** The state of a schedule as it is written. Times are in milliseconds. */
export interface StateInput {
  readonly id: ScheduleId
  readonly owner: UserId
  readonly status: ScheduleStatus
  readonly reason: string | null
  /** The next slot, and when it fires; null where there is none. */
  readonly slot: number | null
  readonly next: number | null
}

/** An active schedule whose time has come. */
export interface Due {
  readonly id: ScheduleId
  readonly owner: UserId
  /** Undefined when its record cannot be read. */
  readonly schedule: Schedule | undefined
  readonly slot: number
  readonly next: number
  /** Grows with each change by the owner. */
  readonly revision: number
  /** Fires by the clock so far. */
  readonly fires: number
}

/** How a due schedule goes on. It is written only if the schedule is still as `due` says. */
export interface Advance {
  readonly due: Due
  readonly status: ScheduleStatus
  readonly reason: string | null
  readonly slot: number | null
  readonly next: number | null
  readonly fires: ReadonlyArray<Fire>
}

/** What there is to do. */
export interface Look {
  /** By the clock of the storage, in milliseconds, as everything here is. */
  readonly now: number
  /** When the next schedule fires, and when the next pending fire may be sent. */
  readonly next_fire: number | undefined
  readonly next_send: number | undefined
  /** Whether fires have runs that have not ended. */
  readonly has_open: boolean
  /** The processes that are sending fires now. */
  readonly senders: ReadonlyArray<string>
}

export interface TakeOptions {
  readonly sender: string
  /** For how long nobody else may take them. */
  readonly lease: number
  readonly limit: number
  /** Most of one owner in one take, and how many running fires an owner may have before the others have to wait. */
  readonly perOwner: number
  readonly maxRunning: number
  /** Owners of which nothing is taken now. */
  readonly without: ReadonlyArray<UserId>
}

/**
 * What the scheduler keeps beside the records of schedules and fires, and how it finds what is due. Every time is by
 * one clock, that of the storage, so that processes whose own clocks differ agree.
 */
export class ScheduleStore extends Context.Tag("stoa/services/ScheduleStore")<ScheduleStore, {
  readonly now: Effect.Effect<number>
  /** The states of these schedules; one without a state is not in it. */
  readonly states: (ids: ReadonlyArray<ScheduleId>) => Effect.Effect<ReadonlyMap<ScheduleId, ScheduleState>>
  /** Writes a state that the owner has chosen. A claim that is under way does not pass it. Part of the caller's transaction. */
  readonly put: (state: StateInput) => Effect.Effect<void>
  /** Marks a schedule that cannot run, unless its owner has changed it meanwhile. */
  readonly break: (id: ScheduleId, reason: string) => Effect.Effect<void>
  /** Calls back when a state was put or a fire was added here, which may not be committed yet, until the scope closes. */
  readonly listen: (call: () => void) => Effect.Effect<void, never, Scope.Scope>
  readonly look: Effect.Effect<Look>
  /** Schedules that are due, at most `limit`, first one of each owner, then another one of each. */
  readonly due: (limit: number) => Effect.Effect<ReadonlyArray<Due>>
  /**
   * Moves schedules on and writes their fires, in one transaction. Each slot of a schedule is
   * written once, whoever else tries; the schedules that somebody else moved are not in the answer.
   */
  readonly advance: (moves: ReadonlyArray<Advance>) => Effect.Effect<ReadonlySet<ScheduleId>>
  /** Writes a fire that somebody triggered. Part of the caller's transaction. */
  readonly add: (fire: Fire) => Effect.Effect<void>
  /** Takes pending fires to send them, first one of each owner, the oldest of each first. */
  readonly take: (options: TakeOptions) => Effect.Effect<ReadonlyArray<Fire>>
  /** Lets pending fires that these processes had taken be taken again at once. */
  readonly release: (senders: ReadonlyArray<string>) => Effect.Effect<void>
  /** Lets a pending fire be taken again after so many milliseconds. */
  readonly postpone: (id: FireId, millis: number) => Effect.Effect<void>
  /** Replaces a fire that still has this status; answers whether it had. */
  readonly write: (fire: Fire, before: FireStatus) => Effect.Effect<boolean>
  /** The open fires of the schedule by the clock that came before this one, oldest first, at most `limit`. */
  readonly ahead: (fire: Fire, limit: number) => Effect.Effect<ReadonlyArray<Fire>>
  /** The newest fire of the schedule before this one that has ended. */
  readonly before: (fire: Fire) => Effect.Effect<Fire | undefined>
  /** Fires whose runs have ended, parked, gone on or vanished since the fire was written, with these runs; at most `limit`. */
  readonly changed: (
    limit: number
  ) => Effect.Effect<ReadonlyArray<{ readonly fire: Fire; readonly run: Run | undefined }>>
  /** Sessions of the schedule beyond the newest `keep` in which nothing goes on, at most `limit`. */
  readonly surplus: (id: ScheduleId, keep: number, limit: number) => Effect.Effect<ReadonlyArray<SessionId>>
  /** Removes ended fires of the schedule beyond the newest `keep`. */
  readonly prune: (id: ScheduleId, keep: number) => Effect.Effect<void>
}>() {}
