/** What looking back on runs promises, over any storage. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { frame } from "../../src/domain/Event.ts"
import type { ScheduleId } from "../../src/domain/Ids.ts"
import type { Session } from "../../src/domain/Session.ts"
import { maxSteps } from "../../src/domain/Timeline.ts"
import * as Host from "../../src/layers/Host.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import { RunHistory } from "../../src/services/RunHistory.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import { freshOwner, pageOf, runOf } from "../support/fixtures.ts"
import { answer, conversation, converse, say, watch } from "../support/hub.ts"
import { patience } from "../support/Patience.ts"

const all = { limit: 100, cursor: undefined }

const ended = (session: Session, id: string) =>
  Effect.flatMap(Storage, ({ runs }) =>
    Effect.repeat(Effect.delay(runs.get(session.user_id, id), "20 millis"), {
      until: ({ status }) => status === "ended",
      times: patience(1_500)
    }))

export const runHistoryContract = <E>(name: string, memories: Layer.Layer<Host.Memories, E>): void =>
  layer(Host.over(memories), { timeout: patience(120_000), excludeTestServices: true })(
    `Run history contract: ${name}`,
    (it) => {
      it.effect("lists what an owner sent, narrowed, and says not found of what is not theirs", () =>
        Effect.gen(function*() {
          const history = yield* RunHistory
          const session = yield* conversation()
          const other = yield* conversation()
          const owner = session.user_id
          const { accepted } = yield* converse(session, "say Good MORNING")
          yield* converse(session, "say night")
          yield* converse(other, "say morning")
          const ids = (request: Partial<Parameters<typeof history.list>[1]>) =>
            Effect.map(history.list(owner, { ...all, ...request }), ({ items, total }) => [items.length, total])
          assert.deepStrictEqual(yield* ids({}), [2, 2])
          assert.deepStrictEqual(yield* ids({ agent_id: session.agent_id, session_id: session.id }), [2, 2])
          assert.deepStrictEqual(yield* ids({ status: "running" }), [0, 0])
          assert.deepStrictEqual(yield* ids({ from: "2000-01-01", to: "2001-01-01T00:00Z" }), [0, 0])
          assert.deepStrictEqual(yield* ids({ from: "2000-01-01" }), [2, 2])
          const found = yield* history.list(owner, { ...all, q: "good morning" })
          assert.deepStrictEqual([found.items.map(({ id }) => id), found.total, found.next_cursor], [
            [accepted.run_id],
            null,
            null
          ])
          for (
            const foreign of [
              { agent_id: other.agent_id },
              { session_id: other.id },
              { schedule_id: "nobodys" as ScheduleId }
            ]
          ) {
            assert.strictEqual((yield* Effect.flip(ids(foreign)))._tag, "NotFound")
          }
          for (const wrong of [{ q: " " }, { from: "2026-01-02", to: "2026-01-02" }]) {
            assert.strictEqual((yield* Effect.flip(ids(wrong)))._tag, "Invalid")
          }
        }))

      it.effect("tells what a run did, with each event once and what it cost, to its owner alone", () =>
        Effect.gen(function*() {
          const history = yield* RunHistory
          const session = yield* conversation()
          const { accepted, events } = yield* converse(
            session,
            "say first\ncall Pause {\"seconds\":0,\"note\":\"x\"}"
          )
          const waiting = yield* history.timeline(session.user_id, accepted.run_id)
          assert.deepStrictEqual(waiting.steps.map(({ type }) => type), ["input", "attempt", "model_call", "wait"])
          assert.strictEqual(waiting.steps.at(-1)?.ended_at, null)
          // Inputs that wait stand between the events of the run.
          const queued = yield* say(session, "say second")
          const reply_id = events.flatMap((event) => "reply_id" in event ? [event.reply_id] : [])[0]!
          const tool_call = events.flatMap((event) => event.type === "TOOL_CALL_START" ? [event.tool_call_id] : [])[0]!
          yield* answer(session, {
            type: "USER_CONFIRM_RESULT",
            reply_id,
            confirm_results: [{ confirmed: true, tool_call: { id: tool_call } }]
          })
          yield* ended(session, queued.run_id)
          const { is_complete, status, steps, totals } = yield* history.timeline(session.user_id, accepted.run_id)
          assert.deepStrictEqual([is_complete, status], [true, "ended"])
          assert.deepStrictEqual(steps.map(({ type }) => type), [
            "input",
            "attempt",
            "model_call",
            "wait",
            "tool",
            "model_call",
            "end"
          ])
          const seen = yield* Effect.scoped(Effect.gen(function*() {
            const watcher = yield* watch(session, { after: 0 })
            yield* Effect.repeat(Effect.sleep("20 millis"), {
              until: () => watcher.events().filter(({ event }) => event.type === "REPLY_END").length === 2,
              times: patience(1_500)
            })
            return watcher.events()
          }))
          const run = yield* (yield* Storage).runs.get(session.user_id, accepted.run_id)
          const between = seen.filter(({ event, seq }) =>
            seq >= run.first_seq! && seq <= run.last_seq! &&
            !(event.type === "CUSTOM" && event.name === "run_queued")
          )
          assert.strictEqual(totals.events, between.length)
          assert.strictEqual(steps.reduce((sum, { events }) => sum + events, 0), totals.events)
          const calls = steps.flatMap((step) => step.type === "model_call" ? [step] : [])
          assert.deepStrictEqual(calls.map(({ outcome }) => outcome), ["completed", "completed"])
          assert.isTrue(calls.every(({ cost }) => cost === 0), "demo models cost nothing, and that is known")
          assert.deepInclude(totals, {
            model_calls: 2,
            tool_calls: 1,
            waits: 1,
            attempts: 1,
            cost: 0,
            unpriced_calls: 0,
            output_tokens: calls.reduce((sum, { output_tokens }) => sum + output_tokens, 0)
          })
          assert.deepStrictEqual(
            yield* history.timeline(session.user_id, accepted.run_id),
            yield* history.timeline(session.user_id, accepted.run_id)
          )
          assert.strictEqual(
            (yield* Effect.flip(history.timeline(freshOwner(), accepted.run_id)))._tag,
            "NotFound"
          )
        }))

      it.effect("tells a run of 50,000 events within a bound, while others are served", () =>
        Effect.gen(function*() {
          const history = yield* RunHistory
          const log = yield* EventLog
          const session = yield* conversation()
          const pages = 100
          const each = 500
          const run = runOf(session, { status: "ended", first_seq: 1, last_seq: pages * each })
          const at = run.created_at
          const reply_id = run.reply_id
          const eventOf = (seq: number) => {
            const base = { id: `e${seq}`, created_at: at, reply_id }
            switch (seq % 4) {
              case 1:
                return { ...base, type: "MODEL_CALL_START", model_name: "demo" }
              case 0:
                return {
                  ...base,
                  type: "MODEL_CALL_END",
                  input_tokens: 1,
                  output_tokens: 1,
                  finished_reason: "completed"
                }
              default:
                return { ...base, type: "TEXT_BLOCK_DELTA", block_id: "b", delta: "word ".repeat(20) }
            }
          }
          yield* log.append({ pages: [], runs: [run], messages: [] })
          yield* Effect.forEach(Array.from({ length: pages }), (_, i) => {
            const first = i * each + 1
            const frames = Array.from({ length: each }, (_, j) => frame(first + j, JSON.stringify(eventOf(first + j))))
            return log.append({
              pages: [pageOf(session, first, first + each - 1, { run_id: run.id, frames: frames.join("") })],
              runs: [],
              messages: []
            })
          }, { discard: true })
          const timeline = yield* history.timeline(session.user_id, run.id)
          assert.deepInclude(timeline.totals, { events: pages * each, model_calls: pages * each / 4 })
          assert.deepStrictEqual([timeline.steps.length, timeline.steps_left_out], [
            maxSteps,
            pages * each / 4 - maxSteps
          ])
        }))

      it.effect("sends the input of an ended run again as a new run, which names the old one", () =>
        Effect.gen(function*() {
          const history = yield* RunHistory
          const { runs } = yield* Storage
          const session = yield* conversation()
          const { accepted } = yield* converse(session, "say again")
          const retried = yield* history.retry(session.user_id, accepted.run_id)
          const [before, after] = [
            yield* runs.get(session.user_id, accepted.run_id),
            yield* ended(session, retried.run_id)
          ]
          assert.deepInclude(after, { retried_from: accepted.run_id, finished_reason: "completed", source: "user" })
          assert.deepStrictEqual(
            after.input.map(({ content }) => content.map((block) => block.type === "text" && block.text)),
            before.input.map(({ content }) => content.map((block) => block.type === "text" && block.text))
          )
          assert.notProperty(before, "retried_from")
          assert.strictEqual((yield* Effect.flip(history.retry(freshOwner(), accepted.run_id)))._tag, "NotFound")
        }))

      it.effect("does not send the input of a run that has not ended, or that names a file which is gone", () =>
        Effect.gen(function*() {
          const history = yield* RunHistory
          const hub = yield* SessionHub
          const session = yield* conversation()
          const going = yield* say(session, "sleep 60000")
          const refused = yield* Effect.flip(history.retry(session.user_id, going.run_id))
          assert.deepInclude(refused, { _tag: "Conflict", code: "run_not_ended" })
          yield* hub.cancel(session, going.run_id)
          const gone = runOf(session, {
            status: "ended",
            input: [{
              ...runOf(session).input[0]!,
              content: [{
                type: "data",
                id: "b" as never,
                source: { type: "url", url: `/sessions/${session.id}/files/${"0".repeat(64)}`, media_type: "image/png" }
              }]
            }]
          })
          yield* (yield* Storage).runs.insert(gone)
          const missing = yield* Effect.flip(history.retry(session.user_id, gone.id))
          assert.deepInclude(missing, { _tag: "Conflict", code: "input_gone" })
        }))
    }
  )
