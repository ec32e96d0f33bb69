/** The reasons why an input is refused. */
import { Conflict, LimitReached, Unavailable } from "../../domain/Errors.ts"
import type { Room } from "../../services/Rooms.ts"

/** Most inputs that may wait in one session. */
export const maxQueued = 32

export const notTaken = new Unavailable({
  code: "storage_unavailable",
  detail: "Storage does not take the input now; nothing of it was kept. Try again.",
  retry_after: 2
})

export const notStopped = new Unavailable({
  code: "storage_unavailable",
  detail:
    "Storage does not write now. The stop stays asked for, and is done when storage writes again; ask again to know.",
  retry_after: 2
})

export const draining = new Unavailable({
  code: "draining",
  detail: "The server is stopping; send the input again in a moment.",
  retry_after: 5
})

export const busy = (room: Room, parked: boolean) =>
  new Conflict({
    code: "session_busy",
    detail: parked
      ? `Session '${room.session_id}' waits for an answer to what it asked. Answer it, or interrupt it.`
      : `Session '${room.session_id}' has a run going on. Wait for it, interrupt it, or send with on_busy=enqueue.`
  })

export const full = (room: Room) =>
  new LimitReached({
    code: "queue_full",
    detail: `${maxQueued} inputs wait in session '${room.session_id}' already. Wait until some have run.`,
    retry_after: 5
  })
