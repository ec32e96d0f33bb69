import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { keyOfUser, presentKey, SessionKeyWasReset } from "../../domain/SessionKey.ts"
import { Idempotency } from "../../services/Idempotency.ts"
import { SessionKeys } from "../../services/SessionKeys.ts"
import { Storage } from "../../services/Storage.ts"
import { Api } from "../Api.ts"

export const layer = HttpApiBuilder.group(Api, "sessionKeys", (handlers) =>
  Effect.gen(function*() {
    const { sessionKeys } = yield* Storage
    const { reset } = yield* SessionKeys
    const { once } = yield* Idempotency

    return handlers
      .handle(
        "list",
        Effect.fnUntraced(function*({ urlParams }) {
          const { user_id } = yield* CurrentPrincipal
          const { items, ...rest } = yield* sessionKeys.list(user_id, urlParams, { kind: "key" })
          return { keys: items.map(presentKey), ...rest }
        })
      )
      .handle(
        "reset",
        Effect.fnUntraced(function*({ headers, payload }) {
          const { user_id: owner } = yield* CurrentPrincipal
          const { channel, key, user = null } = payload
          const asked = {
            owner,
            key: headers["idempotency-key"],
            request: "POST /session-keys/reset",
            body: payload,
            answer: SessionKeyWasReset
          }
          // Who asks again because the answer was lost must not lose what was said since: the claim is written with the reset.
          return yield* once(asked, ({ keep }) =>
            keep(Effect.map(
              reset({ owner, channel, key: keyOfUser(user, key) }),
              (was_used) => ({ channel, key, user, was_used })
            )))
        })
      )
  }))
