/** Lifts rows into owned records: codec, ownership, pages and a cache, once for all nouns. */
import { type Clock, Context, Duration, Effect, ParseResult, Schema } from "effect"
import { Conflict, NotFound } from "../domain/Errors.ts"
import { UserId } from "../domain/Ids.ts"
import { cursorAfter, keyOfCursor, pageBytes, type PageRequest } from "../domain/Page.ts"
import { monotonic } from "./Now.ts"
import type { Collection, Driver, Order, Owned, Row, RowFilter, Table } from "./Storage.ts"

/** How many rows, and bytes of documents, a page of a search looks at, and how many of them are looked at in one go. */
const searchedRows = 10_000
const searchedBytes: number = 16 * 1024 * 1024
const rowsAtOnce = 500
const bytesAtOnce = 512 * 1024

/** Decoded records kept at most, of all nouns together; the least recently used goes first. */
const cacheSize = 20_000

/** Decoded records by table and id. A record read before a write began is not kept after it. */
export const makeCache = (clock: Clock.Clock, ttl: Duration.Duration) => {
  const entries = new Map<string, { readonly record: unknown; readonly until: number }>()
  const life = Duration.toMillis(ttl)
  let epoch = 0
  return {
    epoch: () => epoch,
    get: (key: string): unknown => {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      entries.delete(key)
      if (entry.until < monotonic(clock)) return undefined
      entries.set(key, entry)
      return entry.record
    },
    keep: (key: string, record: unknown, since: number) => {
      if (since !== epoch) return
      entries.set(key, { record, until: monotonic(clock) + life })
      if (entries.size > cacheSize) entries.delete(entries.keys().next().value!)
    },
    forget: (key: string) => {
      epoch++
      entries.delete(key)
    },
    forgetAll: () => {
      epoch++
      entries.clear()
    }
  }
}

type Cache = ReturnType<typeof makeCache>

/** Notes what a transaction changes, and forgets that when it is over. What it makes is in no cache. */
export const transactionOver = (cache: Cache): Transaction & { readonly end: () => void } => {
  const keys = new Set<string>()
  let all = false
  return {
    forget: (key) => void keys.add(key),
    forgetAll: () => void (all = true),
    end: () => {
      if (all) cache.forgetAll()
      else keys.forEach(cache.forget)
    }
  }
}

/**
 * What a transaction reads may never land, so it neither comes from the cache nor
 * goes there; what it changes is forgotten again at its end.
 */
export interface Transaction {
  readonly forget: (key: string) => void
  readonly forgetAll: () => void
}

export class InTransaction extends Context.Reference<InTransaction>()("stoa/services/Collection/InTransaction", {
  defaultValue: (): Transaction | undefined => undefined
}) {}

interface Noun<A, I> {
  /** The word in `Agent '…' not found.` */
  readonly noun: string
  readonly table: Table
  readonly schema: Schema.Schema<A, I>
  readonly columns: (record: A) => Readonly<Record<string, string>>
}

const placesOf = (problem: ParseResult.ParseError): string =>
  ParseResult.ArrayFormatter.formatErrorSync(problem).map(({ path }) => path.join(".") || "its root").join(", ")

/** Without a cache every read asks the driver. */
export const makeCollection = <A extends Owned, I extends object, Columns extends string>(
  driver: Driver,
  cache: Cache | undefined,
  { columns, noun, schema, table }: Noun<A, I>
): Collection<A, Columns> => {
  const decode = Schema.decodeUnknown(schema)
  const encode = Schema.encode(schema)
  const key = (id: string) => `${table.name} ${id}`
  const read = (row: Row) => Effect.orDie(decode(row.data))
  /** Without the records that cannot be read: one of them must not hide the others. */
  const readAll = (rows: ReadonlyArray<Row>): Effect.Effect<ReadonlyArray<A>> =>
    Effect.map(
      Effect.forEach(rows, (row) =>
        Effect.catchAll(decode(row.data), (problem) =>
          Effect.as(
            // The places only: the values may be somebody's secrets.
            Effect.logError(
              `${noun} '${row.id}' cannot be read and is left out of a list: wrong at ${placesOf(problem)}`
            ),
            undefined
          ))),
      (records) => records.filter((record) => record !== undefined)
    )
  const missing = (id: string) => Effect.fail(NotFound.of(noun, id))

  const write = (record: A): Effect.Effect<Row> =>
    Effect.map(Effect.orDie(encode(record)), (data) => ({
      id: record.id,
      owner: record.user_id,
      created_at: record.created_at,
      updated_at: record.updated_at,
      columns: columns(record),
      data
    }))

  const find = (id: string): Effect.Effect<A, NotFound> =>
    Effect.flatMap(driver.find(table, id), (row) => row === undefined ? missing(id) : read(row))

  const fetch = (id: string): Effect.Effect<A, NotFound> =>
    Effect.flatMap(InTransaction, (inside) => {
      if (cache === undefined || inside !== undefined) return find(id)
      const known = cache.get(key(id))
      if (known !== undefined) return Effect.succeed(known as A)
      const since = cache.epoch()
      return Effect.tap(find(id), (record) => cache.keep(key(id), record, since))
    })

  const forgetting = (forget: (from: Transaction) => void) =>
    Effect.map(InTransaction, (inside) => {
      if (cache === undefined) return
      forget(cache)
      if (inside !== undefined) forget(inside)
    })

  const list = Effect.fnUntraced(function*(filter: RowFilter, { cursor, limit }: PageRequest, order: Order) {
    const after = cursor === undefined ? undefined : yield* keyOfCursor(cursor)
    const { more, rows } = yield* driver.page(table, filter, { after, limit, order, bytes: pageBytes })
    const total = after === undefined && !more ? rows.length : yield* driver.count(table, filter)
    // After the last row, not the last item: that one may be older than rows that cannot be read.
    return { items: yield* readAll(rows), total, next_cursor: more ? cursorAfter(rows.at(-1)!.id) : null }
  })

  const search = Effect.fnUntraced(function*(
    filter: RowFilter,
    { cursor, limit }: PageRequest,
    { anchor, isIn }: { readonly anchor: string; readonly isIn: (record: A) => boolean }
  ) {
    let after = cursor === undefined ? undefined : yield* keyOfCursor(cursor)
    const items: Array<A> = []
    for (let rows = 0, bytes = 0, kept = 0;;) {
      const looked = yield* driver.look(table, filter, { after, limit: rowsAtOnce, bytes: bytesAtOnce, anchor })
      const before = items.length
      for (const row of looked.rows) {
        const [record] = yield* readAll([row])
        if (record === undefined || !isIn(record)) continue
        items.push(record)
        if (items.length === limit) {
          return { items, next_cursor: looked.more || row.id !== looked.last ? cursorAfter(row.id) : null }
        }
      }
      if (!looked.more || looked.last === undefined) return { items, next_cursor: null }
      after = looked.last
      rows += looked.count
      bytes += looked.bytes
      if (items.length > before) kept += looked.bytes
      if (rows >= searchedRows || bytes >= searchedBytes || kept >= pageBytes) {
        return { items, next_cursor: cursorAfter(after) }
      }
      // A backend in memory answers at once: others have their turn in between.
      yield* Effect.yieldNow()
    }
  })

  const modify = (id: string, owner: UserId | undefined, f: (record: A) => A) =>
    driver.modify(table, id, (row) =>
      owner !== undefined && row.owner !== owner
        ? Effect.as(Effect.void, undefined)
        : Effect.flatMap(read(row), (record) => write(f(record)))).pipe(
        Effect.ensuring(forgetting((caches) => caches.forget(key(id)))),
        Effect.flatMap((row) => row === undefined ? missing(id) : read(row))
      )

  return {
    get: (owner, id) => Effect.filterOrElse(fetch(id), (record) => record.user_id === owner, () => missing(id)),
    list: (owner, page, where, order = "oldest", narrowed = {}) =>
      list({ ...narrowed, owner, where: { ...where } as Record<string, string> }, page, order),
    search: (owner, page, text, where, narrowed = {}) =>
      search({ ...narrowed, owner, where: { ...where } as Record<string, string> }, page, text),
    holding: (owner, json, limit) =>
      Effect.flatMap(
        driver.list(table, { owner, holds: json, where: {} }, { after: undefined, limit, order: "oldest" }),
        readAll
      ),
    insert: Effect.fnUntraced(function*(record) {
      // Before the driver is asked: what is removed meanwhile must not stay in the cache.
      const since = cache?.epoch() ?? 0
      const inside = yield* InTransaction
      switch (yield* driver.insert(table, yield* write(record))) {
        case "inserted":
          // What was made here a moment ago is what is asked for next: a session is made to be talked in.
          if (inside === undefined) cache?.keep(key(record.id), record, since)
          return record
        case "taken":
          return yield* new Conflict({ code: "id_taken", detail: `${noun} '${record.id}' exists already.` })
        case "orphan":
          return yield* new NotFound({ detail: `What the ${noun.toLowerCase()} belongs to was not found.` })
      }
    }),
    modify: (owner, id, f) => modify(id, owner, f),
    remove: (owner, id) =>
      driver.remove(table, owner, id).pipe(
        Effect.ensuring(forgetting((caches) => caches.forgetAll())),
        Effect.filterOrElse((removed) => removed, () => missing(id)),
        Effect.asVoid
      ),
    host: {
      get: fetch,
      list: (page, where, order = "oldest") => list({ where: { ...where } as Record<string, string> }, page, order),
      scan: (after, limit) =>
        Effect.flatMap(
          driver.list(table, { where: {} }, { after, limit, order: "oldest" }),
          (rows) =>
            Effect.map(readAll(rows), (items) => ({
              items,
              next: rows.length < limit ? undefined : rows.at(-1)?.id
            }))
        ),
      modify: (id, f) => modify(id, undefined, f),
      owners: (after, limit) =>
        Effect.map(driver.owners(table, after ?? "", limit), (owners) => owners.map((owner) => UserId.make(owner)))
    }
  }
}
