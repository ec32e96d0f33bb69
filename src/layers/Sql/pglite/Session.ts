/**
 * PostgreSQL's protocol, spoken to PGlite in one message per statement. PGlite's
 * own `query` takes six and prepares anew every time: 216 µs of CPU for a small
 * insert, 34 this way. Values go in and come out as node-postgres has them, so
 * that what works here works on a server.
 */
import type { messages, PGlite } from "@electric-sql/pglite"

/** Statements kept prepared; the least recently used goes first. */
const maxPrepared = 200

/** Longer texts are made for one occasion (an insert of many rows) and are not kept. */
const maxPreparedLength = 8192

type Parse = (text: string) => unknown

interface Column {
  readonly name: string
  readonly type: number
  readonly parse: Parse
}

interface Statement {
  readonly name: string
  readonly columns: ReadonlyArray<Column>
}

export interface Result {
  readonly command: string
  readonly rowCount: number | null
  readonly columns: ReadonlyArray<Column>
  readonly rows: ReadonlyArray<ReadonlyArray<string | null>>
}

/** A row object per row. */
export const objects = ({ columns, rows }: Result): ReadonlyArray<Record<string, unknown>> =>
  rows.map((fields) => {
    const row: Record<string, unknown> = {}
    for (let i = 0; i < columns.length; i++) {
      const field = fields[i]!
      row[columns[i]!.name] = field === null ? null : columns[i]!.parse(field)
    }
    return row
  })

/** An array of values per row, in column order. */
export const values = ({ columns, rows }: Result): ReadonlyArray<ReadonlyArray<unknown>> =>
  rows.map((fields) => fields.map((field, i) => field === null ? null : columns[i]!.parse(field)))

/** Exact: a bigint may not fit a number, and node-postgres gives text as well. */
export const parsers: Record<number, Parse> = {
  17: (text) => Buffer.from(text.slice(2), "hex"),
  20: (text) => text
}

const quoted = (text: string) => `"${/["\\]/.test(text) ? text.replace(/["\\]/g, "\\$&") : text}"`

const literal = (items: ReadonlyArray<unknown>): string =>
  `{${
    items.map((item) => {
      if (item === null || item === undefined) return "NULL"
      if (Array.isArray(item)) return literal(item)
      const encoded = encode(item)
      return typeof encoded === "string" ? quoted(encoded) : `"\\\\x${Buffer.from(encoded!).toString("hex")}"`
    }).join(",")
  }}`

const encode = (value: unknown): string | Uint8Array | null => {
  switch (typeof value) {
    case "string":
      return value
    case "undefined":
      return null
    case "object":
      if (value === null) return null
      if (value instanceof Uint8Array) return value
      if (value instanceof Date) return value.toISOString()
      if (Array.isArray(value)) return literal(value)
      return JSON.stringify(value)
    default:
      return String(value)
  }
}

const sync = Buffer.from([0x53, 0, 0, 0, 4])
const executeAndSync = Buffer.concat([Buffer.from([0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0]), sync])

const message = (code: string, ...parts: ReadonlyArray<string | Uint8Array>) => {
  const body = Buffer.concat(parts.map((part) => typeof part === "string" ? Buffer.from(`${part}\0`) : part))
  const head = Buffer.alloc(5)
  head.write(code)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** Bind, execute and sync in one buffer, which is written once. */
const bind = (statement: string, params: ReadonlyArray<unknown>) => {
  const encoded = params.map(encode)
  let length = 1 + 4 + 1 + statement.length + 1 + 2 + 2 * encoded.length + 2 + 2
  const sizes = encoded.map((value) => {
    const size = value === null ? 0 : typeof value === "string" ? Buffer.byteLength(value) : value.length
    length += 4 + size
    return size
  })
  const out = Buffer.allocUnsafe(length + executeAndSync.length)
  let at = out.write("B")
  at = out.writeInt32BE(length - 1, at)
  at = out.writeUInt8(0, at)
  at += out.write(statement, at, "latin1")
  at = out.writeUInt8(0, at)
  at = out.writeUInt16BE(encoded.length, at)
  for (const value of encoded) at = out.writeInt16BE(value === null || typeof value === "string" ? 0 : 1, at)
  at = out.writeUInt16BE(encoded.length, at)
  encoded.forEach((value, i) => {
    at = out.writeInt32BE(value === null ? -1 : sizes[i]!, at)
    if (typeof value === "string") at += out.write(value, at)
    else if (value !== null) {
      out.set(value, at)
      at += value.length
    }
  })
  at = out.writeInt16BE(0, at)
  out.set(executeAndSync, at)
  return out
}

/**
 * PostgreSQL has aborted: as a server it would be restarted, here its memory is
 * gone. What is sent to it afterwards may keep PGlite in a loop without end.
 */
const isEnd = (cause: unknown) =>
  cause instanceof Error &&
  // WebAssembly's own, for a trap or an abort.
  (cause.name === "RuntimeError" ||
    ("severity" in cause && (cause.severity === "PANIC" || cause.severity === "FATAL")))

/** What every statement after the end fails with; the code is PostgreSQL's for a crash. */
const crashed = () => Object.assign(new Error("The embedded database has stopped"), { code: "57P02" })

/** The statement is right, but its prepared form is stale: a table changed, or `DEALLOCATE ALL` was run. */
const isStale = (cause: unknown) =>
  cause instanceof Error && "code" in cause &&
  (cause.code === "26000" || (cause.code === "0A000" && cause.message.includes("cached plan")))

export class PgliteSession {
  readonly db: PGlite
  private readonly prepared = new Map<string, Statement>()
  private readonly onEnd: (cause: unknown) => void
  private forgotten: Array<string> = []
  private count = 0
  private ended = false

  /** `onEnd` is called once, when PostgreSQL has aborted. */
  constructor(db: PGlite, onEnd: (cause: unknown) => void = () => {}) {
    this.db = db
    this.onEnd = onEnd
  }

  /** From now on nothing is sent. */
  get isOver(): boolean {
    return this.ended
  }

  isInTransaction(): boolean {
    return !this.ended && this.db.isInTransaction()
  }

  /** One call at a time; the caller sees to that. */
  async run(sql: string, params: ReadonlyArray<unknown>): Promise<Result> {
    const inTransaction = this.isInTransaction()
    const known = this.prepared.get(sql)
    if (known === undefined) return this.execute(await this.prepare(sql), params)
    this.prepared.delete(sql)
    this.prepared.set(sql, known)
    try {
      return await this.execute(known, params)
    } catch (cause) {
      if (!isStale(cause)) throw cause
      this.forgetAll()
      if (inTransaction) throw cause
      return this.execute(await this.prepare(sql), params)
    }
  }

  /** Any number of statements without parameters, by the simple protocol. */
  async script(sql: string): Promise<ReadonlyArray<Result>> {
    const results: Array<Result> = []
    let columns: ReadonlyArray<Column> = []
    let rows: Array<ReadonlyArray<string | null>> = []
    for (const reply of await this.send(message("Q", sql))) {
      switch (reply.name) {
        case "rowDescription":
          columns = this.columns(reply as messages.RowDescriptionMessage)
          break
        case "dataRow":
          rows.push((reply as messages.DataRowMessage).fields)
          break
        case "commandComplete":
          results.push(this.completed(reply as messages.CommandCompleteMessage, columns, rows))
          columns = []
          rows = []
          break
      }
    }
    return results
  }

  private async prepare(sql: string): Promise<Statement> {
    const keep = sql.length <= maxPreparedLength
    const name = keep ? `s${++this.count}` : ""
    if (keep && this.prepared.size >= maxPrepared) {
      const [oldest, statement] = this.prepared.entries().next().value!
      this.prepared.delete(oldest)
      this.forgotten.push(statement.name)
    }
    const closing = this.forgotten.map((statement) => message("C", Buffer.from("S"), statement))
    this.forgotten = []
    const replies = await this.send(Buffer.concat([
      ...closing,
      message("P", name, sql, Buffer.alloc(2)),
      message("D", Buffer.from("S"), name),
      sync
    ]))
    const description = replies.find((reply) => reply.name === "rowDescription")
    const statement = {
      name,
      columns: description === undefined ? [] : this.columns(description as messages.RowDescriptionMessage)
    }
    if (keep) this.prepared.set(sql, statement)
    return statement
  }

  private async execute({ columns, name }: Statement, params: ReadonlyArray<unknown>): Promise<Result> {
    const rows: Array<ReadonlyArray<string | null>> = []
    for (const reply of await this.send(bind(name, params))) {
      if (reply.name === "dataRow") rows.push((reply as messages.DataRowMessage).fields)
      else if (reply.name === "commandComplete") {
        return this.completed(reply as messages.CommandCompleteMessage, columns, rows)
      }
    }
    return { command: "", rowCount: null, columns, rows }
  }

  private completed(
    { text }: messages.CommandCompleteMessage,
    columns: ReadonlyArray<Column>,
    rows: ReadonlyArray<ReadonlyArray<string | null>>
  ): Result {
    const words = text.split(" ")
    const command = words[0]!
    if (command === "ALTER" || command === "DROP" || command === "CREATE") this.forgetAll()
    const rowCount = Number.parseInt(words[words.length - 1]!)
    return { command, rowCount: Number.isNaN(rowCount) ? null : rowCount, columns, rows }
  }

  private columns({ fields }: messages.RowDescriptionMessage): ReadonlyArray<Column> {
    return fields.map(({ dataTypeID, name }) => ({
      name,
      type: dataTypeID,
      parse: this.db.parsers[dataTypeID] ?? ((text: string) => text)
    }))
  }

  private forgetAll() {
    for (const { name } of this.prepared.values()) this.forgotten.push(name)
    this.prepared.clear()
  }

  private send(buffer: Uint8Array) {
    if (this.ended) return Promise.reject(crashed())
    return this.db.execProtocolStream(buffer, { syncToFs: false }).catch((cause) => {
      if (isEnd(cause) && !this.ended) {
        this.ended = true
        this.onEnd(cause)
      }
      throw cause
    })
  }
}
