/** What the loop of model calls and tool calls promises of what is written before what, and of calls that bear the same id. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { type AgentEvent, frame } from "../../src/domain/Event.ts"
import { eventsOf } from "../../src/domain/Frames.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import type { Session } from "../../src/domain/Session.ts"
import * as Host from "../../src/layers/Host.ts"
import { define } from "../../src/layers/Toolbox/BuiltInTool.ts"
import type { LogBatch, LogPage } from "../../src/services/EventLog.ts"
import type { ModelCall, ModelPart } from "../../src/services/Models.ts"
import { RunOwner } from "../../src/services/RunOwner.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { conversation, say } from "../support/hub.ts"
import { eventually, everything, type Live, live, type LiveOptions, storedRun } from "../support/live.ts"
import { patience } from "../support/Patience.ts"

const usage = { input_tokens: 1, output_tokens: 1 }

const says = (delta: string, reason: "stop" | "length" = "stop"): ReadonlyArray<ModelPart> => [
  { type: "text", block: "0", delta },
  { type: "finish", reason, usage }
]

const calls = (...ids: ReadonlyArray<string>): ReadonlyArray<ModelPart> => [
  ...ids.flatMap((id): ReadonlyArray<ModelPart> => [
    { type: "tool_call_start", id, name: "Count" },
    { type: "tool_call_end", id }
  ]),
  { type: "finish", reason: "tool_calls", usage }
]

/** A model that answers so, one entry a call, while its gate is open; after the last one it never answers. */
const script = (...answers: ReadonlyArray<ReadonlyArray<ModelPart>>) => {
  const asked: Array<ModelCall> = []
  const gate = Effect.unsafeMakeLatch(true)
  const stream: NonNullable<LiveOptions["stream"]> = () => (call, take) =>
    gate.whenOpen(Effect.suspend(() => {
      const answer = answers[asked.push(call) - 1]
      if (answer === undefined) return Effect.never
      for (const part of answer) void take(part)
      return Effect.void
    }))
  return { asked, stream, gate }
}

/** A tool that says how often it was called. */
const counter = () => {
  let count = 0
  const tool = define({
    name: "Count",
    description: "Counts.",
    effect: "none",
    idempotent: false,
    parameters: Schema.Struct({}),
    run: () => Effect.sync(() => `${++count}`)
  })
  return { count: () => count, tool }
}

const tells = (type: AgentEvent["type"]) => ({ pages }: LogBatch) =>
  pages.some(({ frames }) => frames.includes(`"type":"${type}"`))

/** Storage that holds what has such an event until it may go on. */
const holding = (type: AgentEvent["type"]) => {
  const latch = Effect.unsafeMakeLatch(false)
  let isHeld = false
  const append: NonNullable<LiveOptions["append"]> = (append) => (batch) => {
    if (!tells(type)(batch)) return append(batch)
    isHeld = true
    return latch.whenOpen(append(batch))
  }
  return { append, isHeld: Effect.sync(() => isHeld), open: latch.open }
}

/** A page as it was before its run's end came into it. */
const withoutEnd = (page: LogPage): ReadonlyArray<LogPage> => {
  const events = eventsOf(page.frames).filter(({ event }) => event.type !== "REPLY_END")
  const last = events.at(-1)
  if (last === undefined) return []
  const frames = events.map(({ event, seq }) => frame(seq, JSON.stringify(event))).join("")
  return [{ ...page, ends: false, last_seq: last.seq, frames }]
}

/** Time in which what is not held back would have been done. */
const aWhile = Effect.sleep("200 millis")

const reply = (host: Live, session: Session, accepted: Effect.Effect.Success<ReturnType<typeof say>>) =>
  host.do(Effect.flatMap(SessionHub, (hub) => hub.reply(session, accepted.run_id, accepted.seq)))

describe("A run", () => {
  layer(Host.memory, { excludeTestServices: true, timeout: patience(60_000) })("over memory", (it) => {
    for (const type of ["TOOL_CALL_END", "TOOL_RESULT_START"] as const) {
      it.scoped(`runs no tool while its ${type} waits for storage`, () =>
        Effect.gen(function*() {
          const { count, tool } = counter()
          const held = holding(type)
          const { gate, stream } = script(calls("1"), says("done"))
          const host = yield* live({ append: held.append, stream, engine: { tools: [tool] } })
          const session = yield* host.do(conversation())
          // The input is taken before the model says anything: they are not in one page.
          yield* gate.close
          const accepted = yield* host.do(say(session, "go"))
          yield* gate.open
          yield* eventually("held", held.isHeld, (isHeld) => isHeld)
          yield* aWhile
          assert.strictEqual(count(), 0)
          yield* held.open
          assert.strictEqual(textOf((yield* reply(host, session, accepted)).content), "done")
          assert.strictEqual(count(), 1)
        }))
    }

    it.scoped("asks the model for no next round while a result waits for storage", () =>
      Effect.gen(function*() {
        const held = holding("TOOL_RESULT_END")
        const { asked, gate, stream } = script(calls("1"), says("done"))
        const host = yield* live({ append: held.append, stream, engine: { tools: [counter().tool] } })
        const session = yield* host.do(conversation())
        yield* gate.close
        const accepted = yield* host.do(say(session, "go"))
        yield* gate.open
        yield* eventually("held", held.isHeld, (isHeld) => isHeld)
        yield* aWhile
        assert.lengthOf(asked, 1)
        yield* held.open
        yield* reply(host, session, accepted)
        assert.lengthOf(asked, 2)
      }))

    it.scoped("runs calls whose ids come again in a later round, each once, with a result of its own", () =>
      Effect.gen(function*() {
        const { count, tool } = counter()
        const { asked, stream } = script(calls("a", "b"), calls("b", "a", "a"), says("done"))
        const host = yield* live({ stream, engine: { tools: [tool] } })
        const session = yield* host.do(conversation())
        const { content } = yield* reply(host, session, yield* host.do(say(session, "go")))
        const ids = content.flatMap((block) => block.type === "tool_call" ? [block.id as string] : [])
        assert.lengthOf(ids, 5)
        assert.strictEqual(new Set(ids).size, 5)
        assert.deepStrictEqual(ids.slice(0, 2), ["a", "b"])
        const results = content.flatMap((block) => block.type === "tool_result" ? [block] : [])
        assert.sameMembers(results.map(({ id }) => id as string), ids)
        assert.sameMembers(results.map(({ output }) => textOf(output)), ["1", "2", "3", "4", "5"])
        assert.strictEqual(count(), 5)
        // The model is told of them by the ids that they have here.
        const last = asked[2]!.messages.at(-1)!
        assert.deepStrictEqual(
          last.content.flatMap((block) => block.type === "tool_call" ? [block.id as string] : []),
          ids
        )
      }))

    it.scoped("goes on after a crash in a round whose ids were those of the round before, and runs only what has no result", () =>
      Effect.gen(function*() {
        const { count, tool } = counter()
        const first = script(calls("a"), calls("a"))
        const one = yield* live({ stream: first.stream, engine: { tools: [tool] } })
        const session = yield* one.do(conversation())
        const accepted = yield* one.do(say(session, "go"))
        // The third call of the model never ends.
        yield* eventually("asked", Effect.sync(() => first.asked.length), (asked) => asked === 3)
        yield* one.kill
        const second = script(calls("a"), says("done"))
        const two = yield* live({ stream: second.stream, engine: { tools: [tool] } })
        yield* two.do(Effect.flatMap(RunOwner, (owner) => owner.recover))
        const { content } = yield* reply(two, session, accepted)
        assert.strictEqual(count(), 3)
        const ids = content.flatMap((block) => block.type === "tool_result" ? [block.id] : [])
        assert.strictEqual(new Set(ids).size, 3)
        assert.strictEqual(textOf(content), "done")
      }))

    it.scoped("says that the model's answer was cut off by its limit", () =>
      Effect.gen(function*() {
        const host = yield* live({ stream: script(says("half", "length")).stream })
        const session = yield* host.do(conversation())
        const message = yield* reply(host, session, yield* host.do(say(session, "go")))
        assert.deepInclude(message, { finished_reason: "completed", stop_reason: "max_tokens", error: null })
      }))

    it.scoped("runs calls of one round at the same time, and eight at most", () =>
      Effect.gen(function*() {
        let now = 0
        let most = 0
        const gate = yield* Effect.makeLatch(false)
        const tool = define({
          name: "Count",
          description: "Counts.",
          effect: "none",
          idempotent: true,
          parameters: Schema.Struct({}),
          run: () =>
            Effect.gen(function*() {
              most = Math.max(most, ++now)
              yield* gate.await
              now--
              return ""
            })
        })
        const ids = Array.from({ length: 20 }, (_, i) => `${i}`)
        const host = yield* live({ stream: script(calls(...ids), says("done")).stream, engine: { tools: [tool] } })
        const session = yield* host.do(conversation())
        const accepted = yield* host.do(say(session, "go"))
        yield* eventually("eight go on", Effect.sync(() => now), (now) => now >= 8)
        yield* aWhile
        yield* gate.open
        yield* reply(host, session, accepted)
        assert.strictEqual(most, 8)
      }))

    it.scoped("that was cut off behind a correction asks the model again, with that correction and no other", () =>
      Effect.gen(function*() {
        const output_schema = { type: "object", required: ["city"] }
        const first = script(says("Bergen"))
        const one = yield* live({ stream: first.stream })
        const session = yield* one.do(conversation())
        const accepted = yield* one.do(Effect.flatMap(SessionHub, (hub) =>
          hub.send(session.user_id, {
            agent_id: session.agent_id,
            session_id: session.id,
            input: { name: "user", role: "user", content: "Where?", metadata: {} },
            on_busy: "enqueue",
            tools: [],
            output_schema
          })))
        yield* eventually(
          "corrected",
          everything(session),
          (events) => first.asked.length === 2 && events.some(({ event }) => event.type === "HINT_BLOCK")
        )
        yield* one.kill
        const second = script(says(`{"city":"Bergen"}`))
        const two = yield* live({ stream: second.stream })
        yield* two.do(Effect.flatMap(RunOwner, (owner) => owner.recover))
        const message = yield* reply(two, session, accepted)
        assert.deepInclude(message, { finished_reason: "completed", structured_output: { city: "Bergen" } })
        assert.lengthOf(message.content.filter(({ type }) => type === "hint"), 1)
        assert.lengthOf(second.asked, 1)
        assert.deepStrictEqual(second.asked[0]!.messages.at(-1)!.content.map(({ type }) => type), ["text", "hint"])
      }))

    it.scoped("that was cut off between the model's answer and its own end asks for nothing again", () =>
      Effect.gen(function*() {
        const latch = yield* Effect.makeLatch(false)
        const first = script(says("done"))
        const one = yield* live({
          append: (log) => (batch) =>
            tells("REPLY_END")(batch)
              ? Effect.zipRight(
                log({ ...batch, runs: [], messages: [], pages: batch.pages.flatMap(withoutEnd) }),
                Effect.zipRight(latch.open, Effect.never)
              )
              : log(batch),
          stream: first.stream
        })
        const session = yield* one.do(conversation())
        yield* first.gate.close
        const accepted = yield* one.do(say(session, "go"))
        yield* first.gate.open
        yield* latch.await
        yield* one.kill
        assert.deepInclude(yield* storedRun(session, accepted.run_id), { status: "running" })
        const second = script()
        const two = yield* live({ stream: second.stream })
        yield* two.do(Effect.flatMap(RunOwner, (owner) => owner.recover))
        const message = yield* reply(two, session, accepted)
        assert.deepInclude(message, { finished_reason: "completed" })
        assert.strictEqual(textOf(message.content), "done")
        assert.lengthOf(second.asked, 0)
      }))
  })
})
