/**
 * The statement that appends: one for the whole batch, so one round trip and one
 * transaction. Its columns travel joined into one text each: that costs half of
 * what PostgreSQL's array literals cost, which escape every quote of a document.
 */
import type { BackgroundTask } from "../../../domain/BackgroundTask.ts"
import type { Claim } from "../../../domain/Claim.ts"
import type { PlacedCompaction } from "../../../domain/Context.ts"
import type { Job } from "../../../domain/Job.ts"
import { type LedgerEntry, tokenNames } from "../../../domain/Ledger.ts"
import type { Run } from "../../../domain/Run.ts"
import type { LogBatch, LogPage, PlacedMessage } from "../../../services/EventLog.ts"
import { columnsOfTask } from "../../../services/Storage.ts"

/** Between the items of a joined column: JSON escapes it, frames are JSON, ids are printable. */
export const separator = "\x1f"

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
  readonly constant?: readonly [name: string, value: number | string]
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
    { name: "agent_id", kind: "text", of: (run) => run.agent_id },
    { name: "source", kind: "text", of: (run) => run.source },
    { name: "source_id", kind: "text", of: (run) => run.source_id ?? "" },
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
export const form = 2

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

const jobs: Part<Job> = {
  table: "jobs",
  columns: [
    { name: "id", kind: "text", of: (job) => job.id },
    { name: "owner", kind: "text", of: (job) => job.user_id },
    { name: "created_at", kind: "timestamptz", of: (job) => job.created_at },
    { name: "updated_at", kind: "timestamptz", of: (job) => job.updated_at },
    { name: "data", kind: "text", of: (job) => JSON.stringify(job) },
    { name: "kind", kind: "text", of: (job) => job.kind },
    { name: "status", kind: "text", of: (job) => job.status }
  ],
  constant: ["run_at", "clock_timestamp()"],
  onConflict: "on conflict (id) do nothing"
}

const tasks: Part<BackgroundTask> = {
  table: "background_tasks",
  columns: [
    { name: "id", kind: "text", of: (task) => task.id },
    { name: "owner", kind: "text", of: (task) => task.user_id },
    { name: "created_at", kind: "timestamptz", of: (task) => task.created_at },
    { name: "updated_at", kind: "timestamptz", of: (task) => task.updated_at },
    { name: "data", kind: "text", of: (task) => JSON.stringify(task) },
    ...(["session_id", "run_id", "status", "process", "untold"] as const)
      .map((name) => ({ name, kind: "text" as const, of: (task: BackgroundTask) => columnsOfTask(task)[name] }))
  ],
  onConflict:
    "on conflict (id) do update set status = excluded.status, untold = excluded.untold, updated_at = excluded.updated_at, data = excluded.data"
}

const compactions: Part<PlacedCompaction> = {
  table: "compactions",
  columns: [
    { name: "session_id", kind: "text", of: (placed) => placed.session_id },
    { name: "seq", kind: "integer", of: (placed) => placed.seq },
    { name: "owner", kind: "text", of: (placed) => placed.owner },
    // The encoded form of an event is itself.
    { name: "data", kind: "text", of: (placed) => JSON.stringify(placed.event) }
  ],
  onConflict: "on conflict (session_id) do update set seq = excluded.seq, data = excluded.data"
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
  (batch.usage !== undefined && batch.usage.length > 0 ? 16 : 0) |
  (batch.jobs !== undefined && batch.jobs.length > 0 ? 32 : 0) |
  (batch.tasks !== undefined && batch.tasks.length > 0 ? 64 : 0) |
  (batch.compactions !== undefined && batch.compactions.length > 0 ? 128 : 0)

/** One text for each set of parts that are there, so that it stays prepared. */
const textOf = (mask: number): string => {
  let firstParam = 1
  const parts = [runs, messages, pages, claims, usage, jobs, tasks, compactions]
  const inserts = parts.filter((_, i) => mask & (1 << i)).map((part) => {
    const insert = insertText(part, firstParam)
    firstParam += part.columns.length
    return insert
  })
  const before = inserts.slice(0, -1).map((insert, i) => `part${i} as (${insert})`)
  return `${before.length > 0 ? `with ${before.join(", ")} ` : ""}${inserts.at(-1)}`
}

/** The last one of each id: a statement cannot write a row twice. */
const lastOfEach = <A>(items: ReadonlyArray<A>, idOf: (item: A) => string): ReadonlyArray<A> =>
  items.length < 2 ? items : [...new Map(items.map((item) => [idOf(item), item])).values()]

const texts = Array.from({ length: 256 }, (_, mask) => textOf(mask))

/** The statement that writes a batch, and its parameters. Nothing when the batch is empty. */
export const statementOf = (batch: LogBatch): readonly [text: string, params: ReadonlyArray<string>] | undefined => {
  const mask = maskOf(batch)
  if (mask === 0) return undefined
  const params = [
    ...(mask & 1 ? paramsOf(runs, lastOfEach(batch.runs, ({ id }) => id)) : []),
    ...(mask & 2
      ? paramsOf(messages, lastOfEach(batch.messages, ({ message, session_id }) => `${session_id} ${message.id}`))
      : []),
    ...(mask & 4 ? paramsOf(pages, batch.pages) : []),
    ...(mask & 8 ? paramsOf(claims, batch.claims!) : []),
    ...(mask & 16 ? paramsOf(usage, batch.usage!) : []),
    ...(mask & 32 ? paramsOf(jobs, lastOfEach(batch.jobs!, ({ id }) => id)) : []),
    ...(mask & 64 ? paramsOf(tasks, lastOfEach(batch.tasks!, ({ id }) => id)) : []),
    ...(mask & 128 ? paramsOf(compactions, lastOfEach(batch.compactions!, ({ session_id }) => session_id)) : [])
  ]
  return [texts[mask]!, params]
}
