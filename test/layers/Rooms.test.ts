import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Runtime, Scope, TestClock } from "effect"
import { eventsOf } from "../../src/domain/Frames.ts"
import type { BlockId, MessageId, RunId, SessionId, Timestamp } from "../../src/domain/Ids.ts"
import type { Message } from "../../src/domain/Message.ts"
import { AppendRefused, type LogBatch } from "../../src/services/EventLog.ts"
import { Rooms } from "../../src/services/Rooms.ts"
import { foreign } from "../support/events.ts"
import { watcher } from "../support/hub.ts"
import { patience } from "../support/Patience.ts"
import {
  custom,
  delta,
  fakeLog,
  fakePeers,
  numbersOf,
  promise,
  roomOf,
  run,
  writtenElsewhere
} from "../support/rooms.ts"

describe("Rooms", () => {
  promise("are one for all who ask for a session in the same moment", (control) =>
    Effect.gen(function*() {
      const scope = yield* Effect.scope
      const runtime = yield* Effect.runtime<Rooms>()
      const snapshots: Array<string> = []
      control.snapshot = (session) =>
        Effect.as(Effect.sync(() => snapshots.push(session)), {
          last: 0,
          open: [],
          messages: [],
          compaction: undefined
        })
      // Each in a fiber that nobody has begun yet, as requests come.
      const fork = (name: string) => Runtime.runFork(runtime)(Scope.extend(roomOf(name), scope))
      const rooms = yield* Fiber.joinAll([fork("a"), fork("a"), fork("b"), fork("a")])
      assert.strictEqual(new Set(rooms).size, 2)
      assert.sameMembers(snapshots, ["a", "b"])
    }))

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
      const other = "other" as RunId
      room.emit(other, {
        type: "CUSTOM",
        name: "run_queued",
        value: { session_id: room.session_id, run_id: other }
      })
      custom(room, "b")
      room.emit(run, {
        type: "CUSTOM",
        name: "run_parked",
        value: {
          session_id: room.session_id,
          run_id: run,
          reply_id: "r" as MessageId,
          waiting_for: "user_confirmation"
        }
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
        assert.isBelow(Duration.toMillis((yield* Fiber.join(waits))[0]), patience(1_800))
        assert.isTrue(rooms.isHeldUp())
        assert.strictEqual((yield* roomOf("idle")).last(), 0)
        assert.strictEqual((yield* roomOf("busy")).last(), 1)
      })
  )

  promise(
    "refuse a room alone whose events cannot be encoded, and write all others",
    (control) =>
      Effect.gen(function*() {
        const rooms = yield* Rooms
        const [before, poison, after] = [yield* roomOf("before"), yield* roomOf("poison"), yield* roomOf("after")]
        custom(before, "a")
        poison.emit(
          run,
          foreign("poison", {
            get broken(): never {
              throw new RangeError("Invalid string length")
            }
          })
        )
        custom(after, "a")
        assert.deepInclude(yield* Effect.flip(poison.durable), { _tag: "AppendRefused", reason: "broken" })
        yield* before.durable
        yield* after.durable
        for (const room of [before, after]) {
          custom(room, "b")
          yield* room.durable
        }
        assert.isTrue(yield* rooms.healthy)
        const next = yield* roomOf("poison")
        custom(next, "goes on")
        yield* next.durable
        assert.strictEqual(control.pages.filter(({ session_id }) => session_id === "poison").length, 1)
      })
  )

  promise("refuse a room alone whose batch the log cannot encode", (control) =>
    Effect.gen(function*() {
      const rooms = yield* Rooms
      control.append = (batch) => {
        if (batch.pages.some(({ frames }) => frames.includes("poison"))) throw new RangeError("Invalid string length")
        return control.keep(batch)
      }
      const [one, poison, two] = [yield* roomOf("one"), yield* roomOf("poison"), yield* roomOf("two")]
      custom(one, "a")
      custom(poison, "poison")
      custom(two, "a")
      assert.strictEqual((yield* Effect.flip(poison.durable)).reason, "broken")
      yield* one.durable
      yield* two.durable
      custom(yield* roomOf("poison"), "poison")
      assert.strictEqual((yield* Effect.flip((yield* roomOf("poison")).durable)).reason, "broken")
      custom(one, "b")
      yield* one.durable
      assert.isTrue(yield* rooms.healthy)
    }))

  promise(
    "write two of three batches when storage breaks on the third each time, and refuse that one",
    (control) =>
      Effect.gen(function*() {
        const rooms = yield* Rooms
        control.append = (batch) =>
          batch.pages.some(({ session_id }) => session_id === "poison")
            ? Effect.die("this batch breaks something")
            : control.keep(batch)
        const [one, poison, two] = [yield* roomOf("one"), yield* roomOf("poison"), yield* roomOf("two")]
        for (const room of [one, poison, two]) custom(room, "a")
        yield* one.durable
        yield* two.durable
        assert.strictEqual((yield* Effect.flip(poison.durable)).reason, "broken")
        assert.isTrue(yield* rooms.healthy)
        assert.sameMembers(control.pages.map(({ session_id }) => session_id), ["one", "two"])
      })
  )

  promise("refuse nobody whose batch failed only while storage was coming back", (control) =>
    Effect.gen(function*() {
      const rooms = yield* Effect.forEach(["a", "b", "c", "d"], roomOf)
      let failures = 0
      // Storage is back in the middle of a pass over the rooms: the first ones have failed then, the last ones not.
      control.append = (batch) => ++failures <= 6 ? Effect.die("connection lost") : control.keep(batch)
      for (const room of rooms) custom(room, "a")
      yield* Effect.forEach(rooms, (room) => room.durable)
      assert.strictEqual(control.pages.length, 4)
    }))

  promise("go on when what was to be called throws", (control) =>
    Effect.gen(function*() {
      const room = yield* roomOf("s")
      const seen = watcher()
      const broken = watcher()
      yield* room.attach({
        ...broken,
        write: () => {
          throw new Error("This socket is broken")
        }
      }, { after: 0 })
      yield* room.attach(seen, { after: 0 })
      let called = false
      custom(room, "a")
      room.whenDurable(() => {
        throw new Error("A bug")
      })
      room.whenDurable(() => {
        called = true
      })
      yield* room.durable
      assert.isTrue(called)
      custom(room, "b")
      yield* room.durable
      yield* Deferred.await(broken.ended)
      assert.deepStrictEqual(seen.events().map(({ seq }) => seq), [1, 2])

      let refused = false
      room.whenRefused(() => {
        throw new Error("A bug")
      })
      room.whenRefused(() => {
        refused = true
      })
      control.append = () => Effect.fail(new AppendRefused({ reason: "fenced" }))
      custom(room, "c")
      assert.strictEqual((yield* Effect.flip(room.durable)).reason, "fenced")
      assert.isTrue(refused)
      control.append = control.keep
      const next = yield* roomOf("s")
      custom(next, "d")
      yield* next.durable
    }))

  promise("say that they are not healthy while a flush does not come back", (control) =>
    Effect.gen(function*() {
      const rooms = yield* Rooms
      const gate = yield* Deferred.make<void>()
      control.append = (batch) => Effect.zipRight(Deferred.await(gate), control.keep(batch))
      const room = yield* roomOf("s")
      assert.isTrue(yield* rooms.healthy)
      custom(room, "a")
      yield* Effect.repeat(Effect.delay(rooms.healthy, "50 millis"), { until: (healthy) => !healthy })
      yield* Deferred.succeed(gate, undefined)
      yield* room.durable
      yield* Effect.repeat(Effect.delay(rooms.healthy, "10 millis"), { until: (healthy) => healthy })
    }))

  promise("are made again when storage answers again", (control) =>
    Effect.gen(function*() {
      control.snapshot = () => Effect.die("away")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(roomOf("s"))))
      control.snapshot = undefined
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
        room.emit(run, foreign("big", { big: "x".repeat(10_000) }))
        yield* room.durable
      }
      const seen = watcher()
      yield* room.attach(seen, { after: 3 })
      custom(room, "live")
      yield* room.durable
      assert.deepStrictEqual(seen.events().map(({ seq }) => seq), Array.from({ length: 38 }, (_, i) => i + 4))
      assert.strictEqual(control.pages.length, 41)
    }))

  promise("keep deltas in pieces of a bounded length, whatever waits together", (control) =>
    Effect.gen(function*() {
      const room = yield* roomOf("s")
      const text = "x".repeat(200 * 1024)
      for (let i = 0; i < 5; i++) room.emit(run, delta(text))
      yield* room.durable
      const events = control.pages.flatMap((page) => eventsOf(page.frames))
      for (const { event } of events) assert.isAtMost("delta" in event ? event.delta.length : 0, 256 * 1024)
      assert.strictEqual(events.map(({ event }) => "delta" in event ? event.delta : "").join(""), text.repeat(5))
      assert.deepStrictEqual(events.map(({ seq }) => seq), events.map((_, i) => i + 1))
    }))

  promise(
    "write what many have waiting in more than one flush when it is much, and lose nothing",
    (control) =>
      Effect.gen(function*() {
        const rooms = yield* Effect.forEach(Array.from({ length: 20 }, (_, i) => `s${i}`), roomOf)
        for (const room of rooms) room.emit(run, foreign("big", { big: "x".repeat(900_000) }))
        yield* Effect.forEach(rooms, (room) => room.durable)
        assert.strictEqual(control.pages.length, 20)
        for (const { pages } of control.batches) {
          assert.isAtMost(pages.reduce((size, { frames }) => size + frames.length, 0), 6_000_000)
        }
      })
  )

  it.scoped("cut a replay off whose reader reads nothing, and give it no more than it may leave unread", () => {
    const { control, layer } = fakeLog()
    return Effect.gen(function*() {
      control.pages.push(...writtenElsewhere("s", 1, 100))
      const room = yield* roomOf("s")
      for (const only of [undefined, run]) {
        const stalled = watcher({ stalled: true })
        const subscription = only === undefined ? { after: 0 } : { after: 0, only }
        yield* Effect.forkScoped(room.attach({ ...stalled, drained: Effect.never }, subscription))
        yield* TestClock.adjust("29 seconds")
        assert.isFalse(yield* Deferred.isDone(stalled.ended))
        const given = stalled.frames().length
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(yield* Deferred.await(stalled.ended), "lagging")
        assert.strictEqual(stalled.frames().length, given)
      }
    }).pipe(Effect.provide(layer))
  })

  it.scoped("go on with a replay whose reader is slow", () => {
    const { control, layer } = fakeLog()
    return Effect.gen(function*() {
      control.pages.push(...writtenElsewhere("s", 1, 100))
      const room = yield* roomOf("s")
      const slow = watcher()
      let unread = 1_000
      const sink = {
        ...slow,
        unread: () => unread,
        drained: Effect.suspend(() => unread === 0 ? Effect.void : Effect.never)
      }
      const attached = yield* Effect.forkScoped(room.attach(sink, { after: 0 }))
      for (; unread > 0; unread -= 100) yield* TestClock.adjust("20 seconds")
      yield* TestClock.adjust("31 seconds")
      assert.isFalse(yield* Deferred.isDone(slow.ended))
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(attached)))
      assert.strictEqual(slow.events().length, 100)
    }).pipe(Effect.provide(layer))
  })

  const messageOfSize = (id: string, size: number): Message => ({
    id: id as MessageId,
    name: "ada",
    role: "user",
    content: [{ type: "text", id: `${id}-b` as BlockId, text: "x".repeat(size) }],
    metadata: {},
    created_at: "2026-01-01T00:00:00.000Z" as Timestamp,
    finished_at: null,
    usage: null
  })

  promise("keep the newest 2,000 messages, and no more than eight mebibytes of them", () =>
    Effect.gen(function*() {
      const room = yield* roomOf("many")
      for (let i = 1; i <= 2_100; i++) {
        const { seq } = custom(room, "a")
        room.place(seq, messageOfSize(`m${i}`, 1))
      }
      yield* room.durable
      assert.deepStrictEqual(room.context().map(({ id }) => id as string), numbersOf(101, 2_100, "m"))
      const big = yield* roomOf("big")
      for (let i = 1; i <= 40; i++) {
        const { seq } = custom(big, "a")
        big.place(seq, messageOfSize(`m${i}`, 1_000_000))
        // A reply that parks is placed again when it goes on: it counts once.
        big.place(seq, messageOfSize(`m${i}`, 1_000_000))
      }
      yield* big.durable
      assert.deepStrictEqual(big.context().map(({ id }) => id as string), numbersOf(33, 40, "m"))
      const { seq } = custom(big, "a")
      big.place(seq, messageOfSize("huge", 20_000_000))
      assert.deepStrictEqual(big.context().map(({ id }) => id as string), ["huge"])
      yield* big.durable
    }))

  promise("leave the context as it is for whoever was given it", () =>
    Effect.gen(function*() {
      const room = yield* roomOf("s")
      room.place(custom(room, "a").seq, messageOfSize("one", 1))
      const before = room.context()
      room.place(custom(room, "b").seq, messageOfSize("two", 1))
      assert.deepStrictEqual(before.map(({ id }) => id as string), ["one"])
      assert.deepStrictEqual(room.context().map(({ id }) => id as string), ["one", "two"])
      yield* room.durable
    }))

  promise(
    "ask the log once when they are made, and not at all for a session that was made here",
    (control) =>
      Effect.gen(function*() {
        const rooms = yield* Rooms
        let asked = 0
        const count = () => {
          asked++
          return Effect.succeed({ last: 7, open: [], messages: [], compaction: undefined })
        }
        control.snapshot = count
        assert.strictEqual((yield* roomOf("old")).head(), 7)
        assert.strictEqual(asked, 1)
        rooms.created("new" as SessionId)
        assert.strictEqual((yield* roomOf("new")).head(), 0)
        assert.strictEqual(asked, 1)
        // The next room of that session is made from the log.
        yield* rooms.forget("new" as SessionId)
        assert.strictEqual((yield* roomOf("new")).head(), 7)
        assert.strictEqual(asked, 2)
      })
  )

  it.scoped("ask the log for a session that was made here, too, when there are other processes", () => {
    const { control, over } = fakeLog()
    return Effect.gen(function*() {
      const rooms = yield* Rooms
      rooms.created("s" as SessionId)
      control.pages.push(...writtenElsewhere("s", 1, 3))
      assert.strictEqual((yield* roomOf("s")).head(), 3)
    }).pipe(Effect.provide(over(fakePeers().layer)))
  })

  promise("call nobody who has taken the call back", (control) =>
    Effect.gen(function*() {
      const room = yield* roomOf("s")
      const called: Array<string> = []
      const takeBack = room.whenRefused(() => called.push("taken back"))
      room.whenRefused(({ reason }) => called.push(reason))
      takeBack()
      control.append = () => Effect.fail(new AppendRefused({ reason: "session_gone" }))
      custom(room, "a")
      room.whenDurable(() => called.push("durable"))
      yield* Effect.flip(room.durable)
      room.whenDurable(() => called.push("durable"))
      room.whenRefused(({ reason }) => called.push(`${reason} at once`))
      assert.deepStrictEqual(called, ["session_gone", "session_gone at once"])
    }))

  promise(
    "take a batch as written that was written although its answer was lost, and no other in its place",
    (control) =>
      Effect.gen(function*() {
        const room = yield* roomOf("s")
        const seen = watcher()
        yield* room.attach(seen, { after: 0 })
        let tries = 0
        control.append = (batch) =>
          ++tries === 1
            ? Effect.zipRight(control.keep(batch), Effect.die("connection lost"))
            : Effect.fail(new AppendRefused({ reason: "fenced" }))
        custom(room, "mine")
        yield* room.durable
        assert.deepStrictEqual(seen.events().map(({ seq }) => seq), [1])
        const foreign = writtenElsewhere("s", 2, 2)
        control.append = () =>
          Effect.zipRight(Effect.sync(() => control.pages.push(...foreign)), new AppendRefused({ reason: "fenced" }))
        custom(room, "mine too")
        assert.strictEqual((yield* Effect.flip(room.durable)).reason, "fenced")
        assert.deepStrictEqual(seen.events().map(({ seq }) => seq), [1])
      })
  )

  promise(
    "count as written only what is, when more came while that was tried again",
    (control) =>
      Effect.gen(function*() {
        const [room, other] = [yield* roomOf("s"), yield* roomOf("other")]
        const has = (batch: LogBatch, name: string) => batch.pages.some(({ frames }) => frames.includes(name))
        let tries = 0
        // Each alone from the fifth time on.
        control.append = (batch) => ++tries < 8 || has(batch, "second") ? Effect.die("away") : control.keep(batch)
        custom(room, "first")
        custom(other, "first")
        yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => tries > 1 })
        let isDurable = false
        custom(room, "second")
        room.whenDurable(() => {
          isDurable = true
        })
        yield* other.durable
        yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => room.head() === 1 })
        assert.isFalse(isDurable)
        control.append = control.keep
        yield* room.durable
        assert.deepStrictEqual(
          control.pages.filter(({ session_id }) => session_id === "s").map((
            { first_seq, last_seq }
          ) => [first_seq, last_seq]),
          [[1, 1], [2, 2]]
        )
      })
  )

  promise(
    "let those act who wait for the log before anybody sees it, and answer them after",
    (control) =>
      Effect.gen(function*() {
        const room = yield* roomOf("s")
        const order: Array<string> = []
        const seen = watcher()
        yield* room.attach({ ...seen, write: () => order.push("seen") }, { after: 0 })
        const gate = yield* Deferred.make<void>()
        control.append = (batch) => Effect.zipRight(Deferred.await(gate), control.keep(batch))
        custom(room, "a")
        room.whenDurable(() => order.push(`acts at ${room.head()}`))
        const waits = yield* Effect.fork(Effect.zipRight(room.durable, Effect.sync(() => order.push("answered"))))
        yield* Effect.yieldNow()
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(waits)
        assert.deepStrictEqual(order, ["acts at 0", "seen", "answered"])
      })
  )

  promise(
    "call durable only what was taken, when more came while that was written",
    (control) =>
      Effect.gen(function*() {
        const gates = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        let appends = 0
        control.append = (batch) => Effect.zipRight(Deferred.await(gates[Math.min(appends++, 1)]!), control.keep(batch))
        const room = yield* roomOf("s")
        const called: Array<string> = []
        custom(room, "first")
        room.whenDurable(() => called.push("first"))
        yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => appends === 1 })
        room.emit(run, delta("second"))
        room.whenDurable(() => called.push("second"))
        yield* Deferred.succeed(gates[0]!, undefined)
        yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => appends === 2 })
        // What is being written is not changed any more.
        room.emit(run, delta("third"))
        assert.deepStrictEqual(called, ["first"])
        assert.strictEqual(room.head(), 1)
        yield* Deferred.succeed(gates[1]!, undefined)
        yield* room.durable
        assert.deepStrictEqual(called, ["first", "second"])
        const deltas = control.pages.flatMap(({ frames }) => eventsOf(frames)).map(({ event, seq }) =>
          [seq, "delta" in event && event.delta] as const
        )
        assert.deepStrictEqual(deltas.slice(1), [[2, "second"], [3, "third"]])
      })
  )

  promise(
    "keep producers waiting as long as a mebibyte waits that came while another was written",
    (control) =>
      Effect.gen(function*() {
        const gates = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        let appends = 0
        control.append = (batch) => Effect.zipRight(Deferred.await(gates[Math.min(appends++, 1)]!), control.keep(batch))
        const room = yield* roomOf("s")
        const much = delta("x".repeat(1024 * 1024))
        room.emit(run, much)
        yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => appends === 1 })
        room.emit(run, much)
        let isFree = false
        const behind = room.behind()!.then(() => {
          isFree = true
        })
        yield* Deferred.succeed(gates[0]!, undefined)
        yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => appends === 2 })
        assert.isFalse(isFree)
        yield* Deferred.succeed(gates[1]!, undefined)
        yield* Effect.promise(() => behind)
        // What was emitted in small pieces counts until it is written, and no longer.
        for (let i = 0; i < 3_000; i++) custom(room, "small")
        yield* room.durable
        assert.isUndefined(room.behind())
      })
  )

  promise("let producers go on when nothing more can be written", (control) =>
    Effect.gen(function*() {
      control.append = () => Effect.fail(new AppendRefused({ reason: "session_gone" }))
      const room = yield* roomOf("s")
      room.emit(run, delta("x".repeat(1024 * 1024)))
      yield* Effect.promise(() => room.behind()!)
      room.emit(run, delta("x".repeat(1024 * 1024)))
      assert.isUndefined(room.behind())
    }))

  promise("replay one run alone, from the log and from memory, and end with it", () =>
    Effect.gen(function*() {
      const room = yield* roomOf("s")
      const other = "other" as RunId
      const big = "x".repeat(50_000)
      const ends = (run_id: RunId) =>
        room.emit(run_id, {
          type: "CUSTOM",
          name: "run_parked",
          value: {
            session_id: room.session_id,
            run_id,
            reply_id: "r" as MessageId,
            waiting_for: "user_confirmation"
          }
        })
      for (const id of [run, other, run, other]) {
        for (let i = 0; i < 3; i++) {
          room.emit(id, foreign("big", { big }))
          yield* room.durable
        }
        ends(id)
        yield* room.durable
      }
      const seqs = Effect.fnUntraced(function*(after: number, only: RunId) {
        const seen = watcher()
        yield* room.attach(seen, { after, only })
        assert.isUndefined(yield* Deferred.await(seen.ended))
        return seen.events().map(({ seq }) => seq)
      })
      assert.deepStrictEqual(yield* seqs(0, run), [1, 2, 3, 4])
      assert.deepStrictEqual(yield* seqs(2, run), [3, 4])
      assert.deepStrictEqual(yield* seqs(4, run), [9, 10, 11, 12])
      assert.deepStrictEqual(yield* seqs(8, other), [13, 14, 15, 16])
      assert.deepStrictEqual(yield* seqs(14, other), [15, 16])
    }))

  promise(
    "give who joins what is in memory without asking the log, from the middle of a page too",
    (control) =>
      Effect.gen(function*() {
        const room = yield* roomOf("s")
        for (const name of ["a", "b", "c", "d"]) custom(room, name)
        yield* room.durable
        assert.strictEqual(control.pages.length, 1)
        const asked = { reads: control.reads }
        for (const after of [0, 1, 2, 3, 4]) {
          const seen = watcher()
          yield* room.attach(seen, { after })
          assert.deepStrictEqual(seen.events().map(({ seq }) => seq), [1, 2, 3, 4].slice(after))
        }
        assert.strictEqual(control.reads, asked.reads)
      })
  )

  promise("cut off who leaves more than 256 KiB unread, and not who leaves less", () =>
    Effect.gen(function*() {
      const room = yield* roomOf("s")
      const stalled = watcher({ stalled: true })
      yield* room.attach(stalled, { after: 0 })
      room.emit(run, foreign("x", { big: "x".repeat(250 * 1024) }))
      yield* room.durable
      assert.isFalse(yield* Deferred.isDone(stalled.ended))
      room.emit(run, foreign("x", { big: "x".repeat(10 * 1024) }))
      yield* room.durable
      assert.strictEqual(yield* Deferred.await(stalled.ended), "lagging")
    }))

  promise("give up only what nobody was promised, when storage goes away", (control) =>
    Effect.gen(function*() {
      const room = yield* roomOf("s")
      let tries = 0
      control.append = () =>
        Effect.suspend(() => {
          tries++
          return Effect.die("away")
        })
      custom(room, "promised")
      yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => tries >= 3 })
      control.append = control.keep
      yield* room.durable
      assert.strictEqual(control.pages.length, 1)
    }))

  promise(
    "let an input wait as long as the log takes something, of whatever session",
    (control) =>
      Effect.gen(function*() {
        control.append = (batch) => Effect.delay(control.keep(batch), "400 millis")
        const [slow, other] = [yield* roomOf("slow"), yield* roomOf("other")]
        const busy = yield* Effect.fork(
          Effect.forever(Effect.zipRight(Effect.sync(() => custom(other, "a")), Effect.sleep("50 millis")))
        )
        // It joins what is emitted all the time, so what it waits for is only the log's pace.
        custom(slow, "mine")
        yield* slow.accepted(true)
        control.append = (batch) =>
          batch.pages.some(({ session_id }) => session_id === "slow")
            ? Effect.delay(control.keep(batch), "1 second")
            : control.keep(batch)
        custom(slow, "mine too")
        yield* slow.accepted(false)
        yield* Fiber.interrupt(busy)
      })
  )

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
})
