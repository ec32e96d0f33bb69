import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Clock, Effect, Either } from "effect"
import { Invalid } from "../../domain/Errors.ts"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { cursorOf, keysOf, rangeOf, rowOf } from "../../domain/UsageReport.ts"
import { Ledger } from "../../services/Ledger.ts"
import { timestampOf } from "../../services/Now.ts"
import { Api } from "../Api.ts"

export const layer = HttpApiBuilder.group(Api, "usage", (handlers) =>
  Effect.map(Ledger, (ledger) =>
    handlers.handle(
      "sum",
      Effect.fnUntraced(function*({ urlParams: { cursor, group_by, limit, ...named } }) {
        const { user_id } = yield* CurrentPrincipal
        const range = yield* Either.mapLeft(
          rangeOf(named, yield* Clock.currentTimeMillis),
          (message) => new Invalid({ detail: "The range is not valid.", errors: [{ path: "from", message }] })
        )
        const [from, to] = [timestampOf(range.from), timestampOf(range.to)]
        const after = cursor === undefined ? undefined : yield* keysOf(cursor, group_by)
        const groups = yield* ledger.groups(user_id, { from, to, group_by, limit: limit + 1, after })
        const page = groups.slice(0, limit)
        return {
          from,
          to,
          group_by,
          usage: page.map((group) => rowOf(group_by, group)),
          totals: yield* ledger.total(user_id, { from, to }),
          next_cursor: groups.length > limit ? cursorOf(page.at(-1)!) : null
        }
      })
    )))
