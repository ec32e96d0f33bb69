import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, TestClock } from "effect"
import type { BlockId, MessageId, Timestamp, ToolCallId } from "../../src/domain/Ids.ts"
import type { JsonObject } from "../../src/domain/Json.ts"
import type { ContentBlock, Message } from "../../src/domain/Message.ts"
import * as Cards from "../../src/layers/Models/cards/Cards.ts"
import { propertiesOf } from "../../src/layers/Models/cards/Merge.ts"
import { provider } from "../../src/layers/Models/demo/Demo.ts"
import { embed } from "../../src/layers/Models/demo/Embedding.ts"
import type { EmitPart, ModelPart } from "../../src/services/Models.ts"
import { patience } from "../support/Patience.ts"

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

const text = (text: string): ContentBlock => ({ type: "text", id: "b" as BlockId, text })
const user = (said: string) => message("user", [text(said)])
const reply = (...content: ReadonlyArray<ContentBlock>) => message("assistant", content, false)
const call = (id: string): ContentBlock => ({
  type: "tool_call",
  id: id as ToolCallId,
  name: "echo",
  input: "{}",
  state: "finished",
  suggested_rules: []
})
const result = (id: string, output: string): ContentBlock => ({
  type: "tool_result",
  id: id as ToolCallId,
  name: "echo",
  output,
  state: "success"
})

const ask = (messages: ReadonlyArray<Message>, emit: EmitPart, model = "demo-script", parameters: JsonObject = {}) =>
  provider.stream({ credential: {}, model, parameters, system: "Be brief.", messages, tools: [], fetch }, emit)

const play = (messages: ReadonlyArray<Message>, model?: string, parameters?: JsonObject) =>
  Effect.gen(function*() {
    const parts: Array<ModelPart> = []
    yield* ask(messages, (part) => void parts.push(part), model, parameters)
    return parts
  })

const script = (...lines: ReadonlyArray<string>) => play([user(lines.join("\n"))])

const saidIn = (parts: ReadonlyArray<ModelPart>) =>
  parts.flatMap((part) => part.type === "text" ? [part.delta] : []).join("")

const finish = (parts: ReadonlyArray<ModelPart>) => {
  const last = parts.at(-1)
  return last?.type === "finish" ? last : assert.fail("the last part is no finish")
}

describe("demo-script", () => {
  it.effect("says a text word by word, in a block", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* script("say one two  three"), [
        { type: "text", block: "1", delta: "one " },
        { type: "text", block: "1", delta: "two  " },
        { type: "text", block: "1", delta: "three" },
        { type: "block_end", block: "1" },
        { type: "finish", reason: "stop", usage: { input_tokens: 6, output_tokens: 3 } }
      ])
    }))

  it.effect("thinks in a block of its own", () =>
    Effect.gen(function*() {
      const parts = yield* script("think hm well", "say yes")
      assert.deepStrictEqual(parts.slice(0, 5), [
        { type: "thinking", block: "1", delta: "hm " },
        { type: "thinking", block: "1", delta: "well" },
        { type: "block_end", block: "1" },
        { type: "text", block: "2", delta: "yes" },
        { type: "block_end", block: "2" }
      ])
    }))

  it.effect("repeats a text as often as it is told, blanks included", () =>
    Effect.gen(function*() {
      const parts = yield* script("repeat 3 go ")
      assert.strictEqual(saidIn(parts), "go go go ")
      assert.strictEqual(parts.length, 5)
      assert.strictEqual(finish(parts).usage.output_tokens, 3)
    }))

  it.effect("echoes text without an instruction as it is", () =>
    Effect.gen(function*() {
      assert.strictEqual(saidIn(yield* script("hello there,", "context matters")), "hello there,\ncontext matters")
    }))

  it.effect("calls tools in parallel, arguments in fragments that join to what was written", () =>
    Effect.gen(function*() {
      const long = JSON.stringify({ text: "x".repeat(100) })
      const parts = yield* script(`call echo ${long}`, "call clock")
      const starts = parts.flatMap((part) => part.type === "tool_call_start" ? [part] : [])
      assert.deepStrictEqual(starts.map(({ name }) => name), ["echo", "clock"])
      const [first, second] = starts.map(({ id }) => id)
      assert.notStrictEqual(first, second)
      const args = (id: string | undefined) =>
        parts.flatMap((part) => part.type === "tool_call_delta" && part.id === id ? [part.delta] : [])
      assert.strictEqual(args(first).length, 4)
      assert.strictEqual(args(first).join(""), long)
      assert.deepStrictEqual(args(second), ["{}"])
      assert.strictEqual(parts.filter(({ type }) => type === "tool_call_end").length, 2)
      assert.strictEqual(finish(parts).reason, "tool_calls")
    }))

  it.effect("plays the next part after the tool results, and the same one again after a cut", () =>
    Effect.gen(function*() {
      const told = user("call echo {}\ncall echo {}\nthen\nsay second\ncall echo {}\nthen\nsay third")
      const after = (...content: ReadonlyArray<ContentBlock>) => Effect.map(play([told, reply(...content)]), saidIn)
      const first = [call("a"), call("b"), result("a", "1"), result("b", "2")]
      assert.strictEqual(yield* after(), "")
      assert.strictEqual(yield* after(call("a")), "")
      assert.strictEqual(yield* after(...first), "second")
      assert.strictEqual(yield* after(...first, text("seco")), "second")
      assert.strictEqual(yield* after(...first, text("second"), call("c"), result("c", "3")), "third")
      assert.strictEqual(yield* after(...first, call("c"), result("c", "3"), call("d"), result("d", "4")), "")
    }))

  it.effect("starts from the first part in a new reply", () =>
    Effect.gen(function*() {
      const told = user("say first\ncall echo {}\nthen\nsay second")
      const finished = message("assistant", [call("a"), result("a", "1")])
      assert.strictEqual(saidIn(yield* play([told, finished, reply()])), "first")
    }))

  it.effect("says the tool results so far", () =>
    Effect.gen(function*() {
      const parts = yield* play([user("call echo {}\nthen\nresults"), reply(call("a"), result("a", "the \"output\""))])
      assert.deepStrictEqual(JSON.parse(saidIn(parts)), [{ name: "echo", state: "success", output: "the \"output\"" }])
    }))

  it.effect("says how much it was given", () =>
    Effect.gen(function*() {
      const parts = yield* play([user("hello"), message("assistant", [text("hi!")]), user("context"), reply()])
      assert.deepStrictEqual(JSON.parse(saidIn(parts)), { messages: 3, chars: 15 })
      assert.strictEqual(finish(parts).usage.input_tokens, 5)
    }))

  it.effect("answers with JSON", () =>
    Effect.gen(function*() {
      const parts = yield* script(`json {"a": [1, 2], "b": "a longer text than one delta takes"}`)
      assert.strictEqual(saidIn(parts), `{"a":[1,2],"b":"a longer text than one delta takes"}`)
      assert.isAbove(parts.length, 4)
    }))

  it.effect("sleeps by the clock", () =>
    Effect.gen(function*() {
      const parts: Array<ModelPart> = []
      const fiber = yield* Effect.fork(ask([user("say a\nsleep 500\nsay b")], (part) => void parts.push(part)))
      yield* TestClock.adjust("499 millis")
      assert.strictEqual(saidIn(parts), "a")
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(fiber)
      assert.strictEqual(saidIn(parts), "ab")
    }))

  for (
    const [kind, type, retryable] of [
      ["rate_limit", "rate_limit", true],
      ["authentication", "authentication", false],
      ["invalid_request", "invalid_request", false],
      ["context_length", "context_length", false],
      ["upstream", "upstream", true],
      ["connection", "connection", true],
      ["cut", "upstream", true]
    ] as const
  ) {
    it.effect(`fails like a provider: ${kind}`, () =>
      Effect.gen(function*() {
        const failed = yield* Effect.flip(script(`fail ${kind} as you wish`))
        assert.deepStrictEqual(
          { type: failed.type, retryable: failed.retryable, message: failed.message },
          { type, retryable, message: "as you wish" }
        )
        assert.isAbove((yield* Effect.flip(script(`fail ${kind}`))).message.length, 10)
      }))
  }

  it.effect("breaks in the middle of a block", () =>
    Effect.gen(function*() {
      const parts: Array<ModelPart> = []
      yield* Effect.flip(ask([user("say half of\nfail cut")], (part) => void parts.push(part)))
      assert.deepStrictEqual(parts, [
        { type: "text", block: "1", delta: "half " },
        { type: "text", block: "1", delta: "of" }
      ])
    }))

  for (
    const line of [
      "repeat x y",
      "repeat 3",
      "repeat 1000001 x",
      "call",
      "sleep long",
      "sleep 3600001",
      "fail oddly",
      "json {"
    ]
  ) {
    it.effect(`refuses a broken line before anything is said: ${line}`, () =>
      Effect.gen(function*() {
        const parts: Array<ModelPart> = []
        const failed = yield* Effect.flip(ask([user(`say hi\n${line}`)], (part) => void parts.push(part)))
        assert.strictEqual(failed.type, "invalid_request")
        assert.include(failed.message, "Line 2")
        assert.deepStrictEqual(parts, [])
      }))
  }

  it.effect("gives every delta its own turn of the event loop", () =>
    Effect.gen(function*() {
      let turn = 0
      let going = true
      const tick = () => {
        turn++
        if (going) setImmediate(tick)
      }
      setImmediate(tick)
      const turns: Array<number> = []
      yield* ask([user("repeat 20 x")], (part) => void (part.type === "text" && turns.push(turn)))
      going = false
      assert.strictEqual(new Set(turns).size, 20)
    }))

  it.effect("waits while the log is behind", () =>
    Effect.gen(function*() {
      let waiting = false
      let overtaken = false
      yield* ask([user("repeat 5 x")], () => {
        overtaken ||= waiting
        waiting = true
        return new Promise((resolve) =>
          setTimeout(() => {
            waiting = false
            resolve()
          }, 2)
        )
      })
      assert.isFalse(overtaken)
    }))

  for (const what of ["repeat 1000000 x", "sleep 3600000"]) {
    it.live(`ends promptly when interrupted: ${what}`, () =>
      Effect.gen(function*() {
        const parts: Array<ModelPart> = []
        const fiber = yield* Effect.fork(ask([user(`say a\n${what}`)], (part) => void parts.push(part)))
        yield* Effect.sleep("20 millis")
        const [duration] = yield* Effect.timed(Fiber.interrupt(fiber))
        assert.isBelow(Duration.toMillis(duration), patience(500))
        const { length } = parts
        yield* Effect.sleep("20 millis")
        assert.strictEqual(parts.length, length)
      }))
  }
})

describe("demo-chat", () => {
  it.effect("says that it is a demo model and repeats what it was told, 20 ms a word", () =>
    Effect.gen(function*() {
      const parts: Array<ModelPart> = []
      const fiber = yield* Effect.fork(ask([user("good morning")], (part) => void parts.push(part), "demo-chat"))
      yield* TestClock.adjust("20 millis")
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))
      assert.strictEqual(parts.length, 1)
      while ((yield* Fiber.poll(fiber))._tag === "None") {
        yield* TestClock.adjust("20 millis")
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))
      }
      assert.include(saidIn(parts), "demo model")
      assert.include(saidIn(parts), "good morning")
    }))

  it.effect("takes its pace from delay_ms", () =>
    Effect.gen(function*() {
      assert.include(saidIn(yield* play([user("quick")], "demo-chat", { delay_ms: 0 })), "quick")
    }))

  it.effect("does not play scripts", () =>
    Effect.gen(function*() {
      assert.include(saidIn(yield* play([user("fail upstream")], "demo-chat", { delay_ms: 0 })), "fail upstream")
    }))
})

describe("demo cards", () => {
  it.effect("name both models and their default pace", () =>
    Effect.gen(function*() {
      const { byName } = yield* Cards.make(undefined)(provider)
      const defaults = ["demo-chat", "demo-script"].map((name) =>
        propertiesOf(byName.get(name)!.parameter_schema)["delay_ms"]!["default"]
      )
      assert.deepStrictEqual(defaults, [20, 0])
    }))
})

describe("demo-embedding", () => {
  const similarity = (a: string, b: string) => {
    const [left, right] = [embed(a), embed(b)]
    return left.reduce((sum, x, i) => sum + x * right[i]!, 0)
  }

  it("puts similar texts nearer to each other than unrelated ones", () => {
    const triples = [
      ["How do I reset my password?", "I forgot my password and want to reset it", "Bananas are rich in potassium"],
      ["The cat sat on the mat", "A cat was sitting on a mat", "Quarterly revenue grew by nine percent"],
      ["deploying a server with Docker", "Docker deployment of servers", "a recipe for tomato soup"],
      ["Wie lautet die Adresse des Büros?", "Adresse unseres Büros in Berlin", "Der Hund schläft im Garten"],
      ["Ошибка при входе в систему", "не могу войти в систему: ошибка", "рецепт яблочного пирога"]
    ] as const
    for (const [text, similar, unrelated] of triples) {
      assert.isAbove(similarity(text, similar), similarity(text, unrelated) + 0.15, text)
    }
  })

  it("makes the same vector of the same text, of length 1, in the dimensions that are asked for", () => {
    for (const dimensions of [64, 128, 256, 512]) {
      const vector = embed("Stoa is where agents live.", dimensions)
      assert.lengthOf(vector, dimensions)
      assert.closeTo(Math.hypot(...vector), 1, 1e-9)
      assert.deepStrictEqual(vector, embed("Stoa is where agents live.", dimensions))
    }
    assert.closeTo(similarity("same words", "words same"), 1, 1e-9)
  })

  it("has a vector for a text without words, too", () => {
    for (const text of ["…", " ", "!?"]) assert.closeTo(Math.hypot(...embed(text)), 1, 1e-9)
  })

  it.effect("answers many texts, and counts their tokens", () =>
    Effect.gen(function*() {
      const texts = Array.from({ length: 50 }, (_, i) => `text number ${i} ${"lorem ipsum ".repeat(200)}`)
      const { embeddings, usage } = yield* provider.embed!({
        fetch,
        credential: {},
        model: "demo-embedding",
        input: texts
      })
      assert.lengthOf(embeddings, 50)
      assert.isAbove(usage.input_tokens, 50 * 500)
    }))
})
