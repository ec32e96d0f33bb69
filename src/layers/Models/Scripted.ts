/** A model that plays a script, one entry a call, and remembers what it was asked: for tests. */
import { Context, Effect, Layer } from "effect"
import { NotFound } from "../../domain/Errors.ts"
import { type ModelCall, ModelFailed, type ModelPart, Models } from "../../services/Models.ts"

/** Makes a call fail, or never end. */
type Stop = "hang" | ModelFailed

/** The answer to one call. A stop among the parts comes after those before it. */
export type Entry = Stop | ReadonlyArray<ModelPart | Stop>

/** Every call so far, oldest first. */
export class Calls extends Context.Tag("stoa/layers/Models/Scripted/Calls")<Calls, ReadonlyArray<ModelCall>>() {}

const make = (script: ReadonlyArray<Entry>) => {
  const calls: Array<ModelCall> = []
  const models = Models.of({
    schemas: [],
    readCredential: ({ name, type, ...settings }) =>
      Effect.succeed({ type: String(type), name: typeof name === "string" ? name : "", settings, secrets: {} }),
    cards: (type) => Effect.fail(NotFound.of("Provider", type)),
    card: (_, name) => Effect.fail(NotFound.of("Model", name)),
    embeddingCards: (type) => Effect.fail(NotFound.of("Provider", type)),
    embed: ({ config }) => Effect.fail(NotFound.of("Credential", config.credential_id)),
    check: () => Effect.succeed([]),
    test: () => Effect.succeed({ ok: true, latency_ms: 0, models: [], error: null }),
    stream: Effect.fnUntraced(function*(call, emit) {
      const entry = script[calls.push(call) - 1]
      if (entry === undefined) {
        return yield* new ModelFailed({
          type: "unknown",
          message: "The script has no answer to this call.",
          retryable: false
        })
      }
      for (const part of Array.isArray(entry) ? (entry as ReadonlyArray<ModelPart | Stop>) : [entry as Stop]) {
        if (part === "hang") return yield* Effect.never
        if (part instanceof ModelFailed) return yield* part
        const behind = emit(part)
        if (behind !== undefined) yield* Effect.promise(() => behind)
      }
    })
  })
  return Context.make(Models, models).pipe(Context.add(Calls, calls))
}

export const layer = (script: ReadonlyArray<Entry>): Layer.Layer<Models | Calls> =>
  Layer.syncContext(() => make(script))
