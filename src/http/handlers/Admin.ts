import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import type { UserId } from "../../domain/Ids.ts"
import { cursorAfter, keyOfCursor } from "../../domain/Page.ts"
import { cursorOf, keysOf, noSum, rowOf } from "../../domain/UsageReport.ts"
import { Catalog } from "../../services/Catalog.ts"
import { Ledger } from "../../services/Ledger.ts"
import { Tenants } from "../../services/Tenants.ts"
import { Api } from "../Api.ts"
import { rangeIn } from "./Range.ts"

export const layer = HttpApiBuilder.group(Api, "admin", (handlers) =>
  Effect.gen(function*() {
    const ledger = yield* Ledger
    const tenants = yield* Tenants
    const catalog = yield* Catalog

    return handlers
      .handle("reload", () => catalog.reload)
      .handle(
        "tenants",
        Effect.fnUntraced(function*({ urlParams: { cursor, limit, ...named } }) {
          const range = yield* rangeIn(named)
          // A name that nobody has finds the tenants after it.
          const after = cursor === undefined ? undefined : (yield* keyOfCursor(cursor)) as UserId
          const found = yield* tenants.list(after, limit + 1)
          const page = found.slice(0, limit)
          const groups = yield* ledger.host.groups({
            ...range,
            group_by: ["user"],
            users: page.map(({ user_id }) => user_id),
            limit,
            after: undefined
          })
          const sums = new Map(groups.map(({ keys: [user], sum }) => [user, sum]))
          return {
            ...range,
            tenants: page.map((tenant) => ({ ...tenant, usage: sums.get(tenant.user_id) ?? noSum })),
            next_cursor: found.length > limit ? cursorAfter(page.at(-1)!.user_id) : null
          }
        })
      )
      .handle(
        "usage",
        Effect.fnUntraced(function*({ urlParams: { cursor, group_by, limit, user_id, ...named } }) {
          const range = yield* rangeIn(named)
          const after = cursor === undefined ? undefined : yield* keysOf(cursor, group_by)
          const who = user_id === undefined ? {} : { users: [user_id] }
          const groups = yield* ledger.host.groups({ ...range, ...who, group_by, limit: limit + 1, after })
          const page = groups.slice(0, limit)
          return {
            ...range,
            group_by,
            usage: page.map((group) => rowOf(group_by, group)),
            totals: yield* ledger.host.total({ ...range, ...who }),
            next_cursor: groups.length > limit ? cursorOf(page.at(-1)!) : null
          }
        })
      )
  }))
