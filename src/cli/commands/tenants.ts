import { Command } from "@effect/cli"
import { Effect } from "effect"
import type { TenantList } from "../../domain/Tenant.ts"
import { admin, asAdmin } from "../Connection.ts"
import { type Column, output, printAll } from "../Output.ts"
import { all, limit } from "../Paging.ts"
import { range, rangeOf, sums } from "./usage.ts"

type Tenant = (typeof TenantList.Type)["tenants"][number]

const columns: ReadonlyArray<Column<Tenant>> = [
  ["user", ({ user_id }) => user_id],
  ["agents", ({ agents }) => agents, 2],
  ["sessions", ({ sessions }) => sessions, 1],
  ["runs", ({ runs }) => runs, 1],
  ["keys", ({ keys }) => keys, 3],
  ["last active", ({ last_active_at }) => last_active_at, 2],
  ...sums.filter(([name]) => ["calls", "input", "output", "cost"].includes(name)).map(
    ([name, of, priority]): Column<Tenant> => {
      const cell = ({ usage }: Tenant) => of(usage)
      return priority === undefined ? [name, cell] : [name, cell, priority]
    }
  )
]

export const tenants = Command.make(
  "tenants",
  { ...range, ...limit, ...admin, ...output },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* asAdmin(options)
      const asked = yield* rangeOf(options)
      yield* printAll(
        options.output,
        columns,
        all(options.limit, (params) =>
          Effect.map(
            api.admin.tenants({ urlParams: { ...asked, ...params } }),
            ({ next_cursor, tenants }) => ({ items: tenants, next: next_cursor })
          ))
      )
    })
).pipe(Command.withDescription("Who uses this server, what they have, and what it cost (needs the scope admin)"))
