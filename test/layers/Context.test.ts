/** What the loop promises of contexts that grow too long: what a model is given after a compaction, and what is lost when one fails: nothing. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import type { Compacted } from "../../src/domain/Context.ts"
import type { Message } from "../../src/domain/Message.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import type { Session } from "../../src/domain/Session.ts"
import { messagesOf } from "../../src/domain/Transcript.ts"
import * as Host from "../../src/layers/Host.ts"
import { define } from "../../src/layers/Toolbox/BuiltInTool.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import { Ledger } from "../../src/services/Ledger.ts"
import { type ModelCall, ModelFailed, type ModelPart } from "../../src/services/Models.ts"
import { RunOwner } from "../../src/services/RunOwner.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import { conversation, say } from "../support/hub.ts"
import { eventually, everything, type Live, live, type LiveOptions, storedRun } from "../support/live.ts"
import { patience } from "../support/Patience.ts"
import { bus } from "../support/peers.ts"

const usage = { input_tokens: 7, output_tokens: 3 }

const says = (delta: string): ReadonlyArray<ModelPart> => [
  { type: "text", block: "0", delta },
  { type: "finish", reason: "stop", usage }
]

const summary = JSON.stringify({
  task_overview: "the task",
  current_state: "halfway",
  important_discoveries: "the key is under the mat",
  next_steps: "go on",
  context_to_preserve: "nothing"
})

const isSummary = ({ output }: ModelCall) => output?.name === "context_summary"

type Answer = ReadonlyArray<ModelPart> | ModelFailed | "hang"

/** A model that answers so, and remembers what it was asked; summaries apart. */
const model = (
  answer: (n: number, call: ModelCall) => Answer,
  summaries: (n: number) => Answer = () => says(summary)
) => {
  const asked: Array<ModelCall> = []
  const summarised: Array<ModelCall> = []
  const stream: NonNullable<LiveOptions["stream"]> = () => (call, take) =>
    Effect.suspend(() => {
      const given = isSummary(call) ? summaries(summarised.push(call) - 1) : answer(asked.push(call) - 1, call)
      if (given === "hang") return Effect.never
      if (given instanceof ModelFailed) return Effect.fail(given)
      for (const part of given) void take(part)
      return Effect.void
    })
  return { asked, summarised, stream }
}

const tooLong = new ModelFailed({ type: "context_length", message: "Too long.", retryable: false })
const away = new ModelFailed({ type: "upstream", message: "Away.", retryable: true })

/** A session whose model takes so many tokens. */
const sessionOf = (size: number, options: Parameters<typeof conversation>[1] = {}) =>
  Effect.gen(function*() {
    const session = yield* conversation("demo-script", options)
    const { credentials } = yield* Storage
    yield* credentials.modify(session.user_id, session.config.chat_model_config!.credential_id, (credential) => ({
      ...credential,
      settings: { models: [{ name: "demo-script", context_size: size }] }
    }))
    return session
  })

const configured = (session: Session, config: Record<string, unknown>) =>
  Effect.flatMap(Storage, ({ agents }) =>
    agents.modify(session.user_id, session.agent_id, (agent) => ({
      ...agent,
      data: { ...agent.data, context_config: { ...agent.data.context_config, ...config } }
    })))

const reply = (host: Live, session: Session, text: string) =>
  host.do(Effect.gen(function*() {
    const hub = yield* SessionHub
    const accepted = yield* say(session, text)
    const message = yield* hub.reply(session, accepted.run_id, accepted.seq)
    return { ...accepted, message }
  }))

const compact = (host: Live, session: Session) =>
  host.do(Effect.gen(function*() {
    const hub = yield* SessionHub
    const accepted = yield* hub.send(
      session.user_id,
      { agent_id: session.agent_id, session_id: session.id, input: null, on_busy: "enqueue", tools: [] },
      undefined,
      { source: "user", source_id: null, compact: true }
    )
    const message = yield* hub.reply(session, accepted.run_id, accepted.seq)
    return { ...accepted, message }
  }))

const compactions = (session: Session) =>
  Effect.map(
    everything(session),
    (told) =>
      told.flatMap(({ event }): ReadonlyArray<Compacted> =>
        event.type === "CUSTOM" && event.name === "context_compacted" ? [event] : []
      )
  )

const wire = (messages: ReadonlyArray<Message>) => messages.map(({ content, role }) => JSON.stringify([role, content]))

/** About so many tokens. */
const words = (tokens: number, what = "word") => `${what} `.repeat(Math.ceil(tokens * 4 / (what.length + 1))).trim()

const echo = define({
  name: "Echo",
  description: "Says so many characters.",
  effect: "none",
  idempotent: true,
  parameters: Schema.Struct({ length: Schema.Number }),
  run: ({ length }) => Effect.succeed("0123456789".repeat(Math.ceil(length / 10)).slice(0, length))
})

const calls = (id: string, length: number): ReadonlyArray<ModelPart> => [
  { type: "tool_call_start", id, name: "Echo" },
  { type: "tool_call_delta", id, delta: JSON.stringify({ length }) },
  { type: "tool_call_end", id },
  { type: "finish", reason: "tool_calls", usage }
]

describe("A context", () => {
  layer(Host.memory, { excludeTestServices: true, timeout: patience(60_000) })("over memory", (it) => {
    it.scoped("is summarised before a model call that it would be too long for, and begins with the summary then", () =>
      Effect.gen(function*() {
        const { asked, stream, summarised } = model((n) => says(words(300, `answer${n}`)))
        const host = yield* live({ stream })
        const session = yield* host.do(sessionOf(2_000))
        for (let i = 0; i < 4; i++) yield* reply(host, session, `question ${i} ${words(100)}`)
        const [event] = yield* compactions(session)
        assert.lengthOf(summarised, 1)
        assert.deepInclude(event!.value, { reason: "size", method: "summary", blocks: null })
        assert.isBelow(event!.value.tokens_after, event!.value.tokens_before / 2)
        assert.include(event!.value.summary, "the key is under the mat")
        const [first, ...rest] = asked.at(-1)!.messages
        assert.include(textOf(first!.content), "the key is under the mat")
        assert.strictEqual(textOf(rest.at(-1)!.content).slice(0, 10), "question 3")
        assert.isBelow(rest.length, 4)
        // The record has what it stands for, and people still see everything.
        assert.include(textOf(summarised[0]!.messages[0]!.content), "question 0")
        const { messages } = yield* host.do(
          Effect.flatMap(SessionHub, (hub) => hub.messages(session, { offset: 0, limit: 50 }))
        )
        assert.lengthOf(messages, 8)
      }))

    it.scoped("is byte for byte the beginning of the next one, over compactions, replies and a restart, and what the log tells", () =>
      Effect.gen(function*() {
        const { asked, stream, summarised } = model((n) => says(words(60 + (n * 37) % 150, `a${n}`)))
        let host = yield* live({ stream })
        const session = yield* host.do(sessionOf(1_500))
        let before: ReadonlyArray<string> = []
        let made = 0
        for (let i = 0; i < 24; i++) {
          if (i % 7 === 6) {
            yield* host.end
            host = yield* live({ stream })
          }
          yield* reply(host, session, `q${i} ${words(40 + (i * 53) % 90)}`)
          const now = wire(asked.at(-1)!.messages)
          if (summarised.length === made) assert.deepStrictEqual(now.slice(0, before.length), before, `turn ${i}`)
          made = summarised.length
          before = now
        }
        assert.isAbove(made, 2)
        const log = (yield* everything(session)).map(({ event }) => event)
        const last = (yield* compactions(session)).at(-1)!
        const all = messagesOf(log)
        const from = all.findIndex(({ id }) => id === last.value.keeps_from)
        assert.deepStrictEqual(before.slice(1), wire(all.slice(from, -1)))
        const { compaction, messages } = yield* Effect.flatMap(EventLog, (log) => log.snapshot(session.id, 2_000, 1e7))
        assert.deepStrictEqual(compaction?.event, last)
        assert.deepStrictEqual(messages.map(({ message }) => message.id), all.slice(from).map(({ id }) => id))
      }))

    it.scoped("is cut between the rounds of a reply that is too long by itself, and the question stays", () =>
      Effect.gen(function*() {
        const rounds = 12
        const { asked, stream, summarised } = model((n) => n < rounds ? calls(`c${n}`, 800) : says("done"))
        const host = yield* live({ stream, engine: { tools: [echo] } })
        const session = yield* host.do(sessionOf(2_000))
        const { message } = yield* reply(host, session, "count to twelve")
        assert.isAtLeast(summarised.length, 1)
        assert.lengthOf(message.content.filter(({ type }) => type === "tool_result"), rounds)
        for (const { messages } of asked) {
          const blocks = messages.flatMap(({ content }) => content)
          const called = blocks.flatMap((block) => block.type === "tool_call" ? [block.id] : [])
          assert.deepStrictEqual(blocks.flatMap((block) => block.type === "tool_result" ? [block.id] : []), called)
        }
        const last = asked.at(-1)!.messages
        assert.include(textOf(last[0]!.content), "the key is under the mat")
        assert.strictEqual(textOf(last[1]!.content), "count to twelve")
        assert.isBelow(last[2]!.content.length, 2 * rounds)
        assert.isNumber((yield* compactions(session))[0]!.value.blocks)
        // The summary's calls count to the run and stand in the ledger, and are no rounds of it.
        assert.strictEqual(message.usage?.input_tokens, usage.input_tokens * (asked.length + summarised.length))
      }))

    it.scoped("stays as it is when the model cannot be asked for a summary, while it still fits", () =>
      Effect.gen(function*() {
        const { asked, stream, summarised } = model(() => says(words(300)), () => away)
        const host = yield* live({ stream })
        const session = yield* host.do(sessionOf(1_600))
        for (let i = 0; i < 4; i++) yield* reply(host, session, `question ${i} ${words(50)}`)
        assert.lengthOf(yield* compactions(session), 0)
        assert.strictEqual(textOf(asked.at(-1)!.messages[0]!.content).slice(0, 10), "question 0")
        assert.isAtLeast(summarised.length, 1)
      }))

    it.scoped("loses its older part, and says so, where no summary can be made and the model would refuse it", () =>
      Effect.gen(function*() {
        const { asked, stream } = model(() => says(words(400)), () => away)
        const host = yield* live({ stream })
        const session = yield* host.do(sessionOf(1_600))
        for (let i = 0; i < 6; i++) yield* reply(host, session, `question ${i} ${words(50)}`)
        const [event] = yield* compactions(session)
        assert.strictEqual(event?.value.method, "truncated")
        assert.include(textOf(asked.at(-1)!.messages[0]!.content), "left out, because no summary")
      }))

    it.scoped("takes a plain text for a summary, when the model has no other", () =>
      Effect.gen(function*() {
        const { asked, stream } = model(() => says(words(300)), () => says("We spoke of the sea."))
        const host = yield* live({ stream })
        const session = yield* host.do(sessionOf(2_000))
        for (let i = 0; i < 5; i++) yield* reply(host, session, `question ${i} ${words(100)}`)
        assert.strictEqual((yield* compactions(session))[0]?.value.method, "text")
        assert.include(textOf(asked.at(-1)!.messages[0]!.content), "We spoke of the sea.")
      }))

    it.scoped("is summarised when a model refuses it as too long, whatever was estimated, and the call is made again", () =>
      Effect.gen(function*() {
        const { asked, stream, summarised } = model(
          (n, { messages }) => messages.length > 4 ? tooLong : says(`answer ${n}`),
          (n) => n === 0 ? tooLong : says(summary)
        )
        const host = yield* live({ stream })
        const session = yield* host.do(sessionOf(100_000))
        for (let i = 0; i < 3; i++) {
          const { message } = yield* reply(host, session, `question ${i} ${words(30)}`)
          assert.strictEqual(message.finished_reason, "completed")
        }
        // The first try had too much in it.
        assert.lengthOf(summarised, 2)
        assert.deepInclude((yield* compactions(session))[0]!.value, { reason: "overflow", method: "summary" })
        assert.lengthOf(asked, 4)
      }))

    it.scoped("fails as before when its newest message alone is too long", () =>
      Effect.gen(function*() {
        const { asked, stream, summarised } = model(() => tooLong)
        const host = yield* live({ stream })
        const session = yield* host.do(sessionOf(1_000))
        const { message } = yield* reply(host, session, words(1_500))
        assert.strictEqual(message.error?.code, "context_length")
        assert.lengthOf(asked, 1)
        assert.lengthOf(summarised, 0)
      }))

    it.scoped("stays whole when the run is stopped, or its process killed, in the middle of the summary", () =>
      Effect.gen(function*() {
        let hangs = true
        const { asked, stream, summarised } = model(() => says(words(300)), () => hangs ? "hang" : says(summary))
        const first = yield* live({ stream })
        const session = yield* first.do(sessionOf(2_000))
        const ask = Effect.gen(function*() {
          const n = summarised.length
          const accepted = yield* say(session, `more ${words(100)}`)
          yield* eventually("asked for a summary", Effect.sync(() => summarised.length), (count) => count > n)
          return accepted
        })
        for (let i = 0; i < 3; i++) yield* reply(first, session, `question ${i} ${words(100)}`)
        const stopped = yield* first.do(ask)
        yield* first.do(Effect.flatMap(SessionHub, (hub) => hub.interrupt(session, "keep")))
        assert.strictEqual((yield* first.do(storedRun(session, stopped.run_id))).finished_reason, "interrupted")
        assert.lengthOf(yield* compactions(session), 0)
        const killed = yield* first.do(ask)
        yield* first.kill
        hangs = false
        const second = yield* live({ stream })
        yield* second.do(Effect.flatMap(RunOwner, ({ recover }) => recover))
        yield* second.do(
          eventually("ended", storedRun(session, killed.run_id), ({ status }) => status === "ended")
        )
        assert.lengthOf(yield* compactions(session), 1)
        assert.include(textOf(asked.at(-1)!.messages[0]!.content), "the key is under the mat")
        const entries = yield* second.do(
          Effect.flatMap(Ledger, (ledger) => ledger.calls(session.user_id, killed.run_id, 9))
        )
        assert.sameMembers(entries.map(({ outcome }) => outcome), ["lost", "completed", "completed"])
      }))

    it.scoped("is summarised when somebody asks for it, in a run of its own, once, and else stays", () =>
      Effect.gen(function*() {
        const { asked, stream, summarised } = model((n) => says(`answer ${n} ${words(50)}`))
        const host = yield* live({ stream })
        const session = yield* host.do(sessionOf(100_000))
        const nothing = yield* compact(host, session)
        assert.include(textOf(nothing.message.content), "nothing to summarise")
        for (let i = 0; i < 3; i++) yield* reply(host, session, `question ${i}`)
        const { message, run_id } = yield* compact(host, session)
        assert.include(textOf(message.content), "was summarised")
        assert.lengthOf(summarised, 1)
        const run = yield* host.do(storedRun(session, run_id))
        assert.deepInclude(run, { status: "ended", finished_reason: "completed", compact: true })
        assert.strictEqual(run.usage?.input_tokens, usage.input_tokens)
        for (let i = 0; i < 8; i++) {
          assert.include(textOf((yield* compact(host, session)).message.content), "nothing to summarise")
        }
        assert.lengthOf(summarised, 1)
        yield* reply(host, session, "and now?")
        const given = asked.at(-1)!.messages
        assert.include(textOf(given[0]!.content), "the key is under the mat")
        assert.isFalse(wire(given).some((text) => text.includes("question 0")))
      }))

    it.scoped("is the same in another process, before and after one of them has summarised it", () =>
      Effect.gen(function*() {
        const peers = bus()
        const one = model((n) => says(`one ${n}`))
        const other = model((n) => says(`other ${n}`))
        const first = yield* live({ stream: one.stream, peers: peers.join().layer })
        const second = yield* live({ stream: other.stream, peers: peers.join().layer })
        const session = yield* first.do(sessionOf(100_000))
        yield* reply(first, session, "question 0")
        yield* reply(second, session, "question 1")
        yield* compact(first, session)
        yield* reply(second, session, "question 2")
        const given = wire(other.asked.at(-1)!.messages)
        assert.include(given[0], "the key is under the mat")
        assert.isFalse(given.some((text) => text.includes("question 0") || text.includes("question 1")))
        yield* reply(first, session, "question 3")
        assert.deepStrictEqual(wire(one.asked.at(-1)!.messages).slice(0, given.length), given)
      }))

    it.scoped("is told what a person says while the summary is made, before the model goes on", () =>
      Effect.gen(function*() {
        const gate = Effect.unsafeMakeLatch(false)
        const { asked, stream, summarised } = model((n) => says(words(300, `answer${n}`)))
        const host = yield* live({
          stream: (inner) => (call, take) =>
            isSummary(call)
              ? Effect.zipRight(
                Effect.sync(() => summarised.push(call)),
                gate.whenOpen(Effect.suspend(() => stream(inner)(call, take)))
              )
              : stream(inner)(call, take)
        })
        const session = yield* host.do(sessionOf(2_000))
        for (let i = 0; i < 3; i++) yield* reply(host, session, `question ${i} ${words(100)}`)
        const accepted = yield* host.do(say(session, `question 3 ${words(100)}`))
        yield* eventually("asked", Effect.sync(() => summarised.length), (count) => count > 0)
        yield* host.do(say(session, "and quickly", "steer"))
        yield* gate.open
        yield* host.do(Effect.flatMap(SessionHub, (hub) => hub.reply(session, accepted.run_id, accepted.seq)))
        assert.include(wire(asked.at(-1)!.messages).at(-1), "and quickly")
      }))

    it.scoped("of a session that is deleted meanwhile is nobody's any more", () =>
      Effect.gen(function*() {
        const { stream, summarised } = model(() => says(words(300)), () => "hang")
        const host = yield* live({ stream })
        const session = yield* host.do(sessionOf(2_000))
        for (let i = 0; i < 3; i++) yield* reply(host, session, `question ${i} ${words(100)}`)
        yield* host.do(say(session, `question 3 ${words(100)}`))
        yield* eventually("asked", Effect.sync(() => summarised.length), (count) => count > 0)
        yield* host.do(Effect.gen(function*() {
          yield* Effect.flatMap(SessionHub, (hub) => hub.forget(session))
          yield* Effect.flatMap(Storage, ({ sessions }) => sessions.remove(session.user_id, session.id))
        }))
        assert.isUndefined(yield* Effect.flatMap(EventLog, (log) => log.compaction(session.id)))
      }))

    it.scoped("stays whole when the summary that somebody asked for cannot be made", () =>
      Effect.gen(function*() {
        const { asked, stream } = model(() => says(words(50)), (n) => n === 0 ? away : says("  "))
        const host = yield* live({ stream })
        const session = yield* host.do(sessionOf(100_000))
        yield* reply(host, session, "question 0")
        for (const code of ["upstream", "invalid_output"]) {
          const { message } = yield* compact(host, session)
          assert.strictEqual(message.error?.code, code)
        }
        assert.lengthOf(yield* compactions(session), 0)
        yield* reply(host, session, "and now?")
        assert.strictEqual(textOf(asked.at(-1)!.messages[0]!.content), "question 0")
      }))

    it.scoped("shows a model the beginning of a long result and where the whole is, for ever in the same words", () =>
      Effect.gen(function*() {
        const read = (path: string): ReadonlyArray<ModelPart> => [
          { type: "tool_call_start", id: "read", name: "Read" },
          { type: "tool_call_delta", id: "read", delta: JSON.stringify({ file_path: path, offset: 1, limit: 1 }) },
          { type: "tool_call_end", id: "read" },
          { type: "finish", reason: "tool_calls", usage }
        ]
        let path = ""
        const { asked, stream } = model((n, { messages }) => {
          if (n === 0) return calls("long", 10_000)
          path ||= /All of it is in (\S+?):/.exec(JSON.stringify(messages))?.[1] ?? ""
          return n === 1 ? read(path) : says("done")
        })
        const host = yield* live({ stream, engine: { tools: [echo] } })
        const session = yield* host.do(sessionOf(100_000))
        yield* host.do(configured(session, { tool_result_limit: 1_000 }))
        yield* host.do(
          Effect.flatMap(Storage, ({ agents }) =>
            agents.modify(
              session.user_id,
              session.agent_id,
              (agent) => ({ ...agent, data: { ...agent.data, tools: "all" } })
            ))
        )
        const { message } = yield* reply(host, session, "go")
        const results = message.content.flatMap((block) => block.type === "tool_result" ? [block] : [])
        // People see all of it, and the file has it.
        assert.lengthOf(textOf(results[0]!.output), 10_000)
        assert.deepStrictEqual(results[0]!.offloaded, { shown: 3_700, characters: 10_000, path })
        assert.include(textOf(results[1]!.output), "0123456789")
        yield* reply(host, session, "again")
        const shown = asked.slice(1).map(({ messages }) => wire(messages).find((text) => text.includes("TRUNCATED")))
        assert.isDefined(shown[0])
        assert.isBelow(shown[0]!.length, 5_000)
        assert.include(shown[0], "It ends so:</system-reminder>")
        const cut = (text: string | undefined) => text?.slice(0, text.indexOf("Read or Grep"))
        for (const text of shown) assert.strictEqual(cut(text), cut(shown[0]))
      }))

    it.scoped("lets an agent find what it is not shown any more, in the session's own history", () =>
      Effect.gen(function*() {
        const history = (id: string, input: object): ReadonlyArray<ModelPart> => [
          { type: "tool_call_start", id, name: "SessionHistory" },
          { type: "tool_call_delta", id, delta: JSON.stringify(input) },
          { type: "tool_call_end", id },
          { type: "finish", reason: "tool_calls", usage }
        ]
        const answers = [
          calls("long", 9_000),
          history("h1", { tool_call_id: "long", offset: 8_990 }),
          says("done"),
          history("h2", { query: "HELLO sea" }),
          says("done")
        ]
        const { asked, stream } = model((n) => answers[n] ?? says("done"))
        const host = yield* live({ stream, engine: { tools: [echo] } })
        const session = yield* host.do(sessionOf(100_000))
        yield* host.do(configured(session, { tool_result_limit: 1_000 }))
        const named = ({ tools }: ModelCall) => tools.some(({ name }) => name === "SessionHistory")
        const { message } = yield* reply(host, session, "Hello sea, hello sky")
        assert.isFalse(named(asked[0]!))
        assert.isTrue(named(asked[1]!))
        const outputs = (of: Message) =>
          of.content.flatMap((block) => block.type === "tool_result" ? [textOf(block.output)] : [])
        assert.include(outputs(message)[1]!, "0123456789\n[This is the end, after 9000 characters.]")
        yield* compact(host, session)
        const { message: next } = yield* reply(host, session, "where were we?")
        assert.include(outputs(next)[0]!, "Hello sea, hello sky")
        assert.isTrue(named(asked.at(-1)!))
      }))
  })
})
