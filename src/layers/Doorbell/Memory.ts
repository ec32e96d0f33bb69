/** A process that has its storage to itself: nobody to tell, nobody to hear. */
import { Effect, Layer } from "effect"
import { Doorbell } from "../../services/Doorbell.ts"
import { NewId } from "../../services/NewId.ts"

export const make = Effect.map(NewId, (newId) => {
  const self = newId.short()
  return Doorbell.of({
    self,
    alone: true,
    ring: () => {},
    listen: () => Effect.void,
    living: Effect.succeed(new Set([self]))
  })
})

export const layer: Layer.Layer<Doorbell> = Layer.effect(Doorbell, make)
