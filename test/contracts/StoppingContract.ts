/** What is promised to those who stop runs and to those who send many inputs at once, over any storage. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { Accepted } from "../../src/domain/Chat.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import type { Session } from "../../src/domain/Session.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import type { Files } from "../../src/services/Files.ts"
import { Idempotency } from "../../src/services/Idempotency.ts"
import type { JobStore } from "../../src/services/JobStore.ts"
import type { Ledger } from "../../src/services/Ledger.ts"
import { RunOwner } from "../../src/services/RunOwner.ts"
import type { ScheduleStore } from "../../src/services/ScheduleStore.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import type { Storage } from "../../src/services/Storage.ts"
import type { TaskStore } from "../../src/services/TaskStore.ts"
import type { Tenants } from "../../src/services/Tenants.ts"
import { conversation, say } from "../support/hub.ts"
import { eventually, everything, type Live, live, type LiveOptions, storedRun } from "../support/live.ts"

const hub = <A, E>(host: Live, use: (hub: typeof SessionHub.Service) => Effect.Effect<A, E>) =>
  host.do(Effect.flatMap(SessionHub, use))

const recover = (host: Live) => host.do(Effect.flatMap(RunOwner, (owner) => owner.recover))

/** The transcript's texts. */
const texts = (session: Session) =>
  Effect.map(
    Effect.flatMap(EventLog, (log) => log.recent(session.id, 100)),
    (placed) => placed.map(({ message }) => textOf(message.content))
  )

/** Storage that takes nothing while the gate is closed. */
const gate = () => {
  const latch = Effect.unsafeMakeLatch(true)
  const options: LiveOptions = { append: (append) => (batch) => latch.whenOpen(append(batch)) }
  return { ...latch, options }
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

export const stoppingContract = <E>(
  name: string,
  storage: Layer.Layer<Storage | EventLog | Files | Ledger | ScheduleStore | JobStore | TaskStore | Tenants, E>
) =>
  layer(storage, { timeout: "60 seconds", excludeTestServices: true })(`Stopping: ${name}`, (it) => {
    it.scoped("ends a queued run that is cancelled before it answers: its place is free, and it never runs, nor after a restart", () =>
      Effect.gen(function*() {
        const first = yield* live()
        const session = yield* first.do(conversation())
        const going = yield* first.do(say(session, "sleep 60000"))
        const queued = yield* Effect.forEach(numbers(32), (n) => first.do(say(session, `say ${n}`)))
        assert.deepInclude(yield* Effect.flip(first.do(say(session, "say no"))), { code: "queue_full" })
        const cancelled = queued[4]!
        yield* hub(first, (hub) => hub.cancel(session, cancelled.run_id))
        assert.deepInclude(yield* storedRun(session, cancelled.run_id), {
          status: "ended",
          finished_reason: "interrupted",
          started_at: null
        })
        assert.deepInclude(yield* storedRun(session, going.run_id), { status: "running" })
        const last = yield* first.do(say(session, "say 33"))
        const reply = yield* hub(first, (hub) => hub.reply(session, cancelled.run_id, cancelled.seq))
        assert.deepInclude(reply, { role: "assistant", content: [], finished_reason: "interrupted" })
        yield* first.end

        const second = yield* live()
        yield* recover(second)
        yield* hub(second, (hub) => hub.cancel(session, going.run_id))
        yield* hub(second, (hub) => hub.reply(session, last.run_id, last.seq))
        const said = yield* texts(session)
        assert.deepStrictEqual(
          said.filter((text) => text.startsWith("say ")),
          numbers(33).filter((n) => n !== 5).map((n) => `say ${n}`)
        )
        const ends = (yield* everything(session)).filter(({ event }) =>
          event.type === "REPLY_END" && event.run_id === cancelled.run_id
        )
        assert.strictEqual(ends.length, 1)
      }))

    it.scoped("drops what waits before it answers, and nothing of it comes back after a restart", () =>
      Effect.gen(function*() {
        const first = yield* live()
        const session = yield* first.do(conversation())
        const all = [
          yield* first.do(say(session, "sleep 60000")),
          yield* first.do(say(session, "say one")),
          yield* first.do(say(session, "say two"))
        ]
        yield* hub(first, (hub) => hub.interrupt(session, "drop"))
        for (const { run_id } of all) {
          assert.deepInclude(yield* storedRun(session, run_id), { status: "ended", finished_reason: "interrupted" })
        }
        yield* first.end
        const second = yield* live()
        yield* recover(second)
        const next = yield* second.do(say(session, "say next"))
        yield* hub(second, (hub) => hub.reply(session, next.run_id, next.seq))
        assert.deepStrictEqual(yield* texts(session), ["sleep 60000", "", "say next", "next"])
      }))

    it.scoped("drops what waits behind a run that waits for an answer", () =>
      Effect.gen(function*() {
        const host = yield* live()
        const session = yield* host.do(conversation())
        const parked = yield* host.do(say(session, "call Pause {\"seconds\":0,\"note\":\"x\"}"))
        yield* eventually("parked", storedRun(session, parked.run_id), ({ status }) => status === "awaiting_permission")
        const waiting = yield* host.do(say(session, "say one"))
        const cancelled = yield* host.do(say(session, "say two"))
        yield* hub(host, (hub) => hub.cancel(session, cancelled.run_id))
        assert.deepInclude(yield* storedRun(session, cancelled.run_id), { status: "ended" })
        assert.deepInclude(yield* storedRun(session, parked.run_id), { status: "awaiting_permission" })
        yield* hub(host, (hub) => hub.interrupt(session, "drop"))
        for (const { run_id } of [parked, waiting]) {
          assert.deepInclude(yield* storedRun(session, run_id), { status: "ended", finished_reason: "interrupted" })
        }
        assert.notInclude(yield* texts(session), "say one")
      }))

    it.scoped("says within two seconds that storage does not write, and stops all the same when it does", () =>
      Effect.gen(function*() {
        const writing = gate()
        const host = yield* live(writing.options)
        const session = yield* host.do(conversation())
        const going = yield* host.do(say(session, "sleep 60000"))
        const waiting = yield* host.do(say(session, "say one"))
        const dropped = yield* host.do(say(session, "say two"))
        yield* writing.close
        const stops = [
          hub(host, (hub) => hub.cancel(session, waiting.run_id)),
          hub(host, (hub) => hub.interrupt(session, "drop"))
        ]
        for (const stop of stops) {
          const refused = yield* Effect.flip(stop).pipe(Effect.timeout("10 seconds"))
          assert.deepInclude(refused, { _tag: "Unavailable", code: "storage_unavailable" })
        }
        assert.deepInclude(yield* storedRun(session, going.run_id), { status: "running" })
        yield* writing.open
        for (const { run_id } of [going, waiting, dropped]) {
          yield* eventually("ended", storedRun(session, run_id), (run) => run.finished_reason === "interrupted")
        }
        assert.deepStrictEqual(yield* texts(session), ["sleep 60000", ""])
      }))

    it.scoped("runs inputs that interrupt in the order in which they came, before those that only wait", () =>
      Effect.gen(function*() {
        const host = yield* live()
        const session = yield* host.do(conversation())
        yield* host.do(say(session, "sleep 60000"))
        const last = yield* host.do(say(session, "say waits"))
        yield* Effect.forEach(["one", "two", "three"], (text) => host.do(say(session, `say ${text}`, "interrupt")), {
          concurrency: "unbounded"
        })
        yield* hub(host, (hub) => hub.reply(session, last.run_id, last.seq))
        const said = (yield* texts(session)).filter((text) => text.startsWith("say "))
        assert.deepStrictEqual(said, ["say one", "say two", "say three", "say waits"])
      }))

    it.scoped("stops nothing for an interrupting input that is refused", () =>
      Effect.gen(function*() {
        const writing = gate()
        const host = yield* live(writing.options)
        const session = yield* host.do(conversation())
        const going = yield* host.do(say(session, "sleep 3000\nsay done"))
        yield* writing.close
        const refused = yield* Effect.flip(host.do(say(session, "say no", "interrupt")))
        assert.strictEqual(refused._tag, "Unavailable")
        yield* writing.open
        const reply = yield* hub(host, (hub) => hub.reply(session, going.run_id, going.seq))
        assert.deepStrictEqual([reply.finished_reason, textOf(reply.content)], ["completed", "done"])
      }))

    it.scoped("stops a run after a restart for an input that was accepted to interrupt it", () =>
      Effect.gen(function*() {
        let isCut = false
        const first = yield* live({
          append: (append) => (batch) =>
            isCut
              ? Effect.never
              : Effect.tap(append(batch), () =>
                Effect.sync(() => {
                  isCut = batch.runs.some(({ on_busy }) => on_busy === "interrupt")
                }))
        })
        const session = yield* first.do(conversation())
        const going = yield* first.do(say(session, "sleep 60000"))
        const waiting = yield* first.do(say(session, "say waits"))
        const stopping = yield* first.do(say(session, "say stop", "interrupt"))
        yield* first.kill
        assert.deepInclude(yield* storedRun(session, going.run_id), { status: "running" })
        const second = yield* live()
        yield* recover(second)
        yield* hub(second, (hub) => hub.reply(session, waiting.run_id, waiting.seq))
        assert.deepInclude(yield* storedRun(session, going.run_id), { finished_reason: "interrupted" })
        assert.deepInclude(yield* storedRun(session, stopping.run_id), { finished_reason: "completed" })
        assert.deepStrictEqual((yield* texts(session)).slice(2), ["say stop", "stop", "say waits", "waits"])
      }))

    it.scoped("lets no more than 32 of 200 inputs wait that come at once, each with a key of its own", () =>
      Effect.gen(function*() {
        const host = yield* live()
        const session = yield* host.do(conversation())
        yield* host.do(say(session, "sleep 60000"))
        const send = (key: string) =>
          host.do(Effect.gen(function*() {
            const { send } = yield* SessionHub
            const { once } = yield* Idempotency
            const input = { role: "user", name: "user", content: `say ${key}`, metadata: {} } as const
            const request = {
              agent_id: session.agent_id,
              session_id: session.id,
              on_busy: "enqueue",
              tools: [],
              input
            } as const
            const asked = { owner: session.user_id, key, request: "POST /chat", body: key, answer: Accepted }
            return yield* once(asked, ({ claim }) => send(session.user_id, request, claim))
          }))
        const sent = yield* Effect.forEach(numbers(200), (n) => Effect.either(send(`key ${n}`)), {
          concurrency: "unbounded"
        })
        const refusals = sent.flatMap((one) => one._tag === "Left" ? [one.left] : [])
        const open = yield* Effect.flatMap(EventLog, (log) => log.open(session.id))
        assert.isAtMost(open.filter(({ status }) => status === "queued").length, 32)
        assert.isAtMost(sent.length - refusals.length, 32)
        assert.include(refusals.map(({ code }) => code), "queue_full")
        yield* hub(host, (hub) => hub.interrupt(session, "drop"))
      }))
  })
