/** Embeds texts with a model of the AI SDK, as many at a time as it takes. */
import type { EmbeddingModelV3, EmbeddingModelV3CallOptions } from "@ai-sdk/provider"
import { Effect } from "effect"
import { countOf } from "../../../domain/Usage.ts"
import type { ModelFailed } from "../../../services/Models.ts"
import type { Embedded } from "../../../services/Models.ts"
import * as Body from "../incoming/Body.ts"
import * as Calls from "../incoming/Calls.ts"
import { failureOf, garbage, silent } from "./Failure.ts"

/** Most texts of one request, requests at the same time, and seconds for each. */
const usualBatch = 96
const concurrency = 2
const seconds = 60

const batches = (input: ReadonlyArray<string>, size: number): ReadonlyArray<Array<string>> =>
  Array.from({ length: Math.ceil(input.length / size) }, (_, i) => input.slice(i * size, (i + 1) * size))

const isWhole = (embeddings: ReadonlyArray<ReadonlyArray<unknown>>, texts: ReadonlyArray<string>) =>
  embeddings.length === texts.length && embeddings.every((vector) => vector.length > 0 && vector.every(Number.isFinite))

const embedSome = (
  model: EmbeddingModelV3,
  fetch: typeof globalThis.fetch,
  values: Array<string>,
  providerOptions: EmbeddingModelV3CallOptions["providerOptions"]
): Effect.Effect<Embedded, ModelFailed> =>
  Effect.clockWith((clock) =>
    Effect.tryPromise({
      try: (signal) => {
        Calls.begin(signal, { fetch, read: (response) => Body.plain(response, "vectors") })
        return Promise.resolve(
          model.doEmbed({ values, abortSignal: signal, ...(providerOptions && { providerOptions }) })
        )
      },
      catch: (error) => failureOf(error, false, clock.unsafeCurrentTimeMillis())
    })
  ).pipe(
    Effect.timeoutFail({ duration: `${seconds} seconds`, onTimeout: () => silent(seconds, false) }),
    Effect.flatMap(({ embeddings, usage }) =>
      isWhole(embeddings, values)
        ? Effect.succeed({ embeddings, usage: { input_tokens: countOf(usage?.tokens) } })
        : Effect.fail(garbage())
    )
  )

export const embed = (
  model: EmbeddingModelV3,
  fetch: typeof globalThis.fetch,
  input: ReadonlyArray<string>,
  providerOptions: EmbeddingModelV3CallOptions["providerOptions"],
  batch = usualBatch
): Effect.Effect<Embedded, ModelFailed> =>
  Effect.gen(function*() {
    const most = yield* Effect.promise(() => Promise.resolve(model.maxEmbeddingsPerCall))
    const parallel = yield* Effect.promise(() => Promise.resolve(model.supportsParallelCalls))
    const size = Math.max(1, Math.min(batch, most ?? batch))
    const answers = yield* Effect.forEach(
      batches(input, size),
      (values) => embedSome(model, fetch, values, providerOptions),
      { concurrency: parallel ? concurrency : 1 }
    )
    return {
      embeddings: answers.flatMap(({ embeddings }) => embeddings),
      usage: { input_tokens: answers.reduce((sum, { usage }) => sum + usage.input_tokens, 0) }
    }
  })
