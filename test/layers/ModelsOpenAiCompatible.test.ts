import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import type { BlockId, MessageId, Timestamp, ToolCallId } from "../../src/domain/Ids.ts"
import type { JsonObject } from "../../src/domain/Json.ts"
import type { ContentBlock, Message } from "../../src/domain/Message.ts"
import { type Bounds, bounds, within } from "../../src/layers/Models/Bounds.ts"
import { provider } from "../../src/layers/Models/providers/OpenAiCompatible.ts"
import type { EmitPart, ModelErrorType, ModelFailed, ModelPart, ToolSpec } from "../../src/services/Models.ts"
import * as Fake from "../support/FakeOpenAi.ts"

const planted = "sk-planted-secret"
const time = "2026-01-31T09:30:00.000Z" as Timestamp

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
const text = (text: string) => ({ type: "text", id: "b" as BlockId, text }) as const
/** Where this server tells thoughts, and whose they are. */
const provider_metadata = { openai_compatible: { field: "reasoning_content", by: "fake" } }
const thinking = (thinking: string): ContentBlock => ({
  type: "thinking",
  id: "b" as BlockId,
  thinking,
  provider_metadata
})
const call = (id: string, input = "{\"a\":1}"): ContentBlock => ({
  type: "tool_call",
  id: id as ToolCallId,
  name: "echo",
  input,
  state: "finished",
  suggested_rules: []
})
type Result = Extract<ContentBlock, { readonly type: "tool_result" }>
const result = (id: string, output: Result["output"], state: Result["state"] = "success"): ContentBlock => ({
  type: "tool_result",
  id: id as ToolCallId,
  name: "echo",
  output,
  state
})
const data = (media_type: string, data: string) =>
  ({ type: "data", id: "b" as BlockId, source: { type: "base64", media_type, data } }) as const

const impatient: Bounds = { ...bounds, firstPart: Duration.millis(300), idle: Duration.millis(200), attempts: 1 }

interface Asking {
  readonly messages?: ReadonlyArray<Message>
  readonly parameters?: JsonObject
  readonly tools?: ReadonlyArray<ToolSpec>
  readonly emit?: EmitPart
  /** Else the provider is asked without any. */
  readonly bounds?: Bounds
}

const stream = (baseUrl: string, { bounds, emit, messages, parameters, tools }: Asking = {}) => {
  const parts: Array<ModelPart> = []
  const ask = (take: EmitPart) =>
    provider.stream(
      {
        credential: { base_url: baseUrl, api_key: planted },
        model: "fake",
        parameters: parameters ?? {},
        system: "Be brief.",
        messages: messages ?? [message("user", [text("hello")])],
        tools: tools ?? [],
        fetch
      },
      take
    )
  const take = emit ?? ((part: ModelPart) => void parts.push(part))
  return Effect.as(bounds === undefined ? ask(take) : within(bounds, ask, take), parts)
}

const ok = (...events: ReadonlyArray<object | string>): Fake.Answer => ({
  events: [...events, Fake.finish("stop"), Fake.usage(3, 2)]
})

describe("an answer", () => {
  it.scopedLive("streams text and thinking in blocks, and says what it cost", () =>
    Effect.gen(function*() {
      const server = yield* Fake.make
      server.answer({
        events: [
          Fake.reasoning("let me "),
          Fake.reasoning("see"),
          Fake.text("Good "),
          Fake.text("morning"),
          Fake.reasoning("more"),
          Fake.text("!"),
          Fake.finish("stop"),
          Fake.usage(10, 7, { cached: 4, reasoning: 3 })
        ]
      })
      assert.deepStrictEqual(yield* stream(server.baseUrl), [
        { type: "thinking", block: "1", delta: "let me " },
        { type: "thinking", block: "1", delta: "see" },
        { type: "block_end", block: "1", provider_metadata },
        { type: "text", block: "2", delta: "Good " },
        { type: "text", block: "2", delta: "morning" },
        { type: "block_end", block: "2" },
        { type: "thinking", block: "3", delta: "more" },
        { type: "block_end", block: "3", provider_metadata },
        { type: "text", block: "4", delta: "!" },
        { type: "block_end", block: "4" },
        {
          type: "finish",
          reason: "stop",
          usage: { input_tokens: 10, output_tokens: 7, cache_input_tokens: 4, reasoning_tokens: 3 }
        }
      ])
      assert.strictEqual(server.asked[0]?.headers.authorization, `Bearer ${planted}`)
      assert.strictEqual(server.asked[0]?.path, "/v1/chat/completions")
    }))

  it.scopedLive("streams parallel calls whose arguments come byte by byte", () =>
    Effect.gen(function*() {
      const server = yield* Fake.make
      const args = [`{"text":"grüße \\"you\\""}`, "{\"n\":[1,2,3]}"]
      const bytes = args.map((one) => [...one])
      const interleaved = Array.from(
        { length: Math.max(...bytes.map(({ length }) => length)) },
        (_, i) => bytes.flatMap((all, index) => all[i] === undefined ? [] : [Fake.callArguments(index, all[i])])
      ).flat()
      server.answer({
        events: [
          Fake.callStart(0, "call_a", "echo"),
          Fake.callStart(1, "call_b", "sum"),
          ...interleaved,
          Fake.finish("stop")
        ]
      })
      const parts = yield* stream(server.baseUrl)
      const argsOf = (id: string) =>
        parts.flatMap((part) => part.type === "tool_call_delta" && part.id === id ? [part.delta] : []).join("")
      assert.deepStrictEqual(parts.slice(0, 2), [
        { type: "tool_call_start", id: "call_a", name: "echo" },
        { type: "tool_call_start", id: "call_b", name: "sum" }
      ])
      assert.deepStrictEqual([argsOf("call_a"), argsOf("call_b")], args)
      assert.strictEqual(parts.filter(({ type }) => type === "tool_call_end").length, 2)
      assert.deepStrictEqual(parts.at(-1), {
        type: "finish",
        reason: "tool_calls",
        usage: { input_tokens: 0, output_tokens: 0 }
      })
    }))

  it.scopedLive("gives a call an id of ours when its own cannot be one", () =>
    Effect.gen(function*() {
      const server = yield* Fake.make
      server.answer(
        ok(Fake.callStart(0, "call_0", "echo"), Fake.callStart(1, "a b", "echo"), Fake.callArguments(1, "{}"))
      )
      const parts = yield* stream(server.baseUrl)
      const ids = parts.flatMap((part) => part.type === "tool_call_start" ? [part.id] : [])
      assert.strictEqual(ids[0], "call_0")
      assert.match(ids[1] ?? "", /^call_[0-9a-z]{4,}$/)
      assert.deepStrictEqual(parts.flatMap((part) => part.type === "tool_call_delta" ? [part.id] : []), [ids[1]])
    }))

  it.scopedLive("says why it stopped", () =>
    Effect.gen(function*() {
      const server = yield* Fake.make
      for (const reason of ["length", "content_filter", "stop"] as const) {
        server.answer({ events: [Fake.text("x"), Fake.finish(reason)] })
        const last = (yield* stream(server.baseUrl)).at(-1)
        assert.strictEqual(last?.type === "finish" ? last.reason : "", reason)
      }
    }))

  it.scopedLive("is read no further while the log is behind, however long that takes", () =>
    Effect.gen(function*() {
      const server = yield* Fake.make
      server.answer(ok(Fake.text("a"), Fake.text("b"), Fake.text("c")))
      let seen = 0
      let waiting = false
      let overtaken = false
      yield* stream(server.baseUrl)
      yield* stream(server.baseUrl, {
        bounds: impatient,
        emit: () => {
          overtaken ||= waiting
          if (seen++ > 0) return undefined
          waiting = true
          return new Promise((resolve) =>
            setTimeout(() => {
              waiting = false
              resolve()
            }, Duration.toMillis(impatient.idle) * 3)
          )
        }
      })
      assert.isFalse(overtaken)
      assert.strictEqual(seen, 5)
    }))
})

describe("a question", () => {
  const asking = (asking: Asking) =>
    Effect.gen(function*() {
      const server = yield* Fake.make
      server.answer(ok(Fake.text("x")))
      yield* stream(server.baseUrl, asking)
      return server.asked[0]?.body ?? assert.fail("nothing was asked")
    })

  it.scopedLive("carries the parameters by their names on the wire", () =>
    Effect.gen(function*() {
      const parameters = {
        temperature: 0.5,
        top_p: 0.9,
        max_tokens: 100,
        seed: 7,
        frequency_penalty: 1,
        presence_penalty: -1,
        reasoning_effort: "low"
      }
      const body = yield* asking({ parameters: { ...parameters, stop: "END" } })
      assert.deepInclude(body, {
        ...parameters,
        stop: ["END"],
        model: "fake",
        stream: true,
        stream_options: { include_usage: true }
      })
    }))

  it.scopedLive("names the tools", () =>
    Effect.gen(function*() {
      const parameters = { type: "object", properties: { text: { type: "string" } } }
      const body = yield* asking({ tools: [{ name: "echo", description: "Says it again.", parameters }] })
      assert.deepStrictEqual(body["tools"], [
        { type: "function", function: { name: "echo", description: "Says it again.", parameters } }
      ])
    }))

  it.scopedLive("carries images, and names what the model cannot take", () =>
    Effect.gen(function*() {
      const { messages } = yield* asking({
        messages: [message("user", [text("look"), data("image/png", "AAAA"), data("application/zip", "AAAA")])]
      })
      assert.deepStrictEqual(messages[1]?.["content"], [
        { type: "text", text: "look" },
        { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
        { type: "text", text: "[A file of type application/zip is not shown: the model cannot take it in this form.]" }
      ])
    }))

  it.scopedLive("tells a reply as assistant and tool messages, each call with its result", () =>
    Effect.gen(function*() {
      const finished = message("assistant", [
        thinking("old thoughts"),
        text("I call."),
        call("a"),
        call("b", "{cut"),
        call("c"),
        result("a", "one"),
        result("b", "", "denied"),
        thinking("again"),
        call("d"),
        result("d", "broke", "error"),
        text("Done.")
      ])
      const making = message(
        "assistant",
        [
          thinking("fresh thoughts"),
          call("e"),
          result("e", [text("see"), data("image/png", "AAAA")]),
          { type: "hint", id: "b" as BlockId, hint: "Hurry." },
          text("Part of")
        ],
        false
      )
      const { messages } = yield* asking({
        messages: [message("user", [text("go")]), finished, message("user", [text("on")]), making]
      })
      const asked = (id: string, args = "{\"a\":1}") => ({
        id,
        type: "function",
        function: { name: "echo", arguments: args }
      })
      assert.deepStrictEqual(messages, [
        { role: "system", content: "Be brief." },
        { role: "user", content: "go" },
        {
          role: "assistant",
          content: "I call.",
          reasoning_content: "old thoughts",
          tool_calls: [asked("a"), asked("b", "{\"malformed_arguments\":\"{cut\"}"), asked("c")]
        },
        { role: "tool", tool_call_id: "a", content: "one" },
        { role: "tool", tool_call_id: "b", content: "The call was denied." },
        { role: "tool", tool_call_id: "c", content: "No result: the call did not end." },
        { role: "assistant", content: null, reasoning_content: "again", tool_calls: [asked("d")] },
        { role: "tool", tool_call_id: "d", content: "broke" },
        { role: "assistant", content: "Done." },
        { role: "user", content: "on" },
        { role: "assistant", content: null, reasoning_content: "fresh thoughts", tool_calls: [asked("e")] },
        { role: "tool", tool_call_id: "e", content: "see" },
        {
          role: "user",
          content: [
            { type: "text", text: "Output of the tool 'echo':" },
            { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }
          ]
        },
        { role: "user", content: "Hurry." },
        { role: "assistant", content: "Part of" }
      ])
    }))
})

describe("a failure", () => {
  const check = (failed: ModelFailed, type: ModelFailed["type"], retryable: boolean) => {
    assert.strictEqual(failed._tag, "ModelFailed")
    assert.deepStrictEqual({ type: failed.type, retryable: failed.retryable }, { type, retryable })
    assert.match(failed.message, /^[A-Z].*\.$/)
    for (
      const shown of [JSON.stringify(failed), failed.message, String(failed), failed.stack ?? "", String(failed.cause)]
    ) {
      assert.notInclude(shown, planted)
      assert.notInclude(shown, "provider says")
      assert.notInclude(shown, "127.0.0.1")
    }
  }
  const body = (code = "x") => JSON.stringify({ error: { message: `provider says no to ${planted}`, type: "t", code } })

  for (
    const [status, type, retryable] of [
      [400, "invalid_request", false],
      [401, "authentication", false],
      [402, "permission", false],
      [403, "permission", false],
      [404, "invalid_request", false],
      [408, "connection", true],
      [422, "invalid_request", false],
      [429, "rate_limit", true],
      [500, "upstream", true],
      [503, "upstream", true]
    ] as const
  ) {
    it.scopedLive(`${status} is ${type}, and shows nothing of the provider's body or the key`, () =>
      Effect.gen(function*() {
        const server = yield* Fake.make
        for (const text of [body(), `<html>provider says ${planted}`, ""]) {
          server.answer({ status, body: text })
          check(yield* Effect.flip(stream(server.baseUrl)), type, retryable)
        }
      }))
  }

  it.scopedLive("says when to try again", () =>
    Effect.gen(function*() {
      const server = yield* Fake.make
      const after = (headers: Readonly<Record<string, string>>, text = body()) => {
        server.answer({ status: 429, body: text, headers })
        return Effect.flip(stream(server.baseUrl))
      }
      assert.strictEqual((yield* after({ "retry-after": "7" })).retry_after, 7)
      assert.strictEqual((yield* after({ "retry-after-ms": "1500" })).retry_after, 2)
      assert.strictEqual((yield* after({ "retry-after": "soon" })).retry_after, undefined)
      assert.strictEqual((yield* after({ "retry-after": "99999999" })).retry_after, 86_400)
      const date = (yield* after({ "retry-after": new Date(Date.now() + 30_000).toUTCString() })).retry_after
      assert.isTrue(date !== undefined && date >= 28 && date <= 31)
      assert.isFalse((yield* after({}, body("insufficient_quota"))).retryable)
    }))

  it.scopedLive("tells a conversation that is too long", () =>
    Effect.gen(function*() {
      const server = yield* Fake.make
      server.answer({ status: 400, body: body("context_length_exceeded") })
      check(yield* Effect.flip(stream(server.baseUrl)), "context_length", false)
    }))

  for (
    const [what, answer, type = "upstream", retryable = true] of [
      ["a connection that breaks in the middle", { events: [Fake.text("half")], ending: "cut" }, "connection"],
      ["a stream that ends without a reason", { events: [Fake.text("half")], ending: "unfinished" }],
      ["an empty stream", { events: [], ending: "unfinished" }],
      [
        "a page instead of a stream",
        { events: [`<html>provider says ${planted}</html>`], ending: "unfinished" },
        "upstream",
        false
      ],
      ["broken JSON", { events: [Fake.text("half"), `data: {"provider says": ${planted}\n\n`] }],
      ["JSON of another kind", { events: [{ "provider says": planted }] }],
      ["an error in the stream", { events: [Fake.text("half"), { error: { message: `provider says ${planted}` } }] }]
    ] as ReadonlyArray<readonly [string, Fake.Answer, ModelErrorType?, boolean?]>
  ) {
    it.scopedLive(`${what} is ${type}, and ${retryable ? "may" : "need not"} be tried again`, () =>
      Effect.gen(function*() {
        const server = yield* Fake.make
        server.answer(answer)
        check(yield* Effect.flip(stream(server.baseUrl)), type, retryable)
      }))
  }

  it.scopedLive("a server that never answers is given up", () =>
    Effect.gen(function*() {
      const server = yield* Fake.make
      server.answer("hang")
      check(yield* Effect.flip(stream(server.baseUrl, { bounds: impatient })), "connection", true)
      yield* Effect.promise(server.left)
    }))

  it.scopedLive("an answer that stalls is given up", () =>
    Effect.gen(function*() {
      const server = yield* Fake.make
      server.answer({ events: [Fake.text("half")], ending: "hang" })
      check(yield* Effect.flip(stream(server.baseUrl, { bounds: impatient })), "upstream", true)
      yield* Effect.promise(server.left)
    }))

  it.live("nobody there is connection", () =>
    Effect.gen(function*() {
      check(yield* Effect.flip(stream("http://127.0.0.1:1/v1")), "connection", true)
      check(yield* Effect.flip(stream("http://nobody.invalid/v1")), "connection", true)
    }))
})

it.scopedLive("an interrupted call closes its connection and says nothing more", () =>
  Effect.gen(function*() {
    const server = yield* Fake.make
    server.answer({ events: [Fake.text("half")], ending: "hang" })
    const parts: Array<ModelPart> = []
    const fiber = yield* Effect.fork(stream(server.baseUrl, { emit: (part) => void parts.push(part) }))
    yield* Effect.sleep("100 millis")
    yield* Fiber.interrupt(fiber)
    yield* Effect.promise(server.left)
    assert.strictEqual(parts.length, 1)
  }))
