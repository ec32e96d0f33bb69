/** Rooms over a log in an array, which a test may stand in front of, and beside another process. */
import { it } from "@effect/vitest"
import type { Scope } from "effect"
import { Effect, Layer } from "effect"
import { frame } from "../../src/domain/Event.ts"
import type { BlockId, MessageId, RunId, SessionId, UserId } from "../../src/domain/Ids.ts"
import type { Run } from "../../src/domain/Run.ts"
import * as PeersMemory from "../../src/layers/Peers/Memory.ts"
import * as RoomsLocal from "../../src/layers/Rooms/Local.ts"
import type { AppendRefused } from "../../src/services/EventLog.ts"
import { EventLog, type LogBatch, type LogPage, type PlacedMessage } from "../../src/services/EventLog.ts"
import { Peers, type Received } from "../../src/services/Peers.ts"
import { type Room, Rooms } from "../../src/services/Rooms.ts"
import { foreign } from "./events.ts"
import { patience } from "./Patience.ts"

type Append = (batch: LogBatch) => Effect.Effect<void, AppendRefused>

/** A log in an array, whose `append` a test may stand in front of. */
export const fakeLog = () => {
  const pages: Array<LogPage> = []
  const batches: Array<LogBatch> = []
  const keep: Append = (batch) =>
    Effect.sync(() => {
      batches.push(batch)
      pages.push(...batch.pages)
    })
  const control: {
    append: Append
    readonly keep: Append
    readonly pages: Array<LogPage>
    readonly batches: Array<LogBatch>
    snapshot: typeof EventLog.Service.snapshot | undefined
    /** What is asked before pages are read. */
    reading: Effect.Effect<void>
    reads: number
    open: ReadonlyArray<Run>
    recent: ReadonlyArray<PlacedMessage>
  } = { append: keep, keep, pages, batches, snapshot: undefined, reading: Effect.void, reads: 0, open: [], recent: [] }
  const log = EventLog.of({
    append: (batch) => control.append(batch),
    read: (session, after, limit) =>
      Effect.zipRight(
        Effect.suspend(() => {
          control.reads++
          return control.reading
        }),
        Effect.sync(() => pages.filter((page) => page.session_id === session && page.last_seq > after).slice(0, limit))
      ),
    replay: (session, after) =>
      Effect.sync(() => {
        const read = pages.filter((page) => page.session_id === session && page.last_seq > after)
        const [first] = read
        return first && { ...first, last_seq: read.at(-1)!.last_seq, frames: read.map(({ frames }) => frames).join("") }
      }),
    range: (session) =>
      Effect.sync(() => ({ first: 1, last: pages.findLast((page) => page.session_id === session)?.last_seq ?? 0 })),
    snapshot: (...asked) =>
      control.snapshot?.(...asked) ?? Effect.sync(() => ({
        last: pages.findLast((page) => page.session_id === asked[0])?.last_seq ?? 0,
        open: [],
        messages: [],
        compaction: undefined
      })),
    messages: () => Effect.succeed([]),
    older: () => Effect.succeed({ messages: [], more: false }),
    newer: () => Effect.succeed([]),
    look: () => Effect.succeed({ messages: [], last: undefined, bytes: 0, more: false }),
    compaction: () => Effect.succeed(undefined),
    placeOf: () => Effect.succeed(undefined),
    recent: (_session, limit) => Effect.sync(() => control.recent.slice(-limit)),
    endAfter: () => Effect.succeed(undefined),
    countMessages: (_session, last) => Effect.succeed({ count: 0, last }),
    unfinishedSessions: Effect.succeed([]),
    heads: (sessions) =>
      Effect.sync(() =>
        new Map(sessions.map((id) => [id, pages.findLast((page) => page.session_id === id)?.last_seq ?? 0]))
      ),
    open: () => Effect.sync(() => control.open),
    openStatuses: () => Effect.succeed(new Map()),
    parked: () => Effect.succeed([]),
    prune: () => Effect.succeed(false)
  })
  const over = <E>(peers: Layer.Layer<Peers, E>) =>
    RoomsLocal.layer.pipe(Layer.provide(Layer.merge(Layer.succeed(EventLog, log), peers)))
  return { control, layer: over(PeersMemory.layer), over }
}

export const run = "run" as RunId
export const delta = (text: string, block = "b") =>
  ({ type: "TEXT_BLOCK_DELTA", reply_id: "r" as MessageId, block_id: block as BlockId, delta: text }) as const

export const roomOf = (name: string) =>
  Effect.flatMap(Rooms, (rooms) => rooms.get({ id: name as SessionId, user_id: "ada" as UserId }))

export const custom = (room: Room, name: string) => room.emit(run, foreign(name))

export const numbersOf = (from: number, to: number, prefix: string) =>
  Array.from({ length: to - from + 1 }, (_, i) => `${prefix}${from + i}`)

/** A peers that the test notices. */
export const fakePeers = () => {
  const listeners: Array<(received: Received) => void> = []
  const peers = Peers.of({
    self: "here",
    alone: false,
    notify: () => {},
    listen: (receive) => Effect.sync(() => void listeners.push(receive)),
    living: Effect.succeed(new Set(["here", "there"]))
  })
  const receive = (received: Received) => {
    for (const call of listeners) call(received)
  }
  return { layer: Layer.succeed(Peers, peers), receive }
}

/** Pages that another process wrote, an event each. */
export const writtenElsewhere = (session: string, from: number, to: number): ReadonlyArray<LogPage> =>
  Array.from({ length: to - from + 1 }, (_, i) => ({
    session_id: session as SessionId,
    first_seq: from + i,
    last_seq: from + i,
    run_id: run,
    ends: false,
    frames: frame(from + i, JSON.stringify({ id: "e", created_at: "t", type: "CUSTOM", name: "x", value: {} }))
  }))

export const promise = (
  title: string,
  body: (control: ReturnType<typeof fakeLog>["control"]) => Effect.Effect<void, unknown, Rooms | Scope.Scope>
) =>
  it.live(title, () => {
    const { control, layer } = fakeLog()
    return body(control).pipe(Effect.scoped, Effect.provide(layer), Effect.timeout(patience(10_000)))
  })
