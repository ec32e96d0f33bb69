/** The catalog of a folder. */
import { Effect, Layer } from "effect"
import { sentenceOf } from "../../domain/Definition.ts"
import { Catalog } from "../../services/Catalog.ts"
import * as Books from "./Books.ts"
import * as Folder from "./Folder.ts"

export interface Options extends Folder.Around {
  readonly dir: string
  /** What was read of it just now: the first time that is taken, and nothing is read again. */
  readonly first?: Folder.Folder | undefined
}

export const make = Effect.fnUntraced(function*({ dir, first, ...around }: Options) {
  let known = first
  const catalog = yield* Books.make(Effect.suspend(() => {
    const looked = known
    known = undefined
    return looked === undefined ? Effect.promise(() => Folder.read(dir, around)) : Effect.succeed(looked)
  }))
  // Who starts a server has looked before; what has broken since is told, and mended by a reload.
  yield* Effect.catchAll(catalog.reload, ({ errors = [] }) =>
    Effect.logError("The definitions are not served").pipe(
      Effect.annotateLogs({ faults: errors.map(({ message, path }) => `${path}: ${message}`) })
    ))
  return Catalog.of(catalog)
})

export const layer = (options: Options): Layer.Layer<Catalog> => Layer.effect(Catalog, make(options))

/** All that is wrong in a folder, a sentence each. */
export const check = (
  { dir, ...around }: Options
): Effect.Effect<Folder.Folder & { readonly problems: ReadonlyArray<string> }> =>
  Effect.map(
    Effect.promise(() => Folder.read(dir, around)),
    (folder) => ({ ...folder, problems: folder.faults.map(sentenceOf) })
  )
