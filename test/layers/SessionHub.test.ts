import { assert, describe, layer } from "@effect/vitest"
import { Context, Deferred, Effect, Layer } from "effect"
import { textOf } from "../../src/domain/MessageText.ts"
import { runOf } from "../../src/domain/RunOf.ts"
import * as Host from "../../src/layers/Host.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import { kindOf } from "../support/events.ts"
import { conversation, converse, say, watch } from "../support/hub.ts"

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** Sessions whose log takes nothing, as on a full disk. */
const broken = new Set<string>()

const storage = Layer.map(Host.memory, (context) => {
  const log = Context.get(context, EventLog)
  const append: typeof log.append = (batch) =>
    batch.pages.some(({ session_id }) => broken.has(session_id))
      ? Effect.die("no space left on device")
      : log.append(batch)
  return Context.add(context, EventLog, { ...log, append })
})

describe("SessionHub", () => {
  layer(Host.over(storage), { excludeTestServices: true })("over memory", (it) => {
    it.effect("streams a turn from its input to REPLY_END, gapless, and ends", () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        const { events, seqs } = yield* converse(session, "say hello there")
        assert.deepStrictEqual(events.map(kindOf), [
          "user_message",
          "REPLY_START",
          "MODEL_CALL_START",
          "TEXT_BLOCK_START",
          ...events.filter(({ type }) => type === "TEXT_BLOCK_DELTA").map(({ type }) => type),
          "TEXT_BLOCK_END",
          "MODEL_CALL_END",
          "REPLY_END"
        ])
        assert.deepStrictEqual(seqs, numbers(1, seqs.length))
        const text = events.map((event) => event.type === "TEXT_BLOCK_DELTA" ? event.delta : "").join("")
        assert.strictEqual(text, "hello there")
      }))

    it.effect("has the input in the log and the transcript when send returns", () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        const log = yield* EventLog
        yield* say(session, "sleep 200\nsay done")
        const pages = yield* log.read(session.id, 0, 10)
        assert.include(pages[0]!.frames, "user_message")
        const [message] = yield* log.recent(session.id, 10)
        assert.strictEqual(textOf(message!.message.content), "sleep 200\nsay done")
      }))

    it.effect("keeps the reply in the transcript, the same as the stream told it, and the run's row says how it ended", () =>
      Effect.gen(function*() {
        const hub = yield* SessionHub
        const { runs } = yield* Storage
        const session = yield* conversation()
        const { accepted, seqs } = yield* converse(session, "think hm\nsay one\nthen\nsay never")
        const { is_running, messages, total } = yield* hub.messages(session, { offset: 0, limit: 50 })
        assert.deepStrictEqual([is_running, total, messages.length], [false, 2, 2])
        assert.deepStrictEqual(messages[1]!.content.map(({ type }) => type), ["thinking", "text"])
        const run = yield* runs.get(session.user_id, accepted.run_id)
        assert.deepInclude(run, { status: "ended", finished_reason: "completed", first_seq: 1, attempt: 1 })
        assert.strictEqual(run.last_seq, seqs.at(-1))
      }))

    it.effect("runs parallel tool calls and gives their results to the next model call", () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        const { events } = yield* converse(
          session,
          [
            "call Calculate {\"expression\":\"6*7\"}",
            "call Calculate {\"expression\":\"1+1\"}",
            "then",
            "results"
          ].join("\n")
        )
        const starts = events.flatMap((event) => event.type === "TOOL_CALL_START" ? [event.tool_call_id] : [])
        assert.strictEqual(new Set(starts).size, 2)
        const results = events.flatMap((event) => event.type === "TOOL_RESULT_TEXT_DELTA" ? [event.delta] : [])
        assert.sameMembers(results, ["42", "2"])
        const text = events.map((event) => event.type === "TEXT_BLOCK_DELTA" ? event.delta : "").join("")
        assert.include(text, "42")
        assert.strictEqual(events.at(-1)!.type, "REPLY_END")
      }))

    it.effect("gives every subscriber the same bytes, whenever it joins", () =>
      Effect.gen(function*() {
        const session = yield* conversation("demo-script", { parameters: { delay_ms: 1 } })
        const accepted = yield* say(session, "repeat 60 word ")
        const watchers = yield* Effect.forEach(numbers(1, 10), (n) =>
          Effect.delay(watch(session, { after: 0 }), `${n * 7} millis`))
        const own = yield* watch(session, { after: accepted.seq, only: accepted.run_id })
        yield* Deferred.await(own.ended)
        for (const seen of watchers) {
          assert.strictEqual(seen.frames(), own.frames())
        }
      }).pipe(Effect.scoped))

    it.effect("resumes after any event without gap or repeat, also when the run has ended", () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        const { frames, seqs } = yield* converse(session, "repeat 20 x")
        for (const after of seqs) {
          const seen = yield* watch(session, { after })
          assert.deepStrictEqual(seen.events().map(({ seq }) => seq), numbers(after + 1, seqs.length))
          assert.isTrue(frames.endsWith(seen.frames()))
        }
      }).pipe(Effect.scoped))

    it.effect("refuses a cursor beyond the log, with the valid range", () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        const { seqs } = yield* converse(session, "say x")
        const error = yield* Effect.flip(watch(session, { after: seqs.length + 1 }))
        assert.strictEqual(error._tag, "Conflict")
        assert.include(error.detail, `0 to ${seqs.length}`)
      }).pipe(Effect.scoped))

    it.effect("lets a second input wait its turn, silent until then, and runs it in order", () =>
      Effect.gen(function*() {
        const hub = yield* SessionHub
        const session = yield* conversation("demo-script", { parameters: { delay_ms: 2 } })
        const first = yield* say(session, "repeat 20 a")
        const second = yield* say(session, "say two")
        const third = yield* say(session, "say three")
        const seen = yield* watch(session, { after: second.seq, only: second.run_id })
        yield* Deferred.await(seen.ended)
        assert.deepStrictEqual(seen.events().slice(0, 2).map(({ event }) => kindOf(event)), [
          "run_queued",
          "user_message"
        ])
        for (const { event } of seen.events()) {
          const run = runOf(event)
          if (run !== undefined) assert.strictEqual(run, second.run_id)
        }
        yield* hub.reply(session, third.run_id, third.seq)
        const { messages } = yield* hub.messages(session, { offset: 0, limit: 50 })
        assert.deepStrictEqual(messages.map(({ role }) => role), [
          "user",
          "assistant",
          "user",
          "assistant",
          "user",
          "assistant"
        ])
        assert.deepStrictEqual(messages.map(({ content }) => textOf(content)).slice(2), [
          "say two",
          "two",
          "say three",
          "three"
        ])
        assert.notStrictEqual(first.run_id, second.run_id)
      }).pipe(Effect.scoped))

    it.effect("refuses a second input when asked to, and keeps nothing of it", () =>
      Effect.gen(function*() {
        const hub = yield* SessionHub
        const session = yield* conversation()
        const first = yield* say(session, "sleep 100\nsay one")
        const error = yield* Effect.flip(say(session, "say two", "reject"))
        assert.deepInclude(error, { _tag: "Conflict", code: "session_busy" })
        yield* hub.reply(session, first.run_id, first.seq)
        assert.strictEqual((yield* hub.messages(session, { offset: 0, limit: 50 })).total, 2)
      }))

    it.effect("takes the next input as soon as somebody has seen the run end", () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        for (const n of numbers(1, 30)) {
          const accepted = yield* say(session, `say ${n}`, "reject")
          const seen = yield* watch(session, { after: accepted.seq, only: accepted.run_id })
          yield* Deferred.await(seen.ended)
        }
      }).pipe(Effect.scoped))

    it.effect("bounds how many inputs wait", () =>
      Effect.gen(function*() {
        const hub = yield* SessionHub
        const session = yield* conversation()
        yield* say(session, "sleep 60000")
        yield* Effect.forEach(numbers(1, 32), (n) => say(session, `say ${n}`))
        assert.deepInclude(yield* Effect.flip(say(session, "say 33")), { _tag: "LimitReached", code: "queue_full" })
        yield* hub.interrupt(session, "drop")
        yield* hub.interrupt(session, "drop")
      }))

    it.effect("stops a run from anywhere, keeps what it had said, and leaves nothing open", () =>
      Effect.gen(function*() {
        const hub = yield* SessionHub
        const session = yield* conversation("demo-script", { parameters: { delay_ms: 5 } })
        const accepted = yield* say(session, "repeat 1000 word ")
        const seen = yield* watch(session, { after: accepted.seq, only: accepted.run_id })
        yield* Effect.sleep("60 millis")
        yield* hub.interrupt(session, "keep")
        yield* Deferred.await(seen.ended)
        const events = seen.events().map(({ event }) => event)
        assert.deepInclude(events.at(-1), { type: "REPLY_END", finished_reason: "interrupted" })
        assert.deepStrictEqual(events.slice(-3).map(({ type }) => type), [
          "TEXT_BLOCK_END",
          "MODEL_CALL_END",
          "REPLY_END"
        ])
        const { messages } = yield* hub.messages(session, { offset: 0, limit: 50 })
        assert.match(textOf(messages[1]!.content), /^(word )+$/)
        assert.strictEqual(yield* hub.status(session), "idle")
      }).pipe(Effect.scoped))

    it.effect("takes an interrupt of an idle session as it comes", () =>
      Effect.gen(function*() {
        const hub = yield* SessionHub
        yield* hub.interrupt(yield* conversation(), "keep")
      }))

    it.effect("stops the present run and goes on with the new input when asked to", () =>
      Effect.gen(function*() {
        const hub = yield* SessionHub
        const session = yield* conversation()
        yield* say(session, "say before\nsleep 60000")
        const second = yield* say(session, "say after", "interrupt")
        const reply = yield* hub.reply(session, second.run_id, second.seq)
        assert.strictEqual(textOf(reply.content), "after")
        const { messages } = yield* hub.messages(session, { offset: 0, limit: 50 })
        assert.deepStrictEqual(messages.map(({ finished_reason }) => finished_reason), [
          undefined,
          "interrupted",
          undefined,
          "completed"
        ])
      }))

    it.effect("ends a run that fails with a typed error and the session goes on", () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        const { events } = yield* converse(session, "say partial\nfail rate_limit slow down")
        const last = events.at(-1)!
        assert.deepInclude(last, { type: "REPLY_END", finished_reason: "error" })
        assert.strictEqual(last.type === "REPLY_END" ? last.error?.type : "", "rate_limit")
        const again = yield* converse(session, "say fine")
        assert.deepInclude(again.events.at(-1), { type: "REPLY_END", finished_reason: "completed" })
      }))

    it.effect("gives up after max_iters rounds and says so", () =>
      Effect.gen(function*() {
        const session = yield* conversation("demo-script", { max_iters: 2 })
        const round = "call CurrentTime {}"
        const { events } = yield* converse(session, [round, "then", round, "then", round].join("\n"))
        assert.deepStrictEqual(events.slice(-2).map(({ type }) => type), ["EXCEED_MAX_ITERS", "REPLY_END"])
        assert.deepInclude(events.at(-1), { finished_reason: "exceed_max_iters" })
      }))

    it.effect("cuts off a subscriber that does not read, and nobody else", () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        const stalled = yield* watch(session, { after: 0 }, { stalled: true })
        const { frames } = yield* converse(session, `repeat 400 ${"x".repeat(2000)}`)
        assert.strictEqual(yield* Deferred.await(stalled.ended), "lagging")
        const rest = yield* watch(session, { after: stalled.events().at(-1)!.seq })
        assert.strictEqual(stalled.frames() + rest.frames(), frames)
      }).pipe(Effect.scoped))

    it.effect("ends the streams of a session that is deleted while its run goes on", () =>
      Effect.gen(function*() {
        const hub = yield* SessionHub
        const { sessions } = yield* Storage
        const session = yield* conversation()
        yield* say(session, "sleep 60000")
        const seen = yield* watch(session, { after: 0 })
        yield* hub.forget(session)
        yield* sessions.remove(session.user_id, session.id)
        yield* Deferred.await(seen.ended)
        assert.deepInclude(seen.events().at(-1)!.event, { type: "REPLY_END", finished_reason: "interrupted" })
        assert.strictEqual((yield* Effect.flip(say(session, "say x")))._tag, "NotFound")
      }).pipe(Effect.scoped))

    it.effect("leaves nothing behind of an input that storage does not take, and takes the next", () =>
      Effect.gen(function*() {
        const log = yield* EventLog
        const hub = yield* SessionHub
        const session = yield* conversation("demo-script", { parameters: { delay_ms: 5 } })
        broken.add(session.id)
        for (const _ of [1, 2, 3]) {
          const error = yield* Effect.flip(say(session, "repeat 1000 word "))
          assert.deepInclude(error, { _tag: "Unavailable", code: "storage_unavailable" })
          assert.strictEqual(yield* hub.status(session), "idle")
        }
        broken.delete(session.id)
        const { events, seqs } = yield* converse(session, "say fine")
        assert.deepInclude(events.at(-1), { type: "REPLY_END", finished_reason: "completed" })
        assert.strictEqual(seqs[0], 1)
        assert.strictEqual((yield* log.range(session.id)).last, seqs.at(-1))
      }))

    it.effect("hides sessions from other owners", () =>
      Effect.gen(function*() {
        const hub = yield* SessionHub
        const mine = yield* conversation()
        const other = yield* conversation()
        const error = yield* Effect.flip(hub.send(other.user_id, {
          agent_id: mine.agent_id,
          session_id: mine.id,
          input: null,
          on_busy: "enqueue",
          tools: []
        }))
        assert.strictEqual(error._tag, "NotFound")
        assert.strictEqual((yield* hub.messages(mine, { offset: 0, limit: 50 })).total, 0)
      }))
  })
})
