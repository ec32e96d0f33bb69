/**
 * Keeps the sessions' histories in PostgreSQL. `append` is one statement, so one round
 * trip and one transaction. Its columns travel joined into one text each: that
 * costs half of what PostgreSQL's array literals cost, which escape every quote
 * of a document.
 */
import type * as SqlError from "@effect/sql/SqlError"
import { Effect, Either, Layer, Option, Schema } from "effect"
import type { Claim } from "../../domain/Claim.ts"
import type { MessageId, SessionId, UserId } from "../../domain/Ids.ts"
import { type LedgerEntry, tokenNames } from "../../domain/Ledger.ts"
import { unreadableMessage } from "../../domain/Message.ts"
import * as Older from "../../domain/Older.ts"
import { type Run, RunStatus } from "../../domain/Run.ts"
import {
  AppendRefused,
  EventLog,
  type Frames,
  type LogBatch,
  type LogPage,
  type PlacedMessage,
  replayBytes,
  type Unfinished
} from "../../services/EventLog.ts"
import { Prepared } from "../Sql/Prepared.ts"
import { dieOf, foreignKeyViolation, orDie, retryDeadlock, stateOf, uniqueViolation } from "../Sql/SqlState.ts"

/** Between the items of a joined column: JSON escapes it, frames are JSON, ids are printable. */
const separator = "\x1f"

/** A column of the batch. */
interface Column<A> {
  readonly name: string
  readonly kind: "text" | "integer" | "bigint" | "numeric" | "boolean" | "timestamptz"
  readonly of: (item: A) => string | number | boolean | null
}

interface Part<A> {
  readonly table: string
  readonly columns: ReadonlyArray<Column<A>>
  /** A column that is the same in every row, and its value. */
  readonly constant?: readonly [name: string, value: number]
  readonly onConflict: string
}

const runs: Part<Run> = {
  table: "runs",
  columns: [
    { name: "id", kind: "text", of: (run) => run.id },
    { name: "owner", kind: "text", of: (run) => run.user_id },
    { name: "session_id", kind: "text", of: (run) => run.session_id },
    { name: "status", kind: "text", of: (run) => run.status },
    { name: "driver", kind: "text", of: (run) => run.driver },
    { name: "created_at", kind: "timestamptz", of: (run) => run.created_at },
    { name: "updated_at", kind: "timestamptz", of: (run) => run.updated_at },
    // The encoded form of a run and of a message is itself.
    { name: "data", kind: "text", of: (run) => JSON.stringify(run) }
  ],
  onConflict:
    "on conflict (id) do update set status = excluded.status, driver = excluded.driver, updated_at = excluded.updated_at, data = excluded.data"
}

const messages: Part<PlacedMessage> = {
  table: "messages",
  columns: [
    { name: "session_id", kind: "text", of: (placed) => placed.session_id },
    { name: "seq", kind: "integer", of: (placed) => placed.seq },
    { name: "id", kind: "text", of: (placed) => placed.message.id },
    { name: "owner", kind: "text", of: (placed) => placed.owner },
    { name: "data", kind: "text", of: (placed) => JSON.stringify(placed.message) }
  ],
  onConflict: "on conflict (session_id, id) do update set data = excluded.data"
}

/** The form in which this version writes pages. Pages of a lower one are brought into it when they are read. */
const form = 2

const pages: Part<LogPage> = {
  table: "log_pages",
  columns: [
    { name: "session_id", kind: "text", of: (page) => page.session_id },
    { name: "first_seq", kind: "integer", of: (page) => page.first_seq },
    { name: "last_seq", kind: "integer", of: (page) => page.last_seq },
    { name: "run_id", kind: "text", of: (page) => page.run_id },
    { name: "ends", kind: "boolean", of: (page) => page.ends },
    { name: "frames", kind: "text", of: (page) => page.frames }
  ],
  constant: ["form", form],
  onConflict: ""
}

const claims: Part<Claim> = {
  table: "claims",
  columns: [
    { name: "id", kind: "text", of: (claim) => claim.id },
    { name: "owner", kind: "text", of: (claim) => claim.user_id },
    { name: "created_at", kind: "timestamptz", of: (claim) => claim.created_at },
    { name: "updated_at", kind: "timestamptz", of: (claim) => claim.updated_at },
    { name: "data", kind: "text", of: (claim) => JSON.stringify(claim) }
  ],
  onConflict: ""
}

/** People type the names of models, so they may hold anything. */
const plain = (text: string) => text.replace(/[\0\x1f]/g, "\ufffd")

const usage: Part<LedgerEntry> = {
  table: "usage",
  columns: [
    ...([
      "id",
      "kind",
      "session_id",
      "run_id",
      "agent_id",
      "credential_id",
      "outcome"
    ] as const).map((name) => ({ name, kind: "text" as const, of: (entry: LedgerEntry) => entry[name] })),
    { name: "owner", kind: "text", of: (entry) => entry.user_id },
    { name: "provider", kind: "text", of: (entry) => entry.provider && plain(entry.provider) },
    { name: "model", kind: "text", of: (entry) => plain(entry.model) },
    ...([...tokenNames, "first_token_ms", "duration_ms"] as const)
      .map((name) => ({ name, kind: "bigint" as const, of: (entry: LedgerEntry) => entry[name] })),
    { name: "cost", kind: "numeric", of: (entry) => entry.cost },
    { name: "attempts", kind: "integer", of: (entry) => entry.attempts },
    { name: "created_at", kind: "timestamptz", of: (entry) => entry.created_at }
  ],
  onConflict: "on conflict (id) do nothing"
}

const insertText = ({ columns, constant, onConflict, table }: Part<never>, firstParam: number) => {
  const values = columns.map(({ kind }, i) => {
    const param = `$${firstParam + i}`
    return kind === "text" ? `string_to_table(${param}, e'\\x1f', '')` : `unnest(${param}::${kind}[])`
  })
  const names = columns.map(({ name }) => name)
  if (constant !== undefined) {
    names.push(constant[0])
    values.push(String(constant[1]))
  }
  return `insert into ${table} (${names.join(", ")}) select ${values.join(", ")} ${onConflict}`
}

const paramsOf = <A>({ columns }: Part<A>, items: ReadonlyArray<A>): ReadonlyArray<string> =>
  columns.map(({ kind, of }) =>
    kind === "text" ? items.map(of).join(separator) : `{${items.map((item) => of(item) ?? "null").join(",")}}`
  )

const maskOf = (batch: LogBatch) =>
  (batch.runs.length > 0 ? 1 : 0) | (batch.messages.length > 0 ? 2 : 0) | (batch.pages.length > 0 ? 4 : 0) |
  (batch.claims !== undefined && batch.claims.length > 0 ? 8 : 0) |
  (batch.usage !== undefined && batch.usage.length > 0 ? 16 : 0)

/** One text for each set of parts that are there, so that it stays prepared. */
const appendText = (mask: number): string => {
  let firstParam = 1
  const inserts = [runs, messages, pages, claims, usage].filter((_, i) => mask & (1 << i)).map((part) => {
    const insert = insertText(part, firstParam)
    firstParam += part.columns.length
    return insert
  })
  const before = inserts.slice(0, -1).map((insert, i) => `part${i} as (${insert})`)
  return `${before.length > 0 ? `with ${before.join(", ")} ` : ""}${inserts.at(-1)}`
}

const appendTexts = Array.from({ length: 32 }, (_, mask) => appendText(mask))

/** The last one of each id: a statement cannot write a row twice. */
const lastOfEach = <A>(items: ReadonlyArray<A>, idOf: (item: A) => string): ReadonlyArray<A> =>
  items.length < 2 ? items : [...new Map(items.map((item) => [idOf(item), item])).values()]

/** PostgreSQL's codes for a value that it cannot hold, another broken constraint, and a limit of the program. */
const cannotHold = /^(22|23|54)/

const refused = (error: SqlError.SqlError): Effect.Effect<never, AppendRefused> => {
  switch (stateOf(error)) {
    case uniqueViolation:
      return Effect.fail(new AppendRefused({ reason: "fenced" }))
    case foreignKeyViolation:
      return Effect.fail(new AppendRefused({ reason: "session_gone" }))
    default:
      return cannotHold.test(stateOf(error) ?? "") ? Effect.fail(new AppendRefused({ reason: "broken" })) : dieOf(error)
  }
}

/** From the page that holds the event after `$2`, found by the key and not by counting from the beginning. */
const pagesAfter = `
  from log_pages where session_id = $1 and last_seq > $2 and first_seq >= coalesce(
    (select max(first_seq) from log_pages where session_id = $1 and first_seq <= $2 + 1), 1)
  order by first_seq limit $3`

/** No more of them than it takes to exceed what is read at a time. */
const someAfter = `
  from (
    select first_seq, last_seq, run_id, ends, frames, form,
      sum(octet_length(frames)) over (order by first_seq) - octet_length(frames) as before
    ${pagesAfter}
  ) pages
  where before < ${replayBytes}`

const readText = `select first_seq, last_seq, run_id, ends, frames, form ${someAfter} order by first_seq`

const replayText = `
  select min(first_seq) as first_seq, max(last_seq) as last_seq, string_agg(frames, '' order by first_seq) as frames,
    min(form) as form
  ${someAfter}`

const rangeText = `
  select coalesce((select min(first_seq) from log_pages where session_id = $1), 1) as first,
    coalesce((select last_seq from log_pages where session_id = $1 order by first_seq desc limit 1), 0) as last`

const messagesText = `
  select seq, id, owner, data from (
    select *, row_number() over (order by seq) as place, sum(octet_length(data)) over (order by seq) as size
    from (
      select seq, id, owner, data from messages where session_id = $1 order by seq offset $2 limit $3
    ) listed
  ) sized
  where place = 1 or size <= $4::bigint
  order by seq`

/** The newest ones whose texts fit into `$3` bytes together, but at least one. Their sizes are known without reading them. */
const newest = `
  select seq, id, owner, data from (
    select seq, id, owner, data, sum(octet_length(data)) over (order by seq desc) as size,
      row_number() over (order by seq desc) as place
    from (select seq, id, owner, data from messages where session_id = $1 order by seq desc limit $2) few
  ) sized
  where size <= $3::bigint or place = 1`

const recentText = `${newest} order by seq`

/** The same before `$2`, and how many were found, up to one more than are wanted. */
const olderText = `
  select seq, id, owner, data, found from (
    select *, sum(octet_length(data)) over (order by seq desc) as size,
      row_number() over (order by seq desc) as place, (count(*) over ())::int as found
    from (
      select seq, id, owner, data from messages where session_id = $1 and seq < $2::int order by seq desc limit $3::int + 1
    ) few
  ) sized
  where place <= $3::int and (size <= $4::bigint or place = 1)
  order by seq`

const placeText = "select seq from messages where session_id = $1 and id = $2"

/** Beyond the place of every message. */
const afterAll = 2 ** 31 - 1

/** One statement, and so one moment. The run's rows come first, in the order of their ids. */
const snapshotText = `
  select * from (
    select 0 as kind, last_seq as seq, '' as id, '' as owner, '' as data
      from (select last_seq from log_pages where session_id = $1 order by first_seq desc limit 1) head
    union all
    select 1, (row_number() over (order by id))::int, id, owner, data from runs where session_id = $1 and status <> 'ended'
    union all
    select 2, seq, id, owner, data from (${newest}) messages
  ) parts
  order by kind, seq`

const countText =
  "select count(*)::int as count, coalesce(max(seq), $2::int) as last from messages where session_id = $1 and seq > $2::int"

const unfinishedSessionsText = `
  select session_id, owner, (array_agg(driver order by status = 'running' desc, id))[1] as driver, bool_or(driver is null) as fresh
  from runs
  where status <> 'ended'
  group by session_id, owner
  having bool_and(status in ('queued', 'running'))`

const headsText = `
  select id as session_id,
    (select last_seq from log_pages where session_id = id order by first_seq desc limit 1) as last_seq
  from string_to_table($1, e'\\x1f') as id`

const openText = "select data from runs where session_id = $1 and status <> 'ended' order by id"

const openStatusesText = `
  select session_id, string_agg(status, ',' order by id) as statuses
  from runs where status <> 'ended' and session_id = any(string_to_array($1, e'\\x1f')) group by session_id`

/** The list is written out, as in the index. */
const parkedText = `
  select data from runs
  where status in ('awaiting_permission', 'awaiting_external_result') and updated_at < $1::timestamptz and id > $2
  order by id limit $3`

/**
 * One session: its first pages, as far as all are of runs that ended before, and
 * not the last one. Pages of no run go with what comes after them. When nothing
 * is left, its runs need not be looked at again: what held it up looks for itself.
 */
const pruneText = `
  with chosen as (
    select session_id from runs where status = 'ended' and not pruned and updated_at < $1::timestamptz
    order by updated_at limit 1
  ), head as (
    select p.session_id, p.first_seq, r.id is not null as of_run,
      coalesce(r.status = 'ended' and r.updated_at < $1::timestamptz, true) as free
    from (
      select session_id, first_seq, run_id from log_pages where session_id = (select session_id from chosen)
      order by first_seq limit $2::int
    ) p left join runs r on r.id = p.run_id
  ), gone as (
    delete from log_pages where session_id = (select session_id from chosen)
      and first_seq < (select max(first_seq) from log_pages where session_id = (select session_id from chosen))
      and first_seq <= (
        select max(first_seq) from head
        where of_run and free and first_seq < coalesce((select min(first_seq) from head where not free), 2147483647))
    returning 1
  ), done as (
    update runs set pruned = true where session_id = (select session_id from chosen) and status = 'ended' and not pruned
      and updated_at < $1::timestamptz and ((select count(*) from gone) = 0 or (select count(*) from head) < $2::int)
    returning 1
  )
  select (select count(*) from chosen)::int as chosen, (select count(*) from gone)::int as gone, (select count(*) from done)::int as done`

const decodeRun = Schema.decodeOption(Schema.parseJson(Older.StoredRun))
const decodeMessage = Schema.decodeEither(Schema.parseJson(Older.StoredMessage))

const isStatus = Schema.is(RunStatus)

interface Formed {
  readonly form: number
}

/** What was read, in the form of this version. */
const today = <Page extends Frames>({ form: stored, ...page }: Page & Formed) =>
  stored < form ? { ...page, frames: Older.frames(page.frames) } : page

interface Document {
  readonly data: string
}

interface StoredMessage extends Document {
  readonly id: MessageId
  readonly seq: number
  readonly owner: UserId
}

/** A row of a snapshot: 0 is the head, 1 a run that is open, 2 a message. */
interface SnapshotRow extends StoredMessage {
  readonly kind: 0 | 1 | 2
}

/** Bytes that no transcript has. */
const unbounded = Number.MAX_SAFE_INTEGER

export const make = Effect.map(Prepared, ({ execute }) => {
  const rows = <Row extends object>(...statement: Parameters<typeof execute>) => orDie(execute<Row>(...statement))

  /** One that cannot be read must not stop those that can. */
  const runsOf = (documents: ReadonlyArray<Document>) =>
    documents.flatMap(({ data }) => Option.toArray(decodeRun(data)))

  const placed = (session_id: SessionId) => ({ data, id, owner, seq }: StoredMessage): PlacedMessage => ({
    session_id,
    owner,
    seq,
    message: Either.getOrElse(decodeMessage(data), () => unreadableMessage(id))
  })

  return EventLog.of({
    append: (batch) => {
      const mask = maskOf(batch)
      if (mask === 0) return Effect.void
      const params = [
        ...(mask & 1 ? paramsOf(runs, lastOfEach(batch.runs, ({ id }) => id)) : []),
        ...(mask & 2
          ? paramsOf(messages, lastOfEach(batch.messages, ({ message, session_id }) => `${session_id} ${message.id}`))
          : []),
        ...(mask & 4 ? paramsOf(pages, batch.pages) : []),
        ...(mask & 8 ? paramsOf(claims, batch.claims!) : []),
        ...(mask & 16 ? paramsOf(usage, batch.usage!) : [])
      ]
      return Effect.asVoid(Effect.catchAll(retryDeadlock(execute(appendTexts[mask]!, params)), refused))
    },
    read: (session_id, after, limit) =>
      Effect.map(
        rows<Omit<LogPage, "session_id"> & Formed>(readText, [session_id, after, limit]),
        (stored) => stored.map((page) => ({ session_id, ...today(page) }))
      ),
    replay: (session_id, after, limit) =>
      Effect.map(
        rows<(Frames & Formed) | { readonly first_seq: null }>(replayText, [session_id, after, limit]),
        ([frames]) => frames!.first_seq === null ? undefined : today(frames!)
      ),
    range: (session) =>
      Effect.map(rows<{ readonly first: number; readonly last: number }>(rangeText, [session]), ([range]) => range!),
    messages: (session, { bytes = unbounded, limit, offset }) =>
      Effect.map(
        rows<StoredMessage>(messagesText, [session, offset, limit, bytes]),
        (stored) => stored.map(placed(session))
      ),
    recent: (session, limit, maxBytes = unbounded) =>
      Effect.map(rows<StoredMessage>(recentText, [session, limit, maxBytes]), (stored) => stored.map(placed(session))),
    older: (session, before = afterAll, { bytes, limit }) =>
      Effect.map(
        rows<StoredMessage & { readonly found: number }>(olderText, [session, before, limit, bytes]),
        (stored) => ({ messages: stored.map(placed(session)), more: (stored[0]?.found ?? 0) > stored.length })
      ),
    placeOf: (session, id) =>
      // No id has one, and `text` cannot hold it.
      id.includes("\0")
        ? Effect.succeed(undefined)
        : Effect.map(rows<{ readonly seq: number }>(placeText, [session, id]), ([row]) => row?.seq),
    snapshot: (session, maxMessages, maxBytes) =>
      Effect.map(rows<SnapshotRow>(snapshotText, [session, maxMessages, maxBytes]), (parts) => ({
        last: parts.find(({ kind }) => kind === 0)?.seq ?? 0,
        open: runsOf(parts.filter(({ kind }) => kind === 1)),
        messages: parts.filter(({ kind }) => kind === 2).map(placed(session))
      })),
    countMessages: (session, after) =>
      Effect.map(
        rows<{ readonly count: number; readonly last: number }>(countText, [session, after]),
        ([row]) => row!
      ),
    unfinishedSessions: rows<Unfinished>(unfinishedSessionsText, []),
    heads: (sessions) =>
      sessions.length === 0 ? Effect.succeed(new Map()) : Effect.map(
        rows<{ readonly session_id: SessionId; readonly last_seq: number | null }>(headsText, [
          sessions.join(separator)
        ]),
        (heads) =>
          new Map(heads.flatMap(({ last_seq, session_id }) => last_seq === null ? [] : [[session_id, last_seq]]))
      ),
    open: (session) => Effect.map(rows<Document>(openText, [session]), runsOf),
    openStatuses: (sessions) =>
      sessions.length === 0 ? Effect.succeed(new Map()) : Effect.map(
        rows<{ readonly session_id: SessionId; readonly statuses: string }>(openStatusesText, [
          sessions.join(separator)
        ]),
        (stored) =>
          new Map(stored.map(({ session_id, statuses }) => [session_id, statuses.split(",").filter(isStatus)]))
      ),
    parked: (before, after, limit) => Effect.map(rows<Document>(parkedText, [before, after ?? "", limit]), runsOf),
    prune: (before, limit) =>
      Effect.map(
        rows<{ readonly chosen: number }>(pruneText, [before, limit], { isLong: true }),
        ([row]) => row!.chosen > 0
      )
  })
})

export const layer: Layer.Layer<EventLog, never, Prepared> = Layer.effect(EventLog, make)
