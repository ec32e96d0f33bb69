import { assert, describe, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import type { AgentEvent } from "../../src/domain/Event.ts"
import type { BlockId, MessageId, RunId, SessionId, ToolCallId } from "../../src/domain/Ids.ts"
import type { JsonObject } from "../../src/domain/Json.ts"
import type { ContentBlock, Message } from "../../src/domain/Message.ts"
import type { ModelCard } from "../../src/domain/Model.ts"
import { appendEvent, openReply } from "../../src/domain/Transcript.ts"
import * as Blocks from "../../src/layers/AgentRunner/Blocks.ts"
import { asField } from "../../src/layers/Models/aisdk/Dialect.ts"
import type { Provider } from "../../src/layers/Models/Provider.ts"
import { all } from "../../src/layers/Models/Providers.ts"
import type { ModelPart } from "../../src/services/Models.ts"
import { time } from "../support/fixtures.ts"

const own = "sk-own"
const operators = "sk-operators"

/** The least that each credential needs. */
const credentials: Readonly<Record<string, JsonObject>> = {
  azure_openai_credential: { api_key: own, resource: "mine" },
  bedrock_credential: { region: "us-east-1", access_key_id: "AKIAOWN", secret_access_key: own },
  ollama_credential: {},
  openai_compatible_credential: { base_url: "https://models.test/v1" }
}

const credentialOf = ({ type }: Provider) => credentials[type] ?? { api_key: own }

const message = (role: Message["role"], content: ReadonlyArray<ContentBlock>, finished = true): Message => ({
  id: "m" as MessageId,
  name: role,
  role,
  content,
  metadata: {},
  created_at: time,
  finished_at: finished ? time : null,
  usage: null
})
const id = "b" as BlockId
const text = (text: string, provider_metadata?: JsonObject): ContentBlock => ({
  type: "text",
  id,
  text,
  ...(provider_metadata && { provider_metadata })
})
const thinking = (thinking: string, provider_metadata?: JsonObject): ContentBlock => ({
  type: "thinking",
  id,
  thinking,
  ...(provider_metadata && { provider_metadata })
})
const call = (name: string, provider_metadata?: JsonObject): ContentBlock => ({
  type: "tool_call",
  id: "call with blanks" as ToolCallId,
  name,
  input: "{}",
  state: "finished",
  suggested_rules: [],
  ...(provider_metadata && { provider_metadata })
})
const image: ContentBlock = { type: "data", id, source: { type: "base64", media_type: "image/png", data: "AAAA" } }

interface Asked {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

interface Call {
  /** The body of each answer; else there is none. */
  readonly answer?: string
  readonly messages?: ReadonlyArray<Message>
  readonly model?: string
  readonly card?: ModelCard
  readonly credential?: JsonObject
  readonly parameters?: JsonObject
}

/** What a provider was asked, what it said, and how that ended. */
const ask = (
  provider: Provider,
  { answer = "", card, credential, messages, model = "some-model", parameters = {} }: Call = {}
) =>
  Effect.gen(function*() {
    const asked: Array<Asked> = []
    const fetch: typeof globalThis.fetch = (input, init) => {
      const request = new Request(input, init)
      return request.text().then((body) => {
        asked.push({ url: request.url, headers: Object.fromEntries(request.headers), body })
        return new Response(answer, { status: 200, headers: { "content-type": "text/event-stream" } })
      })
    }
    const parts: Array<ModelPart> = []
    const stream = provider.stream({
      credential: credential ?? credentialOf(provider),
      model,
      parameters,
      system: "Be brief.",
      messages: messages ?? [message("user", [text("hello")])],
      tools: [],
      card,
      fetch
    }, (part) => void parts.push(part))
    const ended = yield* Effect.either(stream)
    yield* Effect.ignore(provider.check({ credential: credential ?? credentialOf(provider), fetch }))
    return { asked, parts, ended }
  })

/** As `ask`, of a provider that does not answer. */
const failing = (provider: Provider, call: Call = {}) =>
  Effect.map(ask(provider, call), ({ ended, ...rest }) => ({
    ...rest,
    failed: Either.isLeft(ended) ? ended.left : assert.fail(`${provider.type} answered`)
  }))

const providerOf = (type: string) => all.find((provider) => provider.type === type) ?? assert.fail(type)

/** Every variable of the environment that a package would take in the place of what it was not given. */
const variables = new Set(
  readdirSync("node_modules/@ai-sdk").flatMap((name) => {
    const source = readFileSync(`node_modules/@ai-sdk/${name}/dist/index.mjs`, "utf8")
    return [...source.matchAll(/environmentVariableName: "(\w+)"/gi)].map(([, variable]) => variable!)
  })
)

/** The environment of an operator who uses the same providers. */
const withEnvironment = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const before = { ...process.env }
      for (const variable of variables) {
        process.env[variable] = /URL/.test(variable) ? "https://operators.test" : operators
      }
      return before
    }),
    () => effect,
    (before) =>
      Effect.sync(() => {
        for (const variable of variables) delete process.env[variable]
        Object.assign(process.env, before)
      })
  )

describe("A tenant", () => {
  it.live("never gets to an operator's keys and addresses in the environment", () =>
    Effect.gen(function*() {
      assert.isAtLeast(variables.size, 15)
      for (const provider of all) {
        const { asked } = yield* withEnvironment(ask(provider))
        assert.isAtLeast(asked.length, 1, provider.type)
        assert.notInclude(JSON.stringify(asked), "operators", provider.type)
      }
    }))

  it.live("who gives no key to a provider that needs one is told so, whatever the environment holds", () =>
    Effect.gen(function*() {
      for (const provider of all) {
        const { asked, failed } = yield* withEnvironment(failing(provider, { credential: { region: "us-east-1" } }))
        assert.strictEqual(failed.type, "setup", provider.type)
        assert.lengthOf(asked, 0, provider.type)
      }
    }))
})

it("packages are loaded when they are first used", () => {
  const sources = readdirSync("src/layers/Models", { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts")
  )
  assert.isAtLeast(sources.length, 30)
  for (const file of sources) {
    const source = readFileSync(`src/layers/Models/${file}`, "utf8")
    assert.notMatch(source, /^import (?!type\b)[^;]*?from "@ai-sdk\//m, file)
  }
})

describe("A cut answer", () => {
  it.live("of nothing at all is a failure with every provider", () =>
    Effect.gen(function*() {
      for (const provider of all) {
        const { failed, parts } = yield* failing(provider)
        assert.deepStrictEqual([failed.type, failed.retryable, parts.length], ["upstream", true, 0], provider.type)
      }
    }))
})

const signatures: Readonly<Record<string, JsonObject>> = {
  anthropic_credential: { anthropic: { signature: "sealed-by-anthropic" } },
  bedrock_credential: { bedrock: { signature: "sealed-by-bedrock" } },
  gemini_credential: { google: { thoughtSignature: "sealed-by-google" } },
  openai_credential: {
    openai: { itemId: "rs_1", reasoningEncryptedContent: "sealed-by-openai", by: "some-model" }
  },
  azure_openai_credential: {
    azure: { itemId: "rs_1", reasoningEncryptedContent: "sealed-by-azure", by: "some-model" }
  }
}

const signed = (metadata: JsonObject) => [
  message("user", [text("go")]),
  message("assistant", [thinking("secret thoughts", metadata), text("Said.", metadata), call("echo", metadata)], false)
]

describe("What a provider wants back", () => {
  for (const [type, metadata] of Object.entries(signatures)) {
    it.live(`goes to it and to no other: ${type}`, () =>
      Effect.gen(function*() {
        for (const provider of all) {
          const { asked: [first] } = yield* ask(provider, { messages: signed(metadata) })
          const body = first?.body ?? assert.fail(provider.type)
          assert.strictEqual(body.includes("sealed-by"), provider.type === type, `${type} to ${provider.type}`)
        }
      }))
  }

  it.live("does not go to another model of OpenAI's, whose thoughts it cannot read", () =>
    Effect.gen(function*() {
      const provider = providerOf("openai_credential")
      const messages = signed(signatures["openai_credential"]!)
      const { asked: [first] } = yield* ask(provider, { messages, model: "another-model" })
      assert.notInclude(first?.body ?? "", "sealed-by")
      assert.notInclude(first?.body ?? "", "rs_1")
      assert.include(first?.body ?? "", "Said.")
    }))

  it.live("takes the call's id in a form that the provider knows", () =>
    Effect.gen(function*() {
      const types = ["anthropic_credential", "bedrock_credential", "mistral_credential", "openai_credential"]
      for (const type of types) {
        const { asked: [first] } = yield* ask(providerOf(type), {
          messages: [message("user", [text("go")]), message("assistant", [call("echo")])]
        })
        assert.notInclude(first?.body ?? "", "call with blanks", type)
      }
    }))

  it.live("is missing where another model began the reply: Anthropic's then goes on without thoughts of its own", () =>
    Effect.gen(function*() {
      const parameters = { thinking_budget: 2048 }
      const thinks = (messages: ReadonlyArray<Message>) =>
        Effect.map(
          ask(providerOf("anthropic_credential"), { messages, parameters }),
          ({ asked: [first] }) => JSON.parse(first?.body ?? "").thinking?.type
        )
      assert.strictEqual(yield* thinks([message("user", [text("go")])]), "enabled")
      assert.strictEqual(yield* thinks(signed(signatures["anthropic_credential"]!)), "enabled")
      assert.isUndefined(yield* thinks(signed(signatures["openai_credential"]!)))
    }))

  it.live("does not go alone: thoughts that led to nothing are left out", () =>
    Effect.gen(function*() {
      for (const [type, metadata] of Object.entries(signatures)) {
        const messages = [
          message("user", [text("go")]),
          message("assistant", [thinking("secret thoughts", metadata)]),
          message("user", [text("again")])
        ]
        const { asked: [first] } = yield* ask(providerOf(type), { messages })
        assert.notInclude(first?.body ?? "", "sealed-by", type)
      }
    }))
})

/** The message that a reply's events add up to. */
const toldIn = (parts: ReadonlyArray<ModelPart>): Message => {
  const start = { type: "REPLY_START", id: "1", created_at: time, name: "assistant", role: "assistant" } as const
  const reply_id = "r" as MessageId
  let reply = openReply({ ...start, reply_id, session_id: "s" as SessionId, run_id: "u" as RunId })
  let blocks = 0
  const { take } = Blocks.make({
    reply_id,
    emit: (draft) => {
      // As from the log: what has no JSON does not come back.
      const event = JSON.parse(JSON.stringify({ ...draft, id: "1", created_at: time })) as AgentEvent
      reply = appendEvent(reply, event)
    },
    newBlock: () => `b${++blocks}` as BlockId,
    isTaken: () => false
  })
  for (const part of parts) if (part.type !== "finish") take(part)
  return reply
}

const sse = (...events: ReadonlyArray<object>) => events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("")

describe("What a provider said", () => {
  it.live("comes back to it from the log: thoughts that are signed, that are sealed, and their order", () =>
    Effect.gen(function*() {
      const block = (index: number, content_block: object, ...deltas: ReadonlyArray<object>) => [
        { type: "content_block_start", index, content_block },
        ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
        { type: "content_block_stop", index }
      ]
      const usage = { input_tokens: 1, output_tokens: 1 }
      const answer = sse(
        { type: "message_start", message: { id: "m", model: "m", role: "assistant", usage } },
        ...block(
          0,
          { type: "thinking", thinking: "" },
          { type: "thinking_delta", thinking: "hm" },
          { type: "signature_delta", signature: "signed-1" }
        ),
        ...block(1, { type: "redacted_thinking", data: "sealed-2" }),
        ...block(2, { type: "thinking", thinking: "" }, { type: "signature_delta", signature: "signed-3" }),
        ...block(3, { type: "text", text: "" }, { type: "text_delta", text: "I look." }),
        ...block(4, { type: "tool_use", id: "toolu_1", name: "echo", input: {} }),
        { type: "message_delta", delta: { stop_reason: "tool_use" }, usage },
        { type: "message_stop" }
      )
      const provider = providerOf("anthropic_credential")
      const { parts } = yield* ask(provider, { answer })
      const { asked: [first] } = yield* ask(provider, { messages: [message("user", [text("go")]), toldIn(parts)] })
      assert.deepStrictEqual(JSON.parse(first?.body ?? "").messages[1].content, [
        { type: "thinking", thinking: "hm", signature: "signed-1" },
        { type: "redacted_thinking", data: "sealed-2" },
        { type: "thinking", thinking: "", signature: "signed-3" },
        { type: "text", text: "I look." },
        { type: "tool_use", id: "toolu_1", name: "echo", input: {} }
      ])
    }))

  it.live("comes back to it from the log: signatures of texts, calls and pictures", () =>
    Effect.gen(function*() {
      const answer = sse({
        candidates: [{
          content: {
            parts: [
              { text: "Look: ", thoughtSignature: "of-text" },
              { inlineData: { mimeType: "image/png", data: "AAAA" }, thoughtSignature: "of-picture" },
              { functionCall: { id: "c1", name: "echo", args: { a: 1 } }, thoughtSignature: "of-call" }
            ]
          },
          finishReason: "STOP"
        }]
      })
      const provider = providerOf("gemini_credential")
      const { parts } = yield* ask(provider, { answer })
      const { asked: [first] } = yield* ask(provider, { messages: [message("user", [text("go")]), toldIn(parts)] })
      assert.deepStrictEqual(JSON.parse(first?.body ?? "").contents[1].parts, [
        { text: "Look: ", thoughtSignature: "of-text" },
        { inlineData: { mimeType: "image/png", data: "AAAA" }, thoughtSignature: "of-picture" },
        { functionCall: { id: "c1", name: "echo", args: { a: 1 } }, thoughtSignature: "of-call" }
      ])
    }))

  it("is kept within bounds: what is too long is left out", () => {
    assert.isUndefined(asField({ anthropic: { signature: "x".repeat(300_000) } }))
    assert.isDefined(asField({ anthropic: { signature: "x".repeat(200_000) } }))
  })
})

it.live("Mistral is told of a person only after the model spoke of the results", () =>
  Effect.gen(function*() {
    const result: ContentBlock = {
      type: "tool_result",
      id: "call with blanks" as ToolCallId,
      name: "echo",
      output: "done",
      state: "success"
    }
    const messages = [
      message("user", [text("go")]),
      message("assistant", [call("echo"), result, { type: "hint", id, hint: "Hurry." }], false)
    ]
    const rolesOf = (type: string) =>
      Effect.map(
        ask(providerOf(type), { messages }),
        ({ asked: [first] }) => JSON.parse(first?.body ?? "").messages.map(({ role }: { role: string }) => role)
      )
    const usual = ["system", "user", "assistant", "tool", "user"]
    assert.deepStrictEqual(yield* rolesOf("groq_credential"), usual)
    assert.deepStrictEqual(yield* rolesOf("mistral_credential"), usual.toSpliced(4, 0, "assistant"))
  }))

describe("A file", () => {
  const card = (input_types: ReadonlyArray<string>): ModelCard => ({
    type: "chat_model",
    name: "some-model",
    label: "",
    status: "active",
    deprecated_at: null,
    input_types,
    output_types: ["text/plain"],
    context_size: 1,
    output_size: 1,
    parameter_schema: {},
    parameters_overrides: {},
    structured_output: null,
    prices: null
  })
  const look = message("user", [text("look"), image])

  it.live("that the model's card does not know is refused before anything is asked", () =>
    Effect.gen(function*() {
      for (const provider of all) {
        const { asked, failed } = yield* failing(provider, { messages: [look], card: card(["text/plain"]) })
        assert.strictEqual(failed.type, "invalid_request", provider.type)
        assert.include(failed.message, "image/png")
        assert.notInclude(asked.map(({ body }) => body).join(), "look")
      }
    }))

  it.live("of an earlier turn is named instead, so that a session can go to a model that sees less", () =>
    Effect.gen(function*() {
      for (const provider of all) {
        const messages = [look, message("assistant", [text("Nice.")]), message("user", [text("thanks")])]
        const { asked: [first] } = yield* ask(provider, { messages, card: card(["text/plain"]) })
        assert.include(first?.body ?? "", "of type image/png is not shown", provider.type)
        assert.notInclude(first?.body ?? "", "AAAA", provider.type)
      }
    }))

  it.live("that the card knows by its kind is sent", () =>
    Effect.gen(function*() {
      for (const provider of all) {
        const { asked: [first] } = yield* ask(provider, { messages: [look], card: card(["text/plain", "image/*"]) })
        assert.include(first?.body ?? "", "AAAA", provider.type)
      }
    }))
})
