/** Keeps records in PostgreSQL: each call is one statement, and the row's columns are copied out of the document. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlError from "@effect/sql/SqlError"
import { Duration, Effect, Layer, Option } from "effect"
import {
  type Driver,
  fromDriver,
  type Looked,
  type Order,
  type Row,
  type RowFilter,
  Storage,
  type Table
} from "../../services/Storage.ts"
import { mayHold } from "../Sql/MayHold.ts"
import { Prepared } from "../Sql/Prepared.ts"
import { dieOf, orDie, retryDeadlock } from "../Sql/SqlState.ts"

export interface Options {
  /** Whether other processes write to the database too. */
  readonly shared: boolean
}

/** How long a record that another process has changed may be served in its old form. */
const sharedTtl = Duration.seconds(1)

/** `text` cannot hold NUL. No id has one, so an id with one must stay unknown. */
const text = (value: string) => value.includes("\0") ? value.replaceAll("\0", "\ufffd") : value

const columnsOf = (table: Table) => ["id", "owner", "created_at", "updated_at", "data", ...table.columns]

const select = (table: Table) => `select ${columnsOf(table).join(", ")} from ${table.name}`

interface Stored extends Record<string, unknown> {
  readonly id: string
  readonly owner: string
  readonly created_at: Date
  readonly updated_at: Date
  readonly data: string
}

/** Where a row is among those that were looked at, and how large they are up to it. */
interface Place {
  readonly place: number | string
  readonly found: number | string
  readonly size: number | string
  readonly holds: boolean
}

/** What is no JSON is read as an object without fields: one such row must not hide the others. */
const parsed = (data: string): object => {
  try {
    return JSON.parse(data)
  } catch {
    return {}
  }
}

const rowOf = (table: Table, stored: Stored): Row => ({
  id: stored.id,
  owner: stored.owner,
  created_at: stored.created_at.toISOString(),
  updated_at: stored.updated_at.toISOString(),
  columns: Object.fromEntries(table.columns.map((column) => [column, stored[column] as string])),
  data: parsed(stored.data)
})

const valuesOf = (table: Table, row: Row) => [
  row.id,
  row.owner,
  row.created_at,
  row.updated_at,
  JSON.stringify(row.data),
  ...table.columns.map((column) => text(row.columns[column]!))
]

/**
 * The parents are locked first, so that a missing one is an answer and not an
 * error, which would spoil the transaction around it.
 */
const insertText = (table: Table) => {
  const columns = columnsOf(table)
  // A `select` list does not take its types from the table.
  const values = columns.map((column, i) => `$${i + 1}::${column.endsWith("_at") ? "timestamptz" : "text"}`)
  const parents = table.references.map(({ column, table: parent }) => ({
    name: `the_${column}`,
    text: `select id from ${parent} where id = $${columns.indexOf(column) + 1} for key share`
  }))
  const from = parents.length === 0 ? "" : `from ${parents.map(({ name }) => name).join(", ")}`
  const steps = [
    ...parents.map(({ name, text }) => `${name} as materialized (${text})`),
    `fresh as (insert into ${table.name} (${columns.join(", ")}) select ${
      values.join(", ")
    } ${from} on conflict (id) do nothing returning id)`
  ]
  const hasParents = parents.map(({ name }) => `exists (select from ${name})`).join(" and ") || "true"
  return `with ${steps.join(", ")} select exists (select from fresh) as inserted, ${hasParents} as has_parents`
}

/** The columns that may change: neither owner nor references. */
const changeable = (table: Table) =>
  columnsOf(table).map((column, i) => ({ column, i })).filter(({ column }) =>
    !["id", "owner", "created_at", ...table.references.map((reference) => reference.column)].includes(column)
  )

const updateText = (table: Table) =>
  `update ${table.name} set ${
    changeable(table).map(({ column }, i) => `${column} = $${i + 2}`).join(", ")
  } where id = $1`

const updateValues = (table: Table, id: string, row: Row) => {
  const values = valuesOf(table, row)
  return [id, ...changeable(table).map(({ i }) => values[i])]
}

/** Rows that another transaction removes at the same time are skipped. */
const removeBeforeText = ({ name }: Table) =>
  `delete from ${name} where id in (
    select id from ${name} where created_at < $1::timestamptz order by created_at limit $2 for update skip locked
  ) returning id`

/** From one owner to the next by an index that begins with them: the rows between are not read. */
const ownersText = ({ name }: Table) =>
  `with recursive found (owner) as (
    (select owner from ${name} where owner > $1 order by owner limit 1)
    union all
    select (select next.owner from ${name} next where next.owner > found.owner order by next.owner limit 1)
    from found where found.owner is not null
  ) select owner from found where owner is not null limit $2`

/** Between ids that are joined to one parameter; no id has it. */
const separator = "\x1f"

const conditions = ({ from, holds, ids, owner, to, where }: RowFilter) => {
  const texts: Array<string> = []
  const params: Array<string> = []
  const add = (value: string | undefined, condition: (param: string) => string) => {
    if (value !== undefined) texts.push(condition(`$${params.push(value)}`))
  }
  for (const [column, value] of Object.entries(owner === undefined ? where : { owner, ...where })) {
    add(text(value), (param) => `${column} = ${param}`)
  }
  add(from, (param) => `created_at >= ${param}::timestamptz`)
  add(to, (param) => `created_at < ${param}::timestamptz`)
  add(ids?.map(text).join(separator), (param) => `id = any(string_to_array(${param}, e'\\x1f'))`)
  add(holds && text(holds), (param) => `position(${param}::text in data) > 0`)
  return { texts, params }
}

const whereText = (texts: ReadonlyArray<string>) => texts.length === 0 ? "" : ` where ${texts.join(" and ")}`

/** The query of a list, in its order, without its limit. */
const listing = (table: Table, filter: RowFilter, after: string | undefined, order: Order) => {
  const { params, texts } = conditions(filter)
  const beyond = after === undefined ? [] : [`id ${order === "oldest" ? ">" : "<"} $${params.length + 1}`]
  const direction = order === "oldest" ? "asc" : "desc"
  return {
    direction,
    params: after === undefined ? params : [...params, text(after)],
    statement: `${select(table)}${whereText([...texts, ...beyond])} order by id ${direction}`
  }
}

export const driver = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const { execute } = yield* Prepared

  const transaction = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    sql.withTransaction(Effect.mapError(effect, (error) => ({ _tag: "Own" as const, error }))).pipe(
      Effect.catchAll((failure) => failure._tag === "Own" ? Effect.fail(failure.error) : dieOf(failure)),
      // A commit or a rollback that fails is a defect.
      Effect.catchSomeDefect((defect) =>
        defect instanceof SqlError.SqlError ? Option.some(dieOf(defect)) : Option.none()
      )
    )

  return {
    find: (table, id) =>
      Effect.map(
        orDie(execute<Stored>(`${select(table)} where id = $1`, [text(id)])),
        ([stored]) => stored && rowOf(table, stored)
      ),
    list: (table, filter, { after, limit, order }) => {
      const { params, statement } = listing(table, filter, after, order)
      return Effect.map(
        orDie(execute<Stored>(`${statement} limit $${params.length + 1}`, [...params, limit])),
        (rows) => rows.map((stored) => rowOf(table, stored))
      )
    },
    page: (table, filter, { after, bytes, limit, order }) => {
      const { direction, params, statement } = listing(table, filter, after, order)
      const listed = `${statement} limit $${params.length + 1}::int + 1`
      // Documents beyond the bound are measured but not read.
      const sized = `select *, row_number() over by_id as place, count(*) over () as found,
        sum(octet_length(data)) over by_id as size
        from (${listed}) listed window by_id as (order by id ${direction})`
      const page = `select * from (${sized}) sized
        where place <= $${params.length + 1}::int and (place = 1 or size <= $${params.length + 2}::bigint)
        order by id ${direction}`
      return Effect.map(
        orDie(execute<Stored & { readonly found: number | string }>(page, [...params, limit, bytes])),
        (rows) => ({
          rows: rows.map((stored) => rowOf(table, stored)),
          more: rows.length > 0 && rows.length < Number(rows[0]!.found)
        })
      )
    },
    look: (table, filter, { after, anchor, bytes, limit }) => {
      const { direction, params, statement } = listing(table, filter, after, "newest")
      const [most, room, part] = [1, 2, 3].map((i) => `$${params.length + i}`)
      // The document of the last row is not read when it cannot hold the text; its place is told all the same.
      const looking = `with listed as (
          select *, row_number() over by_id as place, count(*) over () as found, sum(octet_length(data)) over by_id as size
          from (${statement} limit ${most}::int + 1) listed window by_id as (order by id ${direction})
        ), looked as (
          select *, ${mayHold("data", part!)} as holds
          from listed where place <= ${most}::int and (place = 1 or size <= ${room}::bigint)
        )
        select ${columnsOf(table).filter((column) => column !== "data").join(", ")},
          case when holds then data else '' end as data, place, found, size, holds
        from looked where holds or place = (select max(place) from looked) order by place`
      return Effect.map(
        orDie(execute<Stored & Place>(looking, [...params, limit, bytes, anchor])),
        (rows): Looked => {
          const last = rows.at(-1)
          const count = Number(last?.place ?? 0)
          return {
            rows: rows.filter(({ holds }) => holds).map((stored) => rowOf(table, stored)),
            last: last?.id,
            bytes: Number(last?.size ?? 0),
            count,
            more: count < Number(last?.found ?? 0)
          }
        }
      )
    },
    count: (table, filter) => {
      const { params, texts } = conditions(filter)
      const statement = `select count(*)::int as count from ${table.name}${whereText(texts)}`
      return Effect.map(
        orDie(execute<{ readonly count: number }>(statement, params)),
        ([row]) => row!.count
      )
    },
    insert: (table, row) =>
      Effect.map(
        orDie(
          execute<{ readonly inserted: boolean; readonly has_parents: boolean }>(
            insertText(table),
            valuesOf(table, row)
          )
        ),
        ([outcome]) => outcome!.inserted ? "inserted" : outcome!.has_parents ? "taken" : "orphan"
      ),
    modify: (table, id, f) =>
      transaction(Effect.gen(function*() {
        const [stored] = yield* orDie(
          execute<Stored>(`${select(table)} where id = $1 for no key update`, [text(id)])
        )
        if (stored === undefined) return undefined
        const before = rowOf(table, stored)
        const row = yield* f(before)
        if (row === undefined) return undefined
        yield* orDie(execute(updateText(table), updateValues(table, before.id, row)))
        return row
      })),
    remove: (table, owner, id) =>
      Effect.map(
        orDie(retryDeadlock(
          execute(`delete from ${table.name} where id = $1 and owner = $2 returning id`, [text(id), text(owner)], {
            isLong: true
          })
        )),
        (rows) => rows.length > 0
      ),
    removeBefore: (table, created_at, limit) =>
      Effect.map(
        orDie(execute(removeBeforeText(table), [created_at, limit], { isLong: true })),
        (rows) => rows.length
      ),
    owners: (table, after, limit) =>
      Effect.map(
        orDie(execute<{ readonly owner: string }>(ownersText(table), [text(after), limit])),
        (rows) => rows.map(({ owner }) => owner)
      ),
    transaction
  } satisfies Driver
})

export const layer = ({ shared }: Options): Layer.Layer<Storage, never, SqlClient.SqlClient | Prepared> =>
  Layer.effect(Storage, Effect.flatMap(driver, (driver) => fromDriver(driver, shared ? sharedTtl : Duration.infinity)))
