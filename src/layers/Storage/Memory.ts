/** Keeps records in this process. */
import { Duration, Effect, Layer } from "effect"
import {
  type Driver,
  fromDriver,
  type Order,
  type Row,
  type RowFilter,
  Storage,
  type Table
} from "../../services/Storage.ts"
import { type Store, Tables } from "../Memory/Tables.ts"

const matching = ({ owner, where }: RowFilter) => owner === undefined ? where : { ...where, owner }

/** The conditions that are not about columns. */
const holding = ({ from, holds, ids, to }: RowFilter) => {
  const wanted = ids && new Set(ids)
  return ({ created_at, data, id }: Row) =>
    (from === undefined || created_at >= from) && (to === undefined || created_at < to) &&
    (wanted === undefined || wanted.has(id)) && (holds === undefined || JSON.stringify(data).includes(holds))
}

const byId = (a: Row, b: Row) => a.id < b.id ? -1 : 1

/** The row after a change: its owner, id and references stay. */
const changed = (table: Table, before: Row, after: Row): Row => ({
  ...after,
  id: before.id,
  owner: before.owner,
  columns: {
    ...after.columns,
    ...Object.fromEntries(table.references.map(({ column }) => [column, before.columns[column]!]))
  }
})

const driver = (store: Store): Driver => {
  const isOrphan = (table: Table, row: Row) =>
    table.references.some(({ column, table }) => !store.rows(table).byId.has(row.columns[column]!))

  const listed = (table: Table, filter: RowFilter, after: string | undefined, order: Order): ReadonlyArray<Row> => {
    const rows = store.rows(table.name).where(matching(filter)).filter(holding(filter)).filter(({ id }) =>
      after === undefined || (order === "oldest" ? id > after : id < after)
    ).toSorted(byId)
    return order === "oldest" ? rows : rows.toReversed()
  }

  return {
    find: (table, id) => store.run(() => store.rows(table.name).byId.get(id)),
    list: (table, filter, { after, limit, order }) =>
      store.run(() => listed(table, filter, after, order).slice(0, limit)),
    page: (table, filter, { after, bytes, limit, order }) =>
      store.run(() => {
        const found = listed(table, filter, after, order)
        const rows: Array<Row> = []
        let size = 0
        for (const row of found.slice(0, limit)) {
          size += Buffer.byteLength(JSON.stringify(row.data))
          if (rows.length > 0 && size > bytes) break
          rows.push(row)
        }
        return { rows, more: rows.length < found.length }
      }),
    look: (table, filter, { after, bytes, limit }) =>
      store.run(() => {
        const found = listed(table, filter, after, "newest")
        const rows: Array<Row> = []
        let size = 0
        for (const row of found.slice(0, limit)) {
          const own = Buffer.byteLength(JSON.stringify(row.data))
          if (rows.length > 0 && size + own > bytes) break
          size += own
          rows.push(row)
        }
        return { rows, last: rows.at(-1)?.id, bytes: size, count: rows.length, more: rows.length < found.length }
      }),
    count: (table, filter) =>
      store.run(() => store.rows(table.name).where(matching(filter)).filter(holding(filter)).length),
    insert: (table, row) =>
      store.run(() => {
        if (isOrphan(table, row)) return "orphan"
        if (store.rows(table.name).byId.has(row.id)) return "taken"
        store.put(table, row)
        return "inserted"
      }),
    modify: (table, id, f) =>
      store.transaction(Effect.gen(function*() {
        const before = store.rows(table.name).byId.get(id)
        const wanted = before && (yield* f(before))
        if (before === undefined || wanted === undefined) return undefined
        const after = changed(table, before, wanted)
        store.put(table, after)
        return after
      })),
    remove: (table, owner, id) =>
      store.run(() => {
        const row = store.rows(table.name).byId.get(id)
        if (row?.owner !== owner) return false
        store.drop(table, row)
        return true
      }),
    removeBefore: (table, created_at, limit) =>
      store.run(() => {
        const old = store.rows(table.name).where({}).filter((row) => row.created_at < created_at)
          .toSorted((a, b) => a.created_at < b.created_at ? -1 : 1).slice(0, limit)
        for (const row of old) store.drop(table, row)
        return old.length
      }),
    owners: (table, after, limit) =>
      store.run(() =>
        [...new Set(store.rows(table.name).where({}).map(({ owner }) => owner))].filter((owner) => owner > after)
          .toSorted((a, b) => a < b ? -1 : 1).slice(0, limit)
      ),
    transaction: (effect) => store.transaction(effect)
  }
}

export const make = Effect.flatMap(Tables, (store) => fromDriver(driver(store), Duration.infinity))

export const layer: Layer.Layer<Storage, never, Tables> = Layer.effect(Storage, make)
