/** Who owns something in PostgreSQL. */
import { Effect, Layer } from "effect"
import { Timestamp, type UserId } from "../../domain/Ids.ts"
import type { Holdings } from "../../domain/Tenant.ts"
import { Tenants } from "../../services/Tenants.ts"
import { Prepared } from "../Sql/Prepared.ts"
import { orDie } from "../Sql/SqlState.ts"

/** What makes somebody a tenant. Each has an index that begins with its owner. */
const owning = ["agents", "credentials", "keys", "usage"]

/** Sessions and runs are an agent's, so their owners are among these. */
const counted = ["agents", "credentials", "sessions", "runs", "keys"]

/** A table's first owner after this one: a look into its index, however many rows each owner has. */
const next = (after: string) =>
  `least(${owning.map((table) => `(select min(owner) from ${table} where owner > ${after})`).join(", ")})`

/** Ids grow with time, so the newest row is the last one. */
const lastChange = (table: string) =>
  `(select updated_at from ${table} where owner = tenants.owner order by id desc limit 1)`

const listText = `
  with recursive tenants(owner) as (
    select ${next("$1::text")}
    union all
    select ${next("tenants.owner")} from tenants where owner is not null
  )
  select owner as user_id,
    ${
  counted.map((table) => `(select count(*)::int from ${table} where owner = tenants.owner) as ${table}`).join(", ")
},
    greatest(${["agents", "sessions", "runs"].map(lastChange).join(", ")}) as last_active_at
  from (select owner from tenants where owner is not null limit $2::int) tenants
  order by owner`

interface Row extends Omit<Holdings, "last_active_at"> {
  readonly last_active_at: Date | null
}

export const make = Effect.map(Prepared, ({ execute }) =>
  Tenants.of({
    list: (after: UserId | undefined, limit: number) =>
      Effect.map(
        orDie(execute<Row>(listText, [after ?? "", limit], { isLong: true })),
        (rows) =>
          rows.map(({ last_active_at, ...holdings }) => ({
            ...holdings,
            last_active_at: last_active_at === null ? null : Timestamp.make(last_active_at.toISOString())
          }))
      )
  }))

export const layer: Layer.Layer<Tenants, never, Prepared> = Layer.effect(Tenants, make)
