import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { cursorOf, keysOf, rowOf } from "../../domain/UsageReport.ts"
import { Ledger } from "../../services/Ledger.ts"
import { Api } from "../Api.ts"
import { rangeIn } from "./Range.ts"

export const layer = HttpApiBuilder.group(Api, "usage", (handlers) =>
  Effect.map(Ledger, (ledger) =>
    handlers.handle(
      "sum",
      Effect.fnUntraced(function*({ urlParams: { cursor, group_by, limit, ...named } }) {
        const { user_id } = yield* CurrentPrincipal
        const range = yield* rangeIn(named)
        const after = cursor === undefined ? undefined : yield* keysOf(cursor, group_by)
        const groups = yield* ledger.groups(user_id, { ...range, group_by, limit: limit + 1, after })
        const page = groups.slice(0, limit)
        return {
          ...range,
          group_by,
          usage: page.map((group) => rowOf(group_by, group)),
          totals: yield* ledger.total(user_id, range),
          next_cursor: groups.length > limit ? cursorOf(page.at(-1)!) : null
        }
      })
    )))
