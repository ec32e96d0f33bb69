/** What becomes of a run that storage cannot hold although it takes all others, over any storage. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { textOf } from "../../src/domain/MessageText.ts"
import type { EventLog } from "../../src/services/EventLog.ts"
import type { Files } from "../../src/services/Files.ts"
import type { JobStore } from "../../src/services/JobStore.ts"
import type { Ledger } from "../../src/services/Ledger.ts"
import { RunOwner } from "../../src/services/RunOwner.ts"
import type { ScheduleStore } from "../../src/services/ScheduleStore.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import type { Storage } from "../../src/services/Storage.ts"
import type { TaskStore } from "../../src/services/TaskStore.ts"
import type { Tenants } from "../../src/services/Tenants.ts"
import { conversation, converse, say } from "../support/hub.ts"
import { eventually, everything, type Live, live, type LiveOptions, storedRun } from "../support/live.ts"

/** Storage that cannot hold pages in which this is found. */
const refusing = (poison: RegExp, onRefused: () => void = () => {}): LiveOptions => ({
  append: (append) => (batch) => {
    if (!batch.pages.some(({ frames }) => poison.test(frames))) return append(batch)
    onRefused()
    return Effect.die(new Error("this cannot be stored"))
  }
})

/** Others who write meanwhile, as a proof that storage is there. */
const others = (host: Live) =>
  Effect.flatMap(host.do(conversation()), (session) =>
    host.do(converse(session, "say other")).pipe(
      Effect.ignore,
      Effect.delay("20 millis"),
      Effect.forever,
      Effect.forkScoped
    ))

const isGapless = (events: ReadonlyArray<{ readonly seq: number }>) =>
  assert.deepStrictEqual(events.map(({ seq }) => seq), events.map((_, i) => i + 1))

const reply = (
  ...[session, accepted]: [
    Parameters<typeof storedRun>[0],
    { readonly run_id: Parameters<typeof storedRun>[1]; readonly seq: number }
  ]
) => Effect.flatMap(SessionHub, (hub) => hub.reply(session, accepted.run_id, accepted.seq))

export const poisonContract = <E>(
  name: string,
  storage: Layer.Layer<Storage | EventLog | Files | Ledger | ScheduleStore | JobStore | TaskStore | Tenants, E>
) =>
  layer(storage, { timeout: "60 seconds", excludeTestServices: true })(`Poison: ${name}`, (it) => {
    it.scoped("a run whose events storage cannot hold ends after its attempts, and its session goes on", () =>
      Effect.gen(function*() {
        const host = yield* live(refusing(/TEXT_BLOCK_DELTA[^\n]*poison/))
        const session = yield* host.do(conversation())
        yield* others(host)
        const accepted = yield* host.do(say(session, "sleep 200\nsay poison"))
        const run = yield* eventually("ended", storedRun(session, accepted.run_id), ({ status }) => status === "ended")
        assert.deepInclude(run, { finished_reason: "error", attempt: 4 })
        assert.strictEqual(run.error?.code, "crash_loop")
        const events = yield* everything(session)
        isGapless(events)
        assert.deepInclude(events.at(-1)!.event, { type: "REPLY_END", finished_reason: "error" })
        const next = yield* host.do(say(session, "say fine"))
        assert.strictEqual(textOf((yield* host.do(reply(session, next))).content), "fine")
      }))

    it.scoped("a run whose end storage cannot hold with its content ends without it", () =>
      Effect.gen(function*() {
        const options: LiveOptions = {
          append: (append) => (batch) =>
            batch.messages.some(({ message }) =>
                message.role === "assistant" && textOf(message.content).includes("poison")
              )
              ? Effect.die(new Error("this cannot be stored"))
              : append(batch)
        }
        const host = yield* live(options)
        const session = yield* host.do(conversation())
        yield* others(host)
        const accepted = yield* host.do(say(session, "sleep 200\nsay poison"))
        const run = yield* eventually("ended", storedRun(session, accepted.run_id), ({ status }) => status === "ended")
        assert.strictEqual(run.error?.code, "crash_loop")
        const told = yield* host.do(reply(session, accepted))
        assert.deepInclude(told, { content: [], finished_reason: "error" })
        const next = yield* host.do(say(session, "say fine"))
        assert.strictEqual(textOf((yield* host.do(reply(session, next))).content), "fine")
      }))

    it.scoped("an input that waits and whose beginning storage cannot hold ends without it, and the next one runs", () =>
      Effect.gen(function*() {
        let refused = 0
        const host = yield* live(refusing(/user_message[^\n]*poison/, () => refused++))
        const session = yield* host.do(conversation())
        yield* others(host)
        yield* host.do(say(session, "sleep 300\nsay first"))
        const poisoned = yield* host.do(say(session, "say poison"))
        const next = yield* host.do(say(session, "say fine"))
        assert.strictEqual(textOf((yield* host.do(reply(session, next))).content), "fine")
        const run = yield* storedRun(session, poisoned.run_id)
        assert.deepInclude(run, { status: "ended", finished_reason: "error", started_at: null })
        assert.strictEqual(run.error?.code, "crash_loop")
        assert.isAtLeast(refused, 3)
        isGapless(yield* everything(session))
      }))

    it.scoped("counts the attempts of all processes that try such a run", () =>
      Effect.gen(function*() {
        const poison = /TEXT_BLOCK_DELTA[^\n]*poison/
        let host = yield* live(refusing(poison))
        const session = yield* host.do(conversation())
        const accepted = yield* host.do(say(session, "sleep 50\nsay poison"))
        for (let attempt = 2; attempt <= 4; attempt++) {
          yield* host.kill
          let refused = 0
          host = yield* live(refusing(poison, () => refused++))
          yield* host.do(Effect.flatMap(RunOwner, (owner) => owner.recover))
          yield* eventually(
            `attempt ${attempt}`,
            storedRun(session, accepted.run_id),
            (run) => run.attempt === attempt && (refused > 0 || run.status === "ended")
          )
        }
        assert.deepInclude(yield* storedRun(session, accepted.run_id), { status: "ended", finished_reason: "error" })
      }))

    it.scoped("a run whose own events cannot be read ends after some attempts, and its session goes on", () =>
      Effect.gen(function*() {
        const first = yield* live()
        const session = yield* first.do(conversation())
        const accepted = yield* first.do(say(session, "sleep 60000"))
        const waiting = yield* first.do(say(session, "say waits"))
        yield* first.kill
        let reads = 0
        let isOver = false
        const second = yield* live({
          read: (read) => (id, ...rest) =>
            Effect.suspend(() =>
              id === session.id && !isOver ? Effect.die(`cannot be read ${++reads}`) : read(id, ...rest)
            )
        })
        yield* second.do(Effect.flatMap(RunOwner, (owner) => owner.recover))
        const run = yield* eventually("ended", storedRun(session, accepted.run_id), ({ status }) => status === "ended")
        assert.deepInclude(run, { finished_reason: "error" })
        assert.deepInclude(run.error, { type: "internal", code: "internal" })
        assert.isAtLeast(reads, 3)
        isOver = true
        assert.strictEqual(textOf((yield* second.do(reply(session, waiting))).content), "waits")
        const next = yield* second.do(say(session, "say fine"))
        assert.strictEqual(textOf((yield* second.do(reply(session, next))).content), "fine")
        isGapless(yield* everything(session))
      }))

    it.scoped("a run whose events could not be read for a moment goes on", () =>
      Effect.gen(function*() {
        const first = yield* live()
        const session = yield* first.do(conversation())
        const accepted = yield* first.do(say(session, "sleep 200\nsay done"))
        yield* first.kill
        let isAway = true
        const second = yield* live({
          read: (read) => (id, ...rest) =>
            Effect.suspend(() => {
              if (id !== session.id || !isAway) return read(id, ...rest)
              isAway = false
              return Effect.die("not now")
            })
        })
        yield* second.do(Effect.flatMap(RunOwner, (owner) => owner.recover))
        assert.strictEqual(textOf((yield* second.do(reply(session, accepted))).content), "done")
        assert.deepInclude(yield* storedRun(session, accepted.run_id), { finished_reason: "completed", attempt: 2 })
      }))
  })
