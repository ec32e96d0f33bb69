/** What hooks of the server's operator are asked and told about runs, and that they can make a run stricter but harm none. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { audit, kept } from "../../examples/own-hook/Audit.ts"
import type { ConfirmInput } from "../../src/domain/Chat.ts"
import * as Hook from "../../src/http/channels/Hook.ts"
import * as Host from "../../src/layers/Host.ts"
import { define } from "../../src/layers/Toolbox/BuiltInTool.ts"
import type { ModelCall, ModelSaid, RunAfter, SessionCreated, ToolCall, ToolSaid } from "../../src/services/Hooks.ts"
import { begin, until } from "../support/hooks.ts"
import { type Receiver, receiver, signatureOf } from "../support/Receiver.ts"
import * as TestHost from "../support/TestHost.ts"

/** Writes something, so that a person is asked. */
const stamp = define({
  name: "Stamp",
  description: "Stamps a letter.",
  effect: "write",
  idempotent: false,
  parameters: Schema.Struct({ letter: Schema.String }),
  run: ({ letter }) => Effect.succeed(`stamped ${letter}`)
})

const calls: Array<ModelCall> = []
const said: Array<ModelSaid> = []
const seen: Array<ToolCall> = []
const ends: Array<RunAfter> = []
const results: Array<ToolSaid> = []
const sessions: Array<SessionCreated> = []

/** What the guard puts in the place of an input that says ANSWER. */
let answer: object = {}

const guard = Hook.make({
  name: "guard",
  patience: "300 millis",
  "run.before": ({ input, instructions }) => {
    const text = JSON.stringify(input)
    if (text.includes("HANG")) return new Promise(() => {})
    if (text.includes("BREAK")) throw new Error("secret reason")
    if (text.includes("CEASE")) return Effect.interrupt
    if (text.includes("ANSWER")) return { input: answer as ConfirmInput }
    if (text.includes("REFUSE")) return { refuse: "Not here." }
    return { instructions: `${instructions}Be brief.` }
  },
  "model.before": (call) => {
    calls.push(call)
    return JSON.stringify(call.messages).includes("NOMODEL") ? { refuse: "No model today." } : undefined
  },
  "tool.before": ({ confirmed, input }) => {
    const text = JSON.stringify(input)
    if (text.includes("draft")) return confirmed ? { input: { letter: "final" } } : undefined
    if (text.includes("13")) return Effect.succeed({ decision: "deny" as const, why: "Thirteen is unlucky." })
    if (text.includes("77")) return { decision: "ask" as const }
    return text.includes("1 + 1") ? { input: { expression: "2 + 2" } } : undefined
  },
  "tool.around": async (call, next) => {
    const { output } = await next()
    return JSON.stringify(call.input).includes("500") ? { output: `about ${output}` } : undefined
  },
  "run.after": (run) => void ends.push(run),
  "tool.after": (said) => void results.push(said),
  "session.created": (session) => void sessions.push(session)
})

/** Stands behind the guard, and around models. */
const witness = Hook.make({
  name: "witness",
  required: true,
  patience: "300 millis",
  "tool.before": (call) => void seen.push(call),
  "model.around": async (call, next) => {
    const text = JSON.stringify(call.messages)
    if (text.includes("PASSBY")) return
    if (text.includes("TOOLATE")) await new Promise(() => {})
    said.push(await next())
    if (text.includes("AFTERWARDS")) throw new Error("secret reason")
  }
})

const secret = `whsec_${Buffer.alloc(24, 7).toString("base64")}`

let webhook: Receiver

const hooked = Layer.unwrapScoped(Effect.map(receiver, (started) => {
  webhook = started
  return TestHost.layer({
    host: Host.over(Host.memory, {
      hooks: [guard, witness, audit],
      tools: [stamp],
      webhooks: [{
        url: Redacted.make(`${started.url}/hook`),
        secret: Redacted.make(secret),
        points: ["tool.before"],
        required: true,
        timeout: 0.5
      }]
    })
  })
}))

layer(hooked, { excludeTestServices: true })("A hook of the server", (it) => {
  it.effect("adds to a request of the native API, refuses one with its own sentence, and harms none by hanging or breaking", () =>
    Effect.gen(function*() {
      const { say, session_id } = yield* begin
      assert.isTrue(sessions.some((session) => session.session_id === session_id))
      assert.propertyVal((yield* say("say hello")).run, "finished_reason", "completed")
      assert.include(calls.at(-1)!.system, "Be brief.")
      const { sent } = yield* say("say REFUSE")
      assert.deepInclude(sent.json, { status: 422, code: "hook_refused", detail: "Not here." })
      for (const word of ["HANG", "BREAK", "CEASE"]) {
        const { run, text } = yield* say(`say ${word}`)
        assert.propertyVal(run, "finished_reason", "completed")
        assert.notInclude(text, "secret reason")
      }
      const told = ends.filter((run) => run.session_id === session_id)
      assert.strictEqual(told.length, 4)
    }))

  it.effect("lets a model not be called", () =>
    Effect.gen(function*() {
      const { say } = yield* begin
      const { run } = yield* say("say NOMODEL")
      assert.deepInclude(run.error, { code: "hook_refused", message: "No model today." })
    }))

  it.effect("changes a call's arguments, which the log tells, denies it, asks a person, and changes its output", () =>
    Effect.gen(function*() {
      const { say } = yield* begin
      const changed = yield* say("call Calculate {\"expression\": \"1 + 1\"}\nthen\nsay done")
      assert.include(changed.text, "2 + 2")
      assert.notInclude(changed.text, "input\":\"{\\\"expression\\\": \\\"1 + 1\\\"}")
      assert.deepInclude(results.at(-1)!, { tool: "Calculate", state: "success", output: "4" })
      const denied = yield* say("call Calculate {\"expression\": \"13 + 1\"}\nthen\nsay done")
      assert.include(denied.text, "Thirteen is unlucky.")
      const about = yield* say("call Calculate {\"expression\": \"500 + 1\"}\nthen\nsay done")
      assert.include(about.text, "about 501")
      const asked = yield* say("call Calculate {\"expression\": \"77 + 1\"}\nthen\nsay done")
      assert.propertyVal(asked.run, "status", "awaiting_permission")
    }))

  it.effect("has a person asked anew when it changes the arguments that the person has allowed", () =>
    Effect.gen(function*() {
      const { parked, say, send, statusOf } = yield* begin
      const { run } = yield* say("call Stamp {\"letter\": \"draft\"}\nthen\nsay done")
      assert.propertyVal(run, "status", "awaiting_permission")
      const first = yield* parked
      assert.strictEqual(first.asked.input, "{\"letter\": \"draft\"}")
      yield* send(first.yes)
      const second = yield* until(parked, ({ asked }) => asked?.input.includes("final") === true)
      assert.strictEqual(second.asked.id, first.asked.id)
      assert.isFalse(results.some(({ tool }) => tool === "Stamp"))
      // Nobody has allowed what the hook before has made of it.
      assert.deepInclude(seen.at(-1)!, { input: { letter: "final" }, confirmed: false })
      yield* until(statusOf(run.id), (status) => status === "awaiting_permission")
      yield* send(second.yes)
      yield* until(statusOf(run.id), (status) => status === "ended")
      assert.deepInclude(seen.at(-1)!, { input: { letter: "final" }, confirmed: true })
      assert.deepInclude(results.find(({ tool }) => tool === "Stamp")!, { state: "success", output: "stamped final" })
    }))

  it.effect("makes no answer of a person's out of an input", () =>
    Effect.gen(function*() {
      const { parked, say, send, statusOf } = yield* begin
      const { run } = yield* say("call Stamp {\"letter\": \"mine\"}\nthen\nsay done")
      assert.propertyVal(run, "status", "awaiting_permission")
      answer = (yield* parked).yes
      const { json } = yield* send({ role: "user", name: "user", content: "say ANSWER" })
      assert.notStrictEqual(json.run_id, run.id)
      assert.strictEqual(yield* statusOf(run.id), "awaiting_permission")
      assert.isFalse(results.some(({ input }) => JSON.stringify(input).includes("mine")))
    }))

  it.effect("stands around a model's call, which is not made when one that is required does not go on", () =>
    Effect.gen(function*() {
      const { say } = yield* begin
      assert.propertyVal((yield* say("say hello")).run, "finished_reason", "completed")
      const { millis, ...end } = said.at(-1)!
      assert.deepInclude(end, { purpose: "answer", model: "demo-script", outcome: "completed" })
      assert.isAbove(end.usage!.output_tokens, 0)
      assert.isAtLeast(millis, 0)
      const before = said.length
      const codes = { PASSBY: "hook_failed", TOOLATE: "hook_timeout" }
      for (const [word, code] of Object.entries(codes)) {
        // In a session of its own: what was said before is seen again.
        const { run, text } = yield* (yield* begin).say(`say ${word} words`)
        assert.deepInclude(run.error, { code, type: "internal" })
        assert.include(run.error.message, "so the model was not called.")
        assert.notInclude(text, `"text":"${word} words"`)
      }
      assert.strictEqual(said.length, before)
      // The answer is there already, and stays.
      const { run, text } = yield* say("say AFTERWARDS")
      assert.propertyVal(run, "finished_reason", "completed")
      assert.notInclude(text, "secret reason")
    }))

  it.effect("keeps what runs have cost, and denies what the example denies", () =>
    Effect.gen(function*() {
      const { say } = yield* begin
      const { run, text } = yield* say("call Calculate {\"expression\": \"1 / 0\"}\nthen\nsay done")
      assert.include(text, "Nothing is divided by zero here.")
      const mine = kept.filter(({ run_id }) => run_id === run.run_id || run_id === run.id)
      assert.strictEqual(mine.length, 1)
      assert.strictEqual(mine[0]?.finished_reason, "completed")
      assert.isAbove(mine[0]!.tokens, 0)
    }))

  it.effect("is asked by a signed webhook, and a call is refused when one that is required fails", () =>
    Effect.gen(function*() {
      const { say } = yield* begin
      yield* say("call Calculate {\"expression\": \"3 + 1\"}\nthen\nsay done")
      const got = webhook.got.at(-1)!
      assert.strictEqual(got.headers["webhook-signature"], signatureOf(secret, got))
      assert.deepInclude(got.json, { type: "tool.before" })
      assert.deepInclude(got.json.data, { tool: "Calculate", input: { expression: "3 + 1" } })
      webhook.answer = (_, response) =>
        response.setHeader("content-type", "application/json").end("{\"decision\":\"deny\",\"why\":\"Closed.\"}")
      assert.include((yield* say("call Calculate {\"expression\": \"4 + 1\"}\nthen\nsay done")).text, "Closed.")
      webhook.answer = (_, response) => response.writeHead(500).end("secret reason")
      const broken = yield* say("call Calculate {\"expression\": \"5 + 1\"}\nthen\nsay done")
      assert.include(broken.text, "A hook of this server broke, so the tool was not run.")
      assert.notInclude(broken.text, "secret reason")
      webhook.answer = (_, response) => response.writeHead(204).end()
    }))
})
