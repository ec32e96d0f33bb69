/**
 * The sessions' histories in PostgreSQL. `append` is one statement, so one round
 * trip and one transaction. Its columns travel joined into one text each: that
 * costs half of what PostgreSQL's array literals cost, which escape every quote
 * of a document.
 */
import type { SqlError } from "@effect/sql"
import { Effect, Layer, Schema } from "effect"
import { Message } from "../../domain/Message.ts"
import { Run } from "../../domain/Run.ts"
import { AppendRefused, EventLog, type LogBatch, type LogPage, type PlacedMessage } from "../../services/EventLog.ts"
import { Prepared } from "../Sql/Prepared.ts"
import { foreignKeyViolation, retryDeadlock, stateOf, uniqueViolation } from "../Storage/SqlState.ts"

/** Between the items of a joined column: JSON escapes it, frames are JSON, ids are printable. */
const separator = "\x1f"

/** A column of the batch: how it is sent, and how the statement takes it apart. */
interface Column<A> {
  readonly name: string
  readonly kind: "text" | "integer" | "boolean" | "timestamptz"
  readonly of: (item: A) => string | number | boolean
}

const texts = (items: ReadonlyArray<unknown>) => items.join(separator)

const array = (items: ReadonlyArray<unknown>) => `{${items.join(",")}}`

interface Part<A> {
  readonly table: string
  readonly columns: ReadonlyArray<Column<A>>
  readonly onConflict: string
}

const runs: Part<Run> = {
  table: "runs",
  columns: [
    { name: "id", kind: "text", of: (run) => run.id },
    { name: "owner", kind: "text", of: (run) => run.user_id },
    { name: "session_id", kind: "text", of: (run) => run.session_id },
    { name: "status", kind: "text", of: (run) => run.status },
    { name: "created_at", kind: "timestamptz", of: (run) => run.created_at },
    { name: "updated_at", kind: "timestamptz", of: (run) => run.updated_at },
    // Its encoded form is itself.
    { name: "data", kind: "text", of: (run) => JSON.stringify(run) }
  ],
  onConflict: "on conflict (id) do update set status = excluded.status, updated_at = excluded.updated_at, data = excluded.data"
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

const pages: Part<LogPage> = {
  table: "log_pages",
  columns: [
    { name: "session_id", kind: "text", of: (page) => page.session_id },
    { name: "first_seq", kind: "integer", of: (page) => page.first_seq },
    { name: "last_seq", kind: "integer", of: (page) => page.last_seq },
    { name: "run_id", kind: "text", of: (page) => page.run_id ?? "" },
    { name: "ends", kind: "boolean", of: (page) => page.ends },
    { name: "frames", kind: "text", of: (page) => page.frames }
  ],
  onConflict: ""
}

const statement = <A>({ columns, onConflict, table }: Part<A>, firstParam: number) => {
  const values = columns.map(({ kind }, i) => {
    const param = `$${firstParam + i}`
    return kind === "text" ? `string_to_table(${param}, e'\\x1f', '')` : `unnest(${param}::${kind}[])`
  })
  return `insert into ${table} (${columns.map(({ name }) => name).join(", ")}) select ${values.join(", ")} ${onConflict}`
}

const params = <A>({ columns }: Part<A>, items: ReadonlyArray<A>) =>
  columns.map(({ kind, of }) => kind === "text" ? texts(items.map(of)) : array(items.map(of)))

/** The last one of each id: a statement cannot write a row twice. */
const lastById = <A>(items: ReadonlyArray<A>, idOf: (item: A) => string): ReadonlyArray<A> =>
  items.length < 2 ? items : [...new Map(items.map((item) => [idOf(item), item])).values()]
