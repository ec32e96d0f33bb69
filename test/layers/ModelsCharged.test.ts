/** What a provider had named for an attempt that broke off is paid for. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Redacted, Schema } from "effect"
import type { Timestamp } from "../../src/domain/Ids.ts"
import * as Host from "../../src/layers/Host.ts"
import { type Bounds, bounds, within } from "../../src/layers/Models/Bounds.ts"
import * as Provider from "../../src/layers/Models/Provider.ts"
import * as ModelsRouter from "../../src/layers/Models/Router.ts"
import * as OutboundOpen from "../../src/layers/Outbound/Open.ts"
import * as VaultAesGcm from "../../src/layers/Vault/AesGcm.ts"
import { Ledger } from "../../src/services/Ledger.ts"
import { ModelFailed, type ModelPart } from "../../src/services/Models.ts"
import { conversation, converse } from "../support/hub.ts"
import * as Anthropic from "../support/wires/Anthropic.ts"
import * as flavours from "../support/wires/flavours.ts"
import * as Gemini from "../support/wires/Gemini.ts"
import * as Messages from "../support/wires/Messages.ts"
import * as Say from "../support/wires/Say.ts"
import { bearer, type Subject } from "../support/wires/Subject.ts"
import * as Talk from "../support/wires/Talk.ts"
import { sse } from "../support/wires/Wire.ts"

const quick: Bounds = { ...bounds, attempts: 2, backoff: Duration.millis(1) }
const named = { input_tokens: 100, output_tokens: 1 }
const broken = new ModelFailed({ type: "upstream", message: "It broke off.", retryable: true })
const finish: ModelPart = { type: "finish", reason: "stop", usage: { input_tokens: 100, output_tokens: 7 } }

const charges = (parts: ReadonlyArray<ModelPart>) =>
  parts.flatMap((part) => part.type === "charged" ? [part.usage] : [])

describe("Tokens that a provider has named", () => {
  it.live("are told for each attempt that fails, the last ones of each", () =>
    Effect.gen(function*() {
      const parts: Array<ModelPart> = []
      let attempts = 0
      yield* Effect.flip(within(quick, (_, { charged }) =>
        Effect.suspend(() => {
          charged({ input_tokens: 100, output_tokens: 0 })
          charged({ ...named, output_tokens: ++attempts })
          return Effect.fail(broken)
        }), (part) => void parts.push(part)))
      assert.deepStrictEqual(charges(parts), [{ ...named, output_tokens: 1 }, { ...named, output_tokens: 2 }])
    }))

  it.live("are not told of an answer that says itself what it cost", () =>
    Effect.gen(function*() {
      const parts: Array<ModelPart> = []
      yield* within(quick, (emit, { charged }) =>
        Effect.sync(() => {
          charged(named)
          void emit(finish)
          charged(named)
        }), (part) => void parts.push(part))
      assert.deepStrictEqual(parts, [finish])
    }))

  it.live("are told when the call is interrupted", () =>
    Effect.gen(function*() {
      const parts: Array<ModelPart> = []
      const fiber = yield* Effect.fork(within(quick, (_, { charged }) =>
        Effect.suspend(() => {
          charged(named)
          return Effect.never
        }), (part) => void parts.push(part)))
      yield* Effect.sleep("20 millis")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(charges(parts), [named])
    }))
})

const subject = (type: string, wire: Subject["wire"], model: string): Subject => ({
  name: type,
  type,
  wire,
  model,
  credential: (origin, secret) => ({ base_url: `${origin}/v1`, api_key: secret }),
  authenticated: bearer,
  structured: "natively",
  lacks: {}
})

const short = Say.say(Say.text("Half ", "of ", "it."))

layer(Talk.base, { excludeTestServices: true })("A cut answer", (it) => {
  for (
    const [one, least] of [
      [subject("anthropic_credential", Anthropic.wire, "claude-sonnet-4-5"), 1],
      [subject("gemini_credential", Gemini.wire, "gemini-2.5-flash"), Say.spent.output]
    ] as const
  ) {
    it.scoped(`of ${one.name} tells what the provider had named`, () =>
      Effect.gen(function*() {
        const { fail, server } = yield* Talk.open(one)
        const { chunks, content_type, whole } = one.wire.say(short)
        server.answer({ content_type, chunks: chunks.slice(0, whole - 1), ending: "cut" })
        const parts: Array<ModelPart> = []
        yield* fail({}, parts)
        const [usage, ...others] = charges(parts)
        assert.lengthOf(others, 0)
        assert.deepInclude(usage, { input_tokens: Say.spent.input, cache_input_tokens: Say.spent.cached })
        assert.strictEqual(usage?.output_tokens, least)
      }))
  }

  it.scoped("of a server that names them in each chunk tells the last ones", () =>
    Effect.gen(function*() {
      const { fail, server } = yield* Talk.open(
        subject("openai_compatible_credential", flavours.compatible, "fake")
      )
      const chunks = [1, 2].map((completion_tokens) =>
        sse({
          choices: [{ index: 0, delta: { content: "word " } }],
          usage: { prompt_tokens: 9, completion_tokens, total_tokens: 9 + completion_tokens }
        })
      )
      server.answer({ content_type: "text/event-stream", chunks, ending: "cut" })
      const parts: Array<ModelPart> = []
      yield* fail({}, parts)
      assert.strictEqual(Messages.textIn(parts), "word word ")
      assert.deepStrictEqual(charges(parts), [{ input_tokens: 9, output_tokens: 2 }])
    }))
})

/** Names its tokens and breaks off, twice before anything was said, and then answers. */
const flaky = (() => {
  let attempts = 0
  return Provider.make({
    type: "demo_credential",
    title: "Flaky",
    fields: Schema.Struct({}),
    parameters: Schema.Struct({}),
    accepts: () => true,
    check: () => Effect.succeed({ models: [] }),
    stream: ({ charged }, emit) =>
      Effect.suspend(() => {
        charged?.(named)
        if (++attempts % 3 !== 0) return Effect.fail(broken)
        void emit({ type: "text", block: "1", delta: "Here." })
        void emit(finish)
        return Effect.void
      })
  })
})()

const ever = { from: "2000-01-01T00:00:00.000Z" as Timestamp, to: "2999-01-01T00:00:00.000Z" as Timestamp }

const vault = Layer.orDie(VaultAesGcm.layer({ keys: [Redacted.make(new Uint8Array(32).fill(7))] }))

layer(
  Host.engine(
    ModelsRouter.layer([flaky], { ...bounds, backoff: Duration.millis(1) }).pipe(
      Layer.provide(OutboundOpen.layer),
      Layer.provideMerge(Layer.merge(Host.memory, vault))
    ),
    { trusted: true }
  ),
  { excludeTestServices: true }
)("The ledger", (it) => {
  it.effect("has what attempts that broke off were charged for, beside the answer's own", () =>
    Effect.gen(function*() {
      const session = yield* conversation()
      yield* converse(session, "hello")
      const ledger = yield* Ledger
      const sum = yield* ledger.total(session.user_id, ever)
      assert.deepInclude(sum, { input_tokens: 300, output_tokens: 9 })
    }))
})
