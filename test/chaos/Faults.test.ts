import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { eventsOf } from "../../src/domain/Frames.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import type { Session } from "../../src/domain/Session.ts"
import * as Host from "../../src/layers/Host.ts"
import * as ModelsRouter from "../../src/layers/Models/Router.ts"
import * as OutboundOpen from "../../src/layers/Outbound/Open.ts"
import * as VaultAesGcm from "../../src/layers/Vault/AesGcm.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { faulty, faultyModels, type ModelFaults, storageFaults } from "../support/Faults.ts"
import { conversation, converse, say, watch } from "../support/hub.ts"
import { ledgerTells } from "../support/ledger.ts"
import { patience } from "../support/Patience.ts"
import { freshDatabase } from "../support/Postgres.ts"

const everything = (session: Session) =>
  Effect.map(
    Effect.flatMap(EventLog, (log) => log.read(session.id, 0, 10_000)),
    (pages) => pages.flatMap((page) => eventsOf(page.frames))
  )

const isGapless = (events: ReadonlyArray<{ readonly seq: number }>) =>
  assert.deepStrictEqual(events.map(({ seq }) => seq), events.map((_, i) => i + 1))

const storages = [
  ["Memory", Host.memory],
  [
    "PostgreSQL",
    Layer.orDie(
      Layer.unwrapEffect(Effect.map(
        Effect.promise(() => freshDatabase()),
        (url) => Host.postgres({ url: Redacted.make(url) })
      ))
    )
  ]
] as const

/** The log has no gap, and the ledger has each of its calls once. */
const isWhole = Effect.fnUntraced(function*(session: Session) {
  const events = yield* everything(session)
  isGapless(events)
  yield* ledgerTells(session, events.map(({ event }) => event))
})

for (const [name, storage] of storages) {
  describe(`Storage that breaks: ${name}`, () => {
    it.live("goes on with a run whose page is written although the answer to that was lost", () => {
      const faults = storageFaults()
      return Effect.gen(function*() {
        const hub = yield* SessionHub
        const session = yield* conversation("demo-script", { parameters: { delay_ms: 3 } })
        const accepted = yield* say(session, "repeat 100 word ")
        for (let i = 0; i < 5; i++) {
          faults.append = "answer lost"
          faults.times = 1
          yield* Effect.sleep("30 millis")
        }
        const reply = yield* hub.reply(session, accepted.run_id, accepted.seq)
        assert.strictEqual(textOf(reply.content), "word ".repeat(100))
        assert.strictEqual(yield* hub.status(session), "idle")
        yield* isWhole(session)
        const { events } = yield* converse(session, "say usable")
        assert.deepInclude(events.at(-1), { type: "REPLY_END", finished_reason: "completed" })
      }).pipe(Effect.provide(Host.over(faulty(storage, faults))), Effect.timeout(patience(20_000)))
    }, patience(30_000))

    it.live("gives a subscriber nothing twice that joins while a page is written and nobody was told yet", () => {
      const faults = storageFaults()
      return Effect.gen(function*() {
        const session = yield* conversation("demo-script", { parameters: { delay_ms: 3 } })
        // More than a room remembers: what is before must be read from the log.
        yield* converse(session, `say ${"long".repeat(50_000)}`)
        faults.append = "answer late"
        faults.times = Infinity
        yield* say(session, "repeat 50 word ")
        const watchers = yield* Effect.forEach(
          Array.from({ length: 20 }),
          () => Effect.delay(watch(session, { after: 0 }), "30 millis")
        )
        yield* Effect.sleep("1 second")
        for (const { events } of watchers) isGapless(events())
      }).pipe(Effect.scoped, Effect.provide(Host.over(faulty(storage, faults))), Effect.timeout(patience(20_000)))
    }, patience(30_000))

    it.live("takes up what a run has to say when it can be written again", () => {
      const faults = storageFaults()
      return Effect.gen(function*() {
        const hub = yield* SessionHub
        const session = yield* conversation("demo-script", { parameters: { delay_ms: 3 } })
        const accepted = yield* say(session, "repeat 50 word ")
        faults.append = "fails"
        faults.times = 4
        const reply = yield* hub.reply(session, accepted.run_id, accepted.seq)
        assert.strictEqual(textOf(reply.content), "word ".repeat(50))
        yield* isWhole(session)
      }).pipe(Effect.provide(Host.over(faulty(storage, faults))), Effect.timeout(patience(20_000)))
    }, patience(30_000))

    it.live("drives an input that was refused, when storage has kept it after all and is asked again", () => {
      const faults = storageFaults()
      return Effect.gen(function*() {
        const log = yield* EventLog
        const hub = yield* SessionHub
        const session = yield* conversation()
        faults.append = "answer lost"
        faults.times = 1
        const refused = yield* Effect.flip(say(session, "sleep 100\nsay doubtful"))
        assert.strictEqual(refused._tag, "Unavailable")
        assert.strictEqual((yield* log.open(session.id)).length, 1)
        yield* log.open(session.id).pipe(
          Effect.delay("20 millis"),
          Effect.repeat({ until: (open) => open.length === 0 })
        )
        const { messages } = yield* hub.messages(session, { offset: 0, limit: 10 })
        assert.deepStrictEqual(messages.map(({ content }) => textOf(content)).slice(1), ["doubtful"])
        yield* isWhole(session)
      }).pipe(Effect.provide(Host.over(faulty(storage, faults))), Effect.timeout(patience(20_000)))
    }, patience(30_000))

    it.live("leaves no run behind that nobody drives when an input was written and the answer to that was lost", () => {
      const faults = storageFaults()
      return Effect.gen(function*() {
        const log = yield* EventLog
        const session = yield* conversation()
        faults.append = "answer lost"
        faults.times = 1
        yield* Effect.either(say(session, "sleep 100\nsay doubtful"))
        const { events } = yield* converse(session, "say usable")
        assert.deepInclude(events.at(-1), { type: "REPLY_END", finished_reason: "completed" })
        yield* Effect.sleep("400 millis")
        assert.deepStrictEqual(yield* log.open(session.id), [])
        yield* isWhole(session)
      }).pipe(Effect.provide(Host.over(faulty(storage, faults))), Effect.timeout(patience(20_000)))
    }, patience(30_000))
  })
}

describe("Models that break", () => {
  const vault = Layer.orDie(VaultAesGcm.layer({ keys: [Redacted.make(new Uint8Array(32).fill(7))] }))
  const hosted = (faults: ModelFaults) =>
    Host.engine(
      faultyModels(ModelsRouter.layerDefault.pipe(Layer.provide(OutboundOpen.layer)), faults).pipe(
        Layer.provideMerge(Layer.merge(Host.memory, vault))
      ),
      { trusted: true }
    )

  it.live("end the run with an error that tells nothing of the inside", () => {
    const faults: ModelFaults = { stream: "throws" }
    return Effect.gen(function*() {
      const session = yield* conversation()
      const { events } = yield* converse(session, "say x")
      assert.deepInclude(events.at(-1), { type: "REPLY_END", finished_reason: "error" })
      assert.notInclude(JSON.stringify(events), "undefined is not")
      const next = yield* converse(session, "say fine")
      assert.deepInclude(next.events.at(-1), { type: "REPLY_END", finished_reason: "completed" })
    }).pipe(Effect.provide(hosted(faults)))
  })

  it.live("can be interrupted while they say nothing", () => {
    const faults: ModelFaults = { stream: "hangs" }
    return Effect.gen(function*() {
      const hub = yield* SessionHub
      const session = yield* conversation()
      const accepted = yield* say(session, "say x")
      yield* Effect.sleep("50 millis")
      yield* hub.interrupt(session, "keep")
      assert.strictEqual((yield* hub.reply(session, accepted.run_id, accepted.seq)).finished_reason, "interrupted")
    }).pipe(Effect.provide(hosted(faults)))
  })
})
