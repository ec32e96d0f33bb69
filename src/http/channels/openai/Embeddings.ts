/** Vectors as OpenAI's clients read them: as numbers, or as little-endian 32-bit floats in base64. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect } from "effect"
import { EmbeddingRequest as Limits } from "../../../domain/Embedding.ts"
import { Invalid } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { DirectCalls } from "../../../services/DirectCalls.ts"
import { asProblem } from "../../handlers/ModelFailures.ts"
import * as Decoding from "../Decoding.ts"
import type { EmbeddingRequest } from "./request/Requests.ts"
import type { Targets } from "./Targets.ts"

/** How many numbers are written before other requests are served. */
const batch = 32_768

const noEmbeddings = new Invalid({
  code: "model_not_supported",
  detail: "An agent makes no embeddings: name a model that does.",
  errors: [{ path: "model", message: "Expected a model of embeddings" }]
})

const onlyTexts = new Invalid({
  code: "tokens_not_supported",
  detail: "input: Tokens are not taken, only texts.",
  errors: [{ path: "input", message: "Expected a text, or an array of texts" }]
})

const isTexts = (input: ReadonlyArray<unknown>): input is ReadonlyArray<string> =>
  input.every((text) => typeof text === "string")

const base64Of = (vector: ReadonlyArray<number>): string => {
  const bytes = Buffer.alloc(vector.length * 4)
  for (let i = 0; i < vector.length; i++) bytes.writeFloatLE(vector[i]!, i * 4)
  return bytes.toString("base64")
}

/** The list's items, a few vectors at a time: a million numbers at once take a second of everybody's. */
const written = (vectors: ReadonlyArray<ReadonlyArray<number>>, asText: boolean) =>
  Effect.gen(function*() {
    const items: Array<string> = []
    let numbers = 0
    for (const [index, vector] of vectors.entries()) {
      const embedding = asText ? JSON.stringify(base64Of(vector)) : JSON.stringify(vector)
      items.push(`{"object":"embedding","index":${index},"embedding":${embedding}}`)
      numbers += vector.length
      if (numbers < batch) continue
      numbers = 0
      yield* Effect.sleep(0)
    }
    return items.join(",")
  })

export const make = ({ find }: Targets) =>
  Effect.map(DirectCalls, ({ embed }) =>
    Effect.fnUntraced(function*(owner: UserId, request: EmbeddingRequest) {
      const target = yield* find(owner, request.model)
      if (target.type === "agent") return yield* noEmbeddings
      const texts = typeof request.input === "string" ? [request.input] : request.input
      if (!isTexts(texts)) return yield* onlyTexts
      const config = yield* Decoding.decode(Limits, {
        credential_id: target.credential.id,
        model: target.model,
        input: texts,
        ...request.dimensions != null && { dimensions: request.dimensions }
      })
      const { embeddings, usage } = yield* Effect.catchTag(
        embed({ owner, config, input: texts }),
        "ModelFailed",
        asProblem
      )
      const data = yield* written(embeddings, request.encoding_format === "base64")
      const tokens = { prompt_tokens: usage.input_tokens, total_tokens: usage.input_tokens }
      return HttpServerResponse.text(
        `{"object":"list","data":[${data}],"model":${JSON.stringify(request.model)},"usage":${JSON.stringify(tokens)}}`,
        { contentType: "application/json" }
      )
    }))
