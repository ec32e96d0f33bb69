import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { EmbeddingRequest, maxDimensions, maxNumbers, mostTexts } from "../../src/domain/Embedding.ts"
import { bounds } from "../../src/layers/Models/Bounds.ts"
import { embedAll } from "../../src/layers/Models/demo/Embedding.ts"
import { textsPerCall, within } from "../../src/layers/Models/Embedding.ts"
import { open } from "../../src/layers/Models/Gate.ts"
import { longestStretch } from "../support/Stretch.ts"

const isTaken = (dimensions: number, texts: number) =>
  Schema.is(EmbeddingRequest)({
    credential_id: "c",
    model: "m",
    input: Array.from({ length: texts }, () => "x"),
    dimensions
  })

describe("A request for embeddings", () => {
  it("may ask for so many numbers in all, and no more", () => {
    assert.isTrue(isTaken(maxDimensions, maxNumbers / maxDimensions))
    assert.isFalse(isTaken(maxDimensions, maxNumbers / maxDimensions + 1))
    assert.isTrue(isTaken(1024, 1024))
    assert.isFalse(isTaken(1024, 1025))
    assert.isTrue(isTaken(512, 2048))
  })

  it.live("is told so when only the provider knew how long its vectors are", () =>
    Effect.gen(function*() {
      const of = (dimensions: number, texts: number) =>
        within({
          bounds,
          gate: open,
          ask: (input) =>
            Effect.succeed({
              embeddings: input.map(() => new Array<number>(dimensions).fill(0.5)),
              usage: { input_tokens: 1 }
            }),
          input: Array.from({ length: texts }, () => "x"),
          most: 16
        })
      const most = mostTexts(16_384)
      assert.strictEqual((yield* of(16_384, most)).embeddings.length, most)
      const failed = yield* Effect.flip(of(16_384, most + 1))
      assert.strictEqual(failed.type, "invalid_request")
      assert.strictEqual(
        failed.message,
        `The model's vectors have 16384 numbers each: ask for at most ${most} at a time.`
      )
    }))

  it("is divided so that one answer of a provider is not long", () => {
    assert.strictEqual(textsPerCall(96, 65_536), 1)
    assert.strictEqual(textsPerCall(96, 1536), 42)
    assert.strictEqual(textsPerCall(96, 256), 96)
    assert.strictEqual(textsPerCall(96), 21)
  })
})

describe("The demo's embeddings", () => {
  /** The worst that a request may hold, and how often others get their turn at least while it is done. */
  const worst: ReadonlyArray<readonly [string, ReadonlyArray<string>, number, number]> = [
    ["characters that become eighteen", ["\ufdfa".repeat(100_000)], 256, 20],
    ["vectors as long as there are", Array.from({ length: 16 }, (_, i) => `text ${i}`), maxDimensions, 16],
    ["many texts", Array.from({ length: 2048 }, (_, i) => `some words of text ${i} `.repeat(15)), 512, 100],
    ["one long word", ["abcdefghij".repeat(10_000)], 256, 20]
  ]

  for (const [name, input, dimensions, least] of worst) {
    it.live(`let others have their turns: ${name}`, () =>
      Effect.gen(function*() {
        // Turns and not times, which a busy machine stretches.
        assert.isAtLeast((yield* longestStretch(embedAll(input, dimensions))).turns, least)
      }), 120_000)
  }

  it.live("are vectors of length one of the length that was asked for", () =>
    Effect.gen(function*() {
      const { embeddings } = yield* embedAll(["a stoa", " ", "\ufdfa"], 300)
      for (const vector of embeddings) {
        assert.lengthOf(vector, 300)
        assert.approximately(Math.hypot(...vector), 1, 1e-9)
      }
    }))
})
