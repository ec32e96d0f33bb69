/** What a second life of the host does with what the first one left behind, over any storage. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import type { AgentEvent } from "../../src/domain/Event.ts"
import type { ToolCallId } from "../../src/domain/Ids.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import type { Run } from "../../src/domain/Run.ts"
import { EventLog, type LogBatch } from "../../src/services/EventLog.ts"
import type { Files } from "../../src/services/Files.ts"
import type { JobStore } from "../../src/services/JobStore.ts"
import { Ledger } from "../../src/services/Ledger.ts"
import { RunOwner } from "../../src/services/RunOwner.ts"
import type { ScheduleStore } from "../../src/services/ScheduleStore.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import type { TaskStore } from "../../src/services/TaskStore.ts"
import type { Tenants } from "../../src/services/Tenants.ts"
import { kindOf } from "../support/events.ts"
import { answer, conversation, say, watch } from "../support/hub.ts"
import { always, ledgerTells } from "../support/ledger.ts"
import { eventually, everything, live, storedRun } from "../support/live.ts"
import { patience } from "../support/Patience.ts"

const isGapless = (events: ReadonlyArray<{ readonly seq: number }>) =>
  assert.deepStrictEqual(events.map(({ seq }) => seq), events.map((_, i) => i + 1))

const typesOf = (events: ReadonlyArray<{ readonly event: AgentEvent }>) => events.map(({ event }) => event.type)

/** Starts `text`, leaves when `until` is seen, lives again, and waits for the run to end. */
const interrupted = (
  text: string,
  until: (event: AgentEvent) => boolean,
  parameters: Record<string, unknown> = { delay_ms: 5 }
) =>
  Effect.gen(function*() {
    const first = yield* live()
    const session = yield* first.do(conversation("demo-script", { parameters }))
    const accepted = yield* first.do(say(session, text))
    yield* first.do(
      Effect.gen(function*() {
        const seen = yield* watch(session, { after: accepted.seq, only: accepted.run_id })
        yield* Effect.repeat(Effect.sleep("1 millis"), { until: () => seen.events().some(({ event }) => until(event)) })
      }).pipe(Effect.scoped)
    )
    yield* first.end
    const before = yield* everything(session)
    const second = yield* live()
    yield* second.do(Effect.flatMap(RunOwner, (owner) => owner.recover))
    const reply = yield* second.do(
      Effect.flatMap(SessionHub, (hub) => hub.reply(session, accepted.run_id, accepted.seq))
    )
    const after = yield* everything(session)
    yield* second.end
    isGapless(after)
    assert.deepStrictEqual(after.slice(0, before.length), before)
    yield* ledgerTells(session, after.map(({ event }) => event))
    return { session, accepted, reply, before, fresh: after.slice(before.length) }
  })

export const recoveryContract = <E>(
  name: string,
  storage: Layer.Layer<Storage | EventLog | Files | Ledger | ScheduleStore | JobStore | TaskStore | Tenants, E>
) =>
  layer(storage, { timeout: patience(60_000), excludeTestServices: true })(`Recovery: ${name}`, (it) => {
    it.scoped("makes the model call that was cut off again, and keeps what it had said", () =>
      Effect.gen(function*() {
        const { before, fresh, reply, session } = yield* interrupted(
          "repeat 60 word ",
          (event) => event.type === "TEXT_BLOCK_DELTA"
        )
        assert.notInclude(typesOf(before), "REPLY_END")
        assert.strictEqual(kindOf(fresh[0]!.event), "run_resumed")
        assert.deepInclude(fresh.at(-1)!.event, { type: "REPLY_END", finished_reason: "completed" })
        const said = before.map(({ event }) => event.type === "TEXT_BLOCK_DELTA" ? event.delta : "").join("")
        assert.isTrue(textOf(reply.content).startsWith(said))
        const { runs } = yield* Storage
        const { items } = yield* runs.list(session.user_id, { limit: 10, cursor: undefined })
        assert.deepInclude(items[0], { status: "ended", finished_reason: "completed", attempt: 2 })
      }))

    it.scoped("enters a call that a crash cut off as lost, once, and the one that was made again", () =>
      Effect.gen(function*() {
        const { before, session } = yield* interrupted("repeat 60 word ", (event) => event.type === "TEXT_BLOCK_DELTA")
        const { groups } = yield* Ledger
        const [group, ...others] = yield* groups(session.user_id, {
          ...always,
          group_by: ["provider", "model", "credential"],
          limit: 10,
          after: undefined
        })
        const start = before.find(({ event }) => event.type === "MODEL_CALL_START")?.event
        assert.deepInclude(start, { provider: "demo_credential", model_name: "demo-script" })
        assert.deepStrictEqual(others, [])
        assert.deepStrictEqual(group?.keys, [
          "demo_credential",
          "demo-script",
          session.config.chat_model_config!.credential_id
        ])
        assert.deepInclude(group?.sum, { calls: 2, errors: 1, output_tokens: 60 })
      }))

    it.scoped("does not run a tool again whose result is in the log", () =>
      Effect.gen(function*() {
        const script = "call Calculate {\"expression\":\"6*7\"}\nthen\nrepeat 60 word "
        const { fresh, reply } = yield* interrupted(script, (event) => event.type === "TEXT_BLOCK_DELTA")
        assert.notInclude(typesOf(fresh), "TOOL_RESULT_START")
        assert.strictEqual(reply.content.filter(({ type }) => type === "tool_result").length, 1)
        assert.strictEqual(reply.finished_reason, "completed")
      }))

    it.scoped("runs the inputs that waited, in their order", () =>
      Effect.gen(function*() {
        const first = yield* live()
        const session = yield* first.do(conversation("demo-script", { parameters: { delay_ms: 5 } }))
        yield* first.do(say(session, "repeat 50 a "))
        yield* first.do(say(session, "say two"))
        const third = yield* first.do(say(session, "say three"))
        yield* first.end
        const second = yield* live()
        yield* second.do(Effect.flatMap(RunOwner, (owner) => owner.recover))
        yield* second.do(Effect.flatMap(SessionHub, (hub) => hub.reply(session, third.run_id, third.seq)))
        const log = yield* EventLog
        const placed = yield* log.recent(session.id, 100)
        assert.deepStrictEqual(placed.map(({ message }) => message.role), [
          "user",
          "assistant",
          "user",
          "assistant",
          "user",
          "assistant"
        ])
        assert.deepStrictEqual(placed.slice(2).map(({ message }) => textOf(message.content)), [
          "say two",
          "two",
          "say three",
          "three"
        ])
        isGapless(yield* everything(session))
        yield* second.end
      }))

    it.scoped("gives a run up that was cut off three times, and says so", () =>
      Effect.gen(function*() {
        const first = yield* live()
        const session = yield* first.do(conversation("demo-script"))
        const accepted = yield* first.do(say(session, "sleep 60000"))
        yield* first.end
        for (const _ of [2, 3]) {
          const again = yield* live()
          yield* again.do(Effect.flatMap(RunOwner, (owner) => owner.recover))
          yield* Effect.sleep("50 millis")
          yield* again.end
        }
        const last = yield* live()
        yield* last.do(Effect.flatMap(RunOwner, (owner) => owner.recover))
        const reply = yield* last.do(
          Effect.flatMap(SessionHub, (hub) => hub.reply(session, accepted.run_id, accepted.seq))
        )
        assert.strictEqual(reply.finished_reason, "error")
        assert.strictEqual(reply.error?.code, "crash_loop")
        const next = yield* last.do(say(session, "say fine"))
        const fine = yield* last.do(Effect.flatMap(SessionHub, (hub) => hub.reply(session, next.run_id, next.seq)))
        assert.strictEqual(textOf(fine.content), "fine")
        const events = yield* everything(session)
        isGapless(events)
        yield* ledgerTells(session, events.map(({ event }) => event))
        yield* last.end
      }))

    it.scoped("keeps what a run had said that is given up, also when the process is killed again while it writes that", () =>
      Effect.gen(function*() {
        const first = yield* live()
        const session = yield* first.do(conversation("demo-script"))
        const accepted = yield* first.do(say(session, "say kept\nsleep 60000"))
        const isSaid = (events: ReadonlyArray<{ readonly event: AgentEvent }>) =>
          typesOf(events).includes("TEXT_BLOCK_DELTA")
        yield* eventually("said", everything(session), isSaid)
        yield* first.kill
        for (const attempt of [2, 3, 4]) {
          // The end of the run never reaches the storage of these processes.
          const again = yield* live({
            append: (append) => (batch) =>
              batch.messages.some(({ message }) => message.role === "assistant") ? Effect.never : append(batch)
          })
          yield* again.do(Effect.flatMap(RunOwner, (owner) => owner.recover))
          yield* eventually("again", storedRun(session, accepted.run_id), (run) => run.attempt === attempt)
          yield* again.kill
        }
        const last = yield* live()
        yield* last.do(Effect.flatMap(RunOwner, (owner) => owner.recover))
        const reply = yield* last.do(
          Effect.flatMap(SessionHub, (hub) => hub.reply(session, accepted.run_id, accepted.seq))
        )
        assert.strictEqual(reply.error?.code, "crash_loop")
        assert.deepInclude(yield* storedRun(session, accepted.run_id), { status: "ended", attempt: 5 })
        assert.isTrue(textOf(reply.content).startsWith("kept"))
        yield* last.end
      }))

    it.scoped("has nothing to do where every run has ended", () =>
      Effect.gen(function*() {
        const first = yield* live()
        const session = yield* first.do(conversation("demo-script"))
        const accepted = yield* first.do(say(session, "say x"))
        yield* first.do(Effect.flatMap(SessionHub, (hub) => hub.reply(session, accepted.run_id, accepted.seq)))
        yield* first.end
        const before = yield* everything(session)
        const second = yield* live()
        yield* second.do(Effect.flatMap(RunOwner, (owner) => owner.recover))
        yield* Effect.sleep("50 millis")
        yield* second.end
        assert.deepStrictEqual(yield* everything(session), before)
      }))

    it.scoped("lets one of two hosts that drive the same run go on, and ends the other's part without a trace", () =>
      Effect.gen(function*() {
        const first = yield* live()
        const session = yield* first.do(conversation("demo-script", { parameters: { delay_ms: 5 } }))
        yield* first.do(say(session, "repeat 100 word "))
        yield* Effect.sleep("50 millis")
        const second = yield* live()
        yield* second.do(Effect.flatMap(RunOwner, (owner) => owner.recover))
        const events = yield* Effect.repeat(Effect.delay(everything(session), "20 millis"), {
          until: (seen) => typesOf(seen).includes("REPLY_END")
        })
        yield* Effect.sleep("100 millis")
        isGapless(yield* everything(session))
        assert.strictEqual((yield* everything(session)).length, events.length)
        yield* ledgerTells(session, events.map(({ event }) => event))
        assert.deepInclude(events.at(-1)!.event, { type: "REPLY_END", finished_reason: "completed" })
        yield* first.end
        yield* second.end
      }))

    for (const moment of ["while it is parked again", "before it is parked again"] as const) {
      it.scoped(`goes on with a run of which one of two external calls was answered, cut off ${moment}`, () =>
        Effect.gen(function*() {
          let isCut = false
          const isAnswer = ({ pages }: LogBatch) =>
            pages.some(({ frames }) => frames.includes("EXTERNAL_EXECUTION_RESULT"))
          const first = yield* live({
            append: (append) => (batch) =>
              isCut ? Effect.never : Effect.tap(append(batch), () =>
                Effect.sync(() => {
                  isCut = moment === "before it is parked again" && isAnswer(batch)
                }))
          })
          const session = yield* first.do(conversation())
          const script = "call Weather {\"city\":\"Oslo\"}\ncall Weather {\"city\":\"Rome\"}\nthen\nresults"
          const tools = [{ name: "Weather", description: "", parameters: { type: "object" }, effect: "none" as const }]
          const isParked = ({ status }: Run) => status === "awaiting_external_result"
          const accepted = yield* first.do(say(session, script, "enqueue", tools))
          const run = storedRun(session, accepted.run_id)
          yield* eventually("parked", run, isParked)
          const [oslo, rome] = (yield* everything(session)).flatMap(({ event }) =>
            event.type === "REQUIRE_EXTERNAL_EXECUTION" ? event.tool_calls : []
          )
          const { reply_id } = yield* run
          const tell = (id: ToolCallId, output: string) =>
            answer(session, {
              type: "EXTERNAL_EXECUTION_RESULT",
              reply_id,
              execution_results: [{ id, output, state: "success" }]
            })
          yield* first.do(tell(oslo!.id, "snow"))
          if (moment === "while it is parked again") yield* eventually("parked again", run, isParked)
          else assert.deepInclude(yield* run, { status: "running" })
          yield* first.kill

          const second = yield* live()
          yield* second.do(Effect.flatMap(RunOwner, (owner) => owner.recover))
          yield* eventually("parked", run, isParked)
          const refused = yield* Effect.flip(second.do(tell(oslo!.id, "rain")))
          assert.deepInclude(refused, { _tag: "Conflict", code: "not_asked" })
          const last = yield* second.do(tell(rome!.id, "sun"))
          const reply = yield* second.do(
            Effect.flatMap(SessionHub, (hub) => hub.reply(session, last.run_id, last.seq))
          )
          assert.strictEqual(reply.finished_reason, "completed")
          assert.deepStrictEqual(
            reply.content.flatMap((block) =>
              block.type === "tool_result" ? [`${block.state} ${textOf(block.output)}`] : []
            ),
            ["success snow", "success sun"]
          )
          isGapless(yield* everything(session))
        }))
    }
  })
