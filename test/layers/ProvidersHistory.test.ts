/** Thoughts go back to models that want them, in the field in which they came; tools that a provider cannot take are told. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { BlockId } from "../../src/domain/Ids.ts"
import type { JsonObject } from "../../src/domain/Json.ts"
import type { ContentBlock, Message } from "../../src/domain/Message.ts"
import * as Anthropic from "../support/wires/Anthropic.ts"
import * as flavours from "../support/wires/flavours.ts"
import * as Messages from "../support/wires/Messages.ts"
import * as Say from "../support/wires/Say.ts"
import { bearer, inHeader, type Subject } from "../support/wires/Subject.ts"
import * as Talk from "../support/wires/Talk.ts"
import type { Json } from "../support/wires/Wire.ts"

const { blocksOf, call, making, reply, result, text, user } = Messages

const tools = [{ name: "look", description: "Looks.", parameters: { type: "object", properties: {} } }]

const subject = (type: string, model: string, wire = flavours.moonshot, parameters: JsonObject = {}): Subject => ({
  name: `${type}, ${model}`,
  type,
  wire,
  model,
  parameters,
  credential: (origin, secret) => ({ base_url: `${origin}/v1`, api_key: secret }),
  authenticated: bearer,
  structured: "natively",
  lacks: {}
})

/** Servers that refuse a conversation whose thoughts do not come back, or come back elsewhere. */
const wanting: ReadonlyArray<readonly [Subject, field: "reasoning_content" | "reasoning"]> = [
  [subject("moonshot_credential", "kimi-k3"), "reasoning_content"],
  [subject("moonshot_credential", "kimi-k2-thinking"), "reasoning_content"],
  [subject("moonshot_credential", "kimi-k2.6", flavours.moonshot, { thinking_enable: true }), "reasoning_content"],
  [subject("deepseek_credential", "deepseek-v4-pro", flavours.deepseek), "reasoning_content"],
  [subject("deepseek_credential", "deepseek-flash", flavours.deepseek, { thinking_enable: true }), "reasoning_content"],
  [subject("deepseek_credential", "deepseek-reasoner", flavours.deepseek), "reasoning_content"],
  [subject("openai_compatible_credential", "deepseek-ai/DeepSeek-V4-Flash", flavours.compatible), "reasoning_content"],
  [subject("openai_compatible_credential", "kimi-k3", flavours.compatible), "reasoning_content"],
  [subject("openai_compatible_credential", "Qwen/Qwen3-32B", flavours.vllm), "reasoning"],
  [subject("dashscope_credential", "deepseek-v4-pro", flavours.dashscope), "reasoning_content"],
  [subject("dashscope_credential", "kimi-k3", flavours.dashscope), "reasoning_content"],
  [subject("openrouter_credential", "deepseek/deepseek-v4-pro", flavours.openrouter), "reasoning"],
  [subject("openrouter_credential", "moonshotai/kimi-k3", flavours.openrouter), "reasoning"],
  [{
    ...subject("ollama_credential", "qwen3", flavours.ollama),
    credential: (origin, secret) => ({ host: origin, api_key: secret })
  }, "reasoning"]
]

/** The assistant's messages of the last request. */
const told = (talk: Talk.Talk): ReadonlyArray<Json> =>
  talk.request().body.messages.filter(({ role }: Json) => role === "assistant")

const thoughtsIn = (message: Json, field: string): string =>
  message[field] ?? (message.reasoning_details ?? []).map(({ text }: Json) => text).join("")

layer(Talk.base, { excludeTestServices: true })("Thoughts", (it) => {
  for (const [subject, field] of wanting) {
    const { wire } = subject
    const asking = (talk: Talk.Talk, messages: ReadonlyArray<Message>, said: Say.Say) =>
      Effect.suspend(() => {
        talk.server.answer(wire.say(said))
        return Effect.tapErrorCause(
          talk.ask({ messages, tools }),
          () => Effect.sync(() => assert.deepStrictEqual(talk.server.refused, []))
        )
      }).pipe(
        // As from the log, also after a restart.
        Effect.map((parts) => JSON.parse(JSON.stringify(blocksOf(parts))) as ReadonlyArray<ContentBlock>)
      )
    const elsewhere = field === "reasoning" ? "reasoning_content" : "reasoning"

    it.scoped(`go back to it in ${field}, in the same turn and in all later ones: ${subject.name}`, () =>
      Effect.gen(function*() {
        const talk = yield* Talk.open(subject)
        const think = (what: string, ...more: ReadonlyArray<Say.Saying>) =>
          Say.say({ type: "thinking", deltas: [`${what} `, "it is"] }, ...more)
        const called = yield* asking(talk, [user(text("go"))], think("one", Say.call("call_0", "look", "{}")))
        const first = [...called, result("call_0", "look", "seen")]
        const last = yield* asking(talk, [user(text("go")), making(...first)], think("two", Say.text("Done.")))
        assert.deepStrictEqual(told(talk).map((message) => thoughtsIn(message, field)), ["one it is"])
        yield* asking(
          talk,
          [user(text("go")), reply(...first, ...last), user(text("on"))],
          think("three", Say.text("Yes."))
        )
        assert.deepStrictEqual(told(talk).map((message) => thoughtsIn(message, field)), ["one it is", "two it is"])
        for (const message of told(talk)) assert.notProperty(message, elsewhere)
        if (subject.type === "dashscope_credential" && subject.model.startsWith("deepseek")) {
          assert.notProperty(talk.request().body, "preserve_thinking")
        }
        assert.strictEqual(talk.request().body.model, subject.model)
      }))

    it.scoped(`that are another model's, or nobody's, do not end the session: ${subject.name}`, () =>
      Effect.gen(function*() {
        const talk = yield* Talk.open(subject)
        const foreign: ContentBlock = {
          type: "thinking",
          id: "b" as BlockId,
          thinking: "foreign",
          provider_metadata: { anthropic: { signature: "sealed" } }
        }
        const id = (n: number) => `toolu_${n}`
        const messages = [
          user(text("go")),
          reply(foreign, call(id(1), "look", "{}"), result(id(1), "look", "seen"), text("Done.")),
          user(text("on")),
          reply(call(id(2), "look", "{}"), result(id(2), "look", "seen")),
          user(text("on")),
          making(text("I look."), call(id(3), "look", "{}"), result(id(3), "look", "seen"))
        ]
        yield* asking(talk, messages, Say.say(Say.text("Yes.")))
        assert.notInclude(JSON.stringify(talk.request().body), "sealed")
      }))
  }

  it.scoped("go back to a server of which nothing is known if it has told them, and no other's do", () =>
    Effect.gen(function*() {
      const talk = yield* Talk.open(subject("openai_compatible_credential", "qwen3-235b", flavours.compatible))
      const think = Say.say({ type: "thinking", deltas: ["mine"] }, Say.text("Done."))
      talk.server.answer(flavours.compatible.say(think))
      const own = JSON.parse(JSON.stringify(blocksOf(yield* talk.ask({ messages: [user(text("go"))] }))))
      const others: ReadonlyArray<ContentBlock> = [
        { type: "thinking", id: "b" as BlockId, thinking: "nobody's" },
        {
          type: "thinking",
          id: "b" as BlockId,
          thinking: "another server's",
          provider_metadata: { openai_compatible: { field: "reasoning_content", by: "qwen3-235b other" } }
        }
      ]
      const messages = [user(text("go")), reply(...own)]
      for (const other of others) messages.push(user(text("on")), reply(other, text("Yes.")))
      talk.server.answer(flavours.compatible.say(Say.say(Say.text("Yes."))))
      yield* talk.ask({ messages: [...messages, user(text("on"))] })
      assert.deepStrictEqual(told(talk).map((message) => message.reasoning_content), ["mine", undefined, undefined])
    }))

  it.scoped("do not go to models that take none", () =>
    Effect.gen(function*() {
      const messages = [
        user(text("go")),
        reply({ type: "thinking", id: "b" as BlockId, thinking: "quiet thoughts" }, text("Done.")),
        user(text("on"))
      ]
      const silent = [
        subject("groq_credential", "llama-3.3-70b-versatile", flavours.groq),
        subject("mistral_credential", "codestral-2508", flavours.mistral),
        subject("xai_credential", "grok-4", flavours.xai)
      ]
      for (const one of silent) {
        const talk = yield* Talk.open(one)
        talk.server.answer(one.wire.say(Say.say(Say.text("Yes."))))
        yield* talk.ask({ messages })
        assert.notInclude(JSON.stringify(talk.request().body), "quiet thoughts", one.name)
      }
    }))
})

layer(Talk.base, { excludeTestServices: true })("A tool", (it) => {
  it.scoped("whose arguments have names that the provider does not take fails the call, which says where", () =>
    Effect.gen(function*() {
      const one: Subject = {
        ...subject("anthropic_credential", "claude-sonnet-4-5"),
        wire: Anthropic.wire,
        authenticated: inHeader("x-api-key")
      }
      const talk = yield* Talk.open(one)
      const parameters = {
        type: "object",
        properties: { rows: { type: "array", items: { type: "object", properties: { größe: { type: "number" } } } } }
      }
      const failed = yield* talk.fail({ tools: [{ name: "table", description: "Odd.", parameters }] })
      assert.strictEqual(failed.type, "invalid_request")
      assert.include(failed.message, "'table'")
      assert.include(failed.message, "properties.rows.items.properties.größe")
      assert.lengthOf(talk.server.received, 0)
    }))
})
