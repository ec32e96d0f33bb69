/** Tells those who follow a session of its tasks, also while nothing runs in it. */
import { Effect } from "effect"
import type { EventDraft } from "../../domain/Event.ts"
import type { Peers } from "../../services/Peers.ts"
import type { Room, Rooms } from "../../services/Rooms.ts"
import type { OwnedSession } from "../../services/RunOwner.ts"

/** A page of this process would end the run that another one drives. */
const isDrivenElsewhere = ({ alone, self }: typeof Peers.Service, room: Room): boolean => {
  const open = room.open()
  if (alone || open.length === 0 || open.some(({ status }) => status.startsWith("awaiting"))) return false
  return (open.find(({ status }) => status === "running") ?? open[0]!).driver !== self
}

/** Answers whether it is told, or never can be. */
export const make = (rooms: typeof Rooms.Service, peers: typeof Peers.Service) =>
  Effect.fnUntraced(
    function*(session: OwnedSession, drafts: ReadonlyArray<EventDraft>) {
      const room = yield* rooms.get(session)
      // Under the lock: a run that is recovered meanwhile would take the event for another process's.
      const isTold = yield* room.lock.withPermits(1)(Effect.gen(function*() {
        yield* room.follow
        if (room.behind() !== undefined || isDrivenElsewhere(peers, room)) return false
        for (const draft of drafts) room.emit(null, draft)
        return true
      }))
      if (isTold) yield* room.durable
      return isTold
    },
    Effect.scoped,
    // Another process was first, or an input took it along when it was given up. Otherwise there is nobody to tell.
    Effect.catchTag("AppendRefused", ({ reason }) => Effect.succeed(reason !== "fenced" && reason !== "withdrawn"))
  )
