/** Accepts a person's or a client's answer to the question of a parked run, once, and continues the run. */
import { Effect } from "effect"
import type { AnswerInput } from "../../domain/Chat.ts"
import { stateUpdated } from "../../domain/CustomEvents.ts"
import { addRules, type PermissionRule } from "../../domain/Permission.ts"
import type { Run } from "../../domain/Run.ts"
import type { Room } from "../../services/Rooms.ts"
import type { ClaimOf } from "../../services/RunOwner.ts"
import * as Answers from "./Answers.ts"
import type { Parked } from "./Parked.ts"
import { parkedIn, type Parts } from "./Parts.ts"
import { draining } from "./Refusals.ts"

export const make = (parts: Parts, { goOn, load }: Parked) => {
  const { activeRuns, storage: { sessions } } = parts

  /**
   * Keeps the rules of an answer, and returns the event that tells of them. It is told with the answer, although an
   * earlier attempt of the same answer, which the log refused, may have kept the rules already.
   */
  const keepRules = Effect.fnUntraced(function*(run: Run, rules: ReadonlyArray<PermissionRule>) {
    if (!rules.some(({ behavior }) => behavior !== "passthrough")) return []
    const { state } = yield* sessions.modify(run.user_id, run.session_id, (session) => ({
      ...session,
      state: { ...session.state, permission_context: addRules(session.state.permission_context, rules) }
    }))
    return [stateUpdated(state)]
  })

  /** Runs under the room's lock, so that the second of two answers finds the first. */
  const answer = (room: Room, input: AnswerInput, claim?: ClaimOf) =>
    Effect.gen(function*() {
      if (activeRuns.isClosing()) return yield* draining
      yield* room.follow
      const run = parkedIn(parts, room)
      if (run === undefined) return yield* Answers.notWaiting(room.session_id)
      const { out } = yield* load(room, run)
      const drafts = yield* Answers.read(out.reply().message, input)
      const told = yield* keepRules(run, Answers.rulesOf(input))
      const seq = room.head()
      // Somebody may have stopped the run meanwhile: its state is read again after each wait.
      const active = parkedIn(parts, room)?.id !== run.id
        ? undefined
        : yield* goOn(room, run, [...drafts, ...told], claim?.({ seq, run_id: run.id }))
      if (active !== undefined) return { seq, run_id: run.id }
      // The answer came too late, but its rules are kept: the session's subscribers are told of them all the same.
      for (const draft of told) room.emit(null, draft)
      return yield* (activeRuns.isClosing() ? draining : Answers.notWaiting(room.session_id))
    }).pipe(room.lock.withPermits(1))

  return { answer }
}
