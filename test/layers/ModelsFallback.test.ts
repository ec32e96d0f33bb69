import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import type { CredentialId } from "../../src/domain/Ids.ts"
import type { ChatModelConfig } from "../../src/domain/Model.ts"
import { bounds } from "../../src/layers/Models/Bounds.ts"
import { beforeFallback, through } from "../../src/layers/Models/Fallback.ts"
import { type EmitPart, ModelErrorType, ModelFailed, type ModelPart } from "../../src/services/Models.ts"

const config = (model: string): ChatModelConfig => ({
  type: "demo_credential",
  credential_id: `c-${model}` as CredentialId,
  model,
  parameters: {}
})

const text: ModelPart = { type: "text", block: "1", delta: "Hi" }
const finish: ModelPart = { type: "finish", reason: "stop", usage: { input_tokens: 1, output_tokens: 1 } }

const failing = (type: ModelErrorType) => new ModelFailed({ type, message: `It was ${type}.`, retryable: true })

type Answer = ReadonlyArray<ModelPart | ModelFailed>

/** Asks a, b and c, which answer like this and are of these sizes. */
const asked = (answers: Readonly<Record<string, Answer>>, sizes: Readonly<Record<string, number>> = {}) =>
  Effect.gen(function*() {
    const parts: Array<ModelPart> = []
    const calls: Array<readonly [string, boolean]> = []
    const call = ({ model }: ChatModelConfig, isLast: boolean, emit: EmitPart) =>
      Effect.gen(function*() {
        calls.push([model, isLast])
        for (const one of answers[model]!) {
          if (one instanceof ModelFailed) return yield* one
          void emit(one)
        }
      })
    const outcome = yield* Effect.either(
      through({
        models: [config("a"), config("b"), config("c")],
        call,
        sizeOf: ({ model }) => Effect.sync(() => sizes[model])
      }, (part) => void parts.push(part))
    )
    return { parts, calls, failed: outcome._tag === "Left" ? outcome.left.type : undefined }
  })

describe("Fallbacks", () => {
  it.effect("are asked in their order until one answers, and every switch is told", () =>
    Effect.gen(function*() {
      const { calls, failed, parts } = yield* asked({
        a: [{ type: "retry" }, failing("connection")],
        b: [failing("rate_limit")],
        c: [text, finish]
      })
      assert.isUndefined(failed)
      assert.deepStrictEqual(calls, [["a", false], ["b", false], ["c", true]])
      const name = (model: string) => ({ type: "demo_credential", model, credential_id: `c-${model}` as CredentialId })
      assert.deepStrictEqual(parts, [
        { type: "retry" },
        {
          type: "switch",
          from: name("a"),
          to: name("b"),
          error: { type: "connection", message: "It was connection." }
        },
        {
          type: "switch",
          from: name("b"),
          to: name("c"),
          error: { type: "rate_limit", message: "It was rate_limit." }
        },
        text,
        finish
      ])
    }))

  it.effect("are not asked once a part was handed over", () =>
    Effect.gen(function*() {
      const { calls, failed, parts } = yield* asked({ a: [text, failing("upstream")], b: [text, finish] })
      assert.strictEqual(failed, "upstream")
      assert.deepStrictEqual(calls, [["a", false]])
      assert.deepStrictEqual(parts, [text])
    }))

  it.effect("leave the last one's failure when all fail", () =>
    Effect.gen(function*() {
      const { failed } = yield* asked({
        a: [failing("connection")],
        b: [failing("authentication")],
        c: [failing("upstream")]
      })
      assert.strictEqual(failed, "upstream")
    }))

  it.effect("are asked after every failure but those of the request itself", () =>
    Effect.gen(function*() {
      for (const type of ModelErrorType.literals) {
        const { calls } = yield* asked({ a: [failing(type)], b: [text, finish] })
        const stays = ["invalid_request", "context_length", "content_policy"].includes(type)
        assert.strictEqual(calls.length, stays ? 1 : 2, type)
      }
    }))

  it.effect("are asked where the request was wrong for this model alone", () =>
    Effect.gen(function*() {
      const failed = new ModelFailed({
        type: "invalid_request",
        message: "No such model.",
        retryable: false,
        is_models: true
      })
      const { calls, parts } = yield* asked({ a: [failed], b: [text, finish] })
      assert.deepStrictEqual(calls.map(([model]) => model), ["a", "b"])
      assert.deepInclude(parts[0], { type: "switch", error: { type: "invalid_request", message: "No such model." } })
    }))

  it.effect("take over a conversation that is too long only where more fits", () =>
    Effect.gen(function*() {
      const answers = { a: [failing("context_length")], b: [text, finish], c: [text, finish] }
      const models = (sizes: Record<string, number>) =>
        Effect.map(asked(answers, sizes), ({ calls }) => calls.map(([model]) => model))
      assert.deepStrictEqual(yield* models({ a: 100, b: 100, c: 200 }), ["a", "c"])
      assert.deepStrictEqual(yield* models({ a: 100, b: 200, c: 400 }), ["a", "b"])
      assert.deepStrictEqual(yield* models({ a: 100, b: 50 }), ["a"])
      assert.deepStrictEqual(yield* models({ b: 50 }), ["a"])
    }))

  it("make the model before them give up sooner", () => {
    const sooner = beforeFallback(bounds)
    assert.strictEqual(sooner.attempts, 2)
    assert.isBelow(Duration.toMillis(sooner.firstPart), Duration.toMillis(bounds.firstPart))
    assert.isBelow(Duration.toMillis(sooner.longestWait), Duration.toMillis(bounds.longestWait))
    assert.deepStrictEqual(sooner.total, bounds.total)
  })
})
