import { assert, describe, it } from "@effect/vitest"
import type { Scope } from "effect"
import { Deferred, Effect } from "effect"
import { frame } from "../../src/domain/Event.ts"
import type { SessionId, UserId } from "../../src/domain/Ids.ts"
import { AppendRefused, type LogPage } from "../../src/services/EventLog.ts"
import type { Received } from "../../src/services/Peers.ts"
import type { Rooms } from "../../src/services/Rooms.ts"
import { agentOf, messageOf, runOf, sessionOf } from "../support/fixtures.ts"
import { watcher } from "../support/hub.ts"
import { custom, fakeLog, fakePeers, roomOf, run, writtenElsewhere } from "../support/rooms.ts"

describe("Rooms of two processes", () => {
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
    }).pipe(Effect.scoped, Effect.provide(over(layer)), Effect.timeout("10 seconds"))
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
    }).pipe(Effect.scoped, Effect.provide(over(layer)), Effect.timeout("10 seconds"))
  })

  /** With another process, which has written nothing yet. */
  const following = (
    title: string,
    body: (
      control: ReturnType<typeof fakeLog>["control"],
      receive: (received: Received) => void
    ) => Effect.Effect<void, unknown, Rooms | Scope.Scope>
  ) =>
    it.live(title, () => {
      const { control, over } = fakeLog()
      const { receive, layer } = fakePeers()
      return body(control, receive).pipe(Effect.scoped, Effect.provide(over(layer)), Effect.timeout("10 seconds"))
    })

  const session = { ...sessionOf(agentOf("ada" as UserId)), id: "s" as SessionId }
  const pagesNotice = { type: "pages", session: session.id } as const

  following("read the log once for many notices", (control, receive) =>
    Effect.gen(function*() {
      const room = yield* roomOf("s")
      control.pages.push(...writtenElsewhere("s", 1, 2))
      for (let i = 0; i < 20; i++) receive(pagesNotice)
      yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => room.head() === 2 })
      // Once for the pages, and once to see that there are no more.
      yield* Effect.sleep("30 millis")
      assert.strictEqual(control.reads, 2)
    }))

  following("read again for a notice that comes while they read", (control, receive) =>
    Effect.gen(function*() {
      const room = yield* roomOf("s")
      const gate = yield* Deferred.make<void>()
      control.reading = Deferred.await(gate)
      receive(pagesNotice)
      yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => control.reads === 1 })
      receive(pagesNotice)
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => control.reads === 2 })
      assert.strictEqual(room.head(), 0)
    }))

  following(
    "read nothing while nobody holds them, and catch up when they are asked for",
    (control, receive) =>
      Effect.gen(function*() {
        const first = yield* Effect.scoped(roomOf("s"))
        control.pages.push(...writtenElsewhere("s", 1, 3))
        receive(pagesNotice)
        receive({ type: "look" })
        yield* Effect.sleep("30 millis")
        assert.strictEqual(control.reads, 0)
        const again = yield* roomOf("s")
        assert.strictEqual(again, first)
        assert.strictEqual(again.head(), 3)
      })
  )

  following(
    "read nothing while something waits for the log here, and catch up when that is written",
    (control, receive) =>
      Effect.gen(function*() {
        const room = yield* roomOf("s")
        const gate = yield* Deferred.make<void>()
        control.append = (batch) => Effect.zipRight(Deferred.await(gate), control.keep(batch))
        custom(room, "mine")
        receive(pagesNotice)
        yield* Effect.sleep("30 millis")
        assert.strictEqual(control.reads, 0)
        yield* Deferred.succeed(gate, undefined)
        yield* room.durable
        control.append = control.keep
        control.pages.push(...writtenElsewhere("s", 2, 2))
        yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => room.head() === 2 })
      })
  )

  following("adopt nothing that was read while something came here", (control, receive) =>
    Effect.gen(function*() {
      const room = yield* roomOf("s")
      const gate = yield* Deferred.make<void>()
      control.reading = Deferred.await(gate)
      control.append = () => Effect.never
      control.pages.push(...writtenElsewhere("s", 1, 2))
      receive(pagesNotice)
      yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => control.reads === 1 })
      assert.strictEqual(custom(room, "mine").seq, 1)
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.sleep("30 millis")
      // The log decides who was first: the page here collides or it does not.
      assert.deepStrictEqual([room.head(), room.last()].map(Number), [0, 1])
    }))

  following(
    "leave a session to the process that has written while a run goes on here",
    (control, receive) =>
      Effect.gen(function*() {
        const room = yield* roomOf("s")
        room.record(runOf(session, { status: "running", driver: "here" }))
        custom(room, "mine")
        yield* room.durable
        const refused = yield* Deferred.make<string>()
        room.whenRefused(({ reason }) => Deferred.unsafeDone(refused, Effect.succeed(reason)))
        control.pages.push(...writtenElsewhere("s", 2, 2))
        receive(pagesNotice)
        assert.strictEqual(yield* Deferred.await(refused), "fenced")
        assert.notStrictEqual(yield* roomOf("s"), room)
      })
  )

  following(
    "are made again when the log has no page that goes on from theirs",
    (control, receive) =>
      Effect.gen(function*() {
        const room = yield* roomOf("s")
        const refused = yield* Deferred.make<string>()
        room.whenRefused(({ reason }) => Deferred.unsafeDone(refused, Effect.succeed(reason)))
        control.pages.push(...writtenElsewhere("s", 5, 6))
        receive(pagesNotice)
        assert.strictEqual(yield* Deferred.await(refused), "fenced")
        assert.strictEqual((yield* roomOf("s")).head(), 6)
      })
  )

  following(
    "know the runs and the transcript of another process before anybody sees its pages",
    (control, receive) =>
      Effect.gen(function*() {
        const room = yield* roomOf("s")
        const theirs = runOf(session, { status: "running", driver: "there" })
        const message = { session_id: session.id, owner: session.user_id, seq: 1, message: messageOf("theirs") }
        const known: Array<unknown> = []
        const seen = watcher()
        yield* room.attach({
          ...seen,
          write: () => known.push([room.open().map(({ id }) => id), room.context().map(({ id }) => id)])
        }, { after: 0 })
        const page = (type: string, seq: number): LogPage => ({
          session_id: session.id,
          first_seq: seq,
          last_seq: seq,
          run_id: run,
          ends: false,
          frames: frame(seq, JSON.stringify({ id: "e", created_at: "t", type }))
        })
        control.open = [theirs]
        control.recent = [message]
        control.pages.push(page("REPLY_START", 1))
        receive(pagesNotice)
        yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => room.head() === 1 })
        assert.deepStrictEqual(known, [[[theirs.id], [message.message.id]]])
        // A delta changes neither, and is no reason to ask.
        control.open = []
        control.recent = []
        control.pages.push(page("TEXT_BLOCK_DELTA", 2))
        receive(pagesNotice)
        yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => room.head() === 2 })
        assert.deepStrictEqual(room.open(), [theirs])
        yield* room.follow
        assert.deepStrictEqual(room.open(), [])
      })
  )

  following(
    "read as much of a transcript that has grown elsewhere as it has grown",
    (control, receive) =>
      Effect.gen(function*() {
        const room = yield* roomOf("s")
        const placed = Array.from({ length: 40 }, (_, i) => ({
          session_id: session.id,
          owner: session.user_id,
          seq: i + 1,
          message: messageOf(`${i}`)
        }))
        for (const grown of [3, 5, 40]) {
          control.recent = placed.slice(0, grown)
          const seq = room.head() + 1
          control.pages.push({
            ...writtenElsewhere("s", seq, seq)[0]!,
            frames: frame(seq, JSON.stringify({ id: "e", created_at: "t", type: "REPLY_END" }))
          })
          receive(pagesNotice)
          yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => room.head() === seq })
          assert.deepStrictEqual(
            room.context().map(({ id }) => id),
            control.recent.map(({ message }) => message.id)
          )
        }
      })
  )

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
    }).pipe(Effect.scoped, Effect.provide(over(layer)), Effect.timeout("10 seconds"))
  })
})
