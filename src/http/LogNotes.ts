/** Adds what a request is about to everything that its fiber logs from here on. */
import { type Effect, FiberRef, HashMap } from "effect"

type Notes = Readonly<Record<string, string>>

/** A request has a fiber of its own, so the annotations need not be removed again. */
export const note = (notes: Notes): Effect.Effect<void> =>
  FiberRef.update(FiberRef.currentLogAnnotations, (annotations) => {
    for (const name in notes) annotations = HashMap.set(annotations, name, notes[name])
    return annotations
  })
