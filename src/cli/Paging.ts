/** Lists in full, page by page, or as far as `--limit` says. */
import { Options } from "@effect/cli"
import { Chunk, Effect, Option, Schema, Stream } from "effect"
import { maxLimit } from "../domain/Page.ts"

export const limit = {
  limit: Options.integer("limit").pipe(
    Options.withSchema(Schema.Int.pipe(Schema.positive({ message: () => "--limit should be 1 or more" }))),
    Options.withPseudoName("N"),
    Options.withDescription("At most this many (default: all)"),
    Options.optional
  )
}

interface Page<A> {
  readonly items: ReadonlyArray<A>
  /** Where the next one begins; null on the last. */
  readonly next: string | null
}

/** What a page request takes: as many as are still wanted, from the cursor on. */
interface PageParams {
  readonly limit: number
  readonly cursor?: string
}

/** Every record of a list, at most `wanted`. */
export const all = <A, E, R>(
  wanted: Option.Option<number>,
  fetch: (params: PageParams) => Effect.Effect<Page<A>, E, R>
): Stream.Stream<A, E, R> =>
  Stream.paginateChunkEffect(
    { left: Option.getOrElse(wanted, () => Infinity), cursor: Option.none<string>() },
    ({ cursor, left }) =>
      Effect.map(
        fetch({
          limit: Math.min(left, maxLimit),
          ...Option.match(cursor, { onNone: () => ({}), onSome: (cursor) => ({ cursor }) })
        }),
        ({ items, next }) => {
          const rest = left - items.length
          // A server that repeats itself is not followed for ever.
          const isLast = next === null || rest <= 0 || Option.contains(cursor, next)
          return [
            Chunk.take(Chunk.fromIterable(items), left),
            isLast ? Option.none() : Option.some({ left: rest, cursor: Option.some(next) })
          ] as const
        }
      )
  )
