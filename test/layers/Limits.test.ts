/** What ends by itself: runs and tools that take too long, runs that wait too long, events that are too old. */
import { assert, layer } from "@effect/vitest"
import { Deferred, Duration, Effect, Layer, Redacted, Schema } from "effect"
import type { Timestamp } from "../../src/domain/Ids.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import type { Session } from "../../src/domain/Session.ts"
import { defaults } from "../../src/domain/Settings.ts"
import * as Host from "../../src/layers/Host.ts"
import { bounds } from "../../src/layers/Models/Bounds.ts"
import * as Provider from "../../src/layers/Models/Provider.ts"
import * as ModelsRouter from "../../src/layers/Models/Router.ts"
import * as OutboundOpen from "../../src/layers/Outbound/Open.ts"
import * as Upkeep from "../../src/layers/Upkeep.ts"
import * as VaultAesGcm from "../../src/layers/Vault/AesGcm.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import { type EmitPart, ModelFailed } from "../../src/services/Models.ts"
import { Rooms } from "../../src/services/Rooms.ts"
import { RunOwner } from "../../src/services/RunOwner.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import { kindOf } from "../support/events.ts"
import { answer, conversation, converse, say, watch } from "../support/hub.ts"
import { patience } from "../support/Patience.ts"
import { freshDatabase } from "../support/Postgres.ts"

const vault = Layer.orDie(VaultAesGcm.layer({ keys: [Redacted.make(new Uint8Array(32).fill(7))] }))

const host = <E>(
  storage: Layer.Layer<Host.Memories, E>,
  options: Omit<Host.EngineOptions, "trusted"> = {},
  models = ModelsRouter.layerDefault
) =>
  Host.engine(models.pipe(Layer.provide(OutboundOpen.layer), Layer.provideMerge(Layer.merge(storage, vault))), {
    trusted: true,
    ...options
  })

const pause = (note: string, seconds = 0) => `call Pause {"seconds":${seconds},"note":"${note}"}`

layer(host(Host.memory, { run_seconds: 0.3, tool_seconds: 0.1 }), { excludeTestServices: true })("A run", (it) => {
  it.effect("that takes longer than its budget ends as run_timeout, and keeps what it said", () =>
    Effect.gen(function*() {
      const session = yield* conversation()
      const { events } = yield* converse(session, "say partial\nsleep 60000\nsay never")
      const last = events.at(-1)!
      assert.deepInclude(last, { type: "REPLY_END", finished_reason: "error" })
      assert.deepInclude(last.type === "REPLY_END" ? last.error : undefined, { code: "run_timeout" })
      assert.isTrue(events.some(({ type }) => type === "MODEL_CALL_END"))
      const hub = yield* SessionHub
      const { is_running, messages } = yield* hub.messages(session, { offset: 0, limit: 10 })
      assert.strictEqual(textOf(messages[1]!.content), "partial")
      assert.isFalse(is_running)
      const { runs } = yield* Storage
      const { items } = yield* runs.list(session.user_id, { limit: 1, cursor: undefined })
      assert.deepInclude(items[0]!.error, { code: "run_timeout" })
      assert.strictEqual((yield* converse(session, "say usable")).events.at(-1)!.type, "REPLY_END")
    }))

  it.effect("goes on after a tool that takes too long, which ends as an error", () =>
    Effect.gen(function*() {
      const session = yield* conversation("demo-script", { mode: "bypass" })
      const { events } = yield* converse(session, `${pause("x", 60)}\nthen\nsay went on`)
      assert.deepStrictEqual(events.flatMap((event) => event.type === "TOOL_RESULT_END" ? [event.state] : []), [
        "error"
      ])
      const said = events.flatMap((event) => event.type === "TOOL_RESULT_TEXT_DELTA" ? [event.delta] : []).join("")
      assert.strictEqual(said, "The tool did not end within 0.1 seconds and was given up; its outcome is unknown.")
      assert.deepInclude(events.at(-1), { type: "REPLY_END", finished_reason: "completed" })
    }))
})

/** A provider that plays the demo's part, badly: the model's name says how. */
const faulty = (hows: Readonly<Record<string, (emit: EmitPart) => Effect.Effect<void, ModelFailed>>>) =>
  ModelsRouter.layer([Provider.make({
    type: "demo_credential",
    title: "Faulty",
    fields: Schema.Struct({}),
    parameters: Schema.Struct({}),
    cards: [],
    accepts: () => true,
    stream: ({ model }, emit) => hows[model]!(emit),
    check: () => Effect.succeed({ models: [] })
  })], { ...bounds, firstPart: Duration.millis(100), idle: Duration.millis(100), backoff: Duration.millis(5) })

const withSettings = Layer.unwrapEffect(Effect.map(
  Effect.promise(() => freshDatabase()),
  (url) =>
    Host.layer({
      ...defaults,
      database_url: Redacted.make(url),
      vault_key: Redacted.make(Buffer.alloc(32, 7).toString("base64")),
      model_first_byte_seconds: 0.2,
      model_idle_seconds: 0.4
    })
))

layer(withSettings, { excludeTestServices: true })("A model that is silent", (it) => {
  it.effect("is given up after as long as the settings say, before its answer and within it", () =>
    Effect.gen(function*() {
      for (const [script, seconds] of [["sleep 3000\nsay late", 0.2], ["say begun\nsleep 3000", 0.4]] as const) {
        const { events } = yield* converse(yield* conversation(), script)
        const last = events.at(-1)!
        assert.include(JSON.stringify(last), `${seconds} seconds`)
        assert.deepInclude(last, { type: "REPLY_END", finished_reason: "error" })
      }
    }))
})

const text = (delta: string) => ({ type: "text", block: "1", delta }) as const
const finish = { type: "finish", reason: "stop", usage: { input_tokens: 1, output_tokens: 1 } } as const

const deltas = (count: number, delta: string) => (emit: EmitPart) =>
  Effect.promise(async () => {
    for (let i = 0; i < count; i++) {
      const behind = emit(text(delta))
      if (behind !== undefined) await behind
    }
    void emit(finish)
  })

let tries = 0

const bad = faulty({
  silent: () => Effect.never,
  stalls: (emit) => Effect.suspend(() => Effect.zipRight(Effect.sync(() => void emit(text("half"))), Effect.never)),
  breaks: () => Effect.die(new Error("sk-planted")),
  recovers: (emit) =>
    Effect.suspend(() =>
      ++tries < 3
        ? Effect.fail(new ModelFailed({ type: "upstream", message: "Overloaded.", retryable: true }))
        : deltas(1, "at last")(emit)
    ),
  million: deltas(1_000_000, "abc"),
  endless: deltas(Number.MAX_SAFE_INTEGER, "abcdefgh".repeat(8))
})

layer(host(Host.memory, {}, bad), { timeout: patience(60_000), excludeTestServices: true })(
  "A model that misbehaves",
  (it) => {
    const outcome = Effect.fnUntraced(function*(model: string) {
      const session = yield* conversation(model)
      const { events, seqs } = yield* converse(session, "go")
      assert.deepStrictEqual(seqs, seqs.map((_, i) => i + 1))
      const last = events.at(-1)!
      if (last.type !== "REPLY_END") return assert.fail(`the last event is ${last.type}`)
      const said = events.map((event) => event.type === "TEXT_BLOCK_DELTA" ? event.delta : "").join("")
      return { events, said, reason: last.finished_reason, code: last.error?.code, message: last.error?.message ?? "" }
    })

    it.effect("by saying nothing, stopping midway or breaking ends the reply as an error with a code", () =>
      Effect.gen(function*() {
        assert.deepInclude(yield* outcome("silent"), { reason: "error", code: "connection", said: "" })
        assert.deepInclude(yield* outcome("stalls"), { reason: "error", code: "upstream", said: "half" })
        const broken = yield* outcome("breaks")
        assert.deepInclude(broken, { reason: "error", code: "unknown" })
        assert.notInclude(JSON.stringify(broken.events), "planted")
      }))

    it.effect("at first is asked again, and nobody sees a trace of it", () =>
      Effect.gen(function*() {
        const { events, reason, said } = yield* outcome("recovers")
        assert.deepStrictEqual([said, reason, tries], ["at last", "completed", 3])
        assert.strictEqual(events.filter(({ type }) => type === "MODEL_CALL_START").length, 1)
      }))

    it.effect("by a million deltas costs a few events, and no word is lost", () =>
      Effect.gen(function*() {
        const { events, reason, said } = yield* outcome("million")
        assert.strictEqual(reason, "completed")
        assert.isTrue(said === "abc".repeat(1_000_000))
        assert.isBelow(events.length, 10_000)
      }), patience(60_000))

    it.effect("by never ending is ended, and what was said stays", () =>
      Effect.gen(function*() {
        const { code, message, reason, said } = yield* outcome("endless")
        assert.deepStrictEqual([reason, code], ["error", "upstream"])
        assert.match(message, /exceeds 4194304 characters/)
        assert.strictEqual(said.length, 4 * 1024 * 1024)
      }), patience(60_000))
  }
)

/** Everything until the stream ends. */
const whole = Effect.fnUntraced(function*(session: Session, accepted: Effect.Effect.Success<ReturnType<typeof say>>) {
  const seen = yield* watch(session, { after: accepted.seq, only: accepted.run_id })
  yield* Deferred.await(seen.ended)
  return seen.events().map(({ event }) => event)
}, Effect.scoped)

const statusOf = (session: Session, id: string) => Effect.flatMap(Storage, ({ runs }) => runs.get(session.user_id, id))

const contract = <E>(name: string, storage: Layer.Layer<Host.Memories, E>) =>
  layer(host(storage), { timeout: patience(60_000), excludeTestServices: true })(`Upkeep: ${name}`, (it) => {
    it.effect("ends runs that have waited too long, and no others", () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        const parked = yield* say(session, `${pause("x")}\n${pause("y")}`)
        assert.strictEqual(kindOf((yield* whole(session, parked)).at(-1)!), "run_parked")
        const waiting = yield* say(session, "say next")
        yield* Upkeep.expire(Duration.hours(1))
        assert.strictEqual((yield* statusOf(session, parked.run_id)).status, "awaiting_permission")
        yield* Effect.sleep("5 millis")
        yield* Upkeep.expire(Duration.millis(1))
        const run = yield* statusOf(session, parked.run_id)
        assert.deepInclude(run, { status: "ended", finished_reason: "error" })
        assert.deepInclude(run.error, { code: "expired" })
        const hub = yield* SessionHub
        assert.strictEqual(textOf((yield* hub.reply(session, waiting.run_id, waiting.seq)).content), "next")
        const { messages } = yield* hub.messages(session, { offset: 0, limit: 10 })
        const reply = messages.find(({ id }) => id === run.reply_id)!
        assert.deepStrictEqual(reply.content.flatMap((block) => block.type === "tool_result" ? [block.state] : []), [
          "interrupted",
          "interrupted"
        ])
        const events = yield* Effect.map(
          Effect.scoped(watch(session, { after: parked.seq })),
          (seen) => seen.events().map(({ event }) => event)
        )
        assert.strictEqual(
          events.filter((event) => event.type === "REPLY_END" && event.error?.code === "expired").length,
          1
        )
        const late = yield* Effect.flip(answer(session, {
          type: "USER_CONFIRM_RESULT",
          reply_id: run.reply_id,
          confirm_results: reply.content.flatMap((block) =>
            block.type === "tool_call" ? [{ confirmed: true, tool_call: { id: block.id } }] : []
          )
        }))
        assert.deepInclude(late, { _tag: "Conflict", code: "not_waiting" })
        yield* Upkeep.expire(Duration.millis(1))
      }))

    it.effect("lets a run be that was parked again since it was looked at, or another's turn", () =>
      Effect.gen(function*() {
        const owner = yield* RunOwner
        const rooms = yield* Rooms
        const session = yield* conversation()
        const parked = yield* say(session, pause("x"))
        yield* whole(session, parked)
        const { updated_at } = yield* statusOf(session, parked.run_id)
        const other = yield* say(session, "say waits")
        const room = yield* rooms.get(session)
        yield* owner.expire(room, parked.run_id, updated_at)
        yield* owner.expire(room, other.run_id, "9999-01-01T00:00:00.000Z" as Timestamp)
        assert.strictEqual((yield* statusOf(session, parked.run_id)).status, "awaiting_permission")
        assert.strictEqual((yield* statusOf(session, other.run_id)).status, "queued")
      }).pipe(Effect.scoped))

    it.effect("removes old events; who resumes before what is kept is told so, and the transcript stays", () =>
      Effect.gen(function*() {
        const hub = yield* SessionHub
        const log = yield* EventLog
        const session = yield* conversation()
        const first = yield* converse(session, "say one\nsay two\nsay three")
        yield* converse(session, "say more")
        const last = yield* converse(session, "say last")
        const before = yield* hub.messages(session, { offset: 0, limit: 50 })
        yield* Effect.sleep("5 millis")
        yield* Upkeep.prune(Duration.hours(1))
        assert.strictEqual((yield* log.range(session.id)).first, 1)
        yield* Upkeep.prune(Duration.millis(1))
        const range = yield* log.range(session.id)
        assert.isAbove(range.first, first.seqs.at(-1)!)
        assert.strictEqual(range.last, last.seqs.at(-1))
        const gone = yield* Effect.flip(Effect.scoped(watch(session, { after: 3 })))
        assert.deepInclude(gone, { _tag: "Gone", code: "cursor_gone", status: 410 })
        assert.include(gone.detail, `${range.first - 1} to ${range.last}`)
        const kept = yield* Effect.scoped(watch(session, { after: range.first - 1 }))
        assert.deepStrictEqual(kept.events().map(({ seq }) => seq)[0], range.first)
        assert.deepStrictEqual(yield* hub.messages(session, { offset: 0, limit: 50 }), before)
        const next = yield* converse(session, "context")
        assert.strictEqual(next.seqs[0], range.last + 1)
        assert.include(
          next.events.map((event) => event.type === "TEXT_BLOCK_DELTA" ? event.delta : "").join(""),
          "\"messages\":7"
        )
      }))

    it.effect("keeps all events of a run that is parked", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const hub = yield* SessionHub
        const session = yield* conversation()
        const parked = yield* say(session, `${pause("x")}\nthen\nsay end`)
        const events = yield* whole(session, parked)
        yield* Effect.sleep("5 millis")
        yield* Upkeep.prune(Duration.millis(1))
        assert.strictEqual((yield* log.range(session.id)).first, 1)
        const asked = events.flatMap((event) => event.type === "REQUIRE_USER_CONFIRM" ? event.tool_calls : [])
        const reply_id = events.flatMap((event) => event.type === "REPLY_START" ? [event.reply_id] : [])[0]!
        const accepted = yield* answer(session, {
          type: "USER_CONFIRM_RESULT",
          reply_id,
          confirm_results: asked.map(({ id }) => ({ confirmed: true, tool_call: { id } }))
        })
        assert.strictEqual(textOf((yield* hub.reply(session, accepted.run_id, accepted.seq)).content), "end")
      }))
  })

contract("Memory", Host.memory)

contract("PGlite", Host.pglite({ dataDir: undefined }))

contract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
