import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Logger } from "effect"
import * as Fs from "node:fs/promises"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import type { JsonObject } from "../../src/domain/Json.ts"
import { type ModelCard, type ModelCardDraft, pricesFor, thinkingType } from "../../src/domain/Model.ts"
import * as Cards from "../../src/layers/Models/cards/Cards.ts"
import * as CardFiles from "../../src/layers/Models/cards/Files.ts"
import { cardOf, merge, problemsOf, propertiesOf } from "../../src/layers/Models/cards/Merge.ts"
import { providers } from "../../src/layers/Models/Router.ts"

/** One for each provider that brings models of its own. */
const folders = [
  "anthropic",
  "azure_openai",
  "bedrock",
  "dashscope",
  "deepseek",
  "demo",
  "gemini",
  "groq",
  "mistral",
  "moonshot",
  "ollama",
  "openai",
  "openrouter",
  "xai"
]

const folder = (provider: string) => Effect.promise(() => CardFiles.readFolder(Path.join(Cards.ours, provider)))

const parameters: JsonObject = {
  type: "object",
  properties: {
    temperature: { type: "number", minimum: 0, maximum: 2 },
    max_tokens: { type: "integer", minimum: 1, maximum: 1_000_000, description: "a whole number from 1 to 1000000" },
    thinking_budget: { type: "integer" },
    reasoning_effort: { type: "string", enum: ["low", "medium", "high"] },
    stop: { type: "array", maxItems: 4 }
  },
  required: ["max_tokens", "thinking_budget"],
  additionalProperties: false
}

const draft = (more: Partial<ModelCardDraft> = {}): ModelCardDraft => ({ type: "chat_model", name: "m", ...more })

const names = (card: ModelCard) => Object.keys(propertiesOf(card.parameter_schema))

const temporary = Effect.acquireRelease(
  Effect.promise(() => Fs.mkdtemp(Path.join(tmpdir(), "stoa-cards-"))),
  (folder) => Effect.promise(() => Fs.rm(folder, { recursive: true }))
)

const write = (folder: string, file: string, text: string) =>
  Effect.promise(async () => {
    await Fs.mkdir(Path.dirname(Path.join(folder, file)), { recursive: true })
    await Fs.writeFile(Path.join(folder, file), text)
  })

/** What an effect logs, beside its answer. */
const logging = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const lines: Array<string> = []
  const logger = Logger.make(({ message }) => void lines.push(String(message)))
  return Effect.map(
    Effect.provide(effect, Logger.replace(Logger.defaultLogger, logger)),
    (answer) => ({ answer, lines })
  )
}

describe("our model cards", () => {
  it.effect("are there for every provider, and each can be read", () =>
    Effect.gen(function*() {
      const found = yield* Effect.promise(() => Fs.readdir(Cards.ours, { withFileTypes: true }))
      assert.deepStrictEqual(
        found.filter((entry) => entry.isDirectory()).map(({ name }) => name).toSorted(),
        folders
      )
      for (const name of folders) {
        const { chat, problems } = yield* folder(name)
        assert.deepStrictEqual(problems, [])
        assert.isAtLeast(chat.length, name === "demo" ? 2 : 5, name)
      }
    }))

  it.effect("say what a model is called, takes and gives, and how much", () =>
    Effect.gen(function*() {
      for (const provider of folders) {
        const { chat, embedding } = yield* folder(provider)
        for (const card of chat) {
          const about = `${provider}: ${card.name}`
          assert.containsAllKeys(card, [
            "label",
            "status",
            "input_types",
            "output_types",
            "context_size",
            "output_size"
          ], about)
          assert.isAtMost(card.output_size!, card.context_size!, about)
          assert.include(card.input_types!, "text/plain", about)
          assert.include(card.output_types!, "text/plain", about)
          assert.isTrue(card.deprecated_at === undefined || card.status !== "active", about)
          const prices = [card.prices, ...(card.prices?.tiers ?? [])].filter((rates) => rates !== undefined)
          for (const { cached_input, input, output } of prices) {
            assert.isAtLeast(output, input, about)
            assert.isAtMost(cached_input ?? 0, input, about)
          }
          const steps = (card.prices?.tiers ?? []).map(({ above }) => above)
          assert.deepStrictEqual(steps, steps.toSorted((a, b) => a - b), about)
        }
        for (const { dimension_choices, dimensions, name } of embedding) {
          assert.include(dimension_choices ?? [dimensions], dimensions, `${provider}: ${name}`)
        }
      }
    }))

  it.effect("are in files named for them, so that each is there once", () =>
    Effect.gen(function*() {
      for (const provider of folders) {
        const { chat, embedding } = yield* folder(provider)
        const files = [...chat, ...embedding].map(({ name }) =>
          `${name.replaceAll("/", "--").replaceAll(":", "_")}.yaml`
        )
        const found = yield* Effect.promise(() => Fs.readdir(Path.join(Cards.ours, provider)))
        assert.deepStrictEqual(files.toSorted(), found.toSorted())
      }
    }))

  it.effect("change only parameters that their provider has, and cap max_tokens", () =>
    Effect.gen(function*() {
      const catalogueOf = Cards.make(undefined)
      for (const provider of providers) {
        const { cards } = yield* catalogueOf(provider)
        const known = propertiesOf(provider.parameters)
        for (const { name, output_size, parameter_schema, parameters_overrides } of cards) {
          for (const [parameter, override] of Object.entries(parameters_overrides)) {
            const about = `${provider.type}: ${name}: ${parameter}`
            assert.property(known, parameter, about)
            const { enum: choices, maximum } = (override ?? {}) as JsonObject
            const all = known[parameter]!
            if (choices !== undefined) {
              assert.includeMembers(all["enum"] as Array<unknown>, choices as Array<unknown>, about)
            }
            if (maximum !== undefined) {
              assert.isAtMost(Number(maximum), Number(all["maximum"]), about)
            }
          }
          const { max_tokens } = propertiesOf(parameter_schema)
          if (max_tokens !== undefined) assert.isAtMost(Number(max_tokens["maximum"]), output_size!, name)
        }
      }
    }))
})

describe("a model card", () => {
  it("has its provider's parameters, without those that it hides or takes away", () => {
    const overrides = { temperature: null, stop: { hidden: true } }
    const card = cardOf(
      draft({ output_types: ["text/plain", thinkingType], parameters_overrides: overrides }),
      parameters
    )
    assert.deepStrictEqual(names(card), ["max_tokens", "thinking_budget", "reasoning_effort"])
    assert.deepStrictEqual(card.parameters_overrides, { temperature: { hidden: true }, stop: { hidden: true } })
  })

  it("has what it changes merged into a parameter", () => {
    const card = cardOf(draft({ parameters_overrides: { temperature: { maximum: 1, default: 0.3 } } }), parameters)
    assert.deepStrictEqual(propertiesOf(card.parameter_schema)["temperature"], {
      type: "number",
      minimum: 0,
      maximum: 1,
      default: 0.3
    })
  })

  it("has parameters of thinking only where the model thinks", () => {
    const plain = cardOf(draft({ output_types: ["text/plain"] }), parameters)
    assert.deepStrictEqual(names(plain), ["temperature", "max_tokens", "stop"])
    assert.deepStrictEqual(plain.parameter_schema["required"], ["max_tokens"])
    assert.lengthOf(names(cardOf(draft({ output_types: ["text/plain", thinkingType] }), parameters)), 5)
  })

  it("lets max_tokens be no more than the model can give", () => {
    const capped = propertiesOf(cardOf(draft({ output_size: 4096 }), parameters).parameter_schema)["max_tokens"]
    assert.deepInclude(capped, { maximum: 4096, description: "a whole number from 1 to 4096" })
    const wide = propertiesOf(cardOf(draft({ output_size: 2_000_000 }), parameters).parameter_schema)["max_tokens"]
    assert.deepInclude(wide, { maximum: 1_000_000 })
  })

  it("is changed field by field, and parameter by parameter", () => {
    const before = draft({
      label: "M",
      context_size: 10,
      parameters_overrides: { temperature: null, stop: { maxItems: 1 } }
    })
    const after = draft({ context_size: 20, parameters_overrides: { temperature: { maximum: 1 } } })
    assert.deepStrictEqual(
      merge(before, after),
      draft({
        label: "M",
        context_size: 20,
        parameters_overrides: { temperature: { maximum: 1 }, stop: { maxItems: 1 } }
      })
    )
  })

  it("says which parameters the model does not take, or takes otherwise", () => {
    const card = cardOf(
      draft({
        output_types: ["text/plain"],
        output_size: 100,
        parameters_overrides: { temperature: { enum: [0, 1] }, stop: { maxItems: 2 } }
      }),
      parameters
    )
    const told = (given: JsonObject) => problemsOf(card, parameters, given)
    assert.deepStrictEqual(told({ temperature: 1, max_tokens: 100, stop: ["a"] }), [])
    assert.deepStrictEqual(told({ max_tokens: 101 }), [{ path: "max_tokens", message: "Expected at most 100." }])
    assert.deepStrictEqual(told({ temperature: 0.5, stop: ["a", "b", "c"], thinking_budget: 5 }), [
      { path: "temperature", message: "Expected one of: 0, 1." },
      { path: "stop", message: "Expected a length of at most 2." },
      { path: "thinking_budget", message: "The model does not take this parameter." }
    ])
    // What no model of the provider takes is the provider's to tell.
    assert.deepStrictEqual(told({ top_q: 1 }), [])
  })

  it("costs by the step that a call's input reaches", () => {
    const prices = {
      input: 1,
      output: 2,
      tiers: [{ above: 10, input: 3, output: 4 }, { above: 20, input: 5, output: 6 }]
    }
    assert.deepStrictEqual([0, 10, 11, 20, 21].map((tokens) => pricesFor(prices, tokens).input), [1, 1, 3, 3, 5])
  })
})

describe("an operator's folder", () => {
  const demo = providers.find(({ type }) => type === "demo_credential")!

  it.scoped("changes our cards and adds to them", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      yield* write(folder, "demo/a.yaml", "name: demo-chat\nlabel: Ours\nprices: { input: 1, output: 2 }\n")
      yield* write(folder, "demo/b.yml", "type: chat_model\nname: demo-new\ncontext_size: 1000\n")
      yield* write(folder, "demo/notes.txt", "not a card")
      yield* write(folder, "openai/c.yaml", "name: another\n")
      yield* write(
        folder,
        "demo/e.yaml",
        "type: embedding_model\nname: demo-more\ndimensions: 8\nmax_input_tokens: 10\n"
      )
      const { answer, lines } = yield* logging(Cards.make(folder)(demo))
      assert.deepStrictEqual(lines, [])
      assert.deepStrictEqual(answer.cards.map(({ name }) => name).toSorted(), ["demo-chat", "demo-new", "demo-script"])
      assert.deepInclude(answer.byName.get("demo-chat"), { label: "Ours", context_size: 128_000 })
      assert.deepInclude(answer.byName.get("demo-new"), { label: "demo-new", output_size: null, prices: null })
      assert.deepStrictEqual([...answer.embedding.keys()].toSorted(), ["demo-embedding", "demo-more"])
    }))

  it.scoped("may hold bad files: each is skipped, with a warning that names it", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      yield* write(folder, "demo/1.yaml", "name: [unclosed\n")
      yield* write(folder, "demo/2.yaml", "label: without a name\n")
      yield* write(folder, "demo/3.yaml", "name: typo\ncontext_sise: 5\n")
      yield* write(folder, "demo/4.yaml", "name: none\ncontext_size: 0\n")
      yield* write(folder, "demo/5.yaml", `name: long\n# ${"x".repeat(70_000)}\n`)
      yield* write(folder, "demo/6.yaml", "name: good\n")
      yield* write(folder, "demo/7.yaml", "name: good\n")
      yield* write(folder, "demo/8.yaml", "just text\n")
      yield* write(
        folder,
        "demo/9.yaml",
        `a: &a [x,x,x,x,x,x,x,x,x]\n${
          [..."bcdefghi"].map((name, i) => `${name}: &${name} [${Array(9).fill(`*${"abcdefgh"[i]}`).join(",")}]`).join(
            "\n"
          )
        }\n`
      )
      const { answer, lines } = yield* logging(Cards.make(folder)(demo))
      assert.deepStrictEqual(answer.cards.map(({ name }) => name).toSorted(), ["demo-chat", "demo-script", "good"])
      assert.lengthOf(lines, 8)
      for (const [i, file] of [1, 2, 3, 4, 5, 8, 9, 7].entries()) {
        assert.include(lines.join("\n"), `demo/${file}.yaml is skipped`, String(i))
      }
      assert.include(lines.join("\n"), "demo/3.yaml is skipped: context_sise is unexpected")
    }))

  it.scoped("is read when its cards are first asked for, and not again", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      const catalogueOf = Cards.make(folder)
      yield* write(folder, "demo/a.yaml", "name: first\n")
      assert.isTrue((yield* catalogueOf(demo)).byName.has("first"))
      yield* write(folder, "demo/b.yaml", "name: second\n")
      assert.isFalse((yield* catalogueOf(demo)).byName.has("second"))
    }))

  it.effect("is read for all who wait, whoever of them leaves", () =>
    Effect.gen(function*() {
      const catalogueOf = Cards.make(undefined)
      const left = yield* Effect.fork(catalogueOf(demo))
      yield* Fiber.interrupt(left)
      const second = yield* Effect.fork(catalogueOf(demo))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(second)
      assert.lengthOf((yield* catalogueOf(demo)).cards, 2)
    }))

  it.scoped("need not be there", () =>
    Effect.gen(function*() {
      const { answer, lines } = yield* logging(Cards.make(Path.join(yield* temporary, "none"))(demo))
      assert.lengthOf(answer.cards, 2)
      assert.deepStrictEqual(lines, [])
    }))
})
