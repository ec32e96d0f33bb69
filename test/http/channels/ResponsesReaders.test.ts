/** Streams of responses as those read them who must not fail: other clients, and a checker that nothing wrong gets past. */
import { createOpenAI } from "@ai-sdk/openai"
import { assert, describe, it, layer } from "@effect/vitest"
import { Agent, OpenAIProvider, Runner, tool as agentTool } from "@openai/agents"
import { generateText, stepCountIs, streamText, tool } from "ai"
import { Effect } from "effect"
import OpenAI from "openai"
import { z } from "zod"
import type { AgentEvent } from "../../../src/domain/Event.ts"
import { Rendering } from "../../../src/http/channels/responses/output/Encode.ts"
import { asked, tenant } from "../../support/openai.ts"
import { problemsOf } from "../../support/responses.ts"
import * as TestHost from "../../support/TestHost.ts"

const askWeather = "call weather {\"city\":\"Kiel\"}\nthen\nresults"

layer(TestHost.layer(), { excludeTestServices: true })("Other clients of the Responses API", (it) => {
  it.effect("AI SDK runs its tools, whole and as a stream, stored and not", () =>
    Effect.gen(function*() {
      const { key } = yield* tenant()
      const { url } = yield* TestHost.TestHost
      const model = createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).responses("agent/Ada")
      const weather = tool({
        inputSchema: z.object({ city: z.string() }),
        execute: ({ city }) => `9 degrees in ${city}`
      })
      for (const store of [true, false]) {
        const given = {
          model,
          prompt: askWeather,
          tools: { weather },
          stopWhen: stepCountIs(3),
          providerOptions: { openai: { store } }
        }
        const { text } = yield* asked(() => generateText(given))
        assert.include(text, "9 degrees in Kiel")
        const streamed = yield* asked(async () => {
          let text = ""
          for await (const part of streamText(given).fullStream) {
            if (part.type === "error") throw part.error
            if (part.type === "text-delta") text += part.text
          }
          return text
        })
        assert.include(streamed, "9 degrees in Kiel")
      }
    }))

  it.effect("OpenAI's Agents SDK runs its tools, whole and as a stream", () =>
    Effect.gen(function*() {
      const { key } = yield* tenant()
      const { url } = yield* TestHost.TestHost
      const openAIClient = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 })
      const runner = new Runner({
        modelProvider: new OpenAIProvider({ openAIClient, useResponses: true }),
        tracingDisabled: true
      })
      const agent = new Agent({
        name: "Client",
        instructions: "Be kind.",
        model: "agent/Ada",
        tools: [agentTool({
          name: "weather",
          description: "How it is",
          parameters: z.object({ city: z.string() }),
          execute: ({ city }) => Promise.resolve(`9 degrees in ${city}`)
        })]
      })
      const whole = yield* asked(() => runner.run(agent, askWeather))
      assert.include(String(whole.finalOutput), "9 degrees in Kiel")
      const stream = yield* asked(async () => {
        const result = await runner.run(agent, askWeather, { stream: true })
        for await (const event of result) void event
        await result.completed
        return result.finalOutput
      })
      assert.include(String(stream), "9 degrees in Kiel")
    }))
})

const head = {
  id: "resp_1",
  created_at: 1,
  model: "agent/Ada",
  echo: {},
  home: "0".repeat(32),
  client_tools: ["weather"],
  is_structured: false,
  tells_encrypted: true
}

let events = 0
const event = (members: object) =>
  ({ id: `e${events++}`, created_at: "2026-01-01T00:00:00.000Z", reply_id: "r", ...members }) as unknown as AgentEvent

const usage = { input_tokens: 3, output_tokens: 4 }
const call = { id: "c2", name: "weather", input: "{\"city\":\"Kiel\"}", state: "submitted", suggested_rules: [] }

const log = [
  event({ type: "REPLY_START", session_id: "s", run_id: "u", name: "Ada", role: "assistant" }),
  event({ type: "THINKING_BLOCK_START", block_id: "b1" }),
  event({ type: "THINKING_BLOCK_DELTA", block_id: "b1", delta: "Hm, " }),
  event({ type: "THINKING_BLOCK_DELTA", block_id: "b1", delta: "well" }),
  event({ type: "THINKING_BLOCK_END", block_id: "b1", provider_metadata: { anthropic: { signature: "x" } } }),
  event({ type: "TEXT_BLOCK_START", block_id: "b2" }),
  event({ type: "TEXT_BLOCK_DELTA", block_id: "b2", delta: "one " }),
  event({ type: "TEXT_BLOCK_DELTA", block_id: "b2", delta: "two" }),
  event({ type: "TEXT_BLOCK_END", block_id: "b2" }),
  event({ type: "TOOL_CALL_START", tool_call_id: "c1", tool_call_name: "Calculate" }),
  event({ type: "TOOL_CALL_DELTA", tool_call_id: "c1", delta: "{}" }),
  event({ type: "TOOL_CALL_END", tool_call_id: "c1" }),
  event({ type: "TOOL_RESULT_START", tool_call_id: "c1", tool_call_name: "Calculate" }),
  event({ type: "TOOL_RESULT_TEXT_DELTA", tool_call_id: "c1", delta: "2" }),
  event({ type: "TOOL_RESULT_END", tool_call_id: "c1", state: "success" }),
  event({ type: "MODEL_CALL_END", ...usage }),
  event({ type: "REQUIRE_EXTERNAL_EXECUTION", tool_calls: [call] }),
  event({
    type: "CUSTOM",
    name: "run_parked",
    value: { session_id: "s", run_id: "u", reply_id: "r", waiting_for: "external_execution" }
  })
]

const rendered = () => {
  const rendering = new Rendering(head)
  return log.map((event) => rendering.step(event)).join("")
}

type Told = Record<string, unknown> & { readonly type: string; readonly sequence_number: number }

const told = (): ReadonlyArray<Told> =>
  rendered().split("\n\n").slice(0, -1).map((frame) => {
    const [name, data, ...more] = frame.split("\n")
    const value = JSON.parse(data!.slice("data: ".length)) as Told
    assert.deepStrictEqual([name, more], [`event: ${value.type}`, []])
    return value
  })

const numbered = (all: ReadonlyArray<Told>) => all.map((one, sequence_number) => ({ ...one, sequence_number }))

describe("A stream of a response", () => {
  it("is the same bytes each time, with nothing wrong in it", () => {
    assert.strictEqual(rendered(), rendered())
    assert.deepStrictEqual(problemsOf(told()), [])
    const response = told().at(-1)!["response"] as { output: Array<{ type: string }> }
    assert.deepStrictEqual(response.output.map(({ type }) => type), [
      "reasoning",
      "message",
      "mcp_call",
      "function_call"
    ])
  })

  it("brings a thought's own data only where it is asked for, and takes it back as it was", () => {
    assert.include(rendered(), "encrypted_content\":\"stoa1.")
    const silent = new Rendering({ ...head, tells_encrypted: false })
    assert.notInclude(log.map((event) => silent.step(event)).join(""), "encrypted_content")
  })

  it("with an event left out is noticed, unless no reader needs it", () => {
    const whole = told()
    for (const [i, { type }] of whole.entries()) {
      const isNeeded = type !== "response.in_progress" && !/\.(?:in_progress|completed)$/.test(type) &&
        !/(?:text|part|arguments)\.done$/.test(type)
      const problems = problemsOf(numbered(whole.filter((_, j) => j !== i)))
      if (isNeeded || type === "response.completed") assert.isNotEmpty(problems, `${i} ${type}`)
      // A gap in the numbers is noticed whatever is missing.
      if (i < whole.length - 1) assert.isNotEmpty(problemsOf(whole.filter((_, j) => j !== i)), `${i} ${type}`)
    }
  })

  it("in another order is noticed, also with new numbers", () => {
    const whole = told()
    const swap = (i: number, j: number) => whole.map((one, k) => k === i ? whole[j]! : k === j ? whole[i]! : one)
    const place = (type: string) => whole.findIndex((one) => one.type === type)
    for (
      const [a, b] of [
        ["response.created", "response.in_progress"],
        ["response.output_item.added", "response.reasoning_summary_part.added"],
        ["response.reasoning_summary_part.added", "response.reasoning_summary_text.delta"],
        ["response.content_part.added", "response.output_text.delta"],
        ["response.output_text.delta", "response.completed"],
        ["response.output_item.done", "response.output_item.added"]
      ] as const
    ) assert.isNotEmpty(problemsOf(numbered(swap(place(a), place(b)))), `${a} ${b}`)
  })

  it("whose ids change, that has an unknown event, or does not end, is noticed", () => {
    const change = (type: string, members: object) =>
      told().map((one) => one.type === type ? { ...one, ...members } : one)
    for (
      const broken of [
        change("response.output_text.delta", { item_id: "msg_other" }),
        change("response.output_text.delta", { item_id: undefined }),
        change("response.output_item.done", { item: { id: "other" } }),
        change("response.completed", { response: { id: "resp_2", output: [] } }),
        change("response.completed", { response: { id: "resp_1", output: [] } }),
        change("response.in_progress", { type: "stoa:progress" }),
        change("response.output_text.delta", { delta: "three" }),
        told().slice(0, -1),
        []
      ]
    ) assert.isNotEmpty(problemsOf(broken))
  })
})
