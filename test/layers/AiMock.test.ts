/**
 * Every credential against a mock of its provider that others wrote and use: `@copilotkit/aimock`. Ours are strict where
 * a provider is; this one shows what we would not think of ourselves.
 */
import { LLMock } from "@copilotkit/aimock"
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { JsonObject } from "../../src/domain/Json.ts"
import * as Providers from "../../src/layers/Models/Providers.ts"
import * as flavours from "../support/wires/flavours.ts"
import * as Messages from "../support/wires/Messages.ts"
import type { Subject } from "../support/wires/Subject.ts"
import * as Talk from "../support/wires/Talk.ts"

const { callsIn, finishOf, textIn, thinkingIn } = Messages

const tools = ["weather", "clock"].map((name) => ({
  name,
  description: "Tells it.",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] }
}))

const schema = {
  type: "object",
  properties: { answer: { type: "string" }, sure: { type: "boolean" } },
  required: ["answer", "sure"],
  additionalProperties: false
}
const structured = { answer: "zweiundvierzig", sure: true }

/** What is asked, and what the mock does then. */
const scripts = (mock: LLMock) => {
  const pieces = { chunkSize: 5 }
  const calls = tools.map(({ name }, i) => ({ id: `call_${i}`, name, arguments: JSON.stringify({ city: "Zürich 🏔" }) }))
  const tooLong =
    "This model's maximum context length is 10 tokens: prompt is too long; input is too long for requested model"
  return mock
    .onMessage("say", { content: "Grüße aus 東京 🗼.", usage: { prompt_tokens: 10, completion_tokens: 5 } }, pieces)
    .onMessage("think", { content: "Done.", reasoning: "let me see" }, pieces)
    .on({ userMessage: "call", hasToolResult: true }, { content: "Sunny." }, pieces)
    .on({ userMessage: "call", hasToolResult: false }, { content: "I look.", toolCalls: calls }, pieces)
    .onMessage("search", { content: "It is 21 °C.", webSearches: ["weather in Zürich"] }, pieces)
    .on(
      { userMessage: "json", predicate: ({ tools = [] }) => tools.some((tool) => tool.function.name === "reply") },
      { toolCalls: [{ id: "call_json", name: "reply", arguments: JSON.stringify(structured) }] },
      pieces
    )
    .onMessage("json", { content: JSON.stringify(structured) }, pieces)
    .onMessage("limit", { error: { message: "Slow down", type: "rate_limit_error" }, status: 429, retryAfter: 7 })
    .onMessage("long", {
      error: { message: tooLong, type: "invalid_request_error", code: "context_length_exceeded" },
      status: 400
    })
    .onMessage("cut", { content: "This is a long answer that never comes to its end." }, {
      ...pieces,
      truncateAfterChunks: 4
    })
    .onMessage("filter", { content: "I began", finishReason: "content_filter" }, pieces)
    .onMessage("length", { content: "I began", finishReason: "length" }, pieces)
}

type Feature = "thinking" | "search" | "length" | "filter" | "models"

interface Mocked
  extends Pick<Subject, "name" | "type" | "credential" | "model" | "structured" | "parameters" | "thinking">
{
  /** What the mock does not have on this wire, and why. */
  readonly without?: Partial<Record<Feature, string>>
}

const at = (path: string): Subject["credential"] => (origin, secret) => ({
  base_url: `${origin}${path}`,
  api_key: secret
})

const responsesOnly = "the mock has it on Responses only"
const noList = "the mock has no list of models at this address"

/** The mock says `failed` within `response.completed`; OpenAI sends `response.incomplete` with the reason. */
const failedByFilter = "the mock tells it as a failure without a reason"
const responses: Mocked["without"] = { filter: failedByFilter }

const chat = (type: string, model: string, more: Partial<Mocked> = {}): Mocked => ({
  name: `${type}_credential`,
  type: `${type}_credential`,
  credential: at("/v1"),
  model,
  structured: "natively",
  ...more,
  without: { search: responsesOnly, ...more.without }
})

const keys = { access_key_id: "AKIAFAKE", region: "us-east-1" }

const subjects: ReadonlyArray<Mocked> = [
  { ...chat("openai", "gpt-5"), name: "openai_credential, Responses", without: responses },
  chat("openai", "gpt-4.1", {
    name: "openai_credential, Chat Completions",
    credential: (origin, secret) => ({ ...at("/v1")(origin, secret), api: "chat" })
  }),
  chat("anthropic", "claude-sonnet-4-5", {
    thinking: { thinking_enable: true, thinking_budget: 1024 }
  }),
  chat("gemini", "gemini-2.5-flash", {
    credential: at("/v1beta"),
    thinking: { thinking_enable: true },
    without: { models: noList }
  }),
  chat("dashscope", "qwen3.7-plus", {
    credential: at("/compatible-mode/v1"),
    thinking: { thinking_enable: true },
    without: { models: noList }
  }),
  chat("deepseek", "deepseek-flash", { structured: "by a tool", parameters: { thinking_enable: false } }),
  chat("moonshot", "kimi-k3"),
  chat("xai", "grok-4.7"),
  chat("ollama", "qwen3:8b", { credential: (origin) => ({ host: origin }) }),
  chat("mistral", "magistral-medium-latest", {
    without: { thinking: "Mistral sends its thoughts within the content" }
  }),
  chat("groq", "openai/gpt-oss-120b", {
    credential: at("/openai/v1"),
    without: { thinking: "Groq calls them `reasoning`" }
  }),
  chat("openrouter", "anthropic/claude-sonnet-5.5", { credential: at("/api/v1"), without: { models: noList } }),
  { ...chat("azure_openai", "gpt-5.1"), name: "azure_openai_credential, Responses", without: responses },
  chat("azure_openai", "gpt-4.1", {
    name: "azure_openai_credential, Chat Completions of a dated version",
    credential: (origin, secret) => ({ ...at("/openai")(origin, secret), api_version: "2024-10-21" }),
    without: { models: noList }
  }),
  chat("bedrock", "us.anthropic.claude-sonnet-5", {
    credential: (origin, secret) => ({ base_url: origin, api_key: secret, region: "us-east-1" }),
    without: { models: noList }
  }),
  chat("bedrock", "global.anthropic.claude-haiku-4-5-20251001-v1:0", {
    name: "bedrock_credential, AWS key pair",
    credential: (origin, secret) => ({ base_url: origin, ...keys, secret_access_key: secret }),
    thinking: { thinking_enable: true, thinking_budget: 1024 },
    without: { models: noList }
  }),
  chat("openai_compatible", "fake", { structured: "by a tool" })
]

const asking = (text: string) => [Messages.user(Messages.text(text))]

describe("against a mock that others wrote,", () => {
  layer(Talk.base, { excludeTestServices: true })((it) => {
    it.effect("every credential type but the demo's is tried", () =>
      Effect.sync(() =>
        assert.sameMembers([...new Set(subjects.map(({ type }) => type))], Providers.all.map(({ type }) => type))
      ))

    const mock = Effect.acquireRelease(
      Effect.promise(async () => {
        const started = scripts(new LLMock({ port: 0, host: "127.0.0.1", logLevel: "silent" }))
        await started.start()
        return started
      }),
      (started) => Effect.promise(() => started.stop())
    )

    for (const subject of subjects) {
      const { without = {} } = subject
      // Only what is sent is compared elsewhere: this wire is asked for nothing.
      const spoken: Subject = { ...subject, wire: flavours.compatible, authenticated: () => true, lacks: {} }
      const opened = Effect.flatMap(mock, ({ url }) => Talk.open(spoken, Talk.impatient({}), url))
      const promise = (title: string, run: (talk: Talk.Talk) => Effect.Effect<void, Talk.Failed>, needs?: Feature) => {
        const reason = needs && without[needs]
        if (reason === undefined) it.scoped(`${subject.name}: ${title}`, () => Effect.flatMap(opened, run))
        // What is not tried is no test that somebody left out: it is listed, with the reason.
        else {
          it.effect(`${subject.name}: not tried: ${title}: ${reason}`, () =>
            Effect.sync(() => assert.notStrictEqual(reason.trim(), "")))
        }
      }

      promise("text arrives, with what it cost", ({ ask }) =>
        Effect.gen(function*() {
          const parts = yield* ask({ messages: asking("say") })
          assert.strictEqual(textIn(parts), "Grüße aus 東京 🗼.")
          const { reason, usage } = finishOf(parts)
          assert.strictEqual(reason, "stop")
          assert.isAtLeast(usage.output_tokens ?? -1, 0)
        }))

      promise("thoughts arrive apart from the text", ({ ask }) =>
        Effect.gen(function*() {
          const parameters: JsonObject = subject.thinking ?? {}
          const parts = yield* ask({ messages: asking("think"), parameters })
          assert.strictEqual(thinkingIn(parts), "let me see")
          assert.strictEqual(textIn(parts), "Done.")
        }), "thinking")

      promise("calls at once arrive whole, and their results go back", ({ ask }) =>
        Effect.gen(function*() {
          const parts = yield* ask({ messages: asking("call"), tools })
          const calls = callsIn(parts)
          assert.deepStrictEqual(calls.map(({ name }) => name), ["weather", "clock"])
          for (const { args } of calls) assert.deepStrictEqual(JSON.parse(args), { city: "Zürich 🏔" })
          assert.strictEqual(finishOf(parts).reason, "tool_calls")
          const results = calls.map(({ id, name }) => Messages.result(id, name, "sunny"))
          const messages = [...asking("call"), Messages.making(...Messages.blocksOf(parts), ...results)]
          assert.strictEqual(textIn(yield* ask({ messages, tools })), "Sunny.")
        }))

      promise(
        "a search that the provider ran itself leaves its answer whole, and asks for no call of ours",
        ({ ask }) =>
          Effect.gen(function*() {
            const parts = yield* ask({ messages: asking("search") })
            assert.strictEqual(textIn(parts), "It is 21 °C.")
            assert.strictEqual(finishOf(parts).reason, "stop")
          }),
        "search"
      )

      promise("an answer of a schema is JSON", ({ ask }) =>
        Effect.gen(function*() {
          const parts = yield* ask({ messages: asking("json"), output: { name: "reply", schema } })
          assert.deepStrictEqual(JSON.parse(textIn(parts)), structured)
          assert.deepStrictEqual(callsIn(parts), [])
        }))

      promise("too many requests are told as that, with the time to wait", ({ fail }) =>
        Effect.gen(function*() {
          const failed = yield* fail({ messages: asking("limit") })
          assert.deepInclude({ ...failed }, { type: "rate_limit", retryable: true })
          assert.strictEqual(failed.retry_after, 7)
        }))

      promise("a conversation that is too long is told as that", ({ fail }) =>
        Effect.gen(function*() {
          assert.strictEqual((yield* fail({ messages: asking("long") })).type, "context_length")
        }))

      promise("a cut answer fails, and is never whole", ({ fail }) =>
        Effect.gen(function*() {
          const failed = yield* fail({ messages: asking("cut") })
          assert.strictEqual(failed.type, "connection")
        }))

      promise("an answer that its length ended is told as that", ({ ask }) =>
        Effect.gen(function*() {
          assert.strictEqual(finishOf(yield* ask({ messages: asking("length") })).reason, "length")
        }), "length")

      promise("an answer that a filter stopped is told as that", ({ ask }) =>
        Effect.gen(function*() {
          const parts = yield* ask({ messages: asking("filter") })
          assert.strictEqual(finishOf(parts).reason, "content_filter")
        }), "filter")

      promise("the check of the credential works", ({ check }) =>
        Effect.gen(function*() {
          assert.isAbove((yield* check).length, 0)
        }), "models")
    }
  })
})
