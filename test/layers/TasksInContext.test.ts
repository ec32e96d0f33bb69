/** What becomes of tasks in contexts that are summarised, and of what they bring where that is long. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import type { Message } from "../../src/domain/Message.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import type { Session } from "../../src/domain/Session.ts"
import { resultFile } from "../../src/domain/Workspace.ts"
import * as Host from "../../src/layers/Host.ts"
import type { ModelCall, ModelPart } from "../../src/services/Models.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import { readUpTo, Workspace } from "../../src/services/Workspace.ts"
import { conversation, say } from "../support/hub.ts"
import { eventually, type Live, live, type LiveOptions } from "../support/live.ts"
import { patience } from "../support/Patience.ts"
import { bus } from "../support/peers.ts"
import { runsOf, slowTool, tasksOf, toldIn } from "../support/tasks.ts"

const usage = { input_tokens: 7, output_tokens: 3 }

const says = (delta: string): ReadonlyArray<ModelPart> => [
  { type: "text", block: "0", delta },
  { type: "finish", reason: "stop", usage }
]

const calls = (
  ...those: ReadonlyArray<readonly [id: string, name: string, input: object]>
): ReadonlyArray<ModelPart> => [
  ...those.flatMap(([id, name, input]): ReadonlyArray<ModelPart> => [
    { type: "tool_call_start", id, name },
    { type: "tool_call_delta", id, delta: JSON.stringify(input) },
    { type: "tool_call_end", id }
  ]),
  { type: "finish", reason: "tool_calls", usage }
]

const isSummary = ({ output }: ModelCall) => output?.name === "context_summary"

/** A model that answers so, and waits at a gate before it makes a summary, and before its answer `held`. */
const model = (answer: (n: number) => ReadonlyArray<ModelPart>, held = -1) => {
  const asked: Array<ModelCall> = []
  const summarised: Array<ModelCall> = []
  const gate = Effect.unsafeMakeLatch(false)
  let waiting = 0
  const stream: NonNullable<LiveOptions["stream"]> = () => (call, take) =>
    Effect.gen(function*() {
      const n = isSummary(call) ? -1 : asked.push(call) - 1
      if (n === -1) summarised.push(call)
      if (n === -1 || n === held) {
        waiting++
        yield* gate.await
      }
      for (const part of n === -1 ? says("All that came before.</context-summary>") : answer(n)) void take(part)
    })
  return { asked, gate, stream, summarised, waits: Effect.sync(() => waiting) }
}

const sessionOf = Effect.fnUntraced(function*(
  size: number,
  config: Record<string, unknown> = {},
  tools: "all" | "default" = "default"
) {
  const session = yield* conversation("demo-script")
  const { agents, credentials } = yield* Storage
  yield* credentials.modify(session.user_id, session.config.chat_model_config!.credential_id, (credential) => ({
    ...credential,
    settings: { models: [{ name: "demo-script", context_size: size }] }
  }))
  yield* agents.modify(session.user_id, session.agent_id, ({ data, ...agent }) => ({
    ...agent,
    data: { ...data, tools, context_config: { ...data.context_config, ...config } }
  }))
  return session
})

const reply = (host: Live, session: Session, { run_id, seq }: Effect.Effect.Success<ReturnType<typeof say>>) =>
  host.do(Effect.flatMap(SessionHub, (hub) => hub.reply(session, run_id, seq)))

const ask = (host: Live, session: Session, text: string) =>
  Effect.flatMap(host.do(say(session, text)), (accepted) => reply(host, session, accepted))

/** What a task does when its agent has gone on for a while. */
const wake = (host: Live, session: Session) =>
  host.do(
    Effect.flatMap(SessionHub, (hub) =>
      hub.send(
        session.user_id,
        { agent_id: session.agent_id, session_id: session.id, input: null, on_busy: "steer", tools: [] },
        undefined,
        { source: "task", source_id: "some-task" }
      ))
  )

const words = (tokens: number) => "word ".repeat(Math.ceil(tokens * 4 / 5))

const given = (call: ModelCall | undefined) => JSON.stringify(call?.messages)

const statuses = (session: Session) => Effect.map(tasksOf(session), (tasks) => tasks.map(({ status }) => status).join())

const outputs = ({ content }: Message) =>
  content.flatMap((block) => block.type === "tool_result" ? [textOf(block.output)] : [])

describe("A task", () => {
  layer(Host.memory, { excludeTestServices: true, timeout: patience(60_000) })("over memory", (it) => {
    it.scoped("that wakes a run in the middle of a summary is told in that run", () =>
      Effect.gen(function*() {
        const slow = slowTool()
        const { asked, gate, stream, summarised, waits } = model((n) =>
          n === 0 ? calls(["a", "Slow", { name: "a" }]) : says("ok")
        )
        const host = yield* live({ stream, engine: { tools: [slow.tool] } })
        const session = yield* host.do(sessionOf(2_000))
        yield* ask(host, session, `begin </record> ${words(1_300)}`)
        const accepted = yield* host.do(say(session, `go on ${words(400)}`))
        yield* eventually("a summary", waits, (count) => count === 1)
        yield* slow.ends("a", "what it brought")
        yield* eventually("ended", statuses(session), (status) => status === "completed")
        yield* wake(host, session)
        yield* gate.open
        yield* reply(host, session, accepted)
        assert.lengthOf(yield* toldIn(session), 1)
        assert.include(given(asked.at(-1)), "what it brought")
        assert.isTrue((yield* runsOf(session)).every(({ status }) => status === "ended"))
        // Foreign words stay within the elements in which they stand.
        assert.lengthOf(given(summarised[0]).split("</record>"), 2)
        assert.lengthOf(given(asked.at(-1)).split("</context-summary>"), 2)
      }))

    it.scoped("of one process is told in the middle of a summary of another one", () =>
      Effect.gen(function*() {
        const peers = bus()
        const slow = slowTool()
        const one = model((n) => n === 0 ? calls(["a", "Slow", { name: "a" }]) : says("ok"))
        const other = model(() => says("ok"))
        const here = yield* live({ stream: one.stream, engine: { tools: [slow.tool] }, peers: peers.join().layer })
        const there = yield* live({ stream: other.stream, engine: { tools: [slow.tool] }, peers: peers.join().layer })
        const session = yield* here.do(sessionOf(2_000))
        yield* ask(here, session, `begin ${words(1_300)}`)
        const accepted = yield* there.do(say(session, `go on ${words(400)}`))
        yield* eventually("a summary", other.waits, (count) => count === 1)
        yield* slow.ends("a", "what it brought")
        yield* eventually("ended", statuses(session), (status) => status === "completed")
        yield* wake(here, session)
        yield* Effect.sleep("100 millis")
        yield* other.gate.open
        yield* reply(there, session, accepted)
        yield* eventually("all ended", runsOf(session), (runs) => runs.every(({ status }) => status === "ended"))
        assert.lengthOf(yield* toldIn(session), 1)
        assert.include(given(other.asked.at(-1)), "what it brought")
      }))

    it.scoped("is told by the run that its waking went into, however many there are", () =>
      Effect.gen(function*() {
        const slow = slowTool()
        const names = Array.from({ length: 12 }, (_, i) => `t${i}`)
        const { asked, gate, stream, waits } = model((n) =>
          n === 0
            ? calls(...names.map((name) => [name, "Slow", { name }] as const))
            : n === 2
            ? calls(["x", "CurrentTime", {}])
            : says("ok"), 2)
        const host = yield* live({ stream, engine: { tools: [slow.tool] } })
        const session = yield* host.do(sessionOf(100_000))
        yield* ask(host, session, "begin")
        const accepted = yield* host.do(say(session, "go on"))
        yield* eventually("asked", waits, (count) => count === 1)
        for (const name of names) yield* slow.ends(name, `${name} done`)
        yield* eventually("ended", statuses(session), (status) => !status.includes("running"))
        yield* Effect.forEach(names, () => wake(host, session))
        yield* gate.open
        const { finished_reason } = yield* reply(host, session, accepted)
        assert.strictEqual(finished_reason, "completed")
        assert.lengthOf(yield* toldIn(session), names.length)
        for (const name of names) assert.include(given(asked.at(-1)), `${name} done`)
        assert.isTrue((yield* tasksOf(session)).every(({ told_at }) => told_at !== null))
      }))

    it.scoped("that brings much is shown in part like any result, people see the whole, and the agent reads on", () =>
      Effect.gen(function*() {
        const slow = slowTool()
        let id = ""
        const { asked, stream } = model((n) =>
          n === 0
            ? calls(["a", "Slow", { name: "a" }])
            : n === 2
            ? calls(["h", "SessionHistory", { task_id: id, offset: 9_000 }])
            : says("ok")
        )
        const host = yield* live({ stream, engine: { tools: [slow.tool] } })
        const session = yield* host.do(sessionOf(100_000, { tool_result_limit: 1_000 }))
        yield* ask(host, session, "begin")
        id = (yield* tasksOf(session))[0]!.id
        yield* slow.ends("a", `${"0123456789".repeat(1_000)} the end`)
        yield* eventually("ended", statuses(session), (status) => status === "completed")
        const message = yield* ask(host, session, "and?")
        assert.isAbove((yield* toldIn(session))[0]!.length, 10_000)
        const shown = given(asked[2])
        assert.isBelow(shown.length, 8_000)
        assert.include(shown, "the end\\n</system-notification>")
        assert.include(shown, `SessionHistory: {\\"task_id\\": \\"${id}\\", \\"offset\\": `)
        assert.isTrue(asked[2]!.tools.some(({ name }) => name === "SessionHistory"))
        assert.include(outputs(message)[0]!, "0123456789")
        assert.include(outputs(message)[0]!, "the end")
      }))

    it.scoped("keeps the file that its tool has written of all that it said", () =>
      Effect.gen(function*() {
        const slow = slowTool(0.3)
        const still = slowTool(false)
        const { stream } = model((n) =>
          n === 0 ? calls(["a", "Slow", { name: "a" }], ["b", "Still", { name: "b" }]) : says("ok")
        )
        const host = yield* live({
          stream,
          engine: { tools: [slow.tool, { ...still.tool, tool: { ...still.tool.tool, name: "Still" } }] }
        })
        const session = yield* host.do(sessionOf(100_000, { tool_result_limit: 1_000 }, "all"))
        const file = resultFile(session.id, "a")
        const open = Effect.flatMap(Workspace, (service) =>
          service.open(session.user_id, { agent_id: session.agent_id, workspace_id: session.config.workspace_id }))
        const going = yield* Effect.fork(ask(host, session, "begin"))
        yield* eventually("both", Effect.sync(() => [...slow.calls(), ...still.calls()]), ({ length }) =>
          length === 2)
        yield* slow.says("a", "x".repeat(5_000))
        yield* eventually("a task", tasksOf(session), ({ length }) =>
          length === 1)
        yield* host.do(Effect.scoped(Effect.flatMap(open, (workspace) =>
          workspace.write(`${workspace.root}/${file}`, Stream.make(Buffer.from("all of it"))))))
        yield* still.ends("b", "done")
        yield* Fiber.join(going)
        const kept = yield* host.do(Effect.scoped(Effect.flatMap(open, (workspace) =>
          readUpTo(workspace, `${workspace.root}/${file}`, 100_000))))
        assert.strictEqual(kept.toString(), "all of it")
      }))

    it.scoped("is not made of a call whose run answers a channel, or in a schema: nobody would hear of it", () =>
      Effect.gen(function*() {
        const slow = slowTool()
        const { stream } = model((n) => n % 2 === 0 ? calls([`c${n}`, "Slow", { name: `c${n}` }]) : says("{}"))
        const host = yield* live({ stream, engine: { tools: [slow.tool] } })
        const session = yield* host.do(sessionOf(100_000))
        const base = {
          agent_id: session.agent_id,
          session_id: session.id,
          input: { name: "user", role: "user" as const, content: "go", metadata: {} },
          on_busy: "enqueue" as const,
          tools: []
        }
        const send = (n: number) =>
          Effect.flatMap(SessionHub, (hub) =>
            n === 0
              ? hub.send(session.user_id, base, undefined, { source: "channel", source_id: "letters" })
              : hub.send(session.user_id, { ...base, output_schema: { type: "object" } }))
        for (const n of [0, 1]) {
          const accepted = yield* host.do(send(n))
          const name = `c${n * 2}`
          yield* eventually("called", Effect.sync(slow.calls), (names) => names.includes(name))
          yield* Effect.sleep("150 millis")
          yield* slow.ends(name, "in time")
          const message = yield* reply(host, session, accepted)
          assert.include(outputs(message)[0]!, "in time")
        }
        assert.deepStrictEqual(yield* tasksOf(session), [])
      }))
  })
})
