/** A process that has its storage to itself: nobody to tell, nobody to listen to. */
import { Effect, Layer } from "effect"
import { NewId } from "../../services/NewId.ts"
import { Peers } from "../../services/Peers.ts"

export const make = Effect.map(NewId, (newId) => {
  const self = newId.short()
  return Peers.of({
    self,
    alone: true,
    notify: () => {},
    listen: () => Effect.void,
    living: Effect.succeed(new Set([self]))
  })
})

export const layer: Layer.Layer<Peers> = Layer.effect(Peers, make)
