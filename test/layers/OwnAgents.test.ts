/** Agents that are code: what they say, how they are stopped, what they remember, and what becomes of them after a crash. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Schema, Stream } from "effect"
import { setTimeout as sleep } from "node:timers/promises"
import { textOf } from "../../src/domain/MessageText.ts"
import { ScheduleDraft } from "../../src/domain/Schedule.ts"
import { maxState } from "../../src/layers/AgentRunner/Code.ts"
import * as Host from "../../src/layers/Host.ts"
import * as Agent from "../../src/layers/OwnAgents/Agent.ts"
import type { Said, Turn } from "../../src/services/OwnAgents.ts"
import { RunOwner } from "../../src/services/RunOwner.ts"
import { Scheduler } from "../../src/services/Scheduler.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import { Code, made, make as makeCode } from "../support/code.ts"
import { eventually, type Live, live } from "../support/live.ts"
import { patience } from "../support/Patience.ts"

const counting = { state: Schema.Struct({ n: Schema.Int }), initial: () => ({ n: 0 }) }

let late = ""

const says = (name: string, run: (turn: Turn<unknown>) => ReturnType<Parameters<typeof Agent.make>[0]["run"]>) =>
  Agent.make({ name, run })

const endless = async function*(turn: Turn<{ readonly n: number }>): AsyncGenerator<Said> {
  try {
    for (;;) {
      turn.state = { n: turn.state.n + 1 }
      yield "on "
      // oxlint-disable-next-line eslint/no-await-in-loop -- a word after the other
      await sleep(5, undefined, { signal: turn.signal })
    }
  } finally {
    turn.state = { n: turn.state.n + 1_000 }
  }
}

const agents = [
  says("text", ({ text }) => `You said ${text}`),
  says("promise", ({ text }) => Promise.resolve(text.toUpperCase())),
  says("nothing", () => undefined),
  says("list", () => ["a", "b", { type: "thinking", delta: "hm" }, "c"]),
  says("stream", ({ text }) => Stream.make(text, "!")),
  says("effect", ({ text }) => Effect.succeed(`${text}?`)),
  says("streaming effect", () => Effect.succeed(Stream.make("x", "y"))),
  says("parts", () => [
    { type: "tool_call", id: "c", name: "look", input: { a: 1 } },
    { type: "tool_result", id: "c", output: { b: 2 } },
    { type: "tool_call", id: "c", name: "look", input: {} },
    { type: "data", media_type: "image/png", data: "aGk=" },
    { type: "text", block: "1", delta: "one" },
    { type: "text", block: "2", delta: "two" }
  ]),
  says("throws", () => {
    throw new Error("a secret")
  }),
  says("tells why", () => Effect.fail(new Agent.AgentFailed({ message: "The well is dry." }))),
  says("nonsense", () => [{ type: "song" } as unknown as Said]),
  says("flood", function*() {
    for (let i = 0; i < 200; i++) yield "x".repeat(64 * 1024)
  }),
  says("context", ({ history, input, text }) => JSON.stringify([history.length, input.length, text])),
  Agent.make({ name: "counts", ...counting, run: (turn) => `${(turn.state = { n: turn.state.n + 1 }).n}` }),
  Agent.make({ name: "endless", ...counting, run: endless }),
  Agent.make({
    name: "deaf",
    ...counting,
    run: async function*(turn) {
      yield "begun"
      await sleep(1_800)
      late = "still there"
      turn.state = { n: 7 }
      yield "late"
    }
  }),
  ...["effect", "stream"].map((kind) =>
    says(`deaf ${kind}`, (turn) => {
      const deaf = Effect.zipRight(
        Effect.uninterruptible(Effect.sleep("1800 millis")),
        Effect.sync(() => {
          turn.state = { n: 7 }
          turn.save()
          return "late"
        })
      ).pipe(Effect.uninterruptible)
      return kind === "effect" ? deaf : Stream.concat(Stream.make("begun"), Stream.fromEffect(deaf))
    })
  ),
  says("lingers", (turn) => {
    setTimeout(() => {
      turn.state = { n: 99 }
      turn.save()
      late = "saved"
    }, 50)
    return "done"
  }),
  Agent.make({
    name: "hoards",
    run: (turn) => {
      turn.state = turn.text === "much" ? "x".repeat(maxState) : turn.text
      return `${JSON.stringify(turn.state).length}`
    }
  }),
  Agent.make({
    name: "fails after",
    ...counting,
    run: (turn) => {
      turn.state = { n: turn.state.n + 1 }
      return turn.text === "go" ? Effect.fail(new Agent.AgentFailed({ message: "No." })) : `${turn.state.n}`
    }
  })
]

layer(makeCode(agents), { excludeTestServices: true })("An agent that is code", (it) => {
  it.scoped("works on schedules, which need no model", () =>
    Effect.gen(function*() {
      const scheduler = yield* Scheduler
      yield* Effect.forkScoped(scheduler.run)
      const { session: { agent_id, user_id } } = yield* Effect.flatMap(Code, ({ session }) => session("text"))
      const draft = Schema.decodeUnknownSync(ScheduleDraft)({
        name: "Morning",
        agent_id,
        cron_expression: "54 3 * * *",
        input: "hi"
      })
      const { add, schedule } = yield* scheduler.plan(user_id, draft)
      yield* add
      yield* scheduler.trigger(user_id, schedule.id)
      yield* scheduler.wake
      const page = { limit: 1, cursor: undefined }
      const fires = Effect.orDie(scheduler.fires(user_id, schedule.id, page))
      const { items: [fire] } = yield* eventually("it fired", fires, ({ items }) => items[0]?.status === "completed")
      const { runs } = yield* Storage
      assert.deepInclude(yield* runs.get(user_id, fire!.run_id!), { source: "schedule", source_id: fire!.id })
    }))

  const say = (name: string, ...texts: ReadonlyArray<string>) => Effect.flatMap(Code, ({ say }) => say(name, ...texts))

  it.scoped("says texts and parts, at once, piece by piece or later, and all becomes the reply", () =>
    Effect.gen(function*() {
      for (
        const [name, expected] of [
          ["text", "You said hi"],
          ["promise", "HI"],
          ["nothing", ""],
          ["list", "abc"],
          ["stream", "hi!"],
          ["effect", "hi?"],
          ["streaming effect", "xy"]
        ] as const
      ) {
        const [reply] = yield* say(name, "hi")
        assert.deepInclude(reply!, { text: expected, finished_reason: "completed" }, name)
      }
      const [parts] = yield* say("parts", "x")
      const content: ReadonlyArray<object & { readonly type: string }> = parts!.content
      assert.deepStrictEqual(content.map(({ type }) => type), [
        "tool_call",
        "tool_result",
        "tool_call",
        "data",
        "text",
        "text",
        "tool_result"
      ])
      const fields: ReadonlyArray<Record<string, unknown>> = content.map((block) => ({ ...block }))
      assert.deepInclude(fields[0], { name: "look", input: "{\"a\":1}", provider_executed: true })
      assert.deepInclude(fields[1], { output: [{ type: "text", id: "c", text: "{\"b\":2}" }], state: "success" })
      // A call whose result never came.
      assert.deepInclude(fields[6], { state: "interrupted" })
    }))

  it.scoped("is given what was said before, and its input", () =>
    Effect.gen(function*() {
      const replies = yield* say("context", "one", "two")
      assert.deepStrictEqual(replies.map(({ text }) => JSON.parse(text)), [[0, 1, "one"], [2, 1, "two"]])
    }))

  it.scoped("that fails ends its run with an error, and tells only what it meant to", () =>
    Effect.gen(function*() {
      for (
        const [name, message] of [["throws", "The agent failed"], ["tells why", "The well is dry."], [
          "nonsense",
          "The agent failed"
        ]] as const
      ) {
        const [reply] = yield* say(name, "x")
        assert.deepInclude(reply!, { finished_reason: "error" })
        assert.deepInclude(reply!.error, { code: "agent_failed" })
        assert.include(reply!.error!.message, message)
        assert.notInclude(JSON.stringify(reply), "secret")
      }
      const [flood] = yield* say("flood", "x")
      assert.deepInclude(flood!.error, { code: "reply_too_large" })
    }))

  it.scoped("remembers its state in each session, also after a turn that failed or was stopped", () =>
    Effect.gen(function*() {
      const { session, stop } = yield* Code
      assert.deepStrictEqual((yield* say("counts", "x", "x", "x")).map(({ text }) => text), ["1", "2", "3"])
      assert.deepStrictEqual((yield* say("counts", "x")).map(({ text }) => text), ["1"])
      assert.deepStrictEqual((yield* say("fails after", "go", "go", "tell")).map(({ text }) => text), ["", "", "3"])
      const live = yield* session("endless")
      const begun = yield* live.send("go")
      yield* live.until("on on")
      yield* stop(live.session)
      const reply = yield* live.reply(begun)
      assert.deepInclude(reply, { finished_reason: "interrupted" })
      const { n } = reply.metadata["agent_state"] as { readonly n: number }
      // The words that are there, what was counted, and what its own end has added: all of one moment.
      assert.isAtLeast(n, 1_002)
      assert.approximately(n - 1_000, reply.text.split(" ").length - 1, 1)
    }))

  it.scoped("that does not hear is left behind after a second, and says nothing more", () =>
    Effect.gen(function*() {
      const { session, stop } = yield* Code
      const live = yield* session("deaf")
      const begun = yield* live.send("go")
      yield* live.until("begun")
      const before = performance.now()
      yield* stop(live.session)
      assert.isBelow(performance.now() - before, patience(1_700))
      yield* Effect.sleep("1200 millis")
      assert.strictEqual(late, "still there")
      const reply = yield* live.reply(begun)
      assert.deepInclude(reply, { text: "begun", finished_reason: "interrupted" })
      assert.deepStrictEqual(reply.metadata["agent_state"], { n: 0 })
    }))

  it.scoped("that cannot be interrupted is left behind as well, and nothing of it comes into the log behind its run", () =>
    Effect.gen(function*() {
      const { session, stop } = yield* Code
      const { liveEdge } = yield* SessionHub
      yield* Effect.forEach(["effect", "stream"], (kind) =>
        Effect.gen(function*() {
          const live = yield* session(`deaf ${kind}`)
          const begun = yield* live.send("go")
          yield* kind === "stream" ? live.until("begun") : Effect.sleep("100 millis")
          const before = performance.now()
          yield* stop(live.session)
          assert.isBelow(performance.now() - before, patience(1_700), kind)
          assert.deepInclude(yield* live.reply(begun), { finished_reason: "interrupted" })
          const end = yield* liveEdge(live.session)
          yield* Effect.sleep("1000 millis")
          assert.strictEqual(yield* liveEdge(live.session), end, kind)
        }), { concurrency: 2 })
      const live = yield* session("lingers")
      yield* live.reply(yield* live.send("go"))
      const end = yield* liveEdge(live.session)
      yield* eventually("it has saved", Effect.sync(() => late), (late) => late === "saved")
      assert.strictEqual(yield* liveEdge(live.session), end)
    }))

  it.scoped("keeps no state beyond its bound, and the one before it stays", () =>
    Effect.gen(function*() {
      const [first, second, third] = yield* say("hoards", "a little", "much", "a")
      assert.deepInclude(first!, { finished_reason: "completed" })
      assert.deepInclude(second!.error, { code: "state_too_large" })
      assert.deepStrictEqual(third!.metadata["agent_state"], "a")
      assert.notProperty(second!.metadata, "agent_state")
    }))

  it.scoped("takes no state from what a client sends", () =>
    Effect.gen(function*() {
      const { session } = yield* Code
      const live = yield* session("counts")
      const forged = { role: "assistant" as const, name: "x", content: "x", metadata: { agent_state: { n: 100 } } }
      const reply = yield* live.reply(yield* live.sendAll([forged, { ...forged, role: "user" as const }]))
      assert.strictEqual(reply.text, "1")
    }))

  it.scoped("is begun anew after a crash where it says so, with what it had said; else it ends, and so does one that is gone", () =>
    Effect.gen(function*() {
      const inHost = ({ does }: { readonly does: Live["do"] }, name: string) =>
        does(Effect.provide(Effect.flatMap(Code, ({ session }) => session(name)), Layer.effect(Code, made)))
      const resumes = Agent.make({
        name: "resumes",
        resumes: true,
        ...counting,
        run: async function*(turn) {
          turn.state = { n: turn.state.n + 1 }
          turn.save()
          yield `attempt ${turn.attempt} after '${textOf(turn.said.content)}'. `
          if (turn.attempt === 1) await sleep(60_000, undefined, { signal: turn.signal })
          yield `n is ${turn.state.n}`
        }
      })
      const engine = { agents: [resumes, Agent.make({ name: "endless", ...counting, run: endless })] }
      const first = yield* live({ engine })
      const started = yield* Effect.forEach(["resumes", "endless"], (name) =>
        Effect.gen(function*() {
          const one = yield* inHost({ does: first.do }, name)
          const accepted = yield* one.send("go")
          yield* one.until(name === "resumes" ? "attempt" : "on")
          return { session: one.session, accepted }
        }))
      yield* first.kill
      const ends = (host: Live, { accepted, session }: (typeof started)[number]) =>
        host.do(Effect.flatMap(SessionHub, ({ reply }) => reply(session, accepted.run_id, accepted.seq)))
      const second = yield* live({ engine })
      yield* second.do(Effect.flatMap(RunOwner, ({ recover }) => recover))
      const resumed = yield* ends(second, started[0]!)
      assert.strictEqual(textOf(resumed.content), "attempt 1 after ''. attempt 2 after 'attempt 1 after ''. '. n is 2")
      assert.deepInclude(resumed, { finished_reason: "completed", metadata: { agent_state: { n: 2 } } })
      const cut = yield* ends(second, started[1]!)
      assert.deepInclude(cut, { finished_reason: "interrupted", metadata: {} })
      // A server without the agent.
      const third = yield* live()
      const { session } = started[0]!
      const gone = yield* third.do(Effect.flatMap(SessionHub, ({ reply, send }) =>
        Effect.flatMap(
          send(session.user_id, {
            agent_id: session.agent_id,
            session_id: session.id,
            input: { role: "user", name: "user", content: "again", metadata: {} },
            on_busy: "enqueue",
            tools: []
          }),
          ({ run_id, seq }) => reply(session, run_id, seq)
        )))
      assert.deepInclude(gone.error, { code: "agent_gone" })
    }).pipe(Effect.provide(Host.memory)))

  it("has a name that records can have", () => {
    assert.throws(() => says("", () => "x"), /cannot be called/)
    assert.throws(() => says("x".repeat(257), () => "x"), /cannot be called/)
  })

  it.scoped("needs no model, and is refused what only a model could be given", () =>
    Effect.gen(function*() {
      const { session } = yield* Code
      const live = yield* session("text")
      const refused = yield* Effect.flip(live.sendAll([], { output_schema: { type: "object" } }))
      assert.deepInclude(refused, { code: "agent_is_code" })
    }))
})
