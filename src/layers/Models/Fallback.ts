/** Several models for one call: the next one is called when the ones before it failed in a way in which it may not fail. */
import { Duration, Effect } from "effect"
import type { ChatModelConfig } from "../../domain/Model.ts"
import type { EmitPart, ModelErrorType, ModelFailed, ModelName } from "../../services/Models.ts"
import type { Bounds } from "./Bounds.ts"

/**
 * Whether another model may do better. What the request itself got wrong would
 * be wrong again, unless the failure says that it lies in the model, and what one
 * provider's policy refuses is not asked of the next. A conversation that is too
 * long needs a model that takes more.
 */
const passesOn: Readonly<Record<Exclude<ModelErrorType, "context_length">, boolean>> = {
  authentication: true,
  permission: true,
  rate_limit: true,
  upstream: true,
  connection: true,
  setup: true,
  unknown: true,
  invalid_request: false,
  content_policy: false
}

/** When a fallback is left, a model is given up sooner: it is tried twice, with short waits. */
export const beforeFallback = (bounds: Bounds): Bounds => ({
  ...bounds,
  attempts: Math.min(bounds.attempts, 2),
  firstPart: Duration.min(bounds.firstPart, Duration.seconds(30)),
  longestWait: Duration.min(bounds.longestWait, Duration.seconds(2))
})

const nameOf = ({ credential_id, model, type }: ChatModelConfig): ModelName => ({ type, model, credential_id })

export interface Options {
  readonly models: readonly [ChatModelConfig, ...ReadonlyArray<ChatModelConfig>]
  /** `isLast`: no other model waits. */
  readonly call: (config: ChatModelConfig, isLast: boolean, emit: EmitPart) => Effect.Effect<void, ModelFailed>
  /** Tokens that a model takes, when its card says so. */
  readonly sizeOf: (config: ChatModelConfig) => Effect.Effect<number | undefined>
}

/** The model to call after this one failed, if any. */
const nextOf = Effect.fnUntraced(function*(
  { models, sizeOf }: Options,
  failedAt: number,
  { is_models, type }: ModelFailed
) {
  if (type !== "context_length") {
    return (is_models === true || passesOn[type]) && failedAt + 1 < models.length ? failedAt + 1 : undefined
  }
  const sizes = yield* Effect.forEach(models, sizeOf)
  const size = sizes[failedAt]
  const larger = sizes.findIndex((other = 0, i) => i > failedAt && size !== undefined && other > size)
  return larger < 0 ? undefined : larger
})

/** A call that fails after its first part was handed over is not repeated: a cut answer must not be followed by another one. */
export const through = (options: Options, emit: EmitPart): Effect.Effect<void, ModelFailed> => {
  const { call, models } = options
  if (models.length === 1) return call(models[0], true, emit)
  let begun = false
  const take: EmitPart = (part) => {
    if (part.type !== "retry" && part.type !== "charged") begun = true
    return emit(part)
  }
  const from = (i: number): Effect.Effect<void, ModelFailed> =>
    Effect.catchAll(
      Effect.suspend(() => call(models[i]!, i === models.length - 1, take)),
      (failed) =>
        begun ? Effect.fail(failed) : Effect.flatMap(nextOf(options, i, failed), (next) => {
          if (next === undefined) return Effect.fail(failed)
          const { message, type } = failed
          void emit({ type: "switch", from: nameOf(models[i]!), to: nameOf(models[next]!), error: { type, message } })
          return from(next)
        })
    )
  return from(0)
}
