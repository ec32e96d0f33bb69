/** A request begins with the bytes of the one before, so that a provider finds what it has kept of it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc } from "effect"
import type { BlockId, MessageId } from "../../src/domain/Ids.ts"
import type { JsonObject } from "../../src/domain/Json.ts"
import type { ContentBlock, Message } from "../../src/domain/Message.ts"
import type { Provider } from "../../src/layers/Models/Provider.ts"
import { all } from "../../src/layers/Models/Providers.ts"
import { time } from "../support/fixtures.ts"
import * as Messages from "../support/wires/Messages.ts"

const { call, result } = Messages

const tools = [{ name: "look", description: "Looks.", parameters: { type: "object", properties: {} } }]

interface Dialect {
  readonly type: string
  readonly model: string
  readonly credential?: JsonObject
  readonly parameters?: JsonObject
  /** What it keeps with a thought, and with a call. */
  readonly thought?: JsonObject
  readonly called?: JsonObject
}

const key = { api_key: "sk-own" }
const sealed = { reasoningEncryptedContent: "c2VhbGVk", itemId: "rs_1" }

const dialects: ReadonlyArray<Dialect> = [
  { type: "anthropic_credential", model: "claude-sonnet-4-5", thought: { anthropic: { signature: "s" } } },
  { type: "openai_credential", model: "gpt-5", thought: { openai: { ...sealed, by: "gpt-5" } } },
  { type: "openai_credential", model: "gpt-4.1", credential: { ...key, api: "chat" } },
  { type: "azure_openai_credential", model: "gpt-5", credential: { ...key, resource: "mine" } },
  { type: "azure_openai_credential", model: "gpt-4.1", credential: { ...key, resource: "mine", api: "chat" } },
  { type: "gemini_credential", model: "gemini-2.5-flash", called: { google: { thoughtSignature: "s" } } },
  { type: "gemini_credential", model: "gemini-3-pro-preview", called: { google: { thoughtSignature: "s" } } },
  {
    type: "bedrock_credential",
    model: "anthropic.claude-sonnet-4-5-20250929-v1:0",
    credential: { ...key, region: "us-east-1" },
    thought: { bedrock: { signature: "s" } }
  },
  { type: "bedrock_credential", model: "mistral.mistral-large-2407-v1:0", credential: { ...key, region: "us-east-1" } },
  { type: "dashscope_credential", model: "qwen3.7-plus" },
  { type: "dashscope_credential", model: "qwen-plus" },
  { type: "deepseek_credential", model: "deepseek-flash" },
  { type: "deepseek_credential", model: "deepseek-reasoner" },
  { type: "deepseek_credential", model: "deepseek-chat" },
  { type: "moonshot_credential", model: "kimi-k3" },
  { type: "moonshot_credential", model: "kimi-k2.6" },
  { type: "xai_credential", model: "grok-4" },
  { type: "ollama_credential", model: "qwen3" },
  { type: "mistral_credential", model: "magistral-medium-latest" },
  { type: "groq_credential", model: "openai/gpt-oss-120b" },
  { type: "openrouter_credential", model: "moonshotai/kimi-k3" },
  {
    type: "openrouter_credential",
    model: "anthropic/claude-sonnet-4.5",
    called: { openrouter: { reasoning_details: [{ type: "reasoning.text", text: "hm", signature: "s" }] } }
  },
  { type: "openai_compatible_credential", model: "fake", credential: { base_url: "https://models.test/v1" } },
  {
    type: "openai_compatible_credential",
    model: "fake",
    credential: { base_url: "https://models.test/v1" },
    thought: { openai_compatible: { field: "reasoning" } }
  }
]

const providerOf = (type: string): Provider => all.find((provider) => provider.type === type) ?? assert.fail(type)

/** The body of the request. */
const sent = ({ credential = key, model, parameters = {}, type }: Dialect, messages: ReadonlyArray<Message>) =>
  Effect.gen(function*() {
    let body = ""
    const fetch: typeof globalThis.fetch = (_, init) => {
      body = String(init?.body)
      return Promise.resolve(new Response("", { status: 200, headers: { "content-type": "text/event-stream" } }))
    }
    const call = { credential, model, parameters, system: "Be brief.", messages, tools, fetch }
    yield* Effect.ignore(providerOf(type).stream(call, () => undefined))
    return body
  })

/** The messages of a body as they were written, without the marks that say up to where they are to be kept. */
const written = (body: string): string => {
  const clean = body
    .replaceAll(",\"cache_control\":{\"type\":\"ephemeral\"}", "")
    .replaceAll(",{\"cachePoint\":{\"type\":\"default\"}}", "")
  const start = /"(messages|contents|input)":\[/.exec(clean)!
  let depth = 0
  let quoted = false
  for (let i = start.index + start[0].length - 1; i < clean.length; i++) {
    const char = clean[i]
    if (quoted) {
      if (char === "\\") i++
      else if (char === "\"") quoted = false
    } else if (char === "\"") quoted = true
    else if (char === "[" || char === "{") depth++
    else if ((char === "]" || char === "}") && --depth === 0) return clean.slice(start.index, i)
  }
  return assert.fail(body)
}

const words = fc.constantFrom("a", "I look.", "😀", "\n", " ", "half \ud83d", "\u3000")

const round = fc.record({
  thought: fc.option(words),
  said: fc.option(words),
  calls: fc.array(fc.constantFrom("call_0", "call_1", "look:0", "x".repeat(70)), { maxLength: 3 }),
  input: fc.constantFrom("{}", "", "{\"b\": 1.10, \"a\":12345678901234567890}", "{cut", "[1]"),
  output: fc.constantFrom("seen", "", " ", "half \ud83d"),
  state: fc.constantFrom("success" as const, "error" as const, "interrupted" as const),
  hint: fc.option(words)
})

const turn = fc.record({
  user: words,
  rounds: fc.array(round, { maxLength: 3 }),
  thought: fc.option(words),
  said: fc.option(words)
})

const base = { name: "m", metadata: {}, created_at: time, usage: null }

type Turn = typeof turn extends fc.Arbitrary<infer T> ? T : never

/** Every conversation that a model is asked about, in order; the end of an answer in the making is not one. */
const conversations = (turns: ReadonlyArray<Turn>, { called, thought: kept }: Dialect) => {
  const all: Array<ReadonlyArray<Message>> = []
  const messages: Array<Message> = []
  let n = 0
  const id = () => `b${n++}` as BlockId
  const thinking = (thinking: string): ContentBlock => ({
    type: "thinking",
    id: id(),
    thinking,
    ...(kept && { provider_metadata: kept })
  })
  const says = (text: string): ContentBlock => ({ type: "text", id: id(), text })
  const calls = (of: string, input: string): ContentBlock =>
    ({ ...call(of, "look", input), ...(called && { provider_metadata: called }) }) as ContentBlock
  const message = (role: "user" | "assistant", content: ReadonlyArray<ContentBlock>, finished: boolean): Message => ({
    ...base,
    id: `${role} ${messages.length}` as MessageId,
    role,
    content: [...content],
    finished_at: finished ? time : null
  })
  for (const one of turns) {
    messages.push(message("user", [says(one.user)], true))
    all.push([...messages])
    const content: Array<ContentBlock> = []
    const taken = new Set<string>()
    for (const round of one.rounds) {
      if (round.thought !== null) content.push(thinking(round.thought))
      if (round.said !== null) content.push(says(round.said))
      // A server's id that the reply has already was replaced when it came.
      const ids = [...new Set(round.calls)].map((id) => taken.has(id) ? `new_${n++}` : id)
      for (const id of ids) content.push(calls(id, round.input))
      for (const id of ids) content.push(result(id, "look", round.output, round.state))
      for (const id of ids) taken.add(id)
      if (round.hint !== null) content.push({ type: "hint", id: id(), hint: round.hint })
      if (["tool_result", "hint"].includes(content.at(-1)?.type ?? "")) {
        all.push([...messages, message("assistant", content, false)])
      }
    }
    if (one.thought !== null) content.push(thinking(one.thought))
    if (one.said !== null) content.push(says(one.said))
    messages.push(message("assistant", content, true))
  }
  return all
}

describe("A request begins with the bytes of the one before", () => {
  for (const [n, dialect] of dialects.entries()) {
    it(`${dialect.type}, ${dialect.model} (${n})`, () =>
      fc.assert(
        fc.asyncProperty(fc.array(turn, { minLength: 1, maxLength: 3 }), async (turns) => {
          let before = ""
          for (const messages of conversations(turns, dialect)) {
            // oxlint-disable-next-line eslint/no-await-in-loop -- one request after the other
            const now = written(await Effect.runPromise(sent(dialect, messages)))
            // Some wires put what comes next into the last message.
            const beginning = before.replace(/[\]}]+$/, "")
            if (!now.startsWith(beginning)) assert.strictEqual(now.slice(0, beginning.length), beginning)
            before = now
          }
        }),
        { numRuns: 25 }
      ))
  }
})
