import { HttpApiBuilder } from "@effect/platform"
import { Effect } from "effect"
import { presentKey } from "../../domain/ApiKey.ts"
import { ApiKeys } from "../../services/ApiKeys.ts"
import { now } from "../../services/Now.ts"
import { Storage } from "../../services/Storage.ts"
import { Api } from "../Api.ts"

export const layer = HttpApiBuilder.group(Api, "keys", (handlers) =>
  Effect.gen(function*() {
    const { keys } = yield* Storage
    const { issue } = yield* ApiKeys

    return handlers
      .handle(
        "list",
        Effect.fnUntraced(function*({ urlParams: { user_id, ...page } }) {
          const { items, ...rest } = yield* user_id === undefined ? keys.host.list(page) : keys.list(user_id, page)
          return { keys: items.map(presentKey), ...rest }
        })
      )
      .handle("create", ({ payload }) => issue(payload))
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
