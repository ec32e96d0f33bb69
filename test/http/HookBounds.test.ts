/** What hooks of the server's operator can take away and answer, and what nobody gets around. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Either, Schema } from "effect"
import { Webhooks } from "../../src/domain/Hook.ts"
import * as Hook from "../../src/http/channels/Hook.ts"
import * as Host from "../../src/layers/Host.ts"
import * as Agent from "../../src/layers/OwnAgents/Agent.ts"
import type { ModelCall, ToolSaid } from "../../src/services/Hooks.ts"
import { begin, until } from "../support/hooks.ts"
import { tenant } from "../support/openai.ts"
import * as TestHost from "../support/TestHost.ts"

const results: Array<ToolSaid> = []
const ran: Array<string> = []

const flood = (call: ModelCall) => {
  const [first] = call.messages
  return { messages: Array.from({ length: 10_001 }, () => first!) }
}

const keeper = Hook.make({
  name: "keeper",
  required: true,
  "run.before": ({ instructions }) => ({
    instructions: `${instructions}Be brief.`,
    tools: [{ name: "Phone", description: "Calls.", parameters: { type: "object" }, effect: "none" as const }],
    tool_choice: "auto" as const
  }),
  "model.before": (call) => {
    const text = JSON.stringify(call.messages)
    if (text.includes("FLOOD")) return flood(call)
    return text.includes("NOTOOLS") ? { tools: [] } : undefined
  },
  "tool.around": ({ input }) => {
    ran.push(JSON.stringify(input))
    return JSON.stringify(input).includes("42") ? Promise.resolve({ output: "the answer" }) : undefined
  },
  "tool.after": (said) => void results.push(said)
})

const echo = Agent.make({
  name: "echo",
  run: async function*({ text }) {
    yield `heard ${text}`
  }
})

const host = TestHost.layer({ host: Host.over(Host.memory, { hooks: [keeper], agents: [echo] }) })

layer(host, { excludeTestServices: true })("A hook of the server", (it) => {
  it.effect("takes a tool away, which then does not run when the model names it all the same", () =>
    Effect.gen(function*() {
      const { say } = yield* begin
      const { run, text } = yield* say("call Calculate {\"expression\": \"6 + 1\"}\nthen\nsay NOTOOLS")
      assert.propertyVal(run, "finished_reason", "completed")
      assert.include(text, "taken it away")
      assert.isFalse(ran.some((input) => input.includes("6 + 1")))
    }))

  it.effect("answers in the place of a tool, of which hooks are told as of every other call", () =>
    Effect.gen(function*() {
      const { say } = yield* begin
      const { text } = yield* say("call Calculate {\"expression\": \"42\"}\nthen\nsay done")
      assert.include(text, "the answer")
      const told = yield* until(
        Effect.sync(() => results.filter(({ input }) => JSON.stringify(input).includes("42"))),
        (found) => found.length > 0
      )
      assert.deepInclude(told[0]!, { tool: "Calculate", state: "success", output: "the answer" })
      assert.strictEqual(told.length, 1)
    }))

  it.effect("gives a model no more messages than there may be", () =>
    Effect.gen(function*() {
      const { say } = yield* begin
      const { run } = yield* say("say FLOOD")
      assert.deepInclude(run.error, { code: "hook_failed" })
    }))

  it.effect("adds for models what an agent that is code is not given", () =>
    Effect.gen(function*() {
      const { call } = yield* TestHost.TestHost
      const { user } = yield* tenant()
      const { json } = yield* call("GET", "/agent", { user })
      const { id } = json.agents.find(({ data }: { data: { name: string } }) => data.name === "echo")
      const { json: made } = yield* call("POST", "/sessions", { user, body: { agent_id: id } })
      const input = { role: "user", name: "user", content: "hello" }
      const body = { agent_id: id, session_id: made.session_id, input }
      const sent = yield* call("POST", "/chat/async", { user, body })
      assert.isBelow(sent.status, 300, sent.text)
      const own = { ...body, tools: [{ name: "Own", description: "", parameters: { type: "object" } }] }
      assert.strictEqual((yield* call("POST", "/chat/async", { user, body: own })).json.code, "agent_is_code")
    }))
})

describe("A webhook", () => {
  it("has an address that can be read", () => {
    const of = (url: string) =>
      Schema.decodeEither(Webhooks)([{ url, secret: `whsec_${"A".repeat(32)}`, points: ["run.after"] }])
    assert.isTrue(Either.isRight(of("https://guard.example/hook")))
    for (const url of ["https://[::1", "http://a:99999/", "http://"]) assert.isTrue(Either.isLeft(of(url)), url)
  })
})
