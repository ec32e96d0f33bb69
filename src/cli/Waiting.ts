/** Runs that wait for a person or a client, and the reply whose calls they wait for. */
import { Effect, Option } from "effect"
import { SessionId } from "../domain/Ids.ts"
import type { Message } from "../domain/Message.ts"
import { maxLimit, maxMessages } from "../domain/Page.ts"
import type { Run } from "../domain/Run.ts"
import type { Connection } from "./Connection.ts"

const isWaiting = ({ status }: Pick<Run, "status">) =>
  status === "awaiting_permission" || status === "awaiting_external_result"

const pathOf = (session: string) => ({ session_id: SessionId.make(encodeURIComponent(session)) })

/** The reply of a parked run; none when it is not parked. It is looked for from the transcript's end. */
export const waitingIn = Effect.fnUntraced(function*({ api }: Connection, run: Run) {
  if (!isWaiting(run)) return Option.none<Message>()
  const path = pathOf(run.session_id)
  let { total } = yield* api.messages.list({ path, urlParams: { offset: 0, limit: 1 } })
  while (total > 0) {
    const offset = Math.max(0, total - maxMessages)
    const { messages } = yield* api.messages.list({ path, urlParams: { offset, limit: total - offset } })
    const reply = messages.findLast(({ id }) => id === run.reply_id)
    if (reply !== undefined) return Option.some(reply)
    total = offset
  }
  return Option.none<Message>()
})

/** The parked run behind which a session's inputs wait; none when they wait for an active one. */
export const parkedIn = ({ api }: Connection, session: string) =>
  Effect.map(
    api.runs.ofSession({ path: pathOf(session), urlParams: { limit: maxLimit } }),
    ({ runs }) => Option.fromNullable(runs.find(isWaiting))
  )
