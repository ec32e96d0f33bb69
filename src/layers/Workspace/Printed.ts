/** What a program prints, until it is over, cut off, or too much. */
import * as NodeStream from "@effect/platform-node/NodeStream"
import { type Deferred, Effect, Stream } from "effect"
import type { Readable } from "node:stream"

export interface Bound {
  /** Most bytes of all streams of the program together, and what is done when there are more. */
  readonly most: number
  readonly beyond: Effect.Effect<unknown>
  /** Nothing more is read from then on. */
  readonly cut: Deferred.Deferred<void>
}

/** The reader of the program's streams. */
export const make = ({ beyond, cut, most }: Bound) => {
  let printed = 0
  return (readable: Readable): Stream.Stream<Uint8Array> =>
    NodeStream.fromReadable<void, Uint8Array>(() => readable, () => {}, { closeOnDone: false }).pipe(
      Stream.tap((piece) => {
        printed += piece.length
        return printed > most ? beyond : Effect.void
      }),
      // A broken pipe or connection is the end of the stream.
      Stream.catchAllCause(() => Stream.empty),
      Stream.interruptWhenDeferred(cut)
    )
}
