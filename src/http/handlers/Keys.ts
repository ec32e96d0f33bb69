import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { IssuedKey, presentKey } from "../../domain/ApiKey.ts"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { ApiKeys } from "../../services/ApiKeys.ts"
import { Idempotency } from "../../services/Idempotency.ts"
import { now } from "../../services/Now.ts"
import { Storage } from "../../services/Storage.ts"
import { Api } from "../Api.ts"

export const layer = HttpApiBuilder.group(Api, "keys", (handlers) =>
  Effect.gen(function*() {
    const { keys } = yield* Storage
    const { issue } = yield* ApiKeys
    const { once } = yield* Idempotency

    return handlers
      .handle(
        "list",
        Effect.fnUntraced(function*({ urlParams: { user_id, ...page } }) {
          const { items, ...rest } = yield* user_id === undefined ? keys.host.list(page) : keys.list(user_id, page)
          return { keys: items.map(presentKey), ...rest }
        })
      )
      .handle(
        "create",
        Effect.fnUntraced(function*({ headers, payload }) {
          const { user_id } = yield* CurrentPrincipal
          return yield* once(
            {
              owner: user_id,
              key: headers["idempotency-key"],
              request: "POST /keys",
              body: payload,
              answer: IssuedKey,
              isSecret: true
            },
            ({ keep }) => keep(issue(payload))
          )
        })
      )
      .handle(
        "revoke",
        Effect.fnUntraced(function*({ path }) {
          const at = yield* now
          const revoked = yield* keys.host.modify(
            path.key_id,
            (key) => key.revoked_at === null ? { ...key, revoked_at: at, updated_at: at } : key
          )
          return presentKey(revoked)
        })
      )
  }))
