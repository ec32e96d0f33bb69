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
  /** Storage may hold what it did not say that it took: it is looked for. */
  readonly onUnconfirmed: () => void
  /** Goes on when whoever asked for it has left; ends with the process. */
  readonly background: (effect: Effect.Effect<void>) => void
}

export const sessionOf = ({ owner: user_id, session_id: id }: Room) => ({ id, user_id })

/** The parked run of a session in which nothing goes on. */
export const parkedIn = ({ activeRuns }: Pick<Parts, "activeRuns">, room: Room): Run | undefined =>
  activeRuns.has(room.session_id) ? undefined : room.open().find(isParked)

/** What waits or runs in a session that another process drives, or none. Where nobody else can be, nothing does. */
export const elsewhere = ({ activeRuns, peers }: Pick<Parts, "activeRuns" | "peers">, room: Room): Run | undefined =>
  peers.alone || activeRuns.has(room.session_id) || room.open().some(isParked)
    ? undefined
    : room.open().find(({ status }) => status === "running") ?? room.open()[0]

/** Inputs that interrupt run before the others, and each kind in the order in which it came. */
export const enqueue = (queue: Array<PendingInput>, pending: PendingInput) => {
  const behind = pending.run.on_busy === "interrupt"
    ? queue.findIndex(({ run }) => run.on_busy !== "interrupt")
    : -1
  queue.splice(behind === -1 ? queue.length : behind, 0, pending)
}

/** All that waits in the session, in the order in which it runs. */
export const pendingIn = ({ peers: { self } }: Pick<Parts, "peers">, room: Room, agentName: string) => {
  const queue: Array<PendingInput> = []
  for (const run of room.open()) {
    if (run.status !== "queued") continue
    // It has its place here now. Written as nobody's, it would be picked up and run a second time.
    if (run.driver !== self) room.record({ ...run, driver: self })
    enqueue(queue, { run, agentName })
  }
  return queue
}
