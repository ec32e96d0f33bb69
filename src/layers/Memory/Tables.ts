/**
 * The data of the Memory layers: rows, log pages and messages of one host,
 * shared so that a log append shows in the records and a removal in the log.
 * They end with the process.
 */
import { Context, Effect, Exit, Layer } from "effect"
import type { PlacedCompaction } from "../../domain/Context.ts"
import type { StoredFile } from "../../domain/File.ts"
import type { UserId } from "../../domain/Ids.ts"
import type { LogPage, PlacedMessage } from "../../services/EventLog.ts"
import { type Row, type Table, tables } from "../../services/Storage.ts"

/** The index of the first item for which `isBeyond` holds; it must hold for all items after it. */
export const firstBeyond = <A>(items: ReadonlyArray<A>, isBeyond: (item: A) => boolean): number => {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBeyond(items[middle]!)) high = middle
    else low = middle + 1
  }
  return low
}

/** A session's history, by `first_seq` and by `seq`. */
export interface Log {
  readonly pages: Array<LogPage>
  readonly messages: Array<PlacedMessage>
  /** The places of the messages by their ids. */
  readonly places: Map<string, number>
  compaction: PlacedCompaction | undefined
}

/** A session's hold on a file. */
export interface Hold {
  readonly owner: UserId
  readonly file: StoredFile
  readonly created_at: string
  readonly is_kept: boolean
}

const noHolds: ReadonlyMap<string, Hold> = new Map()

const emptyLog = (): Log => ({ pages: [], messages: [], places: new Map(), compaction: undefined })

/** Rows of one table: by id, and by owner and by what they refer to. */
class Rows {
  readonly byId = new Map<string, Row>()
  private readonly groups: ReadonlyMap<string, Map<string, Map<string, Row>>>

  constructor(table: Table) {
    this.groups = new Map(
      ["owner", ...table.references.map(({ column }) => column)].map((column) => [column, new Map()])
    )
  }

  put(row: Row): void {
    this.byId.set(row.id, row)
    for (const [column, groups] of this.groups) {
      const value = valueOf(row, column)
      const group = groups.get(value) ?? new Map<string, Row>()
      groups.set(value, group.set(row.id, row))
    }
  }

  drop(row: Row): void {
    this.byId.delete(row.id)
    for (const [column, groups] of this.groups) {
      const value = valueOf(row, column)
      const group = groups.get(value)
      group?.delete(row.id)
      if (group?.size === 0) groups.delete(value)
    }
  }

  /** Rows whose columns have these values, in no order; `owner` counts as a column. */
  where(filter: Readonly<Record<string, string>>): ReadonlyArray<Row> {
    let candidates = this.byId
    for (const [column, groups] of this.groups) {
      const value = filter[column]
      if (value === undefined) continue
      const group = groups.get(value)
      if (group === undefined) return []
      if (group.size < candidates.size) candidates = group
    }
    const wanted = Object.entries(filter)
    return [...candidates.values()].filter((row) => wanted.every(([column, value]) => valueOf(row, column) === value))
  }
}

const valueOf = (row: Row, column: string): string => column === "owner" ? row.owner : row.columns[column]!

/** A transaction; the ones inside it take turns. */
interface Level {
  readonly store: Store
  readonly mutex: Effect.Semaphore
  over: boolean
}

class CurrentLevel extends Context.Reference<CurrentLevel>()("stoa/layers/Memory/Tables/CurrentLevel", {
  defaultValue: (): Level | undefined => undefined
}) {}

export class Store {
  private readonly rowsOf = new Map<string, Rows>(Object.values(tables).map((table) => [table.name, new Rows(table)]))
  private readonly logs = new Map<string, Log>()
  /** The bytes of files by owner and hash. They are what their hash says, so no transaction takes them back. */
  readonly bytes = new Map<string, Uint8Array>()
  /** By session and hash. */
  private readonly holdsOf = new Map<string, Map<string, Hold>>()
  private readonly mutex = Effect.unsafeMakeSemaphore(1)
  /** Functions that undo the open transaction's writes, oldest first. */
  private undo: Array<() => void> | undefined

  rows(table: string): Rows {
    return this.rowsOf.get(table)!
  }

  log(session: string): Log {
    return this.logs.get(session) ?? emptyLog()
  }

  holds(session: string): ReadonlyMap<string, Hold> {
    return this.holdsOf.get(session) ?? noHolds
  }

  *allHolds(): Iterable<Hold> {
    for (const holds of this.holdsOf.values()) yield* holds.values()
  }

  putHold(hold: Hold): void {
    const { hash, session_id } = hold.file
    const holds = this.holdsOf.get(session_id) ?? new Map<string, Hold>()
    const before = holds.get(hash)
    this.holdsOf.set(session_id, holds.set(hash, hold))
    this.undo?.push(() => {
      if (before === undefined) holds.delete(hash)
      else holds.set(hash, before)
    })
  }

  dropHold({ file: { hash, session_id } }: Hold): void {
    const holds = this.holdsOf.get(session_id)
    const before = holds?.get(hash)
    if (holds === undefined || before === undefined) return
    holds.delete(hash)
    this.undo?.push(() => holds.set(hash, before))
  }

  put(table: Table, row: Row): void {
    const rows = this.rows(table.name)
    const before = rows.byId.get(row.id)
    if (before !== undefined) rows.drop(before)
    rows.put(row)
    this.undo?.push(() => {
      rows.drop(row)
      if (before !== undefined) rows.put(before)
    })
  }

  /** Removes the row, everything that refers to it, and a session's log and its holds on files. */
  drop(table: Table, row: Row): void {
    const rows = this.rows(table.name)
    rows.drop(row)
    this.undo?.push(() => rows.put(row))
    for (const other of Object.values<Table>(tables)) {
      for (const { column, table: referred } of other.references) {
        if (referred !== table.name) continue
        for (const child of this.rows(other.name).where({ [column]: row.id })) this.drop(other, child)
      }
    }
    const log = this.logs.get(row.id)
    if (table.name === tables.sessions.name && log !== undefined) {
      this.logs.delete(row.id)
      this.undo?.push(() => this.logs.set(row.id, log))
    }
    const holds = this.holdsOf.get(row.id)
    if (table.name === tables.sessions.name && holds !== undefined) {
      this.holdsOf.delete(row.id)
      this.undo?.push(() => this.holdsOf.set(row.id, holds))
    }
  }

  putPage(page: LogPage): void {
    const { pages } = this.ownLog(page.session_id)
    const at = firstBeyond(pages, ({ first_seq }) => first_seq > page.first_seq)
    pages.splice(at, 0, page)
    this.undo?.push(() => pages.splice(at, 1))
  }

  /** Removes so many pages from the beginning. */
  dropPages(session: string, count: number): void {
    const { pages } = this.ownLog(session)
    const dropped = pages.splice(0, count)
    this.undo?.push(() => pages.unshift(...dropped))
  }

  /** Inserts a message, or replaces the one with its id in place. */
  putMessage(placed: PlacedMessage): void {
    const { messages, places } = this.ownLog(placed.session_id)
    const { id } = placed.message
    const known = places.get(id)
    const seq = known ?? placed.seq
    const at = firstBeyond(messages, (message) => message.seq >= seq)
    const before = messages[at]
    if (known !== undefined && before !== undefined) {
      messages[at] = { ...placed, seq: known }
      this.undo?.push(() => messages[at] = before)
      return
    }
    messages.splice(at, 0, placed)
    places.set(id, placed.seq)
    this.undo?.push(() => {
      messages.splice(at, 1)
      places.delete(id)
    })
  }

  putCompaction(compaction: PlacedCompaction): void {
    const log = this.ownLog(compaction.session_id)
    const before = log.compaction
    log.compaction = compaction
    this.undo?.push(() => log.compaction = before)
  }

  /** Runs `f`, which nothing interleaves, outside of other fibers' transactions. */
  run<A>(f: () => A): Effect.Effect<A> {
    return Effect.flatMap(CurrentLevel, (level) =>
      // This runs at once: a transaction may begin whenever this fiber yields.
      this.undo === undefined || this.isInside(level)
        ? Effect.succeed(f())
        : this.mutex.withPermits(1)(Effect.sync(f)))
  }

  /** All of the effect's writes or none; transactions take turns. */
  transaction<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.flatMap(CurrentLevel, (level) => {
      const outer = this.isInside(level) ? level.mutex : this.mutex
      const inner: Level = { store: this, mutex: Effect.unsafeMakeSemaphore(1), over: false }
      const body = Effect.uninterruptibleMask((restore) =>
        Effect.suspend(() => {
          const isOutermost = this.undo === undefined
          const undo = this.undo ??= []
          const mark = undo.length
          return Effect.onExit(restore(Effect.provideService(effect, CurrentLevel, inner)), (exit) =>
            Effect.sync(() => {
              if (Exit.isFailure(exit)) {
                while (undo.length > mark) undo.pop()!()
              }
              inner.over = true
              if (isOutermost) this.undo = undefined
            }))
        })
      )
      return outer.withPermits(1)(body)
    })
  }

  private isInside(level: Level | undefined): level is Level {
    return level?.store === this && !level.over
  }

  private ownLog(session: string): Log {
    const known = this.logs.get(session)
    if (known !== undefined) return known
    const log = emptyLog()
    this.logs.set(session, log)
    return log
  }
}

export class Tables extends Context.Tag("stoa/layers/Memory/Tables")<Tables, Store>() {}

export const layer: Layer.Layer<Tables> = Layer.sync(Tables, () => new Store())
