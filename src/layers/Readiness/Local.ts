/** Readiness of this process; it is false until it is set. */
import { Effect, Layer, MutableRef } from "effect"
import { Readiness } from "../../services/Readiness.ts"

export const layer: Layer.Layer<Readiness> = Layer.sync(Readiness, () => {
  const ready = MutableRef.make(false)
  return Readiness.of({
    isReady: () => MutableRef.get(ready),
    set: (value) => Effect.sync(() => MutableRef.set(ready, value))
  })
})
