/** A name that people type leads to the card of that model, or to none. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import { resolver } from "../../src/layers/Models/cards/Alias.ts"
import * as Cards from "../../src/layers/Models/cards/Cards.ts"
import * as Own from "../../src/layers/Models/cards/Own.ts"
import { providers } from "../../src/layers/Models/Router.ts"
import * as Anthropic from "../support/wires/Anthropic.ts"
import * as Messages from "../support/wires/Messages.ts"
import * as Say from "../support/wires/Say.ts"
import { inHeader } from "../support/wires/Subject.ts"
import * as Talk from "../support/wires/Talk.ts"

const catalogueOf = Cards.make(undefined)

const sourceOf = (provider: string) => providers.find(({ type }) => type === `${provider}_credential`)!

const found = (provider: string, name: string) =>
  Effect.map(catalogueOf(sourceOf(provider)), (catalogue) => Cards.find(catalogue, name))

/** Of each provider: what is typed, and the card that is meant. */
const meant: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  anthropic: {
    "claude-sonnet-4-5-20250929": "claude-sonnet-4-5",
    "claude-sonnet-4-5@20250929": "claude-sonnet-4-5",
    "claude-haiku-4-5-20251001": "claude-haiku-4-5",
    "claude-opus-4-5-20251101": "claude-opus-4-5",
    "claude-opus-4-5-latest": "claude-opus-4-5",
    "anthropic/claude-sonnet-5.5": "claude-sonnet-5-5",
    "claude-opus-5.5": "claude-opus-5-5",
    "Claude-Opus-5-5": "claude-opus-5-5"
  },
  openai: {
    "gpt-5-2025-08-07": "gpt-5",
    "gpt-5-mini-2025-08-07": "gpt-5-mini",
    "gpt-4.1-2025-04-14": "gpt-4.1",
    "gpt-4o-2024-11-20": "gpt-4o",
    "gpt-4o-mini-2024-07-18": "gpt-4o-mini",
    "o3-2025-04-16": "o3",
    "openai/gpt-5-mini": "gpt-5-mini",
    "openai/gpt-5.1-2025-11-13": "gpt-5.1",
    "gpt-6.1-sol-latest": "gpt-6.1-sol"
  },
  azure_openai: { "gpt-4o-2024-11-20": "gpt-4o", "azure/gpt-5.1": "gpt-5.1" },
  gemini: {
    "models/gemini-2.5-flash": "gemini-2.5-flash",
    "google/gemini-2.5-pro": "gemini-2.5-pro",
    "publishers/google/models/gemini-3.8-flash": "gemini-3.8-flash",
    "gemini/gemini-2.5-flash-lite": "gemini-2.5-flash-lite"
  },
  bedrock: {
    "global.anthropic.claude-opus-4-8-v1:0": "global.anthropic.claude-opus-4-8",
    "bedrock/us.anthropic.claude-sonnet-5": "us.anthropic.claude-sonnet-5",
    "amazon.nova-pro-v1:0": "us.amazon.nova-pro-v1:0",
    "us.amazon.nova-pro-v1": "us.amazon.nova-pro-v1:0",
    "anthropic.claude-haiku-4-5-20251001-v1:0": "global.anthropic.claude-haiku-4-5-20251001-v1:0",
    "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0":
      "global.anthropic.claude-haiku-4-5-20251001-v1:0"
  },
  openrouter: {
    "anthropic/claude-sonnet-5-5": "anthropic/claude-sonnet-5.5",
    "claude-sonnet-5.5": "anthropic/claude-sonnet-5.5",
    "openrouter/openai/gpt-6.1-sol": "openai/gpt-6.1-sol",
    "moonshotai/kimi-k3:nitro": "moonshotai/kimi-k3"
  },
  groq: { "gpt-oss-120b": "openai/gpt-oss-120b", "groq/openai/gpt-oss-20b": "openai/gpt-oss-20b" },
  xai: {
    "x-ai/grok-4.7": "grok-4.7",
    "grok-4.7-latest": "grok-4.7",
    "grok-4.20-reasoning": "grok-4.20-0309-reasoning"
  },
  mistral: {
    "mistral-medium-latest": "mistral-medium-3-5",
    "mistral-medium-3.5": "mistral-medium-3-5",
    "mistral-medium-2604": "mistral-medium-3-5",
    "mistral-small-latest": "mistral-small-2603",
    "codestral-latest": "codestral-2508",
    "ministral-8b-latest": "ministral-8b-2512",
    "mistral-large-latest": "mistral-large-2512"
  },
  deepseek: { "deepseek/deepseek-v4-pro": "deepseek-v4-pro" },
  moonshot: { "moonshotai/kimi-k3": "kimi-k3" },
  dashscope: { "qwen/qwen3.8-max": "qwen3.8-max" },
  ollama: {
    qwen3: "qwen3:8b",
    "qwen3:latest": "qwen3:8b",
    "qwen3:8b-q4_K_M": "qwen3:8b",
    "llama3.1:8b-instruct-q8_0": "llama3.1:8b",
    "gpt-oss": "gpt-oss:20b",
    "library/llama3.3": "llama3.3:70b",
    "gemma3:12b-it-q4_K_M": "gemma3:12b"
  }
}

/** Other models, whose names are near to those of ours. */
const others: Readonly<Record<string, ReadonlyArray<string>>> = {
  anthropic: ["claude-sonnet-4-20250514", "claude-opus-4", "claude-3-5-haiku-latest", "claude-sonnet-latest", "claude"],
  openai: [
    "gpt-5-chat-latest",
    "gpt-5-codex",
    "gpt-5-2025-13-07",
    "gpt-5-20250807x",
    "chatgpt-4o-latest",
    "chat-latest",
    "gpt-4o-audio-preview-2024-12-17",
    "gpt-5.1-codex-mini",
    "gpt",
    "o",
    "-2025-08-07",
    "openai/",
    "o3-deep-research-2025-06-26",
    "ft:gpt-5-codex:org::id"
  ],
  gemini: ["gemini-2.5-flash-image", "gemini-2.5-flash-preview-09-2025", "tunedModels/gemini-2.5-flash", "gemini"],
  bedrock: [
    "amazon.titan-embed-text-v1",
    "amazon.nova-pro-v1:0:24k",
    "anthropic.claude-opus-4-20250514-v1:0",
    "us.amazon.nova-pro-v2:0",
    "us"
  ],
  openrouter: [
    "anthropic/claude-sonnet-5.5:free",
    "anthropic/claude-sonnet-5.5:batch",
    "anthropic/claude-sonnet-5.5:thinking",
    "openai/gpt-oss-20b",
    "mistral-large-4"
  ],
  groq: ["gpt-oss", "openai/gpt-oss-safeguard-20b", "qwen3.8"],
  xai: ["grok-4", "grok-4.20", "grok-latest", "grok-4-0709"],
  mistral: ["mistral-large-2411", "mistral-large", "mistral-medium", "mistral-medium-2505", "mistral-small-2506"],
  moonshot: ["kimi-k2", "kimi-k2-0905-preview", "kimi-latest"],
  dashscope: ["qwen-plus-2025-01-25", "qwen-plus-latest", "qwen3-max-2025-09-23", "qwen3-max-preview"],
  ollama: ["gemma3", "qwen3:4b", "gpt-oss:120b-cloud", "deepseek-r1:8b-llama-distill-q4_K_M", "llama3.1:8b-text-q4_K_M"]
}

describe("another name of a model", () => {
  for (const [provider, names] of Object.entries(meant)) {
    it.effect(`leads to the card that ${provider} means by it`, () =>
      Effect.gen(function*() {
        for (const [name, card] of Object.entries(names)) {
          assert.strictEqual((yield* found(provider, name))?.name, card, name)
        }
      }))
  }

  it.effect("that is another model's leads to no card", () =>
    Effect.gen(function*() {
      for (const [provider, names] of Object.entries(others)) {
        for (const name of names) {
          assert.isUndefined((yield* found(provider, name))?.name, `${provider}: ${name}`)
        }
      }
    }))

  it.effect("never leads to a neighbour, whatever is put behind a card's name", () =>
    Effect.gen(function*() {
      const behind = [
        "-mini",
        "-nano",
        "-pro",
        "-codex",
        "-chat",
        "-lite",
        "-preview",
        "-fast",
        "-turbo",
        "0",
        ".1",
        "-2",
        "-25",
        "-v2",
        "x"
      ]
      for (const source of providers) {
        const { byName, cards, drafts, resolve } = yield* catalogueOf(source)
        for (const { name } of cards) {
          for (const more of behind) {
            const typed = name + more
            const to = resolve(typed)?.name
            const isOwn = byName.has(typed) || to?.replaceAll(".", "-") === typed.replaceAll(".", "-")
            const isListed = drafts.get(to ?? "")?.aliases?.includes(typed) === true
            if (!isOwn && !isListed) assert.isUndefined(to, `${source.type}: ${typed}`)
          }
        }
      }
    }))

  it.effect("is listed by one card only, and is none's own name", () =>
    Effect.gen(function*() {
      for (const source of providers) {
        const { byName, drafts, resolve } = yield* catalogueOf(source)
        for (const { aliases = [], name } of drafts.values()) {
          for (const alias of aliases) {
            assert.isFalse(byName.has(alias), `${source.type}: ${alias}`)
            assert.strictEqual(resolve(alias)?.name, name, `${source.type}: ${alias}`)
          }
        }
      }
    }))

  it.effect("has the sizes and media of its card, and its prices where they are the same", () =>
    Effect.gen(function*() {
      const card = yield* found("anthropic", "claude-sonnet-4-5")
      assert.deepStrictEqual(yield* found("anthropic", "claude-sonnet-4-5-20250929"), card)
      const tuned = yield* found("openai", "ft:gpt-4.1-mini-2025-04-14:org::id")
      assert.deepInclude(tuned, { name: "gpt-4.1-mini", context_size: 1_047_576, prices: null })
      const there = yield* found("bedrock", "jp.anthropic.claude-sonnet-4-6")
      assert.deepInclude(there, { context_size: 1_000_000, prices: null })
      const here = yield* found("bedrock", "global.anthropic.claude-sonnet-4-6-v1:0")
      assert.isNotNull(here!.prices)
      assert.deepInclude(yield* found("openrouter", "openai/gpt-6.1-sol:nitro"), {
        context_size: 1_050_000,
        prices: null
      })
    }))

  it.effect("of a dated version with prices of its own is not that of the newer one", () =>
    Effect.gen(function*() {
      const [first, newest] = [yield* found("openai", "gpt-4o-2024-05-13"), yield* found("openai", "gpt-4o")]
      assert.strictEqual(first?.name, "gpt-4o-2024-05-13")
      assert.notDeepEqual(first?.prices, newest?.prices)
    }))

  it.effect("is understood for embeddings too", () =>
    Effect.gen(function*() {
      const embedding = (provider: string, name: string) =>
        Effect.map(catalogueOf(sourceOf(provider)), (catalogue) => Cards.findEmbedding(catalogue, name)?.name)
      assert.strictEqual(yield* embedding("openai", "openai/text-embedding-3-small"), "text-embedding-3-small")
      assert.strictEqual(yield* embedding("gemini", "models/gemini-embedding-001"), "gemini-embedding-001")
      assert.strictEqual(yield* embedding("ollama", "nomic-embed-text:latest"), "nomic-embed-text")
      assert.isUndefined(yield* embedding("openai", "text-embedding-3"))
    }))

  it("is nobody's where two cards could be meant", () => {
    const resolve = resolver("groq_credential", [{ name: "a/model" }, { name: "b/model" }, { name: "c/other" }])
    assert.isUndefined(resolve("model"))
    assert.strictEqual(resolve("other")?.name, "c/other")
    const listed = resolver("x_credential", [{ name: "one", aliases: ["both"] }, { name: "two", aliases: ["both"] }])
    assert.isUndefined(listed("both"))
  })

  it("is looked for in a time that does not grow with what is typed", () => {
    const resolve = resolver("openai_credential", [{ name: "gpt-5" }])
    const since = performance.now()
    for (const name of ["-2025".repeat(200_000), "ft:".repeat(300_000), "/".repeat(1_000_000)]) {
      for (let n = 0; n < 1000; n++) assert.isUndefined(resolve(name))
    }
    assert.isBelow(performance.now() - since, 5_000)
  })
})

describe("cards of a credential", () => {
  const source = sourceOf("openai")
  const card = (models: ReadonlyArray<object>, name: string) =>
    Effect.map(catalogueOf(source), (catalogue) => Own.cardOf(catalogue, source, { models }, name))

  it.effect("change a model under its other names too", () =>
    Effect.gen(function*() {
      const models = [{ name: "gpt-5", context_size: 1000 }]
      assert.deepInclude(yield* card(models, "gpt-5-2025-08-07"), { name: "gpt-5", context_size: 1000 })
      assert.strictEqual((yield* card(models, "gpt-5-mini-2025-08-07"))?.context_size, 400_000)
    }))

  it.effect("may be of one dated version: what they leave out is as it was known", () =>
    Effect.gen(function*() {
      const models = [{ name: "gpt-5-2025-08-07", label: "Ours", context_size: 1000 }]
      const dated = yield* card(models, "gpt-5-2025-08-07")
      assert.deepInclude(dated, { name: "gpt-5-2025-08-07", label: "Ours", context_size: 1000, output_size: 128_000 })
      assert.isNotNull(dated!.prices)
      assert.strictEqual((yield* card(models, "gpt-5"))?.context_size, 400_000)
    }))

  it.effect("may list other names", () =>
    Effect.gen(function*() {
      const models = [{ name: "my-model", aliases: ["mine", "gpt-5-mini"], context_size: 1000 }]
      assert.strictEqual((yield* card(models, "mine"))?.name, "my-model")
      // A model's own name goes before.
      assert.strictEqual((yield* card(models, "gpt-5-mini"))?.name, "gpt-5-mini")
    }))
})

describe("an operator's card", () => {
  it.scoped("of a dated version stands on the model's", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => Fs.mkdtemp(Path.join(tmpdir(), "stoa-cards-"))),
        (made) => Effect.promise(() => Fs.rm(made, { recursive: true }))
      )
      yield* Effect.promise(async () => {
        await Fs.mkdir(Path.join(folder, "openai"))
        await Fs.writeFile(
          Path.join(folder, "openai/a.yaml"),
          "name: gpt-5-2025-08-07\ncontext_size: 1000\naliases: [five]\n"
        )
      })
      const catalogue = yield* Cards.make(folder)(sourceOf("openai"))
      assert.deepInclude(Cards.find(catalogue, "gpt-5-2025-08-07"), { context_size: 1000, output_size: 128_000 })
      assert.strictEqual(Cards.find(catalogue, "five")?.name, "gpt-5-2025-08-07")
      assert.strictEqual(Cards.find(catalogue, "gpt-5")?.context_size, 400_000)
    }))
})

layer(Talk.base, { excludeTestServices: true })("a call of a model under its dated name", (it) => {
  const dated = "claude-sonnet-4-5-20250929"
  const talk = Talk.open({
    name: "anthropic_credential",
    type: "anthropic_credential",
    wire: Anthropic.wire,
    credential: (origin, secret) => ({ base_url: `${origin}/v1`, api_key: secret }),
    model: dated,
    authenticated: inHeader("x-api-key"),
    structured: "natively",
    lacks: {}
  })

  it.scoped("is priced by the model's card, and sends the name as it was given", () =>
    Effect.gen(function*() {
      const { ask, asked, server } = yield* talk
      server.answer(Anthropic.wire.say(Say.say(Say.text("Hello."))))
      assert.deepInclude(Messages.finishOf(yield* ask()).prices, { input: 3, output: 15 })
      assert.strictEqual(asked().model, dated)
    }))

  it.scoped("is refused before it is sent when a file or the length does not suit the model", () =>
    Effect.gen(function*() {
      const { fail, server } = yield* talk
      const audio = Messages.user(Messages.file("audio/wav", "UklGRg=="))
      assert.strictEqual((yield* fail({ messages: [audio] })).type, "invalid_request")
      const long = Messages.user(Messages.text("word ".repeat(1_000_000)))
      assert.strictEqual((yield* fail({ messages: [long] })).type, "context_length")
      assert.lengthOf(server.received, 0)
    }))
})
