/** What every EventLog layer promises, over the Storage that holds its sessions. */
import { assert, it, layer } from "@effect/vitest"
import { Effect, FastCheck, type Layer } from "effect"
import type { Compacted } from "../../src/domain/Context.ts"
import type { MessageId, RunId, SessionId, Timestamp } from "../../src/domain/Ids.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import type { RunStatus } from "../../src/domain/Run.ts"
import type { Session } from "../../src/domain/Session.ts"
import { EventLog, framesAfter, type LogBatch, type LogPage, replayBytes } from "../../src/services/EventLog.ts"
import type { Files } from "../../src/services/Files.ts"
import type { JobStore } from "../../src/services/JobStore.ts"
import { Ledger } from "../../src/services/Ledger.ts"
import type { ScheduleStore } from "../../src/services/ScheduleStore.ts"
import { Storage } from "../../src/services/Storage.ts"
import type { TaskStore } from "../../src/services/TaskStore.ts"
import type { Tenants } from "../../src/services/Tenants.ts"
import {
  agentOf,
  framesOf,
  freshId,
  freshOwner,
  later,
  messageOf,
  pageOf,
  placedOf,
  runOf,
  sessionOf,
  strangeTexts
} from "../support/fixtures.ts"
import { always, entryOf } from "../support/ledger.ts"
import { patience } from "../support/Patience.ts"

const newSession = Effect.gen(function*() {
  const storage = yield* Storage
  const agent = yield* storage.agents.insert(agentOf(freshOwner()))
  return yield* storage.sessions.insert(sessionOf(agent))
})

const compactedAs = (session: Session, summary: string): Compacted => ({
  id: "e1",
  created_at: later,
  type: "CUSTOM",
  name: "context_compacted",
  value: {
    session_id: session.id,
    run_id: "r" as RunId,
    reply_id: "m" as MessageId,
    reason: "size",
    method: "summary",
    summary,
    up_to: "m" as MessageId,
    blocks: null,
    keeps_from: "m" as MessageId,
    tokens_before: 2,
    tokens_after: 1
  }
})

const batch = (parts: Partial<LogBatch>): LogBatch => ({ pages: [], runs: [], messages: [], ...parts })

export const eventLogContract = <E>(
  name: string,
  backend: Layer.Layer<Storage | EventLog | Files | Ledger | ScheduleStore | JobStore | TaskStore | Tenants, E>
): void =>
  layer(backend, { timeout: patience(120_000), excludeTestServices: true })(`EventLog contract: ${name}`, (it) => {
    it.effect("reads pages back as they were written, gapless", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* newSession
        const run = runOf(session)
        const pages: ReadonlyArray<LogPage> = [
          pageOf(session, 1, 1),
          pageOf(session, 2, 10, { run_id: run.id }),
          pageOf(session, 11, 11, { run_id: run.id, ends: true }),
          pageOf(session, 12, 300)
        ]
        yield* log.append(batch({ pages: [pages[0]!], runs: [run] }))
        yield* log.append(batch({ pages: [pages[1]!, pages[2]!] }))
        yield* log.append(batch({ pages: [pages[3]!] }))
        const read = yield* log.read(session.id, 0, 10)
        assert.deepStrictEqual(read, pages)
        read.forEach((page, i) => assert.strictEqual(page.first_seq, (read[i - 1]?.last_seq ?? 0) + 1))
        assert.deepStrictEqual(yield* log.range(session.id), { first: 1, last: 300 })
      }))

    it.effect("knows where a run's stream ends, which may be parked more than once", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* newSession
        const [run, other] = [freshId() as RunId, freshId() as RunId]
        yield* log.append(batch({
          pages: [
            pageOf(session, 1, 3, { run_id: run }),
            pageOf(session, 4, 6, { run_id: run, ends: true }),
            pageOf(session, 7, 8, { run_id: other, ends: true }),
            pageOf(session, 9, 12, { run_id: run, ends: true }),
            pageOf(session, 13, 13, { run_id: run })
          ]
        }))
        for (let after = 0; after <= 14; after++) {
          const end = after < 6 ? 6 : after < 12 ? 12 : undefined
          assert.strictEqual(yield* log.endAfter(session.id, run, after), end)
          assert.strictEqual(yield* log.endAfter(session.id, other, after), after < 8 ? 8 : undefined)
        }
        assert.isUndefined(yield* log.endAfter(session.id, freshId() as RunId, 0))
        assert.isUndefined(yield* log.endAfter((yield* newSession).id, run, 0))
      }))

    it.effect("reads after any cursor, from the middle of a page too, and no more than asked", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* newSession
        const pages = [pageOf(session, 1, 3), pageOf(session, 4, 4), pageOf(session, 5, 9), pageOf(session, 10, 12)]
        yield* log.append(batch({ pages }))
        yield* log.append(batch({ pages: [pageOf(yield* newSession, 1, 50)] }))
        for (let after = 0; after <= 14; after++) {
          const wanted = pages.filter(({ last_seq }) => last_seq > after)
          for (const limit of [1, 2, 100]) {
            const read = wanted.slice(0, limit)
            assert.deepStrictEqual(yield* log.read(session.id, after, limit), read)
            const joined = {
              first_seq: read[0]?.first_seq,
              last_seq: read.at(-1)?.last_seq,
              frames: read.map(({ frames }) => frames).join("")
            }
            assert.deepEqual(yield* log.replay(session.id, after, limit), read.length === 0 ? undefined : joined)
          }
          assert.strictEqual(
            wanted.map((page) => framesAfter(page, after)).join(""),
            after < 12 ? framesOf(after + 1, 12) : ""
          )
        }
      }))

    it.effect("replays a long log in pieces of about 256 KiB, at least a page each", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* newSession
        const size = replayBytes / 2
        const pages = [1, 1, 1, 3, 1].map((halves, i) =>
          pageOf(session, i + 1, i + 1, { frames: `${i}`.padEnd(halves * size, "é") })
        )
        yield* log.append(batch({ pages: pages.slice(0, 3) }))
        yield* log.append(batch({ pages: pages.slice(3) }))
        const pieces: Array<string> = []
        for (let after = 0; after < pages.length;) {
          const piece = yield* log.replay(session.id, after, 100)
          assert.strictEqual(piece?.first_seq, after + 1)
          assert.isAtMost(piece!.frames.length, 4 * size)
          pieces.push(piece!.frames)
          after = piece!.last_seq
        }
        assert.isAbove(pieces.length, 2)
        assert.strictEqual(pieces.join(""), pages.map(({ frames }) => frames).join(""))
      }))

    it.effect("reads no more pages at once than it takes to exceed 256 KiB", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* newSession
        const pages = Array.from({ length: 7 }, (_, i) =>
          pageOf(session, i + 1, i + 1, { frames: `${i}`.padEnd(replayBytes / 4, "é") }))
        yield* log.append(batch({ pages }))
        // Two bytes a character, so two pages are a bit less than that, and three are more.
        assert.deepStrictEqual(yield* log.read(session.id, 0, 100), pages.slice(0, 3))
        assert.deepStrictEqual(yield* log.read(session.id, 5, 100), pages.slice(5))
        assert.deepStrictEqual(yield* log.read(session.id, 5, 1), pages.slice(5, 6))
      }))

    it.effect("reads the newest messages that fit into so many bytes, and one in any case", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* newSession
        const placed = [1, 2, 3, 4].map((seq) => placedOf(session, seq, messageOf("é".repeat(seq * 100))))
        yield* log.append(batch({ messages: placed }))
        const bytes = placed.map(({ message }) => Buffer.byteLength(JSON.stringify(message)))
        const two = bytes[3]! + bytes[2]!
        for (
          const [maxBytes, count] of [[0, 1], [bytes[3]!, 1], [two - 1, 1], [two, 2], [two + bytes[1]!, 3], [1e6, 4]]
        ) {
          const newest = placed.slice(-count!)
          assert.deepStrictEqual(yield* log.recent(session.id, 10, maxBytes), newest, `${maxBytes}`)
          assert.deepStrictEqual((yield* log.snapshot(session.id, 10, maxBytes!)).messages, newest, `${maxBytes}`)
        }
        assert.deepStrictEqual(yield* log.recent(session.id, 2, 1e6), placed.slice(-2))
        assert.deepStrictEqual((yield* log.snapshot(session.id, 2, 1e6)).messages, placed.slice(-2))
      }))

    it.effect("reads the newest messages before a place, within bytes, and says whether there are older ones", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* newSession
        const other = yield* newSession
        const placed = Array.from({ length: 7 }, (_, i) => placedOf(session, 3 * i + 1, messageOf("ä".repeat(50 * i))))
        const elsewhere = placedOf(other, 4, messageOf("elsewhere"))
        yield* log.append(batch({ messages: [...placed, elsewhere] }))
        const older = (before: number | undefined, limit: number, bytes = 1e6) =>
          log.older(session.id, before, { limit, bytes })
        assert.deepStrictEqual(yield* older(undefined, 10), { messages: placed, more: false })
        assert.deepStrictEqual(yield* older(undefined, 7), { messages: placed, more: false })
        assert.deepStrictEqual(yield* older(undefined, 3), { messages: placed.slice(4), more: true })
        assert.deepStrictEqual(yield* older(10, 2), { messages: placed.slice(1, 3), more: true })
        assert.deepStrictEqual(yield* older(4, 2), { messages: placed.slice(0, 1), more: false })
        assert.deepStrictEqual(yield* older(1, 2), { messages: [], more: false })
        const size = (i: number) => Buffer.byteLength(JSON.stringify(placed[i]!.message))
        assert.deepStrictEqual(yield* older(undefined, 5, size(6) + size(5)), { messages: placed.slice(5), more: true })
        assert.deepStrictEqual(yield* older(undefined, 5, 1), { messages: placed.slice(6), more: true })
        assert.deepStrictEqual(yield* log.countMessages(session.id, 0), { count: 7, last: 19 })
        assert.deepStrictEqual(yield* log.countMessages(session.id, 10), { count: 3, last: 19 })
        assert.deepStrictEqual(yield* log.countMessages(session.id, 19), { count: 0, last: 19 })
        assert.strictEqual(yield* log.placeOf(session.id, placed[2]!.message.id), 7)
        for (const unknown of [elsewhere.message.id, "nobody", "a\0b"]) {
          assert.isUndefined(yield* log.placeOf(session.id, unknown as MessageId))
        }
      }))

    it.effect("reads the messages after a place, and looks at those before one, within bytes", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* newSession
        const texts = ["one Stoa", "two", "three STOA", "four", "five"]
        const placed = texts.map((text, i) => placedOf(session, 3 * i + 1, messageOf(text)))
        yield* log.append(batch({ messages: placed }))
        yield* log.append(batch({ messages: [placedOf(yield* newSession, 2, messageOf("stoa"))] }))
        const size = (...of: ReadonlyArray<number>) =>
          of.reduce((sum, i) => sum + Buffer.byteLength(JSON.stringify(placed[i]!.message)), 0)

        const newer = (after: number, limit = 10, bytes = 1e6) => log.newer(session.id, after, { limit, bytes })
        assert.deepStrictEqual(yield* newer(0), placed)
        assert.deepStrictEqual(yield* newer(1, 2), placed.slice(1, 3))
        assert.deepStrictEqual(yield* newer(1, 10, size(1, 2)), placed.slice(1, 3))
        assert.deepStrictEqual(yield* newer(4, 10, 1), placed.slice(2, 3))
        assert.deepStrictEqual(yield* newer(13), [])

        const look = (before: number | undefined, limit = 10, bytes = 1e6, anchor = "stoa") =>
          Effect.map(log.look(session.id, before, { limit, bytes, anchor }), ({ messages, ...rest }) => ({
            // A storage may leave out what cannot hold the text, or leave it in.
            hits: messages.filter(({ message }) => textOf(message.content).toLowerCase().includes(anchor))
              .map(({ seq }) => seq),
            ...rest
          }))
        const all = { hits: [7, 1], last: 1, bytes: size(0, 1, 2, 3, 4), more: false }
        assert.deepStrictEqual(yield* look(undefined), all)
        assert.deepStrictEqual(yield* look(undefined, 2), { hits: [], last: 10, bytes: size(3, 4), more: true })
        assert.deepStrictEqual(yield* look(10, 1), { hits: [7], last: 7, bytes: size(2), more: true })
        assert.deepStrictEqual(yield* look(10, 5, size(2, 1)), { hits: [7], last: 4, bytes: size(1, 2), more: true })
        assert.deepStrictEqual(yield* look(7, 5, 1), { hits: [], last: 4, bytes: size(1), more: true })
        assert.deepStrictEqual(yield* look(1), { hits: [], last: undefined, bytes: 0, more: false })
        assert.deepStrictEqual((yield* look(undefined, 10, 1e6, "")).hits, [13, 10, 7, 4, 1])
      }))

    it.effect("tells at once what a session is made from: its head, its open runs and its newest messages", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* newSession
        const snapshot = log.snapshot(session.id, 10, 1e6)
        assert.deepStrictEqual(yield* snapshot, { last: 0, open: [], messages: [], compaction: undefined })
        const statuses: ReadonlyArray<RunStatus> = ["ended", "running", "queued", "awaiting_permission", "ended"]
        const runs = statuses.map((status) => runOf(session, { status }))
        const messages = [placedOf(session, 1, messageOf("one")), placedOf(session, 4, messageOf("two"))]
        yield* log.append(batch({
          pages: [pageOf(session, 1, 3), pageOf(session, 4, 9)],
          runs: runs.toReversed(),
          messages: messages.toReversed()
        }))
        const other = yield* newSession
        yield* log.append(batch({
          pages: [pageOf(other, 1, 20)],
          runs: [runOf(other)],
          messages: [placedOf(other, 1, messageOf("x"))]
        }))
        assert.deepStrictEqual(yield* snapshot, { last: 9, open: runs.slice(1, 4), messages, compaction: undefined })
        assert.deepStrictEqual(yield* log.snapshot(freshId() as SessionId, 10, 1e6), {
          last: 0,
          open: [],
          messages: [],
          compaction: undefined
        })
      }))

    it.effect("keeps the newest compaction of a session, and gives only what it left to those who make a room", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* newSession
        const other = yield* newSession
        const messages = [1, 4, 7].map((seq) => placedOf(session, seq, messageOf(`m${seq}`)))
        const compactionAt = (seq: number, summary: string) => ({
          session_id: session.id,
          owner: session.user_id,
          seq,
          event: compactedAs(session, summary)
        })
        yield* log.append(batch({ pages: [pageOf(session, 1, 9)], messages }))
        assert.isUndefined(yield* log.compaction(session.id))
        for (const [seq, summary] of [[4, "one"], [7, "two \u0000 \x1f \"'"]] as const) {
          const compaction = compactionAt(seq, summary)
          yield* log.append(batch({
            pages: [pageOf(session, seq + 6, seq + 6)],
            compactions: [compactionAt(1, "older"), compaction]
          }))
          assert.deepStrictEqual(yield* log.compaction(session.id), compaction)
          const snapshot = yield* log.snapshot(session.id, 10, 1e6)
          assert.deepStrictEqual(snapshot.compaction, compaction)
          assert.deepStrictEqual(snapshot.messages, messages.filter((placed) => placed.seq >= seq))
        }
        assert.lengthOf(yield* log.recent(session.id, 10), 3)
        assert.isUndefined(yield* log.compaction(other.id))
        // Refused with its page.
        const refused = yield* Effect.flip(log.append(batch({
          pages: [pageOf(session, 1, 1)],
          compactions: [compactionAt(1, "late")]
        })))
        assert.strictEqual(refused.reason, "fenced")
        assert.strictEqual((yield* log.compaction(session.id))?.seq, 7)
        yield* Effect.flatMap(Storage, ({ sessions }) => sessions.remove(session.user_id, session.id))
        assert.isUndefined(yield* log.compaction(session.id))
      }))

    it.effect("has nothing of a new session, nor of none", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        for (const id of [(yield* newSession).id, freshId() as SessionId]) {
          assert.deepStrictEqual(yield* log.range(id), { first: 1, last: 0 })
          assert.deepStrictEqual(yield* log.read(id, 0, 10), [])
          assert.isUndefined(yield* log.replay(id, 0, 10))
          assert.deepStrictEqual(yield* log.messages(id, { offset: 0, limit: 10 }), [])
          assert.deepStrictEqual(yield* log.recent(id, 10), [])
          assert.deepStrictEqual(yield* log.countMessages(id, 0), { count: 0, last: 0 })
          assert.deepStrictEqual(yield* log.open(id), [])
        }
      }))

    /** All of them long before any other test's. */
    const days = (n: number) => `2020-01-${String(n).padStart(2, "0")}T00:00:00.000Z` as Timestamp
    const endedOn = (session: Session, day: number) =>
      runOf(session, { status: "ended", updated_at: days(day), ended_at: days(day) })

    const pruneAll = (before: Timestamp, limit: number) =>
      Effect.flatMap(EventLog, (log) =>
        Effect.iterate(0, {
          while: (n) => n >= 0 && n < 100,
          body: (n) => Effect.map(log.prune(before, limit), (more) => more ? n + 1 : -1 - n)
        })).pipe(Effect.map((n) => {
          assert.isBelow(n, 0, "prune has no end")
          return -1 - n
        }))

    it.effect("removes the pages of runs that ended before, from the beginning on, in batches", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const [session, other] = [yield* newSession, yield* newSession]
        const [first, second, third] = [endedOn(session, 1), endedOn(session, 2), endedOn(session, 10)]
        const pages = [
          ...Array.from({ length: 7 }, (_, i) => pageOf(session, i * 3 + 1, i * 3 + 3, { run_id: first.id })),
          pageOf(session, 22, 22),
          pageOf(session, 23, 25, { run_id: second.id, ends: true }),
          pageOf(session, 26, 26),
          pageOf(session, 27, 30, { run_id: third.id, ends: true })
        ]
        const messages = [placedOf(session, 1, messageOf("stays")), placedOf(session, 23, messageOf("stays too"))]
        yield* log.append({ pages: [...pages, pageOf(other, 1, 4)], runs: [first, second, third], messages })
        const calls = yield* pruneAll(days(5), 2)
        assert.isAtLeast(calls, 4)
        assert.deepStrictEqual(yield* log.read(session.id, 0, 100), pages.slice(9))
        assert.deepStrictEqual(yield* log.range(session.id), { first: 26, last: 30 })
        assert.deepStrictEqual(yield* log.messages(session.id, { offset: 0, limit: 10 }), messages)
        assert.deepStrictEqual(yield* log.range(other.id), { first: 1, last: 4 })
        assert.isFalse(yield* log.prune(days(5), 100))
      }))

    it.effect("keeps a session's last page, until there is a later one", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* newSession
        const run = endedOn(session, 1)
        yield* log.append(
          batch({
            pages: [pageOf(session, 1, 3, { run_id: run.id }), pageOf(session, 4, 5, { run_id: run.id })],
            runs: [run]
          })
        )
        yield* pruneAll(days(5), 100)
        assert.deepStrictEqual(yield* log.range(session.id), { first: 4, last: 5 })
        const next = endedOn(session, 6)
        yield* log.append(batch({ pages: [pageOf(session, 6, 6, { run_id: next.id })], runs: [next] }))
        yield* pruneAll(days(7), 100)
        assert.deepStrictEqual(yield* log.range(session.id), { first: 6, last: 6 })
        assert.strictEqual((yield* Effect.flip(log.append(batch({ pages: [pageOf(session, 6, 6)] })))).reason, "fenced")
      }))

    it.effect("keeps everything from the first page of a run that has not ended, or not long enough ago", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        for (
          const status of ["queued", "running", "awaiting_permission", "awaiting_external_result", "ended"] as const
        ) {
          const session = yield* newSession
          const [first, kept, last] = [
            endedOn(session, 1),
            runOf(session, { status, updated_at: days(status === "ended" ? 6 : 1) }),
            endedOn(session, 2)
          ]
          const pages = [first, kept, last, last].map(({ id }, i) => pageOf(session, i + 1, i + 1, { run_id: id }))
          yield* log.append(batch({ pages, runs: [first, kept, last] }))
          yield* pruneAll(days(5), 100)
          assert.deepStrictEqual(yield* log.read(session.id, 0, 100), pages.slice(1), status)
          yield* log.append(batch({ runs: [{ ...kept, status: "ended", updated_at: days(8) }] }))
          yield* pruneAll(days(9), 100)
          assert.deepStrictEqual(yield* log.read(session.id, 0, 100), pages.slice(3), status)
        }
      }))

    it.effect("lists what has been parked since before, by id, a batch at a time", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* newSession
        const parked = (["awaiting_permission", "awaiting_external_result", "awaiting_permission"] as const)
          .map((status, i) => runOf(session, { status, updated_at: days(3 - i) }))
        const others = (["queued", "running", "ended"] as const).map((status) =>
          runOf(session, { status, updated_at: days(1) })
        )
        const fresh = runOf(session, { status: "awaiting_permission", updated_at: days(5) })
        yield* log.append(batch({ runs: [fresh, ...others, ...parked.toReversed()] }))
        assert.deepStrictEqual(yield* log.parked(days(4), undefined, 10), parked)
        assert.deepStrictEqual(yield* log.parked(days(4), undefined, 2), parked.slice(0, 2))
        assert.deepStrictEqual(yield* log.parked(days(4), parked[1]!.id, 2), parked.slice(2))
        assert.deepStrictEqual(yield* log.parked(days(1), undefined, 10), [])
        yield* log.append(batch({ runs: parked.map((run) => ({ ...run, status: "ended" as const })) }))
        assert.deepStrictEqual(yield* log.parked(days(4), undefined, 10), [])
      }))

    it.effect("writes nothing for an empty batch", () => Effect.flatMap(EventLog, (log) => log.append(batch({}))))

    it.effect("refuses the slower of two writers, and writes nothing of its batch", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const storage = yield* Storage
        const [session, other] = [yield* newSession, yield* newSession]
        const first = pageOf(session, 1, 3)
        yield* log.append(batch({ pages: [first] }))
        const run = runOf(session)
        const refused = yield* Effect.flip(log.append({
          pages: [pageOf(other, 1, 2), pageOf(session, 1, 5, { frames: framesOf(1, 5, "zombie") })],
          runs: [run, runOf(other)],
          messages: [placedOf(other, 1, messageOf("lost"))]
        }))
        assert.strictEqual(refused.reason, "fenced")
        assert.deepStrictEqual(yield* log.read(session.id, 0, 10), [first])
        assert.deepStrictEqual(yield* log.read(other.id, 0, 10), [])
        assert.strictEqual((yield* log.countMessages(other.id, 0)).count, 0)
        assert.deepStrictEqual(yield* log.open(other.id), [])
        assert.strictEqual((yield* Effect.flip(storage.runs.get(session.user_id, run.id)))._tag, "NotFound")
        yield* log.append(batch({ pages: [pageOf(session, 4, 4), pageOf(other, 1, 1)] }))
      }))

    it.effect("lets one of many writers of the same page through", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* newSession
        const outcomes = yield* Effect.forEach(Array.from({ length: 8 }), (_, i) =>
          Effect.either(log.append(batch({ pages: [pageOf(session, 1, 1 + i)] }))), { concurrency: "unbounded" })
        assert.deepStrictEqual(
          outcomes.map(({ _tag }) =>
            _tag
          ).toSorted(),
          [...Array(7).fill("Left"), "Right"]
        )
        assert.strictEqual((yield* log.read(session.id, 0, 10)).length, 1)
      }))

    it.effect("refuses a batch that puts another message where one is", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* newSession
        const message = messageOf("mine")
        yield* log.append(batch({ messages: [placedOf(session, 1, message)] }))
        const refused = yield* Effect.flip(log.append(batch({ messages: [placedOf(session, 1, messageOf("other"))] })))
        assert.strictEqual(refused.reason, "fenced")
        assert.deepStrictEqual((yield* log.recent(session.id, 5)).map((placed) => placed.message), [message])
      }))

    it.effect("refuses what belongs to a session that is gone", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const { sessions } = yield* Storage
        const [gone, other] = [yield* newSession, yield* newSession]
        yield* sessions.remove(gone.user_id, gone.id)
        const parts: ReadonlyArray<Partial<LogBatch>> = [
          { pages: [pageOf(gone, 1, 1)] },
          { runs: [runOf(gone)] },
          { messages: [placedOf(gone, 1, messageOf("hi"))] }
        ]
        for (const part of parts) {
          const pages = [pageOf(other, 1, 1), ...part.pages ?? []]
          assert.strictEqual((yield* Effect.flip(log.append(batch({ ...part, pages })))).reason, "session_gone")
          assert.deepStrictEqual(yield* log.read(other.id, 0, 10), [])
        }
      }))

    it.effect("never leaves a part behind when a session goes while it is written to", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const { runs, sessions } = yield* Storage
        for (let round = 0; round < 10; round++) {
          const session = yield* newSession
          const run = runOf(session)
          yield* log.append(batch({ pages: [pageOf(session, 1, 1)], runs: [run] }))
          const writes = Array.from({ length: 6 }, (_, i) =>
            Effect.either(
              log.append(batch({ pages: [pageOf(session, 2 + i, 2 + i)], runs: [{ ...run, attempt: i + 2 }] }))
            ))
          const [outcomes] = yield* Effect.all(
            [
              Effect.all(writes, { concurrency: "unbounded" }),
              Effect.delay(sessions.remove(session.user_id, session.id), round % 3)
            ],
            { concurrency: "unbounded" }
          )
          for (const outcome of outcomes) {
            if (outcome._tag === "Left") {
              assert.strictEqual(outcome.left.reason, "session_gone")
            }
          }
          assert.deepStrictEqual(yield* log.range(session.id), { first: 1, last: 0 })
          assert.strictEqual((yield* Effect.flip(runs.get(session.user_id, run.id)))._tag, "NotFound")
        }
      }))

    it.effect("inserts runs and replaces them, as Storage shows them", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const { runs } = yield* Storage
        const session = yield* newSession
        const run = runOf(session, { status: "queued", first_seq: null, started_at: null })
        yield* log.append(batch({ runs: [run] }))
        assert.deepStrictEqual(yield* runs.get(session.user_id, run.id), run)
        const ended = {
          ...run,
          status: "ended",
          last_seq: 9,
          finished_reason: "completed",
          updated_at: later,
          ended_at: later
        } as const
        const other = runOf(session)
        yield* log.append(batch({ pages: [pageOf(session, 1, 9)], runs: [ended, other] }))
        assert.deepStrictEqual(yield* runs.get(session.user_id, run.id), ended)
        assert.deepStrictEqual((yield* runs.list(session.user_id, { limit: 5 }, { session_id: session.id })).items, [
          ended,
          other
        ])
        assert.deepStrictEqual((yield* runs.list(session.user_id, { limit: 5 }, { status: "ended" })).items, [ended])
      }))

    it.effect("names the sessions whose runs wait to be driven, and who drives them", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const [driven, lost, left, parked, over] = yield* Effect.all([
          newSession,
          newSession,
          newSession,
          newSession,
          newSession
        ])
        const queued = { status: "queued", first_seq: null, started_at: null } as const
        yield* log.append(batch({
          runs: [
            runOf(driven, { ...queued, driver: "b" }),
            runOf(driven, { status: "running", driver: "a" }),
            runOf(driven, queued),
            runOf(lost, { ...queued, driver: "c" }),
            runOf(left, queued),
            runOf(parked, queued),
            runOf(parked, { status: "awaiting_permission" }),
            runOf(over, { status: "ended", driver: "a" })
          ]
        }))
        const mine = new Set<string>([driven, lost, left, parked, over].map(({ id }) => id))
        const found = (yield* log.unfinishedSessions).filter(({ session_id }) => mine.has(session_id))
        assert.sameDeepMembers([...found], [
          { session_id: driven.id, owner: driven.user_id, driver: "a", fresh: true },
          { session_id: lost.id, owner: lost.user_id, driver: "c", fresh: false },
          { session_id: left.id, owner: left.user_id, driver: null, fresh: true }
        ])
      }))

    it.effect("tells how far many sessions are at once", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const [one, two, empty] = yield* Effect.all([newSession, newSession, newSession])
        yield* log.append(batch({ pages: [pageOf(one, 1, 3), pageOf(one, 4, 9), pageOf(two, 1, 2)] }))
        assert.deepStrictEqual(
          yield* log.heads([one.id, two.id, empty.id]),
          new Map([[one.id, 9], [two.id, 2]])
        )
        assert.strictEqual((yield* log.heads([])).size, 0)
      }))

    it.effect("keeps the last of what one batch says twice", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const { runs } = yield* Storage
        const session = yield* newSession
        const run = runOf(session)
        const message = messageOf("", { role: "assistant", finished_at: null })
        yield* log.append(batch({
          runs: [run, { ...run, status: "ended" }],
          messages: [placedOf(session, 1, message), placedOf(session, 1, { ...message, finished_at: later })]
        }))
        assert.strictEqual((yield* runs.get(session.user_id, run.id)).status, "ended")
        assert.deepStrictEqual((yield* log.recent(session.id, 5)).map((placed) => placed.message.finished_at), [later])
      }))

    it.effect("lists the open runs of a session", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const [session, other] = [yield* newSession, yield* newSession]
        const statuses: ReadonlyArray<RunStatus> = [
          "running",
          "ended",
          "queued",
          "awaiting_permission",
          "queued",
          "awaiting_external_result"
        ]
        const all = statuses.map((status, i) => runOf(i === 4 ? other : session, { status }))
        yield* log.append(batch({ runs: all.toReversed() }))
        assert.deepStrictEqual(yield* log.open(session.id), [all[0]!, all[2]!, all[3]!, all[5]!])
        yield* log.append(batch({ runs: [{ ...all[0]!, status: "ended" }] }))
        assert.deepStrictEqual((yield* log.open(session.id)).map(({ id }) => id), [all[2]!.id, all[3]!.id, all[5]!.id])
      }))

    it.effect("keeps the transcript in the order of its places", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* newSession
        const placed = [1, 4, 9, 10, 30].map((seq) => placedOf(session, seq, messageOf(`at ${seq}`)))
        yield* log.append(batch({ messages: [placed[1]!, placed[0]!] }))
        yield* log.append(batch({ messages: [placed[4]!] }))
        yield* log.append(batch({ messages: [placed[2]!, placed[3]!] }))
        yield* log.append(batch({ messages: [placedOf(yield* newSession, 1, messageOf("elsewhere"))] }))
        const finished = { ...placed[1]!, message: { ...placed[1]!.message, finished_at: later, content: [] } }
        yield* log.append(batch({ messages: [finished] }))
        const all = placed.with(1, finished)
        assert.strictEqual((yield* log.countMessages(session.id, 0)).count, 5)
        for (let offset = 0; offset <= 6; offset++) {
          for (let limit = 0; limit <= 6; limit++) {
            assert.deepStrictEqual(
              yield* log.messages(session.id, { offset, limit }),
              all.slice(offset, offset + limit)
            )
          }
        }
        for (let limit = 0; limit <= 6; limit++) {
          assert.deepStrictEqual(yield* log.recent(session.id, limit), all.slice(Math.max(0, all.length - limit)))
        }
      }))

    it.effect("keeps the same message id in two sessions apart", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const [a, b] = [yield* newSession, yield* newSession]
        const id = freshId() as MessageId
        yield* log.append(
          batch({ messages: [placedOf(a, 1, messageOf("a", { id })), placedOf(b, 1, messageOf("b", { id }))] })
        )
        assert.strictEqual((yield* log.recent(a.id, 1))[0]?.message.content[0]?.id, "b1")
        assert.deepStrictEqual(
          [yield* log.recent(a.id, 1), yield* log.recent(b.id, 1)].map(([placed]) => placed?.message.content[0]),
          ["a", "b"].map((text) => messageOf(text).content[0])
        )
      }))

    it.effect("ends a page of the transcript at so many bytes, and gives a message alone that is larger by itself", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* newSession
        const texts = [1000, 1000, 5000, 10, 10]
        const placed = texts.map((length, i) => placedOf(session, i + 1, messageOf("x".repeat(length))))
        yield* log.append(batch({ messages: placed }))
        const page = (offset: number, limit: number, bytes: number) =>
          Effect.map(log.messages(session.id, { offset, limit, bytes }), (found) => found.map(({ seq }) => seq))
        assert.deepStrictEqual(yield* page(0, 10, 3000), [1, 2])
        assert.deepStrictEqual(yield* page(2, 10, 3000), [3])
        assert.deepStrictEqual(yield* page(3, 10, 3000), [4, 5])
        assert.deepStrictEqual(yield* page(0, 1, 3000), [1])
        assert.strictEqual((yield* log.messages(session.id, { offset: 0, limit: 10 })).length, 5)
      }))

    it.effect("tells of many sessions at once how their open runs stand", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const [busy, parked, idle] = [yield* newSession, yield* newSession, yield* newSession]
        yield* log.append(batch({
          runs: [
            { ...runOf(busy), status: "running" },
            { ...runOf(busy), status: "queued" },
            { ...runOf(parked), status: "awaiting_permission" },
            { ...runOf(idle), status: "ended" }
          ]
        }))
        assert.deepStrictEqual(
          yield* log.openStatuses([idle.id, parked.id, busy.id]),
          new Map([[busy.id, ["running", "queued"]], [parked.id, ["awaiting_permission"]]])
        )
        assert.deepStrictEqual(yield* log.openStatuses([]), new Map())
      }))

    it.effect("one message or run that cannot be read hides none of the others", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* newSession
        const broken = { ...messageOf("two"), created_at: "yesterday" as Timestamp }
        const placed = [messageOf("one"), broken, messageOf("three")].map((message, i) =>
          placedOf(session, i + 1, message)
        )
        const runs = [runOf(session), { ...runOf(session), attempt: 0.5 }, runOf(session)]
        yield* log.append(batch({ messages: placed, runs }))
        const found = yield* log.messages(session.id, { offset: 0, limit: 10 })
        assert.deepStrictEqual(found.map(({ message }) => message.id), placed.map(({ message }) => message.id))
        assert.deepStrictEqual([found[0], found[2]], [placed[0], placed[2]])
        assert.deepStrictEqual((yield* log.recent(session.id, 10)).length, 3)
        assert.includeMembers((yield* log.open(session.id)).map(({ id }) => id), [runs[0]!.id, runs[2]!.id])
      }))

    it.effect("keeps any text byte for byte, in pages, messages and runs", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const { runs } = yield* Storage
        for (const text of strangeTexts) {
          const session = yield* newSession
          const message = messageOf(text, { name: text, metadata: { [text]: [text] } })
          const run = runOf(session, {
            input: [message],
            error: { type: "upstream", code: "x", message: text, retryable: false }
          })
          const page = pageOf(session, 1, 3, { frames: framesOf(1, 3, text) })
          yield* log.append({ pages: [page], runs: [run], messages: [placedOf(session, 1, message)] })
          assert.deepStrictEqual(yield* log.read(session.id, 0, 1), [page])
          assert.deepStrictEqual(yield* log.recent(session.id, 1), [placedOf(session, 1, message)])
          assert.deepStrictEqual(yield* runs.get(session.user_id, run.id), run)
          assert.deepStrictEqual(yield* log.open(session.id), [run])
        }
      }))

    it.effect("enters calls with their pages or not at all, and each once", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const ledger = yield* Ledger
        const session = yield* newSession
        const total = ledger.total(session.user_id, always)
        const [first, second] = [entryOf(session), entryOf(session)]
        yield* log.append(batch({ pages: [pageOf(session, 1, 3)], usage: [first] }))
        assert.deepInclude(yield* total, { calls: 1, input_tokens: 100 })
        yield* Effect.flip(log.append(batch({ pages: [pageOf(session, 1, 3)], usage: [second] })))
        assert.deepInclude(yield* total, { calls: 1 })
        yield* log.append(batch({ pages: [pageOf(session, 4, 5)], usage: [{ ...first, input_tokens: 7 }, second] }))
        assert.deepInclude(yield* total, { calls: 2, input_tokens: 200 })
        const run = runOf(session)
        yield* log.append({
          pages: [pageOf(session, 6, 6, { run_id: run.id })],
          runs: [run],
          messages: [placedOf(session, 6, messageOf("hi"))],
          claims: [],
          usage: [entryOf(session)]
        })
        assert.deepInclude(yield* total, { calls: 3 })
      }))

    it.effect("keeps what was entered when the session goes", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const { sessions } = yield* Storage
        const session = yield* newSession
        yield* log.append(batch({ pages: [pageOf(session, 1, 1)], usage: [entryOf(session)] }))
        yield* sessions.remove(session.user_id, session.id)
        assert.deepInclude(yield* (yield* Ledger).total(session.user_id, always), { calls: 1 })
      }))

    it.effect("takes models with any name and counts of any size", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* newSession
        const names = strangeTexts.filter((name) => name !== "").map((name) => name.slice(0, 256))
        const usage = names.map((model, i) =>
          entryOf(session, {
            model,
            provider: i % 2 === 0 ? model : null,
            session_id: null,
            run_id: null,
            agent_id: null,
            credential_id: null,
            input_tokens: 1e12,
            first_token_ms: null,
            duration_ms: null,
            cost: i % 3 === 0 ? null : 1e-9
          })
        )
        yield* log.append(batch({ pages: [pageOf(session, 1, 1)], usage }))
        const priced = usage.filter(({ cost }) => cost !== null).length
        assert.deepInclude(yield* (yield* Ledger).total(session.user_id, always), {
          calls: names.length,
          input_tokens: names.length * 1e12,
          unpriced_calls: names.length - priced,
          cost: priced / 1e9
        })
      }))

    it.effect("takes ids with any printable character", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* newSession
        const id = `${freshId()},{}"'\\()|$1` as RunId
        const page = pageOf(session, 1, 1, { run_id: id })
        const placed = placedOf(session, 1, messageOf("hi", { id: id as string as MessageId }))
        yield* log.append({ pages: [page], runs: [runOf(session, { id })], messages: [placed] })
        assert.deepStrictEqual(yield* log.read(session.id, 0, 1), [page])
        assert.strictEqual((yield* log.open(session.id))[0]?.id, id)
        assert.deepStrictEqual(yield* log.recent(session.id, 1), [placed])
      }))

    it.effect("takes a flush of many sessions at once", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const sessions = yield* Effect.all(Array.from({ length: 60 }, () => newSession))
        const lengths = sessions.map((_, i) => i % 7 + 1)
        const pages = sessions.map((session, i) => pageOf(session, 1, lengths[i]!))
        const runs = sessions.map((session) => runOf(session))
        yield* log.append({ pages, runs, messages: sessions.map((session) => placedOf(session, 1, messageOf("hi"))) })
        for (const [i, session] of sessions.entries()) {
          assert.deepStrictEqual(yield* log.read(session.id, 0, 5), [pages[i]!])
          assert.deepStrictEqual(yield* log.open(session.id), [runs[i]!])
        }
      }))

    it.effect("a transaction that fails takes its pages along", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const storage = yield* Storage
        const session = yield* newSession
        yield* Effect.ignore(
          storage.transaction(Effect.zipRight(log.append(batch({ pages: [pageOf(session, 1, 1)] })), Effect.fail("no")))
        )
        assert.deepStrictEqual(yield* log.range(session.id), { first: 1, last: 0 })
        yield* storage.transaction(log.append(batch({ pages: [pageOf(session, 1, 2)] })))
        assert.deepStrictEqual(yield* log.range(session.id), { first: 1, last: 2 })
      }))
  })

/** `framesAfter` needs no layer: it cuts what was written anywhere. */
export const framesAfterProperty = (): void =>
  it.prop(
    "framesAfter cuts a page where splitting it would",
    [
      FastCheck.array(FastCheck.jsonValue(), { minLength: 1, maxLength: 12 }),
      FastCheck.nat(1_000_000),
      FastCheck.integer({ min: -2, max: 15 })
    ],
    ([events, before, skip]) => {
      const first_seq = before + 1
      const frames = events.map((event, i) => `id: ${first_seq + i}\ndata: ${JSON.stringify(event)}\n\n`)
      const page = pageOf({ id: "s" as SessionId }, first_seq, before + events.length, { frames: frames.join("") })
      assert.strictEqual(framesAfter(page, before + skip), frames.slice(Math.max(0, skip)).join(""))
    }
  )
