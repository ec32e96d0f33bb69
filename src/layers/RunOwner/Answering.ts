/** Accepts a person's or a client's answer to the question of a parked run, once, and continues the run. */
import { Effect } from "effect"
import type { AnswerInput } from "../../domain/Chat.ts"
import { addRules } from "../../domain/Permission.ts"
import type { Room } from "../../services/Rooms.ts"
import type { ClaimOf } from "../../services/RunOwner.ts"
import * as Answers from "./Answers.ts"
import type { Parked } from "./Parked.ts"
import { parkedIn, type Parts } from "./Parts.ts"
import { draining } from "./Refusals.ts"

export const make = (parts: Parts, { goOn, load }: Parked) => {
  const { activeRuns, storage: { sessions } } = parts

  /** Runs under the room's lock, so that the second of two answers finds the first. */
  const answer = (room: Room, input: AnswerInput, claim?: ClaimOf) =>
    Effect.gen(function*() {
      if (activeRuns.isClosing()) return yield* draining
      yield* room.follow
      const run = parkedIn(parts, room)
      if (run === undefined) return yield* Answers.notWaiting(room.session_id)
      const { out } = yield* load(room, run)
      const drafts = yield* Answers.read(out.reply().message, input)
      const rules = Answers.rulesOf(input)
      if (rules.length > 0) {
        yield* sessions.modify(run.user_id, run.session_id, (session) => ({
          ...session,
          state: { ...session.state, permission_context: addRules(session.state.permission_context, rules) }
        }))
      }
      // Somebody may have stopped the run meanwhile: its state is read again after each wait.
      if (parkedIn(parts, room)?.id !== run.id) return yield* Answers.notWaiting(room.session_id)
      const seq = room.head()
      const active = yield* goOn(room, run, drafts, claim?.({ seq, run_id: run.id }))
      if (active !== undefined) return { seq, run_id: run.id }
      return yield* (activeRuns.isClosing() ? draining : Answers.notWaiting(room.session_id))
    }).pipe(room.lock.withPermits(1))

  return { answer }
}
