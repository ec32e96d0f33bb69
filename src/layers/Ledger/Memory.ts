/** Sums over the calls that this process remembers. */
import { Effect, Layer, Schema } from "effect"
import type { UserId } from "../../domain/Ids.ts"
import { LedgerEntry, roundCost, tokenNames } from "../../domain/Ledger.ts"
import {
  type AdminGroupBy,
  type HostUsageQuery,
  isError,
  noSum,
  type UsageGroup,
  type UsageQuery,
  type UsageSum
} from "../../domain/UsageReport.ts"
import { Ledger } from "../../services/Ledger.ts"
import { tables } from "../../services/Storage.ts"
import { type Store, Tables } from "../Memory/Tables.ts"

const isEntry = Schema.is(LedgerEntry)

const keyOf = (entry: LedgerEntry, by: AdminGroupBy): string => {
  switch (by) {
    case "user":
      return entry.user_id
    case "day":
      return entry.created_at.slice(0, 10)
    case "model":
      return entry.model
    case "provider":
      return entry.provider ?? ""
    default:
      return entry[`${by}_id`] ?? ""
  }
}

const add = (sum: UsageSum, entry: LedgerEntry): UsageSum => ({
  calls: sum.calls + 1,
  errors: sum.errors + Number(isError(entry.outcome)),
  ...Object.fromEntries(tokenNames.map((name) => [name, sum[name] + entry[name]])) as Pick<
    UsageSum,
    typeof tokenNames[number]
  >,
  cost: entry.cost === null ? sum.cost : roundCost((sum.cost ?? 0) + entry.cost),
  unpriced_calls: sum.unpriced_calls + Number(entry.cost === null)
})

const compare = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): number => {
  for (const [i, key] of a.entries()) if (key !== b[i]) return key < b[i]! ? -1 : 1
  return 0
}

const within = (
  store: Store,
  users: ReadonlyArray<UserId> | undefined,
  { from, to }: Pick<UsageQuery, "from" | "to">
) =>
  (users?.flatMap((owner) => store.rows(tables.usage.name).where({ owner })) ?? store.rows(tables.usage.name).where({}))
    .map(({ data }) => data)
    .filter(isEntry)
    .filter(({ created_at }) => created_at >= from && created_at < to)

const groupsOf = (entries: ReadonlyArray<LedgerEntry>, { after, group_by, limit }: HostUsageQuery) => {
  const groups = new Map<string, UsageGroup>()
  for (const entry of entries) {
    const keys = group_by.map((by) => keyOf(entry, by))
    const name = JSON.stringify(keys)
    groups.set(name, { keys, sum: add(groups.get(name)?.sum ?? noSum, entry) })
  }
  return [...groups.values()]
    .filter(({ keys }) => after === undefined || compare(keys, after) > 0)
    .toSorted((a, b) => compare(a.keys, b.keys))
    .slice(0, limit)
}

export const make = Effect.map(Tables, (store) =>
  Ledger.of({
    groups: (owner, query) => store.run(() => groupsOf(within(store, [owner], query), query)),
    total: (owner, range) => store.run(() => within(store, [owner], range).reduce(add, noSum)),
    calls: (owner, run, limit) =>
      store.run(() =>
        store.rows(tables.usage.name).where({ owner }).filter(({ id }) => id.startsWith(`${run}/`))
          .toSorted((a, b) => a.id < b.id ? -1 : 1).map(({ data }) => data).filter(isEntry).slice(0, limit)
      ),
    host: {
      groups: (query) => store.run(() => groupsOf(within(store, query.users, query), query)),
      total: (range) => store.run(() => within(store, range.users, range).reduce(add, noSum))
    }
  }))

export const layer: Layer.Layer<Ledger, never, Tables> = Layer.effect(Ledger, make)
