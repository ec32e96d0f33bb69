/** A catalog of what it is given. */
import { Effect, Layer } from "effect"
import { Catalog, emptyBook } from "../../services/Catalog.ts"
import * as Books from "./Books.ts"
import type { Folder } from "./Folder.ts"

const nothing: Folder = { book: emptyBook, faults: [] }

/** `read` is what a folder would say, each time anew. */
export const make = (read: Effect.Effect<Folder> = Effect.succeed(nothing)) =>
  Effect.map(
    Effect.tap(Books.make(read), ({ reload }) => Effect.ignore(reload)),
    Catalog.of
  )

export const layerWith = (read?: Effect.Effect<Folder>): Layer.Layer<Catalog> => Layer.effect(Catalog, make(read))

export const layer: Layer.Layer<Catalog> = layerWith()
