import { Schema } from "effect"
import { CredentialId } from "./Ids.ts"

/** Most texts of a request, characters of one, and characters of all together. */
const maxInputs = 2048
const maxText = 100_000
const maxTotal = 800_000

/** Most numbers in a vector, and in all vectors of an answer together. */
export const maxDimensions = 65_536
export const maxNumbers = 1024 * 1024

const text = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(maxText))

const texts = Schema.Array(text).pipe(
  Schema.minItems(1),
  Schema.maxItems(maxInputs),
  Schema.filter((all) =>
    all.reduce((sum, { length }) => sum + length, 0) <= maxTotal ||
    `Expected at most ${maxTotal} characters in all texts together`
  )
)

const fields = Schema.Struct({
  /** The credential's type; not needed. */
  type: Schema.optional(Schema.String.pipe(Schema.minLength(1), Schema.maxLength(128))),
  credential_id: CredentialId,
  model: Schema.String.pipe(Schema.minLength(1), Schema.maxLength(256)),
  /** One text, or up to 2048 with 800000 characters together. */
  input: Schema.Union(text, texts),
  /** Numbers in a vector; the model's own when it is left out. */
  dimensions: Schema.optional(Schema.Int.pipe(Schema.between(1, maxDimensions)))
})

/** How many vectors of a length fit into an answer. */
export const mostTexts = (dimensions: number): number => Math.max(1, Math.floor(maxNumbers / dimensions))

export const EmbeddingRequest = fields.pipe(
  Schema.filter(({ dimensions, input }) =>
    dimensions === undefined || typeof input === "string" || input.length <= mostTexts(dimensions) || {
      path: ["input"],
      message: `Expected at most ${mostTexts(dimensions)} texts of that many dimensions: ` +
        `all vectors together have at most ${maxNumbers} numbers`
    }
  )
).annotations({ identifier: "EmbeddingRequest" })
export type EmbeddingRequest = typeof EmbeddingRequest.Type

/** A vector for each text, in their order. */
export const Embeddings = Schema.Struct({
  embeddings: Schema.Array(Schema.Array(Schema.Number)),
  model: Schema.String,
  usage: Schema.Struct({ input_tokens: Schema.NonNegativeInt })
}).annotations({ identifier: "Embeddings" })
