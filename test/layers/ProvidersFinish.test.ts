/** How answers end, over every wire: what failed is told as failed, what was withheld as withheld. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { ModelFailed } from "../../src/services/Models.ts"
import * as Answered from "../support/wires/Answered.ts"
import { finishOf, textIn } from "../support/wires/Messages.ts"
import * as Say from "../support/wires/Say.ts"
import * as Talk from "../support/wires/Talk.ts"

const { subjects } = Answered

type Name = keyof typeof subjects

const upstream = { type: "upstream", retryable: true } as const
const full = { type: "context_length", retryable: false } as const
const wrong = { type: "invalid_request", retryable: false } as const

const chats = ["openai", "azure", "dashscope", "moonshot", "xai", "ollama", "groq", "openrouter", "compatible"] as const

/** Words that end an answer that has failed, and what they mean. */
const failures: ReadonlyArray<readonly [Name, string, Pick<ModelFailed, "type" | "retryable">]> = [
  ...chats.flatMap((name) =>
    [[name, "abort", upstream], [name, "error", upstream], [name, "network_error", upstream]] as const
  ),
  ...chats.map((name) => [name, "model_context_window_exceeded", full] as const),
  ["deepseek", "insufficient_system_resource", upstream],
  ["deepseek", "abort", upstream],
  ["mistral", "error", upstream],
  ["mistral", "model_length", full],
  ["anthropic", "model_context_window_exceeded", full],
  ["bedrock", "model_context_window_exceeded", full],
  ["bedrock", "malformed_model_output", upstream],
  ["bedrock", "malformed_tool_use", upstream],
  ...[
    "OTHER",
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MALFORMED_RESPONSE",
    "NO_IMAGE"
  ]
    .map((word) => ["gemini", word, upstream] as const),
  ["gemini", "MISSING_THOUGHT_SIGNATURE", wrong],
  ["gemini", "LANGUAGE", wrong],
  ["gemini", "SOME_NEW_ERROR", upstream]
]

/** Words that say that an answer was withheld, and the word that is kept of them. */
const filters: ReadonlyArray<readonly [Name, string, string | undefined]> = [
  ...chats.map((name) => [name, "content_filter", undefined] as const),
  ["deepseek", "content_filter", undefined],
  ["compatible", "SAFETY", "SAFETY"],
  ["compatible", "sensitive", "sensitive"],
  ["responses", "content_filter", undefined],
  ["azureResponses", "content_filter", undefined],
  ["bedrock", "guardrail_intervened", "guardrail_intervened"],
  ["bedrock", "content_filtered", "content_filtered"],
  ...["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "IMAGE_PROHIBITED_CONTENT", "MODEL_ARMOR"]
    .map((word) => ["gemini", word, word] as const)
]

const withTalk = <A, E>(name: Name, use: (talk: Talk.Talk) => Effect.Effect<A, E>) =>
  Effect.flatMap(Talk.open(subjects[name]), use)

layer(Talk.base, { excludeTestServices: true })("The end of an answer", (it) => {
  for (const [name, word, failure] of failures) {
    it.scoped(`of ${subjects[name].name} with ${word} is a failure, and what it said before is kept`, () =>
      withTalk(name, ({ fail, server }) =>
        Effect.gen(function*() {
          server.answer(subjects[name].wire.say({ ...Say.say(Say.text("Half ", "of it")), word }))
          const parts: Array<Parameters<typeof textIn>[0][number]> = []
          assert.deepInclude(yield* fail({}, parts), failure)
          assert.strictEqual(textIn(parts), "Half of it")
          assert.notInclude(parts.map(({ type }) => type), "finish")
        })))
  }

  for (const name of ["openai", "compatible"] as const) {
    it.scoped(`of ${subjects[name].name} with nothing but a call that has no name is a failure`, () =>
      withTalk(name, ({ fail, server }) =>
        Effect.gen(function*() {
          const called = { name: "", arguments: "{}" }
          server.answer(Answered.chunks(
            { delta: { role: "assistant", content: "" } },
            { delta: { tool_calls: [{ index: 0, id: "c1", type: "function", function: called }] } },
            { delta: {}, finish_reason: "tool_calls" }
          ))
          assert.deepInclude(yield* fail(), upstream)
        })))
  }

  const head = { id: "resp_1", object: "response", created_at: 1_700_000_000, model: "fake", output: [] }
  const responsesEnds: ReadonlyArray<readonly [how: object, reason: string]> = [
    [{ status: "completed" }, "stop"],
    [{ status: "incomplete", incomplete_details: { reason: "max_output_tokens" } }, "length"],
    [{ status: "incomplete", incomplete_details: null }, "length"],
    [{ status: "incomplete", incomplete_details: { reason: "content_filter" } }, "content_filter"],
    [{ status: "failed", error: { code: "server_error", message: "It broke." } }, "upstream"],
    [{ status: "failed" }, "upstream"],
    [{ status: "cancelled" }, "upstream"]
  ]
  for (const [how, reason] of responsesEnds) {
    for (const name of ["responses", "azureResponses"] as const) {
      it.scoped(`of ${subjects[name].name} is ${reason} when its last event says ${JSON.stringify(how)} within "completed"`, () =>
        withTalk(name, ({ ask, fail, server }) =>
          Effect.gen(function*() {
            const at = { item_id: "msg_0", output_index: 0, content_index: 0 }
            const item = { id: "msg_0", type: "message", role: "assistant", content: [] }
            server.answer(Answered.events(
              { type: "response.created", response: { ...head, status: "in_progress" } },
              { type: "response.output_item.added", output_index: 0, item: { ...item, status: "in_progress" } },
              { type: "response.output_text.delta", ...at, delta: "Half of it", logprobs: [] },
              { type: "response.output_item.done", output_index: 0, item: { ...item, status: "completed" } },
              {
                type: "response.completed",
                response: { ...head, usage: { input_tokens: 1, output_tokens: 1 }, ...how }
              }
            ))
            if (reason === "upstream") return assert.strictEqual((yield* fail()).type, reason)
            const parts = yield* ask()
            assert.strictEqual(textIn(parts), "Half of it")
            assert.strictEqual(finishOf(parts).reason, reason)
          })))
    }
  }

  for (const [name, word, provider_reason] of filters) {
    it.scoped(`of ${subjects[name].name} with ${word} is told as withheld`, () =>
      withTalk(name, ({ ask, server }) =>
        Effect.gen(function*() {
          server.answer(subjects[name].wire.say({ ...Say.say(Say.text("Half")), stop: "content_filter", word }))
          const { details, reason } = finishOf(yield* ask())
          assert.strictEqual(reason, "content_filter")
          assert.strictEqual(details?.provider_reason, provider_reason)
        })))
  }

  it.scoped("that fails before its first part is asked for again", () =>
    Effect.gen(function*() {
      const { deepseek: subject } = subjects
      const { ask, server } = yield* Talk.open(subject, Talk.impatient({ attempts: 2 }))
      const { wire } = subject
      server.answer(
        wire.say({ ...Say.say(), word: "insufficient_system_resource" }),
        wire.say(Say.say(Say.text("At last.")))
      )
      assert.strictEqual(textIn(yield* ask()), "At last.")
    }))

  it.scoped("with a refusal of Anthropic's says so, and what it was refused for", () =>
    withTalk("anthropic", ({ ask, server }) =>
      Effect.gen(function*() {
        const blocks = [[{ type: "text", text: "" }, { type: "text_delta", text: "I will not." }]] as const
        server.answer(Answered.message(blocks, {
          stop_reason: "refusal",
          stop_sequence: null,
          stop_details: { type: "refusal", category: "cyber", explanation: "The request was about malware." }
        }))
        const parts = yield* ask()
        assert.strictEqual(textIn(parts), "I will not.")
        assert.deepInclude(finishOf(parts), { reason: "refusal", details: { category: "cyber" } })
      })))

  it.scoped("with a turn that Anthropic has paused asks to go on", () =>
    withTalk("anthropic", ({ ask, server }) =>
      Effect.gen(function*() {
        server.answer(subjects.anthropic.wire.say({ ...Say.say(Say.text("So far.")), word: "pause_turn" }))
        assert.strictEqual(finishOf(yield* ask()).reason, "paused")
      })))

  const harm = { category: "HARM_CATEGORY_HARASSMENT", probability: "HIGH", blocked: true }
  const harmless = { category: "HARM_CATEGORY_HATE_SPEECH", probability: "NEGLIGIBLE" }

  it.scoped("that Gemini's filter caused names what it found", () =>
    withTalk("gemini", ({ ask, server }) =>
      Effect.gen(function*() {
        server.answer(Answered.candidates(
          { candidates: [{ content: { parts: [{ text: "You" }], role: "model" }, index: 0 }] },
          { candidates: [{ finishReason: "SAFETY", index: 0, safetyRatings: [harmless, harm] }] }
        ))
        assert.deepInclude(finishOf(yield* ask()), {
          reason: "content_filter",
          details: { provider_reason: "SAFETY", category: "HARM_CATEGORY_HARASSMENT" }
        })
      })))

  for (const blockReason of ["SAFETY", "OTHER", "PROHIBITED_CONTENT", "JAILBREAK"]) {
    it.scoped(`that is none, because Gemini blocked the prompt (${blockReason}), is told as withheld`, () =>
      withTalk("gemini", ({ ask, server }) =>
        Effect.gen(function*() {
          server.answer(Answered.candidates({ promptFeedback: { blockReason, safetyRatings: [harm] } }))
          const finish = finishOf(yield* ask())
          assert.strictEqual(finish.reason, "content_filter")
          assert.deepStrictEqual(finish.details, {
            provider_reason: blockReason,
            category: "HARM_CATEGORY_HARASSMENT"
          })
        })))
  }

  it.scoped("that a guardrail of Bedrock's caused names what it found", () =>
    withTalk("bedrock", ({ ask, server }) =>
      Effect.gen(function*() {
        server.answer(Answered.converse(
          ["messageStart", { role: "assistant" }],
          ["contentBlockDelta", { contentBlockIndex: 0, delta: { text: "Sorry, I cannot." } }],
          ["contentBlockStop", { contentBlockIndex: 0 }],
          ["messageStop", { stopReason: "guardrail_intervened" }],
          ["metadata", {
            usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 },
            metrics: { latencyMs: 1 },
            trace: {
              guardrail: {
                inputAssessment: {
                  g1: { contentPolicy: { filters: [{ type: "VIOLENCE", confidence: "HIGH", action: "BLOCKED" }] } }
                }
              }
            }
          }]
        ))
        assert.deepInclude(finishOf(yield* ask()), {
          reason: "content_filter",
          details: { provider_reason: "guardrail_intervened", category: "VIOLENCE" }
        })
      })))

  const filtered = { hate: { filtered: false, severity: "safe" }, violence: { filtered: true, severity: "high" } }

  for (const name of ["azure", "compatible"] as const) {
    it.scoped(`that a filter of Azure's caused names what it found, for ${subjects[name].name}`, () =>
      withTalk(name, ({ ask, server }) =>
        Effect.gen(function*() {
          server.answer(Answered.chunks(
            { delta: { role: "assistant", content: "Then he" } },
            { delta: {}, finish_reason: "content_filter", content_filter_results: filtered }
          ))
          assert.deepInclude(finishOf(yield* ask()), { reason: "content_filter", details: { category: "violence" } })
        })))
  }

  it.scoped("that is none, because Azure's filter refused the prompt, is a failure that names what it found", () =>
    withTalk("azure", ({ fail, server }) =>
      Effect.gen(function*() {
        const body = {
          error: {
            message: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
            code: "content_filter",
            status: 400,
            innererror: { code: "ResponsibleAIPolicyViolation", content_filter_result: filtered }
          }
        }
        server.answer({
          status: 400,
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body)
        })
        assert.deepInclude(yield* fail(), { type: "content_policy", retryable: false, category: "violence" })
      })))

  it.scoped("that a provider behind OpenRouter withheld keeps that provider's word", () =>
    withTalk("openrouter", ({ ask, server }) =>
      Effect.gen(function*() {
        server.answer(Answered.chunks(
          { delta: { role: "assistant", content: "x" } },
          { delta: { content: "" }, finish_reason: "content_filter", native_finish_reason: "RECITATION" }
        ))
        assert.deepInclude(finishOf(yield* ask()), { details: { provider_reason: "RECITATION" } })
      })))
})

layer(Talk.base, { excludeTestServices: true })("A refusal", (it) => {
  for (const name of ["openai", "azure", "compatible", "openrouter"] as const) {
    it.scoped(`by ${subjects[name].name} is text, and told as one`, () =>
      withTalk(name, ({ ask, server }) =>
        Effect.gen(function*() {
          server.answer(Answered.chunks(
            { delta: { role: "assistant", content: "", refusal: null } },
            { delta: { refusal: "I'm sorry, " } },
            { delta: { refusal: "I can't." } },
            { delta: {}, finish_reason: "stop" }
          ))
          const parts = yield* ask()
          assert.strictEqual(textIn(parts), "I'm sorry, I can't.")
          assert.strictEqual(finishOf(parts).reason, "refusal")
        })))
  }

  for (const name of ["responses", "azureResponses"] as const) {
    for (const whole of [false, true]) {
      it.scoped(`by ${subjects[name].name} is text, and told as one${whole ? ", when it comes in one piece" : ""}`, () =>
        withTalk(name, ({ ask, server }) =>
          Effect.gen(function*() {
            const at = { item_id: "msg_0", output_index: 0, content_index: 0 }
            const item = { id: "msg_0", type: "message", role: "assistant", content: [] }
            const refusal = "I'm sorry, I can't."
            const deltas = ["I'm sorry, ", "I can't."].map((delta) => ({
              type: "response.refusal.delta",
              ...at,
              delta
            }))
            server.answer(Answered.response(
              { type: "response.output_item.added", output_index: 0, item: { ...item, status: "in_progress" } },
              { type: "response.content_part.added", ...at, part: { type: "refusal", refusal: "" } },
              ...(whole ? [] : deltas),
              { type: "response.refusal.done", ...at, refusal },
              { type: "response.content_part.done", ...at, part: { type: "refusal", refusal } },
              {
                type: "response.output_item.done",
                output_index: 0,
                item: { ...item, status: "completed", content: [{ type: "refusal", refusal }] }
              }
            ))
            const parts = yield* ask()
            assert.strictEqual(textIn(parts), refusal)
            assert.strictEqual(finishOf(parts).reason, "refusal")
          })))
    }
  }
})
