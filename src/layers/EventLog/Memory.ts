/** Keeps the sessions' histories in this process. */
import { Array as Arr, Effect, Layer, Option, Schema } from "effect"
import type { BackgroundTask } from "../../domain/BackgroundTask.ts"
import type { Claim } from "../../domain/Claim.ts"
import type { SessionId, Timestamp } from "../../domain/Ids.ts"
import type { Job } from "../../domain/Job.ts"
import type { LedgerEntry } from "../../domain/Ledger.ts"
import { Run } from "../../domain/Run.ts"
import {
  AppendRefused,
  EventLog,
  type LogBatch,
  type LogPage,
  type PlacedMessage,
  replayBytes
} from "../../services/EventLog.ts"
import { columnsOfRun, columnsOfTask, type Row, tables } from "../../services/Storage.ts"
import { firstBeyond, type Store, Tables } from "../Memory/Tables.ts"

const decodeRun = Schema.decodeUnknownOption(Run)

/** A message that cannot be read must not stop those that can. */
const runOf = (row: Row): ReadonlyArray<Run> => Option.toArray(decodeRun(row.data))

const byId = (a: Run, b: Run) => a.id < b.id ? -1 : 1

/** A run's encoded form is itself. */
const rowOf = (run: Run): Row => ({
  id: run.id,
  owner: run.user_id,
  created_at: run.created_at,
  updated_at: run.updated_at,
  columns: columnsOfRun(run),
  data: run
})

/** How many pages at the beginning may be removed. Pages of no run are removed with the next ones. */
const removable = (store: Store, pages: ReadonlyArray<LogPage>, before: Timestamp, limit: number) => {
  const runs = store.rows(tables.runs.name).byId
  let count = 0
  for (let i = 0; i < pages.length - 1 && i < limit; i++) {
    const { run_id } = pages[i]!
    const run = run_id === null ? undefined : runs.get(run_id)
    if (run === undefined) continue
    if (run.columns["status"] !== "ended" || run.updated_at >= before) break
    count = i + 1
  }
  return count
}

const rowOfClaim = (claim: Claim): Row => ({
  id: claim.id,
  owner: claim.user_id,
  created_at: claim.created_at,
  updated_at: claim.updated_at,
  columns: {},
  data: claim
})

const rowOfEntry = (entry: LedgerEntry): Row => ({
  id: entry.id,
  owner: entry.user_id,
  created_at: entry.created_at,
  updated_at: entry.created_at,
  columns: {},
  data: entry
})

const rowOfJob = (job: Job): Row => ({
  id: job.id,
  owner: job.user_id,
  created_at: job.created_at,
  updated_at: job.updated_at,
  columns: { kind: job.kind, status: job.status },
  data: job
})

const rowOfTask = (task: BackgroundTask): Row => ({
  id: task.id,
  owner: task.user_id,
  created_at: task.created_at,
  updated_at: task.updated_at,
  columns: columnsOfTask(task),
  data: task
})

const refusal = (
  store: Store,
  { claims = [], compactions = [], messages, pages, runs, tasks = [] }: LogBatch
): AppendRefused["reason"] | undefined => {
  const sessions = store.rows(tables.sessions.name).byId
  const isGone = ({ session_id }: { readonly session_id: string }) => !sessions.has(session_id)
  const isOneGone = (rows: ReadonlyArray<{ readonly session_id: string }>) => rows.some(isGone)
  if ([runs, messages, pages, compactions, tasks].some(isOneGone)) return "session_gone"
  const taken = new Set<string>()
  for (const { first_seq, session_id } of pages) {
    const key = `${session_id} ${first_seq}`
    const known = store.log(session_id).pages
    if (taken.has(key) || known[firstBeyond(known, (page) => page.first_seq >= first_seq)]?.first_seq === first_seq) {
      return "fenced"
    }
    taken.add(key)
  }
  const claimed = store.rows(tables.claims.name).byId
  if (claims.some(({ id }, i) => claimed.has(id) || claims.findIndex((other) => other.id === id) < i)) return "fenced"
  return messages.some((placed) => isMisplaced(store, placed)) ? "fenced" : undefined
}

/** Whether another message has the place where this one is to go. */
const isMisplaced = (store: Store, { message, seq, session_id }: PlacedMessage) => {
  const { messages, places } = store.log(session_id)
  return !places.has(message.id) && messages[firstBeyond(messages, (other) => other.seq >= seq)]?.seq === seq
}

/** The first page that is not read any more: pages are taken until their frames exceed what is read at a time. */
const beyondBytes = (pages: ReadonlyArray<LogPage>, from: number, limit: number) => {
  let size = 0
  let next = from
  while (next < Math.min(from + limit, pages.length) && size < replayBytes) {
    size += Buffer.byteLength(pages[next++]!.frames)
  }
  return next
}

/** Where the newest messages before `end` begin that fit. */
const beginOf = (messages: ReadonlyArray<PlacedMessage>, end: number, limit: number, maxBytes: number) => {
  let from = end
  let size = 0
  while (from > 0 && end - from < limit) {
    // Without a bound the messages need not be measured.
    if (maxBytes !== Infinity) size += Buffer.byteLength(JSON.stringify(messages[from - 1]!.message))
    if (size > maxBytes && from < end) break
    from--
  }
  return from
}

const recent = (store: Store, session: SessionId, limit: number, maxBytes = Infinity) => {
  const { messages } = store.log(session)
  return messages.slice(beginOf(messages, messages.length, limit, maxBytes))
}

const open = (store: Store, session: SessionId) =>
  store.rows(tables.runs.name).where({ session_id: session }).flatMap(runOf).filter(({ status }) => status !== "ended")
    .toSorted(byId)

export const make = Effect.map(Tables, (store) =>
  EventLog.of({
    append: (batch) =>
      Effect.flatMap(
        store.run(() => {
          const reason = refusal(store, batch)
          if (reason === undefined) {
            for (const claim of batch.claims ?? []) store.put(tables.claims, rowOfClaim(claim))
            for (const run of batch.runs) store.put(tables.runs, rowOf(run))
            batch.messages.forEach((message) => store.putMessage(message))
            batch.pages.forEach((page) => store.putPage(page))
            batch.compactions?.forEach((compaction) => store.putCompaction(compaction))
            const entered = store.rows(tables.usage.name).byId
            for (const entry of batch.usage ?? []) {
              if (!entered.has(entry.id)) store.put(tables.usage, rowOfEntry(entry))
            }
            const known = store.rows(tables.jobs.name).byId
            for (const job of batch.jobs ?? []) {
              if (!known.has(job.id)) store.put(tables.jobs, rowOfJob(job))
            }
            for (const task of batch.tasks ?? []) store.put(tables.background_tasks, rowOfTask(task))
          }
          return reason
        }),
        (reason) => reason === undefined ? Effect.void : new AppendRefused({ reason })
      ),
    read: (session, after, limit) =>
      store.run(() => {
        const { pages } = store.log(session)
        const from = firstBeyond(pages, ({ last_seq }) => last_seq > after)
        return pages.slice(from, beyondBytes(pages, from, limit))
      }),
    replay: (session, after, limit) =>
      store.run(() => {
        const { pages } = store.log(session)
        const from = firstBeyond(pages, ({ last_seq }) => last_seq > after)
        if (from >= pages.length || limit === 0) return undefined
        const read = pages.slice(from, beyondBytes(pages, from, limit))
        return {
          first_seq: read[0]!.first_seq,
          last_seq: read.at(-1)!.last_seq,
          frames: read.map(({ frames }) => frames).join("")
        }
      }),
    endAfter: (session, run, after) =>
      store.run(() => {
        const { pages } = store.log(session)
        const from = firstBeyond(pages, ({ last_seq }) => last_seq > after)
        for (let i = from; i < pages.length; i++) {
          if (pages[i]!.ends && pages[i]!.run_id === run) return pages[i]!.last_seq
        }
        return undefined
      }),
    range: (session) =>
      store.run(() => {
        const { pages } = store.log(session)
        return { first: pages[0]?.first_seq ?? 1, last: pages.at(-1)?.last_seq ?? 0 }
      }),
    messages: (session, { bytes = Infinity, limit, offset }) =>
      store.run(() => {
        const placed: Array<PlacedMessage> = []
        let size = 0
        for (const one of store.log(session).messages.slice(offset, offset + limit)) {
          if (bytes < Infinity) size += Buffer.byteLength(JSON.stringify(one.message))
          if (placed.length > 0 && size > bytes) break
          placed.push(one)
        }
        return placed
      }),
    older: (session, before, { bytes, limit }) =>
      store.run(() => {
        const { messages } = store.log(session)
        const end = before === undefined ? messages.length : firstBeyond(messages, ({ seq }) => seq >= before)
        const from = beginOf(messages, end, limit, bytes)
        return { messages: messages.slice(from, end), more: from > 0 }
      }),
    newer: (session, after, { bytes, limit }) =>
      store.run(() => {
        const { messages } = store.log(session)
        const from = firstBeyond(messages, ({ seq }) => seq > after)
        const placed: Array<PlacedMessage> = []
        let size = 0
        for (const one of messages.slice(from, from + limit)) {
          size += Buffer.byteLength(JSON.stringify(one.message))
          if (placed.length > 0 && size > bytes) break
          placed.push(one)
        }
        return placed
      }),
    look: (session, before, { bytes, limit }) =>
      store.run(() => {
        const { messages } = store.log(session)
        const end = before === undefined ? messages.length : firstBeyond(messages, ({ seq }) => seq >= before)
        const from = beginOf(messages, end, limit, bytes)
        const looked = messages.slice(from, end)
        const size = looked.reduce((sum, { message }) => sum + Buffer.byteLength(JSON.stringify(message)), 0)
        return { messages: looked.toReversed(), last: looked[0]?.seq, bytes: size, more: from > 0 }
      }),
    placeOf: (session, id) => store.run(() => store.log(session).places.get(id)),
    recent: (session, limit, maxBytes) => store.run(() => recent(store, session, limit, maxBytes)),
    snapshot: (session, maxMessages, maxBytes) =>
      store.run(() => {
        const { compaction, pages } = store.log(session)
        return {
          last: pages.at(-1)?.last_seq ?? 0,
          open: open(store, session),
          messages: recent(store, session, maxMessages, maxBytes).filter(({ seq }) => seq >= (compaction?.seq ?? 0)),
          compaction
        }
      }),
    compaction: (session) => store.run(() => store.log(session).compaction),
    countMessages: (session, after) =>
      store.run(() => {
        const { messages } = store.log(session)
        const from = firstBeyond(messages, ({ seq }) => seq > after)
        return { count: messages.length - from, last: messages[from] === undefined ? after : messages.at(-1)!.seq }
      }),
    unfinishedSessions: store.run(() => {
      const runs = store.rows(tables.runs.name).where({}).flatMap(runOf).filter(({ status }) => status !== "ended")
        .toSorted(byId)
      return Object.values(Arr.groupBy(runs, ({ session_id }) => session_id)).flatMap((ofSession) => {
        const unfinished = ofSession.filter(({ status }) => status === "queued" || status === "running")
        if (unfinished.length === 0 || unfinished.length < ofSession.length) return []
        const { driver, session_id, user_id: owner } = unfinished.find(({ status }) => status === "running") ??
          unfinished[0]!
        return [{ session_id, owner, driver, fresh: unfinished.some((run) => run.driver === null) }]
      })
    }),
    heads: (sessions) =>
      store.run(() =>
        new Map(sessions.flatMap((session) => {
          const last = store.log(session).pages.at(-1)
          return last === undefined ? [] : [[session, last.last_seq]]
        }))
      ),
    open: (session) => store.run(() => open(store, session)),
    openStatuses: (sessions) =>
      store.run(() =>
        new Map(sessions.flatMap((session) => {
          const runs = open(store, session)
          return runs.length === 0 ? [] : [[session, runs.map(({ status }) => status)]]
        }))
      ),
    parked: (before, after, limit) =>
      store.run(() =>
        ["awaiting_permission", "awaiting_external_result"]
          .flatMap((status) => store.rows(tables.runs.name).where({ status }).flatMap(runOf))
          .filter(({ id, updated_at }) => updated_at < before && (after === undefined || id > after))
          .toSorted(byId).slice(0, limit)
      ),
    prune: (before, limit) =>
      store.run(() => {
        for (const session of store.rows(tables.sessions.name).byId.keys()) {
          const count = removable(store, store.log(session).pages, before, limit)
          if (count === 0) continue
          store.dropPages(session, count)
          return true
        }
        return false
      })
  }))

export const layer: Layer.Layer<EventLog, never, Tables> = Layer.effect(EventLog, make)
