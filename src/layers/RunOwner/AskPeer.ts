/** Asks the process that drives a session to stop runs, until the log shows that they have ended. */
import { Duration, Effect, Option } from "effect"
import type { RunId } from "../../domain/Ids.ts"
import type { Notice } from "../../services/Peers.ts"
import type { Room } from "../../services/Rooms.ts"
import { elsewhere, type Parts } from "./Parts.ts"

/** How often the notice is sent again: it may be lost, or the process may be gone and another may take its place. */
const askEvery = Duration.seconds(1)

/** How often the log is looked at meanwhile. */
const lookEvery = Duration.millis(50)

export const make = (parts: Parts) => {
  const { log, peers } = parts

  /** Those of these runs that have not ended. */
  const stillOpen = (room: Room, runs: ReadonlySet<RunId>) =>
    Effect.map(log.open(room.session_id), (open) => open.filter(({ id }) => runs.has(id)))

  /** Answers true when the runs have ended; false when no other process drives the session any more. */
  return Effect.fnUntraced(function*(room: Room, first: Notice, runs: ReadonlySet<RunId>) {
    for (let isFirst = true;; isFirst = false) {
      const open = yield* stillOpen(room, runs)
      if (open.length === 0) return true
      yield* room.follow
      if (elsewhere(parts, room) === undefined) return false
      // Later notices name each run, so that runs which came after the request are not stopped.
      if (isFirst) peers.notify(first)
      else for (const { id } of open) peers.notify({ type: "cancel", session: room.session_id, run: id })
      yield* stillOpen(room, runs).pipe(
        Effect.delay(lookEvery),
        Effect.repeat({ until: (open) => open.length === 0 }),
        Effect.timeoutOption(askEvery),
        Effect.map(Option.isSome)
      )
    }
  })
}
