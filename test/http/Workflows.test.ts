/** Skills with steps, as agents call them and as people see them work. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { BlockId } from "../../src/domain/Ids.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import * as Files from "../../src/layers/Catalog/Files.ts"
import * as Host from "../../src/layers/Host.ts"
import type { ModelCall } from "../../src/services/Hooks.ts"
import { definitions } from "../support/definitions.ts"
import { eventually } from "../support/live.ts"
import { tenant } from "../support/openai.ts"
import { patience } from "../support/Patience.ts"
import * as TestHost from "../support/TestHost.ts"

const { root, skill, tool, write } = definitions()

/** Writes down each of its calls. */
const noting = (answer: string) =>
  `import { appendFileSync } from "node:fs"
export default async (args) => { appendFileSync(${JSON.stringify(join(root, "calls"))}, args.note + "\\n"); ${answer} }`

const notes = () => existsSync(join(root, "calls")) ? readFileSync(join(root, "calls"), "utf8") : ""
const callsOf = (note: string) => notes().split("\n").filter((line) => line === note).length

const note = "parameters: { note: { type: string, required: true } }\n"
const any = "parameters: { value: { required: true }, other: {} }\n"
tool("find", "export default ({ value }) => ({ items: [{ name: value, price: 3 }], asked: value })", any)
tool(
  "double",
  "export default ({ value }) => ({ twice: value * 2 })",
  "parameters: { value: { type: number, required: true } }\n"
)
tool("echo", "export default (args) => args", "parameters: { value: { type: object, required: true } }\n")
tool("broken", "export default () => ({ error: 'It is closed on Mondays.' })", note)
tool("count", noting("return { noted: args.note }"), note)
tool("hang", noting("setInterval(() => {}, 1_000); return await new Promise(() => {})"), note)
tool("pay", noting("return { paid: true }"), `${note}permissions: { require_approval: true }\n`)

skill(
  "quote",
  `input_schema:
  type: object
  properties: { what: { type: string }, extra: { type: string } }
  required: [what]
steps:
  - { name: found, tool: find, input: { value: $.input.what, other: $.input.extra } }
  - name: both
    tools:
      - { tool: double, input: { value: "$.steps.found.output.items[0].price" } }
      - { tool: find, input: { value: $$.input.what } }
  - name: told
    prompt: say An offer
    input: { price: "$.steps.both.output[0].twice", literal: "$.steps.both.output[1].asked" }`
)
skill(
  "stops",
  `steps:
  - { name: first, tool: count, input: { note: $.input.note } }
  - { name: second, tools: [broken, count], input: { note: $.input.note } }
  - { name: third, tool: count, input: { note: never } }`
)
skill(
  "goes_on",
  `steps:
  - { name: first, tool: broken, input: { note: x }, on_error: continue }
  - { name: second, tool: echo, input: { value: { of: $.steps.first.output } } }`
)
skill(
  "lost",
  `steps:
  - { name: first, tool: find, input: { value: a } }
  - { name: second, tool: find, input: { value: $.steps.first.output.nothing } }`
)
skill(
  "buys",
  `steps:
  - { name: order, tool: count, input: { note: $.input.note } }
  - { name: pay, tools: [{ tool: pay, input: { note: $.input.note } }, { tool: count, input: { note: beside } }] }
  - { name: done, tool: count, input: { note: done } }`
)
skill(
  "slow",
  `timeout_seconds: 3
steps:
  - { name: first, tool: Calculate, input: { expression: 1 + 1 } }
  - { name: second, tool: hang, input: { note: hangs } }`
)
skill(
  "outer",
  "steps:\n  - { name: inner, tool: goes_on }\n  - { name: last, tool: echo, input: { value: $.steps.inner.output } }"
)
skill(
  "asks",
  `steps:
  - name: number
    prompt: "json {\\"n\\": 7}"
    output_schema: { type: object, properties: { n: { type: integer } }, required: [n] }
  - { name: twice, tool: double, input: { value: $.steps.number.output.n } }
  - { name: fails, prompt: fail upstream Out of order }`
)
for (const [name, prompt] of [["mends", "say Seven"], ["never", "say Never"]]) {
  skill(
    name!,
    `steps: [{ name: number, prompt: ${prompt}, output_schema: { type: object, properties: { n: { type: integer } }, required: [n] } }]`
  )
}
skill(
  "hangs",
  "steps: [{ name: first, tool: hang, input: { note: hangs } }, { name: second, tool: count, input: { note: never } }]"
)
skill(
  "says",
  "steps: [{ name: a, prompt: \"sleep 100\\nsay first\" }, { name: b, prompt: say it, input: { of: $.input.word } }]"
)
const ten = Array(10).fill("Calculate").join(", ")
const step = (_: unknown, i: number) => `  - { name: s${i}, tools: [${ten}], input: { expression: 1 + 1 } }`
skill("many", ["steps:", ...Array.from({ length: 60 }, step)].join("\n"))
write(
  "agents/worker/AGENT.md",
  "---\nmodel: demo/demo-script\nskills: [quote, stops, goes_on, lost, buys, slow, outer, asks, hangs, says, many, mends, never]\ntools: [Calculate]\n---\nYou work."
)

/** The demo model understands no correction: this one says what it would have made of it. */
const corrected = {
  name: "corrected",
  "model.before": ({ messages }: ModelCall) => {
    const [first, , why] = messages
    if (why === undefined || !textOf(why.content).startsWith("Your answer does not fit.")) return undefined
    corrections.push(textOf(why.content))
    return textOf(first!.content).includes("Seven")
      ? { messages: [{ ...why, content: [{ type: "text" as const, id: "b1" as BlockId, text: "json {\"n\": 7}" }] }] }
      : undefined
  }
}
const corrections: Array<string> = []

const host = TestHost.layer({
  host: Host.over(Host.memory, { catalog: Files.layer({ dir: root }), hooks: [corrected] })
})

interface Block {
  readonly type: string
  readonly id: string
  readonly name: string
  readonly state: string
  readonly step?: string
  readonly parent_tool_call_id?: string
  readonly output?: ReadonlyArray<{ readonly text: string }>
}

layer(host, { excludeTestServices: true })("A workflow", (it) => {
  const world = Effect.gen(function*() {
    const { call } = yield* TestHost.TestHost
    const { user } = yield* tenant()
    const { json: { agents } } = yield* call("GET", "/agent", { user })
    const agent_id = agents.find(({ data }: { data: { name: string } }) => data.name === "worker").id
    const session_id = (yield* call("POST", "/sessions", { user, body: { agent_id } })).json.session_id
    const send = (input: object, rest: object = {}) =>
      call("POST", "/chat/async", { user, body: { agent_id, session_id, input, ...rest } })
    const settled = (run_id: string) =>
      eventually(
        "the run has ended or waits",
        call("GET", `/runs/${run_id}`, { user }),
        ({ json: { status } }) => status !== "queued" && status !== "running"
      )
    const last = Effect.map(
      call("GET", `/sessions/${session_id}/messages?limit=50`, { user }),
      ({ json: { messages } }) =>
        messages.at(-1) as { readonly id: string; readonly content: ReadonlyArray<Block & { text?: string }> }
    )
    /** Says what the model is to do, and waits until that is done or somebody is asked. */
    const say = (script: string, rest: object = {}) =>
      Effect.gen(function*() {
        const { json, status, text } = yield* send({ role: "user", name: "user", content: script }, rest)
        assert.isBelow(status, 300, text)
        const { json: run } = yield* settled(json.run_id)
        const { content, id } = yield* last
        return { id, run, content, said: content.findLast(({ type }) => type === "text")?.text ?? "" }
      })
    /** Answers what a person is asked. */
    const confirm = (reply_id: string, content: ReadonlyArray<Block>, confirmed: boolean) =>
      Effect.gen(function*() {
        const id = content.find(({ state }) => state === "asking")?.id
        const { json, text } = yield* send({
          type: "USER_CONFIRM_RESULT",
          reply_id,
          confirm_results: [{ confirmed, tool_call: { id } }]
        })
        assert.isDefined(json.run_id, text)
        yield* settled(json.run_id)
        const { content: now } = yield* last
        return { content: now, said: now.findLast(({ type }) => type === "text")?.text ?? "" }
      })
    return { call, confirm, last, say, send, user }
  })

  const outputOf = (content: ReadonlyArray<Block>, name: string) =>
    content.filter((block) => block.type === "tool_result" && block.name === name)
      .map(({ output = [], state }) => [state, output.map(({ text }) => text).join("")])

  it.effect("gives each step what it refers to, and answers with what the last one brought", () =>
    Effect.gen(function*() {
      const { say } = yield* world
      const { content, said } = yield* say("call quote {\"what\": \"tea\"}\nthen\nresults")
      const [[state, text] = []] = outputOf(content, "quote")
      assert.strictEqual(state, "success")
      assert.include(text, "An offer")
      assert.include(text, "{\"price\":6,\"literal\":\"$.input.what\"}")
      // Each step is a call of its own, and tells whose step it is.
      const workflow = content.find(({ name, type }) => type === "tool_call" && name === "quote")
      const steps = content.filter(({ parent_tool_call_id, type }) =>
        type === "tool_call" && parent_tool_call_id === workflow?.id
      )
      assert.deepStrictEqual(steps.map(({ name, step }) => [step, name]), [
        ["found", "find"],
        ["both", "double"],
        ["both", "find"],
        ["told", "Prompt"]
      ])
      // The model is shown the workflow's result, and none of its steps'.
      const shown = JSON.parse(said) as ReadonlyArray<{ readonly name: string }>
      assert.deepStrictEqual(shown.map(({ name }) => name), ["quote"])
    }))

  it.effect("stops at a step that fails, names it, and tells what came before; the calls beside it end", () =>
    Effect.gen(function*() {
      const { say } = yield* world
      const { content, run } = yield* say("call stops {\"note\": \"n1\"}\nthen\nsay over")
      const [[state, text] = []] = outputOf(content, "stops")
      assert.strictEqual(state, "error")
      assert.include(text, "stopped at its step second: It is closed on Mondays.")
      assert.include(text, "- first: {\"noted\":\"n1\"}")
      assert.strictEqual(callsOf("n1"), 2)
      assert.strictEqual(callsOf("never"), 0)
      // The run goes on.
      assert.strictEqual(run.error, null)
      assert.strictEqual(content.at(-1)?.text, "over")
    }))

  it.effect("goes on behind a step that may fail, whose failure the next ones see", () =>
    Effect.gen(function*() {
      const { say } = yield* world
      const { content } = yield* say("call outer {}\nthen\nsay over")
      assert.deepStrictEqual(outputOf(content, "outer"), [
        ["success", "{\"value\":{\"value\":{\"of\":{\"error\":\"It is closed on Mondays.\"}}}}"]
      ])
      assert.deepStrictEqual(outputOf(content, "goes_on")[0]?.[0], "success")
    }))

  it.effect("refuses an input that is not of its schema, and a value that no step has brought", () =>
    Effect.gen(function*() {
      const { say } = yield* world
      const wrong = yield* say("call quote {\"extra\": \"milk\"}\nthen\nsay over")
      assert.match(outputOf(wrong.content, "quote")[0]?.[1] ?? "", /^Input validation failed for tool 'quote': .*what/)
      const lost = yield* say("call lost {}\nthen\nsay over")
      assert.include(outputOf(lost.content, "lost")[0]?.[1], "the step first has not brought it")
      assert.lengthOf(outputOf(lost.content, "find"), 1)
    }))

  it.effect("asks a person before a step that needs it, and does no step twice when it goes on", () =>
    Effect.gen(function*() {
      const { confirm, say } = yield* world
      const { content, id, run } = yield* say("call buys {\"note\": \"n2\"}\nthen\nsay over")
      assert.strictEqual(run.status, "awaiting_permission")
      assert.strictEqual(content.find(({ state }) => state === "asking")?.name, "pay")
      assert.strictEqual(callsOf("n2"), 1)
      assert.strictEqual(callsOf("beside"), 1)
      const { content: now, said } = yield* confirm(id, content, true)
      assert.strictEqual(said, "over")
      assert.deepStrictEqual(outputOf(now, "buys"), [["success", "{\"noted\":\"done\"}"]])
      assert.strictEqual(callsOf("n2"), 2)
      assert.strictEqual(callsOf("beside"), 1)
      assert.strictEqual(callsOf("done"), 1)
    }))

  it.effect("stops where a person says no", () =>
    Effect.gen(function*() {
      const { confirm, say } = yield* world
      const { content, id } = yield* say("call buys {\"note\": \"n3\"}\nthen\nsay over")
      const { content: now, said } = yield* confirm(id, content, false)
      assert.strictEqual(said, "over")
      assert.include(outputOf(now, "buys")[0]?.[1], "stopped at its step pay: The user did not allow this call.")
      assert.strictEqual(callsOf("n3"), 1)
    }))

  it.effect("keeps what its steps have brought when it takes too long", () =>
    Effect.gen(function*() {
      const { say } = yield* world
      const { content, said } = yield* say("call slow {}\nthen\nsay over")
      const [[state, text] = []] = outputOf(content, "slow")
      assert.strictEqual(state, "error")
      assert.include(text, "did not end within 3 seconds")
      assert.include(text, "- first: 2")
      assert.deepStrictEqual(outputOf(content, "hang")[0]?.[0], "interrupted")
      assert.strictEqual(said, "over")
    }))

  it.effect("asks its model for JSON of a schema, and counts what that costs", () =>
    Effect.gen(function*() {
      const { call, say, user } = yield* world
      const { content, run } = yield* say("call asks {}\nthen\nsay over")
      assert.deepStrictEqual(outputOf(content, "double"), [["success", "{\"twice\":14}"]])
      assert.include(
        outputOf(content, "asks")[0]?.[1],
        "stopped at its step fails: The model has not answered: Out of order"
      )
      const { json } = yield* call("GET", `/runs/${run.id}/timeline`, { user })
      assert.isAtLeast(json.steps.filter(({ type }: { type: string }) => type === "model_call").length, 4)
    }))

  it.effect("tells its model once why an answer does not fit", () =>
    Effect.gen(function*() {
      const { say } = yield* world
      const mended = yield* say("call mends {}\nthen\nsay over")
      assert.deepStrictEqual(outputOf(mended.content, "mends"), [["success", "{\"n\":7}"]])
      assert.lengthOf(corrections, 1)
      assert.include(corrections[0], "The answer is not JSON.")
      const failed = yield* say("call never {}\nthen\nsay over")
      assert.include(outputOf(failed.content, "never")[0]?.[1], "The model's answer is not of the step's schema.")
      assert.lengthOf(corrections, 2)
    }))

  it.effect("goes on beside others of the same answer, and their prompts do not mix", () =>
    Effect.gen(function*() {
      const { say } = yield* world
      const { content, run } = yield* say(
        "call says {\"word\": \"one\"}\ncall says {\"word\": \"two\"}\nthen\nsay over"
      )
      assert.strictEqual(run.error, null)
      const texts = outputOf(content, "says").map(([, text]) => text)
      assert.lengthOf(texts, 2)
      assert.include(texts[0], "{\"of\":\"one\"}")
      assert.include(texts[1], "{\"of\":\"two\"}")
      const { content: again } = yield* say("say more")
      assert.strictEqual(again.at(-1)?.text, "more")
    }))

  it.effect("ends when its run is cancelled, and none of its calls is left without a result", () =>
    Effect.gen(function*() {
      const { call, last, send, user } = yield* world
      const before = callsOf("hangs")
      const { json: { run_id } } = yield* send({ role: "user", name: "user", content: "call hangs {}\nthen\nsay over" })
      yield* eventually("it hangs", Effect.sync(() => callsOf("hangs")), (count) => count > before)
      yield* call("POST", `/runs/${run_id}/cancel`, { user })
      yield* eventually(
        "it has ended",
        call("GET", `/runs/${run_id}`, { user }),
        ({ json: { status } }) => status === "ended"
      )
      const { content } = yield* last
      assert.deepStrictEqual(
        content.filter(({ type }) => type === "tool_result").map(({ name, state }) => [name, state]),
        [["hangs", "interrupted"], ["hang", "interrupted"]]
      )
      assert.strictEqual(callsOf("never"), 0)
    }))

  it.effect("has so many steps at most that a reply has room for them", () =>
    Effect.gen(function*() {
      const { say } = yield* world
      const { content, run } = yield* say("call many {}\nthen\nsay over")
      assert.include(outputOf(content, "many")[0]?.[1], "A reply has at most 512 calls of steps.")
      assert.lengthOf(outputOf(content, "Calculate"), 510)
      assert.strictEqual(run.error, null)
    }), { timeout: patience(120_000) })

  it.effect("alone calls the tools that only its steps name, and a client's tool of that name does not take their place", () =>
    Effect.gen(function*() {
      const { say } = yield* world
      const direct = yield* say("call find {\"value\": \"x\"}\nthen\nsay over")
      assert.include(outputOf(direct.content, "find")[0]?.[1], "ToolNotFoundError")
      const tools = [{ name: "double", description: "Doubles", parameters: { type: "object", properties: {} } }]
      const { content, run } = yield* say("call quote {\"what\": \"tea\"}\nthen\nsay over", { tools })
      assert.strictEqual(run.status, "ended")
      assert.deepStrictEqual(outputOf(content, "double"), [["success", "{\"twice\":6}"]])
    }))
})
