import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Layer, Scope, TestClock } from "effect"
import { frame } from "../../src/domain/Event.ts"
import { eventsOf } from "../../src/domain/Frames.ts"
import type { BlockId, MessageId, RunId, SessionId, UserId } from "../../src/domain/Ids.ts"
import * as PeersMemory from "../../src/layers/Peers/Memory.ts"
import * as RoomsLocal from "../../src/layers/Rooms/Local.ts"
import { AppendRefused, EventLog, type LogBatch, type LogPage } from "../../src/services/EventLog.ts"
import { Peers, type Received } from "../../src/services/Peers.ts"
import { type Room, Rooms } from "../../src/services/Rooms.ts"
import { watcher } from "../support/hub.ts"
import { patience } from "../support/Patience.ts"

type Append = (batch: LogBatch) => Effect.Effect<void, AppendRefused>

/** A log in an array, whose `append` a test may stand in front of. */
const fakeLog = () => {
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
    range: typeof EventLog.Service.range | undefined
  } = { append: keep, keep, pages, batches, range: undefined }
  const log = EventLog.of({
    append: (batch) => control.append(batch),
    read: (session, after, limit) =>
      Effect.sync(() => pages.filter((page) => page.session_id === session && page.last_seq > after).slice(0, limit)),
    replay: (session, after) =>
      Effect.sync(() => {
        const read = pages.filter((page) => page.session_id === session && page.last_seq > after)
        const [first] = read
        return first && { ...first, last_seq: read.at(-1)!.last_seq, frames: read.map(({ frames }) => frames).join("") }
      }),
    range: (session) =>
      control.range?.(session) ??
        Effect.sync(() => ({ first: 1, last: pages.findLast((page) => page.session_id === session)?.last_seq ?? 0 })),
    messages: () => Effect.succeed([]),
    recent: () => Effect.succeed([]),
    countMessages: () => Effect.succeed(0),
    unfinished: Effect.succeed([]),
    unfinishedSessions: Effect.succeed([]),
    heads: (sessions) =>
      Effect.sync(() =>
        new Map(sessions.map((id) => [id, pages.findLast((page) => page.session_id === id)?.last_seq ?? 0]))
      ),
    open: () => Effect.succeed([]),
    parked: () => Effect.succeed([]),
    prune: () => Effect.succeed(false)
  })
  const over = <E>(peers: Layer.Layer<Peers, E>) =>
    RoomsLocal.layer.pipe(Layer.provide(Layer.merge(Layer.succeed(EventLog, log), peers)))
  return { control, layer: over(PeersMemory.layer), over }
}

const run = "run" as RunId
const delta = (text: string, block = "b") =>
  ({ type: "TEXT_BLOCK_DELTA", reply_id: "r" as MessageId, block_id: block as BlockId, delta: text }) as const

const roomOf = (name: string) =>
  Effect.flatMap(Rooms, (rooms) => rooms.get({ id: name as SessionId, user_id: "ada" as UserId }))

const custom = (room: Room, name: string) => room.emit(run, { type: "CUSTOM", name, value: null })

/** A peers that the test notices. */
const fakePeers = () => {
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
const writtenElsewhere = (session: string, from: number, to: number): ReadonlyArray<LogPage> =>
  Array.from({ length: to - from + 1 }, (_, i) => ({
    session_id: session as SessionId,
    first_seq: from + i,
    last_seq: from + i,
    run_id: run,
    ends: false,
    frames: frame(from + i, JSON.stringify({ id: "e", created_at: "t", type: "CUSTOM", name: "x", value: null }))
  }))

const promise = (
  title: string,
  body: (control: ReturnType<typeof fakeLog>["control"]) => Effect.Effect<void, unknown, Rooms | Scope.Scope>
) =>
  it.live(title, () => {
    const { control, layer } = fakeLog()
    return body(control).pipe(Effect.scoped, Effect.provide(layer), Effect.timeout(patience(10_000)))
  })

describe("Rooms", () => {
  promise(
    "end a replay whose next events were removed meanwhile, and hide no gap",
    (control) =>
      Effect.gen(function*() {
        const session_id = "s" as SessionId
        control.pages.push({
          session_id,
          first_seq: 7,
          last_seq: 8,
          run_id: run,
          ends: true,
          frames: "id: 7\ndata: {}\n\nid: 8\ndata: {}\n\n"
        })
        const room = yield* roomOf("s")
        const [late, fresh] = [watcher(), watcher()]
        yield* room.attach(late, { after: 2 })
        assert.strictEqual(yield* Deferred.await(late.ended), "gone")
        assert.strictEqual(late.frames(), "")
        yield* room.attach(fresh, { after: 0 })
        assert.deepStrictEqual(fresh.events().map(({ seq }) => seq), [7, 8])
      })
  )

  promise("show nobody an event before the log has it", (control) =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      control.append = (batch) => Effect.zipRight(Deferred.await(gate), control.keep(batch))
      const room = yield* roomOf("s")
      const seen = watcher()
      yield* room.attach(seen, { after: 0 })
      custom(room, "a")
      yield* Effect.sleep("30 millis")
      assert.strictEqual(seen.frames(), "")
      assert.strictEqual(room.head(), 0)
      yield* Deferred.succeed(gate, undefined)
      yield* room.durable
      assert.deepStrictEqual(seen.events().map(({ seq }) => seq), [1])
    }))

  promise("write what many sessions have waiting in one batch", (control) =>
    Effect.gen(function*() {
      const rooms = yield* Effect.forEach(Array.from({ length: 20 }, (_, i) => `s${i}`), roomOf)
      for (const room of rooms) custom(room, "a")
      yield* Effect.forEach(rooms, (room) => room.durable)
      assert.strictEqual(control.batches.length, 1)
      assert.strictEqual(control.batches[0]!.pages.length, 20)
    }))

  promise("join deltas of a block that wait together, and lose no text", (control) =>
    Effect.gen(function*() {
      const room = yield* roomOf("s")
      for (const word of ["a", "b", "c"]) room.emit(run, delta(word))
      for (const word of ["x", "y"]) room.emit(run, delta(word, "other"))
      room.emit(run, delta("d"))
      custom(room, "end")
      room.emit(run, delta("e"))
      yield* room.durable
      const events = control.pages.flatMap((page) => eventsOf(page.frames))
      assert.deepStrictEqual(events.map(({ seq }) => seq), [1, 2, 3, 4])
      assert.deepStrictEqual(
        events.map(({ event }) => event.type === "TEXT_BLOCK_DELTA" ? `${event.block_id}:${event.delta}` : event.type),
        ["b:abcd", "other:xy", "CUSTOM", "b:e"]
      )
    }))

  promise("end a page where a run ends, and where another begins", (control) =>
    Effect.gen(function*() {
      const room = yield* roomOf("s")
      custom(room, "a")
      room.emit("other" as RunId, { type: "RUN_QUEUED", session_id: room.session_id, run_id: "other" as RunId })
      custom(room, "b")
      room.emit(run, {
        type: "RUN_PARKED",
        session_id: room.session_id,
        run_id: run,
        reply_id: "r" as MessageId,
        waiting_for: "user_confirmation"
      })
      custom(room, "c")
      yield* room.durable
      assert.deepStrictEqual(
        control.pages.map(({ ends, first_seq, last_seq, run_id }) => `${first_seq}-${last_seq} ${run_id} ${ends}`),
        ["1-1 run false", "2-2 other false", "3-4 run true", "5-5 run false"]
      )
    }))

  promise("stop a writer whose session has another owner", (control) =>
    Effect.gen(function*() {
      const room = yield* roomOf("s")
      const seen = watcher()
      yield* room.attach(seen, { after: 0 })
      control.append = () => Effect.fail(new AppendRefused({ reason: "fenced" }))
      custom(room, "a")
      const error = yield* Effect.flip(room.durable)
      assert.deepInclude(error, { _tag: "AppendRefused", reason: "fenced" })
      assert.strictEqual(yield* Deferred.await(seen.ended), "closing")
      assert.strictEqual(seen.frames(), "")
    }))

  promise("write nothing that comes after a refused page", (control) =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      control.append = () => Effect.zipRight(Deferred.await(gate), new AppendRefused({ reason: "fenced" }))
      const room = yield* roomOf("s")
      custom(room, "refused")
      yield* Effect.sleep("30 millis")
      custom(room, "after")
      control.append = control.keep
      yield* Deferred.succeed(gate, undefined)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(room.durable)))
      custom(room, "late")
      yield* Effect.sleep("30 millis")
      assert.deepStrictEqual(control.pages, [])
    }))

  promise("let one session's refusal touch no other", (control) =>
    Effect.gen(function*() {
      control.append = (batch) =>
        batch.pages.some((page) => page.session_id === "bad")
          ? Effect.fail(new AppendRefused({ reason: "fenced" }))
          : control.keep(batch)
      const good = yield* roomOf("good")
      const bad = yield* roomOf("bad")
      custom(bad, "a")
      custom(good, "a")
      yield* good.durable
      assert.isTrue(Exit.isFailure(yield* Effect.exit(bad.durable)))
      assert.deepStrictEqual(control.pages.map(({ session_id }) => session_id), ["good"])
    }))

  promise(
    "refuse a new input while storage is away, keep nothing of it, and take it afterwards",
    (control) =>
      Effect.gen(function*() {
        const rooms = yield* Rooms
        control.append = () => Effect.die("disk full")
        const room = yield* roomOf("s")
        custom(room, "lost")
        const error = yield* Effect.flip(room.accepted(true))
        assert.deepInclude(error, { _tag: "Unavailable", code: "storage_unavailable" })
        assert.isFalse(yield* rooms.healthy)
        control.append = control.keep
        const again = yield* roomOf("s")
        custom(again, "kept")
        yield* again.accepted(true)
        assert.isTrue(yield* rooms.healthy)
        assert.deepStrictEqual(
          control.pages.flatMap((page) => eventsOf(page.frames)).map((
            { event, seq }
          ) => [seq, "name" in event && event.name]),
          [[1, "kept"]]
        )
      })
  )

  promise(
    "answer an input in time when the log does not answer at all, and hold up no other",
    (control) =>
      Effect.gen(function*() {
        const rooms = yield* Rooms
        const room = yield* roomOf("busy")
        control.append = () => Effect.never
        custom(room, "goes on")
        const waits = yield* Effect.fork(Effect.timed(Effect.flip(room.accepted(false))))
        const idle = yield* roomOf("idle")
        custom(idle, "new")
        const [took, error] = yield* Effect.timed(Effect.flip(idle.accepted(true)))
        assert.strictEqual(error._tag, "Unavailable")
        assert.isBelow(Duration.toMillis(took), patience(1_800))
        assert.isBelow(Duration.toMillis((yield* Fiber.join(waits))[0]), 1_800)
        assert.isTrue(rooms.isHeldUp())
        assert.strictEqual((yield* roomOf("idle")).last(), 0)
        assert.strictEqual((yield* roomOf("busy")).last(), 1)
      })
  )

  promise("are made again when storage answers again", (control) =>
    Effect.gen(function*() {
      control.range = () => Effect.die("away")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(roomOf("s"))))
      control.range = undefined
      assert.strictEqual((yield* roomOf("s")).head(), 0)
    }))

  it.scoped("are one at a time for each session, whoever still holds one that could not go on", () => {
    const { control, layer } = fakeLog()
    return Effect.gen(function*() {
      const scope = yield* Scope.make()
      const first = yield* Scope.extend(roomOf("s"), scope)
      control.append = () => Effect.fail(new AppendRefused({ reason: "fenced" }))
      custom(first, "lost")
      yield* Effect.flip(first.durable)
      control.append = control.keep
      const second = yield* roomOf("s")
      assert.notStrictEqual(second, first)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* roomOf("s"), second)
    }).pipe(Effect.provide(layer))
  })

  promise("hold a run's events while storage is away, and lose and repeat none", (control) =>
    Effect.gen(function*() {
      const room = yield* roomOf("s")
      const seen = watcher()
      yield* room.attach(seen, { after: 0 })
      custom(room, "before")
      yield* room.durable
      control.append = () => Effect.die("connection lost")
      for (let i = 0; i < 5; i++) {
        custom(room, `during ${i}`)
        yield* Effect.sleep("20 millis")
      }
      control.append = control.keep
      yield* room.durable
      assert.deepStrictEqual(seen.events().map(({ seq }) => seq), [1, 2, 3, 4, 5, 6])
    }))

  promise("ask producers to wait when a mebibyte waits for the log", (control) =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      control.append = (batch) => Effect.zipRight(Deferred.await(gate), control.keep(batch))
      const room = yield* roomOf("s")
      assert.isUndefined(room.behind())
      room.emit(run, delta("x".repeat(1024 * 1024)))
      const behind = room.behind()
      assert.isDefined(behind)
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.promise(() => behind!)
      assert.isUndefined(room.behind())
    }))

  promise("replay from the log what memory no longer holds, then go live", (control) =>
    Effect.gen(function*() {
      const room = yield* roomOf("s")
      for (let i = 0; i < 40; i++) {
        room.emit(run, { type: "CUSTOM", name: "big", value: "x".repeat(10_000) })
        yield* room.durable
      }
      const seen = watcher()
      yield* room.attach(seen, { after: 3 })
      custom(room, "live")
      yield* room.durable
      assert.deepStrictEqual(seen.events().map(({ seq }) => seq), Array.from({ length: 38 }, (_, i) => i + 4))
      assert.strictEqual(control.pages.length, 41)
    }))

  promise("end all streams when the server stops, and begin no new ones", () =>
    Effect.gen(function*() {
      const rooms = yield* Rooms
      const room = yield* roomOf("s")
      const [before, after] = [watcher(), watcher()]
      yield* room.attach(before, { after: 0 })
      yield* rooms.close("stopping")
      yield* room.attach(after, { after: 0 })
      assert.deepStrictEqual([yield* Deferred.await(before.ended), yield* Deferred.await(after.ended)], [
        "stopping",
        "stopping"
      ])
    }))

  it.live("follow what another process writes, and repeat nothing for those who joined while the log was ahead", () => {
    const { control, over } = fakeLog()
    const { receive, layer } = fakePeers()
    return Effect.gen(function*() {
      control.pages.push(...writtenElsewhere("s", 1, 2))
      const room = yield* roomOf("s")
      const early = watcher()
      yield* room.attach(early, { after: 2 })
      control.pages.push(...writtenElsewhere("s", 3, 3))
      const late = watcher()
      yield* room.attach(late, { after: 0 })
      assert.deepStrictEqual(late.events().map(({ seq }) => seq), [1, 2, 3])
      assert.deepStrictEqual(early.events(), [])
      control.pages.push(...writtenElsewhere("s", 4, 5))
      receive({ type: "pages", session: room.session_id })
      yield* Effect.sleep("30 millis")
      assert.deepStrictEqual(early.events().map(({ seq }) => seq), [3, 4, 5])
      assert.deepStrictEqual(late.events().map(({ seq }) => seq), [1, 2, 3, 4, 5])
      assert.strictEqual(room.head(), 5)
      custom(room, "mine")
      yield* room.durable
      for (const seen of [early, late]) assert.strictEqual(seen.events().at(-1)!.seq, 6)
    }).pipe(Effect.scoped, Effect.provide(over(layer)), Effect.timeout(patience(10_000)))
  })

  it.live("find by looking what they did not receive of", () => {
    const { control, over } = fakeLog()
    const { receive, layer } = fakePeers()
    return Effect.gen(function*() {
      const room = yield* roomOf("s")
      const seen = watcher()
      yield* room.attach(seen, { after: 0 })
      control.pages.push(...writtenElsewhere("s", 1, 3))
      receive({ type: "look" })
      yield* Effect.sleep("30 millis")
      assert.deepStrictEqual(seen.events().map(({ seq }) => seq), [1, 2, 3])
    }).pipe(Effect.scoped, Effect.provide(over(layer)), Effect.timeout(patience(10_000)))
  })

  it.live("move the subscribers of one that another process has overtaken, without a gap or a repeat", () => {
    const { control, over } = fakeLog()
    const { layer } = fakePeers()
    return Effect.gen(function*() {
      const room = yield* roomOf("s")
      const seen = watcher()
      yield* room.attach(seen, { after: 0 })
      control.pages.push(...writtenElsewhere("s", 1, 3))
      control.append = () => Effect.fail(new AppendRefused({ reason: "fenced" }))
      custom(room, "never")
      assert.strictEqual((yield* Effect.flip(room.durable)).reason, "fenced")
      yield* Effect.sleep("30 millis")
      assert.deepStrictEqual(seen.events().map(({ seq }) => seq), [1, 2, 3])
      control.append = control.keep
      const next = yield* roomOf("s")
      custom(next, "more")
      yield* next.durable
      assert.deepStrictEqual(seen.events().map(({ seq }) => seq), [1, 2, 3, 4])
    }).pipe(Effect.scoped, Effect.provide(over(layer)), Effect.timeout(patience(10_000)))
  })
})
