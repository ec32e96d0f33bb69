/** What the parts of the run owner share. */
import type { Effect } from "effect"
import type { Run } from "../../domain/Run.ts"
import type { EventLog } from "../../services/EventLog.ts"
import type { Peers } from "../../services/Peers.ts"
import type { Room, Rooms } from "../../services/Rooms.ts"
import type { Storage } from "../../services/Storage.ts"
import type { PendingInput } from "./ActiveRun.ts"
import type { ActiveRuns } from "./ActiveRuns.ts"
import { isParked } from "./Records.ts"

export interface Parts {
  readonly rooms: typeof Rooms.Service
  readonly log: typeof EventLog.Service
  readonly storage: typeof Storage.Service
  readonly peers: typeof Peers.Service
  readonly activeRuns: ActiveRuns
  /** Storage may hold a write that it never confirmed: starts looking for it. */
  readonly onUnconfirmed: () => void
  /** Runs an effect that continues when its caller has left, and ends with the process. */
  readonly background: (effect: Effect.Effect<void>) => void
}

export const sessionOf = ({ owner: user_id, session_id: id }: Room) => ({ id, user_id })

/** The parked run of a session without an active run. */
export const parkedIn = ({ activeRuns }: Pick<Parts, "activeRuns">, room: Room): Run | undefined =>
  activeRuns.has(room.session_id) ? undefined : room.open().find(isParked)

/** The runs that wait or run in a session and that another process drives, or no process. There are none where this process is alone. */
export const elsewhere = ({ activeRuns, peers }: Pick<Parts, "activeRuns" | "peers">, room: Room): Run | undefined =>
  peers.alone || activeRuns.has(room.session_id) || room.open().some(isParked)
    ? undefined
    : room.open().find(({ status }) => status === "running") ?? room.open()[0]

/** Inputs that interrupt run before the others; each kind runs in its order of arrival. */
export const enqueue = (queue: Array<PendingInput>, pending: PendingInput) => {
  const behind = pending.run.on_busy === "interrupt"
    ? queue.findIndex(({ run }) => run.on_busy !== "interrupt")
    : -1
  queue.splice(behind === -1 ? queue.length : behind, 0, pending)
}

/** All queued runs of the session, in the order in which they will run. */
export const pendingIn = ({ peers: { self } }: Pick<Parts, "peers">, room: Room, agentName: string) => {
  const queue: Array<PendingInput> = []
  for (const run of room.open()) {
    if (run.status !== "queued") continue
    // The run is in this process's queue now. Written without a driver, it would be recovered and run a second time.
    if (run.driver !== self) room.record({ ...run, driver: self })
    enqueue(queue, { run, agentName })
  }
  return queue
}
