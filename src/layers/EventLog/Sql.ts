/** Keeps the sessions' histories in PostgreSQL. */
import type * as SqlError from "@effect/sql/SqlError"
import { Effect, Either, Layer, Option, Schema } from "effect"
import type { PlacedCompaction } from "../../domain/Context.ts"
import { ContextCompacted } from "../../domain/CustomEvents.ts"
import type { MessageId, SessionId, UserId } from "../../domain/Ids.ts"
import { unreadableMessage } from "../../domain/Message.ts"
import * as Older from "../../domain/Older.ts"
import { RunStatus } from "../../domain/Run.ts"
import {
  AppendRefused,
  EventLog,
  type Frames,
  type LogPage,
  type PlacedMessage,
  type Unfinished
} from "../../services/EventLog.ts"
import { Prepared } from "../Sql/Prepared.ts"
import { dieOf, foreignKeyViolation, orDie, retryDeadlock, stateOf, uniqueViolation } from "../Sql/SqlState.ts"
import { form, separator, statementOf } from "./sql/Append.ts"
import * as Statements from "./sql/Statements.ts"

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

/** Beyond the place of every message. */
const afterAll = 2 ** 31 - 1

const decodeRun = Schema.decodeOption(Schema.parseJson(Older.StoredRun))
const decodeCompaction = Schema.decodeOption(Schema.parseJson(ContextCompacted))
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

/** A message that a search has looked at: whether it may hold the text, and how much was looked at up to it. */
interface LookedMessage extends StoredMessage {
  readonly holds: boolean
  readonly place: number
  readonly size: number
  readonly found: number
}

/** A row of a snapshot: 0 is the head, 1 a run that is open, 2 a message, 3 the compaction. */
interface SnapshotRow extends StoredMessage {
  readonly kind: 0 | 1 | 2 | 3
}

type StoredCompaction = Omit<StoredMessage, "id">

/** One that cannot be read leaves out what it stood for, and stops nothing. */
const compactionOf = (session_id: SessionId) => (stored: StoredCompaction | undefined): PlacedCompaction | undefined =>
  stored && Option.getOrUndefined(
    Option.map(decodeCompaction(stored.data), (event) => ({ session_id, owner: stored.owner, seq: stored.seq, event }))
  )

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
      const statement = statementOf(batch)
      return statement === undefined
        ? Effect.void
        : Effect.asVoid(Effect.catchAll(retryDeadlock(execute(...statement)), refused))
    },
    read: (session_id, after, limit) =>
      Effect.map(
        rows<Omit<LogPage, "session_id"> & Formed>(Statements.read, [session_id, after, limit]),
        (stored) => stored.map((page) => ({ session_id, ...today(page) }))
      ),
    replay: (session_id, after, limit) =>
      Effect.map(
        rows<(Frames & Formed) | { readonly first_seq: null }>(Statements.replay, [session_id, after, limit]),
        ([frames]) => frames!.first_seq === null ? undefined : today(frames!)
      ),
    endAfter: (session, run, after) =>
      Effect.map(
        rows<{ readonly last_seq: number }>(Statements.endAfter, [session, run, after]),
        ([page]) => page?.last_seq
      ),
    range: (session) =>
      Effect.map(
        rows<{ readonly first: number; readonly last: number }>(Statements.range, [session]),
        ([range]) => range!
      ),
    messages: (session, { bytes = unbounded, limit, offset }) =>
      Effect.map(
        rows<StoredMessage>(Statements.messages, [session, offset, limit, bytes]),
        (stored) => stored.map(placed(session))
      ),
    recent: (session, limit, maxBytes = unbounded) =>
      Effect.map(
        rows<StoredMessage>(Statements.recent, [session, limit, maxBytes]),
        (stored) => stored.map(placed(session))
      ),
    older: (session, before = afterAll, { bytes, limit }) =>
      Effect.map(
        rows<StoredMessage & { readonly found: number }>(Statements.older, [session, before, limit, bytes]),
        (stored) => ({ messages: stored.map(placed(session)), more: (stored[0]?.found ?? 0) > stored.length })
      ),
    newer: (session, after, { bytes, limit }) =>
      Effect.map(
        rows<StoredMessage>(Statements.newer, [session, after, limit, bytes]),
        (stored) => stored.map(placed(session))
      ),
    look: (session, before = afterAll, { anchor, bytes, limit }) =>
      Effect.map(
        rows<LookedMessage>(Statements.look, [session, before, limit, bytes, anchor]),
        (stored) => {
          const last = stored.at(-1)
          return {
            messages: stored.filter(({ holds }) => holds).map(placed(session)),
            last: last?.seq,
            bytes: last?.size ?? 0,
            more: last !== undefined && last.place < last.found
          }
        }
      ),
    placeOf: (session, id) =>
      // No id has one, and `text` cannot hold it.
      id.includes("\0")
        ? Effect.succeed(undefined)
        : Effect.map(rows<{ readonly seq: number }>(Statements.place, [session, id]), ([row]) => row?.seq),
    snapshot: (session, maxMessages, maxBytes) =>
      Effect.map(rows<SnapshotRow>(Statements.snapshot, [session, maxMessages, maxBytes]), (parts) => ({
        last: parts.find(({ kind }) => kind === 0)?.seq ?? 0,
        open: runsOf(parts.filter(({ kind }) => kind === 1)),
        messages: parts.filter(({ kind }) => kind === 2).map(placed(session)),
        compaction: compactionOf(session)(parts.find(({ kind }) => kind === 3))
      })),
    compaction: (session) =>
      Effect.map(
        rows<StoredCompaction>(Statements.compaction, [session]),
        ([row]) => compactionOf(session)(row)
      ),
    countMessages: (session, after) =>
      Effect.map(
        rows<{ readonly count: number; readonly last: number }>(Statements.count, [session, after]),
        ([row]) => row!
      ),
    unfinishedSessions: rows<Unfinished>(Statements.unfinishedSessions, []),
    heads: (sessions) =>
      sessions.length === 0 ? Effect.succeed(new Map()) : Effect.map(
        rows<{ readonly session_id: SessionId; readonly last_seq: number | null }>(Statements.heads, [
          sessions.join(separator)
        ]),
        (heads) =>
          new Map(heads.flatMap(({ last_seq, session_id }) => last_seq === null ? [] : [[session_id, last_seq]]))
      ),
    open: (session) => Effect.map(rows<Document>(Statements.open, [session]), runsOf),
    openStatuses: (sessions) =>
      sessions.length === 0 ? Effect.succeed(new Map()) : Effect.map(
        rows<{ readonly session_id: SessionId; readonly statuses: string }>(Statements.openStatuses, [
          sessions.join(separator)
        ]),
        (stored) =>
          new Map(stored.map(({ session_id, statuses }) => [session_id, statuses.split(",").filter(isStatus)]))
      ),
    parked: (before, after, limit) =>
      Effect.map(rows<Document>(Statements.parked, [before, after ?? "", limit]), runsOf),
    prune: (before, limit) =>
      Effect.map(
        rows<{ readonly chosen: number }>(Statements.prune, [before, limit], { isLong: true }),
        ([row]) => row!.chosen > 0
      )
  })
})

export const layer: Layer.Layer<EventLog, never, Prepared> = Layer.effect(EventLog, make)
