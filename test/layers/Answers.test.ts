/** What the loop makes of answers that were cut, withheld or interrupted, and of tools that the provider ran. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { type AgentEvent, frame } from "../../src/domain/Event.ts"
import { eventsOf } from "../../src/domain/Frames.ts"
import type { ToolResultBlock } from "../../src/domain/Message.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import type { PermissionMode } from "../../src/domain/Permission.ts"
import type { Session } from "../../src/domain/Session.ts"
import * as Host from "../../src/layers/Host.ts"
import { define } from "../../src/layers/Toolbox/BuiltInTool.ts"
import type { LogBatch, LogPage } from "../../src/services/EventLog.ts"
import { type ModelCall, ModelFailed, type ModelPart, type Models } from "../../src/services/Models.ts"
import { RunOwner } from "../../src/services/RunOwner.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { kindOf } from "../support/events.ts"
import { answer, conversation, converse, say } from "../support/hub.ts"
import { eventually, everything, type Live, live, storedRun } from "../support/live.ts"
import { patience } from "../support/Patience.ts"

type Reason = Extract<ModelPart, { readonly type: "finish" }>["reason"]
type Answer = ReadonlyArray<ModelPart> | ModelFailed

const finish = (reason: Reason, details?: { readonly category?: string }): ModelPart => ({
  type: "finish",
  reason,
  usage: { input_tokens: 1, output_tokens: 1 },
  ...(details !== undefined && { details })
})

const text = (delta: string): ModelPart => ({ type: "text", block: "1", delta })

const call = (id: string, name: string, input: string, provider_executed = false): ReadonlyArray<ModelPart> => [
  { type: "tool_call_start", id, name, ...(provider_executed && { provider_executed }) },
  { type: "tool_call_delta", id, delta: input },
  { type: "tool_call_end", id }
]

const result = (id: string, text: string): ModelPart => ({ type: "tool_result", id, text, files: [], state: "success" })

/** The last answer is given again and again. */
const script = (...answers: ReadonlyArray<Answer | "hang">) => {
  const asked: Array<ModelCall> = []
  const stream = (): typeof Models.Service.stream => (call, emit) =>
    Effect.suspend(() => {
      asked.push(call)
      const given = answers[Math.min(asked.length, answers.length) - 1] ?? "hang"
      if (given === "hang") return Effect.never
      if (given instanceof ModelFailed) return Effect.fail(given)
      for (const part of given) void emit(part)
      return given.at(-1)?.type === "finish" ? Effect.void : Effect.never
    })
  return { asked, stream }
}

const counter = (name = "Send", effect: "none" | "write" = "none") => {
  const ran: Array<string> = []
  const tool = define({
    name,
    description: "Sends.",
    effect,
    idempotent: false,
    parameters: Schema.Struct({ to: Schema.String }),
    run: ({ to }) => Effect.sync(() => `sent ${ran.push(to)}`)
  })
  return { ran, tool }
}

const external = { name: "Outside", description: "", parameters: { type: "object" }, effect: "none" } as const

const results = (content: ReadonlyArray<{ readonly type: string }>): ReadonlyArray<ToolResultBlock> =>
  content.filter((block): block is ToolResultBlock => block.type === "tool_result")

const play = Effect.fnUntraced(function*(
  answers: ReadonlyArray<Answer | "hang">,
  options: { readonly mode?: PermissionMode; readonly tools?: Parameters<typeof say>[3]; readonly write?: boolean } = {}
) {
  const { ran, tool } = counter("Send", options.write === true ? "write" : "none")
  const { asked, stream } = script(...answers)
  const host = yield* live({ stream, engine: { tools: [tool] } })
  const session = yield* host.do(conversation("demo-script", options.mode === undefined ? {} : { mode: options.mode }))
  const accepted = yield* host.do(say(session, "go", "enqueue", options.tools))
  const reply = host.do(Effect.flatMap(SessionHub, (hub) => hub.reply(session, accepted.run_id, accepted.seq)))
  return { accepted, asked, host, ran, reply, session }
})

const cut = [...call("c1", "Send", "{\"to\":\"an")]
const whole = [...call("c0", "Send", "{\"to\":\"ann\"}")]

const told = (session: Session) => Effect.map(everything(session), (events) => events.map(({ event }) => event))

const types = (events: ReadonlyArray<AgentEvent>) => events.map(kindOf)

type Seen = ReturnType<typeof eventsOf>

/** The page with some of its events. */
const only = (keep: (events: Seen) => Seen) => (page: LogPage): ReadonlyArray<LogPage> => {
  const events = keep(eventsOf(page.frames))
  const last = events.at(-1)
  if (last === undefined) return []
  const frames = events.map(({ event, seq }) => frame(seq, JSON.stringify(event))).join("")
  return [{ ...page, ends: false, last_seq: last.seq, frames }]
}

const withoutEnd = only((events) => events.filter(({ event }) => event.type !== "REPLY_END"))

const upToCallEnd = only((events) => {
  const end = events.findIndex(({ event }) => event.type === "MODEL_CALL_END")
  return end < 0 ? events : events.slice(0, end + 1)
})

const stopOf = (events: ReadonlyArray<AgentEvent>) => events.findLast((event) => event.type === "REPLY_END")

/** The script of a second life of the host. */
const again = Effect.fnUntraced(function*(
  session: Session,
  accepted: { readonly run_id: Parameters<typeof SessionHub.Service.reply>[1]; readonly seq: number },
  ...answers: ReadonlyArray<Answer | "hang">
) {
  const { ran, tool } = counter()
  const { asked, stream } = script(...answers)
  const host: Live = yield* live({ stream, engine: { tools: [tool] } })
  yield* host.do(Effect.flatMap(RunOwner, (owner) => owner.recover))
  const reply = yield* host.do(
    Effect.flatMap(SessionHub, (hub) => hub.reply(session, accepted.run_id, accepted.seq as never))
  )
  return { asked, ran, reply }
})

describe("The loop", () => {
  layer(Host.memory, { excludeTestServices: true, timeout: patience(60_000) })(
    "with answers that are not whole",
    (it) => {
      it.scoped("does not run a call that was cut, tells the model once, and then ends", () =>
        Effect.gen(function*() {
          const { asked, ran, reply, session } = yield* play([[...cut, finish("length")]])
          const message = yield* reply
          assert.deepStrictEqual(ran, [])
          assert.lengthOf(asked, 2)
          assert.deepInclude(message, { finished_reason: "completed", stop_reason: "max_tokens", error: null })
          assert.deepStrictEqual(results(message.content).map(({ state }) => state), ["interrupted", "interrupted"])
          for (const { output } of results(message.content)) assert.match(textOf(output), /not run.*token limit/)
          const seen = results(asked[1]!.messages.at(-1)!.content)
          assert.match(textOf(seen[0]!.output), /not run/)
          const events = yield* told(session)
          assert.deepInclude(stopOf(events), { stop_reason: "max_tokens" })
        }))

      it.scoped("goes on when the model then makes a shorter call", () =>
        Effect.gen(function*() {
          const { asked, ran, reply } = yield* play([
            [...cut, finish("length")],
            [...whole, finish("tool_calls")],
            [text("Done."), finish("stop")]
          ])
          const message = yield* reply
          assert.deepStrictEqual(ran, ["ann"])
          assert.lengthOf(asked, 3)
          assert.deepInclude(message, { finished_reason: "completed", stop_reason: "end_turn" })
        }))

      it.scoped("runs the calls that were whole before the cut", () =>
        Effect.gen(function*() {
          const { ran, reply } = yield* play([
            [...whole, ...cut, finish("length")],
            [text("Done."), finish("stop")]
          ])
          const message = yield* reply
          assert.deepStrictEqual(ran, ["ann"])
          assert.deepStrictEqual(results(message.content).map(({ state }) => state).toSorted(), [
            "interrupted",
            "success"
          ])
        }))

      it.scoped("asks nobody about a cut call, and hands it to no client", () =>
        Effect.gen(function*() {
          const { reply, session } = yield* play(
            [[...cut, ...call("c2", "Outside", "{\"a\":"), finish("length")], [text("Done."), finish("stop")]],
            { write: true, tools: [external] }
          )
          assert.deepInclude(yield* reply, { finished_reason: "completed" })
          const events = types(yield* told(session))
          for (const type of ["REQUIRE_USER_CONFIRM", "REQUIRE_EXTERNAL_EXECUTION", "run_parked"] as const) {
            assert.notInclude(events, type)
          }
        }))

      it.scoped("takes a call without any arguments at the limit for cut, and an answer of text for whole", () =>
        Effect.gen(function*() {
          const { asked, ran, reply } = yield* play([
            [
              { type: "tool_call_start", id: "c1", name: "Send" },
              { type: "tool_call_end", id: "c1" },
              finish("length")
            ],
            [text("Half"), finish("length")]
          ])
          assert.deepInclude(yield* reply, { finished_reason: "completed", stop_reason: "max_tokens" })
          assert.deepStrictEqual(ran, [])
          assert.lengthOf(asked, 2)
        }))

      it.scoped("hands no client a call whose arguments are not JSON", () =>
        Effect.gen(function*() {
          const { reply, session } = yield* play(
            [[...call("c1", "Outside", "{'a': 1}"), finish("tool_calls")], [text("Done."), finish("stop")]],
            { tools: [external] }
          )
          const message = yield* reply
          assert.match(textOf(results(message.content)[0]!.output), /not valid JSON/)
          assert.notInclude(types(yield* told(session)), "run_parked")
        }))

      it.scoped("remembers after a crash that the model was told, and never runs the cut call", () =>
        Effect.gen(function*() {
          const { accepted, asked, host, session } = yield* play([[...cut, finish("length")], "hang"])
          yield* eventually("asked again", Effect.sync(() => asked.length), (asked) => asked === 2)
          yield* host.kill
          const { asked: second, ran, reply } = yield* again(session, accepted, [...cut, finish("length")])
          assert.lengthOf(second, 1)
          assert.deepStrictEqual(ran, [])
          assert.deepInclude(reply, { finished_reason: "completed", stop_reason: "max_tokens" })
        }))

      it.scoped("makes a call that a crash cut off again, although a second crash came right after it was closed", () =>
        Effect.gen(function*() {
          const { accepted, host, session } = yield* play([[text("Half ")]])
          yield* eventually("begun", told(session), (events) => types(events).includes("TEXT_BLOCK_DELTA"))
          yield* host.kill
          const gate = yield* Effect.makeLatch(false)
          const closing = yield* live({
            stream: script("hang").stream,
            append: (log) => (batch) => {
              const pages = batch.pages.flatMap(upToCallEnd)
              return batch.pages.some(({ frames }) => frames.includes("\"MODEL_CALL_END\""))
                ? Effect.zipRight(log({ ...batch, pages }), Effect.zipRight(gate.open, Effect.never))
                : log(batch)
            }
          })
          yield* closing.do(Effect.fork(Effect.flatMap(RunOwner, (owner) => owner.recover)))
          yield* gate.await
          yield* closing.kill
          assert.strictEqual(types(yield* told(session)).at(-1), "MODEL_CALL_END")
          const { asked, reply } = yield* again(session, accepted, [text("Whole."), finish("stop")])
          assert.lengthOf(asked, 1)
          assert.deepInclude(reply, { finished_reason: "completed", stop_reason: "end_turn" })
        }))

      it.scoped("that are withheld runs none of their calls and asks for nothing more", () =>
        Effect.gen(function*() {
          for (const reason of ["content_filter", "refusal"] as const) {
            const { accepted, asked, ran, reply, session } = yield* play([
              [text("I "), ...whole, finish(reason, { category: "violence" })]
            ])
            const message = yield* reply
            assert.lengthOf(asked, 1)
            assert.deepStrictEqual(ran, [])
            const how = {
              finished_reason: "completed",
              stop_reason: reason,
              stop_details: { category: "violence" }
            } as const
            assert.deepInclude(message, how)
            assert.deepInclude(stopOf(yield* told(session)), how)
            assert.deepInclude(yield* storedRun(session, accepted.run_id), how)
            assert.strictEqual(textOf(message.content), "I ")
          }
        }))

      it.scoped("tells a prompt that the provider's policy refused as withheld, and as a failure", () =>
        Effect.gen(function*() {
          const failure = new ModelFailed({
            type: "content_policy",
            message: "No.",
            retryable: false,
            category: "violence"
          })
          const { reply } = yield* play([failure])
          assert.deepInclude(yield* reply, {
            finished_reason: "error",
            stop_reason: "content_filter",
            stop_details: { category: "violence" }
          })
        }))

      it.scoped("that are paused asks to go on", () =>
        Effect.gen(function*() {
          const { asked, reply } = yield* play([[text("So "), finish("paused")], [text("far."), finish("stop")]])
          assert.deepInclude(yield* reply, { finished_reason: "completed", stop_reason: "end_turn" })
          assert.lengthOf(asked, 2)
        }))

      it.scoped("tells a call that was interrupted while it was written as not run", () =>
        Effect.gen(function*() {
          const { host, reply, session } = yield* play([[text("I "), ...cut.slice(0, 2)]])
          yield* eventually("begun", told(session), (events) => types(events).includes("TOOL_CALL_START"))
          yield* host.do(Effect.flatMap(SessionHub, (hub) => hub.interrupt(session, "keep")))
          const message = yield* reply
          assert.deepInclude(message, { finished_reason: "interrupted" })
          const [block] = results(message.content)
          assert.strictEqual(block?.state, "interrupted")
          assert.match(textOf(block!.output), /not run/)
          assert.notMatch(textOf(block!.output), /unknown/)
        }))

      it.scoped("tells a call of an answer that failed while it was written as not run", () =>
        Effect.gen(function*() {
          const failure = new ModelFailed({ type: "upstream", message: "Cut.", retryable: true })
          const stream: (inner: typeof Models.Service.stream) => typeof Models.Service.stream = () => (_, emit) => {
            for (const part of cut.slice(0, 2)) void emit(part)
            return Effect.fail(failure)
          }
          const host = yield* live({ stream })
          const session = yield* host.do(conversation())
          const { events } = yield* host.do(converse(session, "go"))
          const said = events.map((event) => event.type === "TOOL_RESULT_TEXT_DELTA" ? event.delta : "").join("")
          assert.match(said, /not run/)
          assert.notMatch(said, /unknown/)
        }))
    }
  )

  layer(Host.memory, { excludeTestServices: true, timeout: patience(60_000) })("with tools of the provider's", (it) => {
    const searched = [
      text("Let me look."),
      ...call("s1", "web_search", "{\"query\":\"Bern\"}", true),
      result("s1", "sunny")
    ]
    const answered = [
      ...searched,
      { type: "text", block: "2", delta: "Sunny." },
      {
        type: "block_end",
        block: "2",
        annotations: [{ type: "url_citation", url: "https://bern.example/", title: "Bern" }]
      },
      finish("stop")
    ] as const

    it.scoped("shows their calls and results, marked, runs nothing, and asks for nothing more", () =>
      Effect.gen(function*() {
        const { asked, reply, session } = yield* play([[...answered]])
        const message = yield* reply
        assert.lengthOf(asked, 1)
        assert.deepInclude(message, { finished_reason: "completed" })
        const [first, call, result, last] = message.content
        assert.strictEqual(first?.type, "text")
        assert.deepInclude(call, { type: "tool_call", name: "web_search", state: "finished", provider_executed: true })
        assert.deepInclude(result, { type: "tool_result", state: "success", provider_executed: true })
        assert.deepInclude(last, {
          type: "text",
          text: "Sunny.",
          annotations: [{ type: "url_citation", url: "https://bern.example/", title: "Bern" }]
        })
        const events = yield* told(session)
        assert.isTrue(events.some((event) => event.type === "TOOL_CALL_START" && event.provider_executed === true))
        assert.isTrue(events.some((event) => event.type === "TEXT_BLOCK_END" && event.annotations?.length === 1))
      }))

    it.scoped("asks nobody about one that changes the world, and runs own calls beside it", () =>
      Effect.gen(function*() {
        const { asked, ran, reply } = yield* play([
          [...call("s1", "Send", "{\"to\":\"them\"}", true), result("s1", "sent"), ...whole, finish("tool_calls")],
          [text("Done."), finish("stop")]
        ])
        const message = yield* reply
        assert.deepStrictEqual(ran, ["ann"])
        assert.lengthOf(asked, 2)
        assert.deepInclude(message, { finished_reason: "completed" })
      }))

    it.scoped("ends one that has no result, and does not run it", () =>
      Effect.gen(function*() {
        const { ran, reply } = yield* play([
          [...call("s1", "Send", "{\"to\":\"them\"}", true), text("Done."), finish("stop")]
        ])
        const message = yield* reply
        assert.deepStrictEqual(ran, [])
        assert.strictEqual(results(message.content)[0]?.state, "interrupted")
        assert.deepInclude(message, { finished_reason: "completed" })
      }))

    it.scoped("takes an answer that ends with a result of theirs for whole after a crash", () =>
      Effect.gen(function*() {
        const { ran, tool } = counter()
        const { asked, stream } = script([...searched, finish("stop")])
        const accepted = yield* Effect.makeLatch(false)
        const gate = yield* Effect.makeLatch(false)
        const ends = (batch: LogBatch) => batch.pages.some(({ frames }) => frames.includes("\"REPLY_END\""))
        const host = yield* live({
          stream: () => (call, emit) => accepted.whenOpen(stream()(call, emit)),
          engine: { tools: [tool] },
          append: (log) => (batch) =>
            ends(batch)
              ? Effect.zipRight(
                log({ ...batch, runs: [], messages: [], pages: batch.pages.flatMap(withoutEnd) }),
                Effect.zipRight(gate.open, Effect.never)
              )
              : log(batch)
        })
        const session = yield* host.do(conversation())
        const run = yield* host.do(say(session, "go"))
        yield* accepted.open
        yield* gate.await
        yield* host.kill
        const second = yield* again(session, run, [text("Again."), finish("stop")])
        assert.lengthOf(asked, 1)
        assert.lengthOf(second.asked, 0)
        assert.deepStrictEqual(ran, [])
        assert.deepInclude(second.reply, { finished_reason: "completed", stop_reason: "end_turn" })
      }))

    it.scoped("ends one that a crash cut off as unknown, and asks the model again", () =>
      Effect.gen(function*() {
        const { accepted, host, session } = yield* play([searched.slice(0, -1)])
        yield* eventually("called", told(session), (events) => types(events).includes("TOOL_CALL_END"))
        yield* host.kill
        const { asked, ran, reply } = yield* again(session, accepted, [text("Done."), finish("stop")])
        assert.lengthOf(asked, 1)
        assert.deepStrictEqual(ran, [])
        assert.match(textOf(results(reply.content)[0]!.output), /unknown/)
        assert.deepInclude(reply, { finished_reason: "completed" })
      }))
  })

  layer(Host.memory, { excludeTestServices: true, timeout: patience(60_000) })("with a person's answer", (it) => {
    it.scoped("ends after it when the answer before was cut a second time", () =>
      Effect.gen(function*() {
        const { asked, host, ran, session } = yield* play(
          [[...cut, finish("length")], [...whole, ...call("c9", "Send", "{\"to\":"), finish("length")]],
          { write: true }
        )
        yield* eventually("parked", told(session), (events) => types(events).includes("run_parked"))
        const asking = (yield* told(session)).flatMap((event) =>
          event.type === "REQUIRE_USER_CONFIRM" ? event.tool_calls : []
        )
        assert.lengthOf(asking, 1)
        const [tool_call] = asking
        const reply_id = (yield* told(session)).flatMap((event) => event.type === "REPLY_START" ? [event.reply_id] : [])
        yield* host.do(answer(session, {
          type: "USER_CONFIRM_RESULT",
          reply_id: reply_id[0]!,
          confirm_results: [{ confirmed: true, tool_call: { id: tool_call!.id } }]
        }))
        yield* eventually("ended", told(session), (events) => types(events).includes("REPLY_END"))
        assert.deepStrictEqual(ran, ["ann"])
        assert.lengthOf(asked, 2)
        assert.deepInclude(stopOf(yield* told(session)), { finished_reason: "completed", stop_reason: "max_tokens" })
      }))
  })
})
