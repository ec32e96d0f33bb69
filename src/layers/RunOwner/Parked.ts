/** Continues parked runs that somebody has answered, or ends them. The caller holds the room's lock. */
import { Effect } from "effect"
import type { Claim } from "../../domain/Claim.ts"
import type { EventDraft } from "../../domain/Event.ts"
import * as Reply from "../../domain/Reply.ts"
import type { Run } from "../../domain/Run.ts"
import type { Room } from "../../services/Rooms.ts"
import { interrupted } from "./Endings.ts"
import * as History from "./History.ts"
import { parkedIn, type Parts, pendingIn } from "./Parts.ts"

export const make = (parts: Parts) => {
  const { activeRuns, log, peers: { self }, storage: { agents } } = parts
  const { eventsOfRun } = History.make(log)

  /** A run with its reply so far, as the log has it. */
  const load = Effect.fnUntraced(function*(room: Room, run: Run) {
    const events = yield* eventsOfRun(run)
    const reply = Reply.ofEvents(events.map(({ event }) => event))
    const opening = events.find(({ event }) => event.type === "REPLY_START")
    if (reply === undefined || opening === undefined) {
      return yield* Effect.dieMessage(`Run ${run.id} has begun, but its log does not say so`)
    }
    return activeRuns.of(room, run, reply, opening.seq)
  })

  /** The name under which the session's agent replies. */
  const nameOf = (run: Run) =>
    Effect.match(agents.get(run.user_id, run.agent_id), { onFailure: () => "", onSuccess: ({ data }) => data.name })

  /** Loads a parked run; undefined when another process was first. There must be no wait between this and what is done with the run. */
  const reload = Effect.fnUntraced(function*(room: Room, run: Run) {
    const agentName = yield* nameOf(run)
    const active = yield* load(room, { ...run, status: "running", driver: self, updated_at: activeRuns.now() })
    const still = parkedIn(parts, room)
    return still?.id === run.id && still.updated_at === run.updated_at ? { active, agentName } : undefined
  })

  const goOn = Effect.fnUntraced(
    function*(room: Room, run: Run, drafts: ReadonlyArray<EventDraft>, claim: Claim | undefined) {
      const loaded = yield* reload(room, run)
      // When the process is about to end, no run continues: it stays parked, and its answer is refused.
      if (loaded === undefined || activeRuns.isClosing()) return undefined
      const { active, agentName } = loaded
      room.record(active.run)
      for (const draft of drafts) active.out.emit(draft)
      if (claim !== undefined) room.claim(claim)
      return activeRuns.start(active, pendingIn(parts, room, agentName))
    }
  )

  /** Ends a parked run, if it is one of these, and the inputs in `pending` that wait behind it. */
  const stop = Effect.fnUntraced(function*(
    room: Room,
    { how = interrupted, pending = () => false, those = () => true }: {
      readonly how?: Reply.Ending
      readonly those?: (run: Run) => boolean
      readonly pending?: (run: Run) => boolean
    } = {}
  ) {
    yield* room.follow
    const parked = parkedIn(parts, room)
    if (parked === undefined || !those(parked)) return undefined
    const loaded = yield* reload(room, parked)
    if (loaded === undefined) return undefined
    // Nothing has been recorded so far: without an event there is no page that could collide with another process's.
    const { active } = loaded
    active.stopping = how
    activeRuns.start(active, pendingIn(parts, room, loaded.agentName))
    // This happens in the same turn of the event loop: once the parked run has ended, the first of them would begin.
    activeRuns.endPending(active, ({ run }) => pending(run), interrupted)
    return active
  })

  return { load, nameOf, goOn, stop }
}

export type Parked = ReturnType<typeof make>
