/** Takes an input, and answers its place in the log. */
import { Effect } from "effect"
import { Accepted, type ChatRequest } from "../../domain/Chat.ts"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { Idempotency } from "../../services/Idempotency.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { note } from "../LogNotes.ts"
import * as Body from "../middleware/Body.ts"

export const make = Effect.gen(function*() {
  const hub = yield* SessionHub
  const { once } = yield* Idempotency

  /** The ways to ask for an answer share their keys: who lost a stream may ask for the reply with the same key. */
  return Effect.fnUntraced(function*(key: string | undefined, payload: ChatRequest) {
    const { user_id: owner } = yield* CurrentPrincipal
    yield* note({ session_id: payload.session_id })
    // From here on the request is small: its files are stored, and it has their paths.
    const body = yield* Effect.ensuring(hub.take(owner, payload), Body.release)
    const accepted = yield* once(
      { owner, key, request: "POST /chat", body, answer: Accepted },
      ({ claim }) => hub.send(owner, body, claim)
    )
    yield* note({ run_id: accepted.run_id })
    return accepted
  })
})
