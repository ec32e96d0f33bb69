import { Either, Encoding, Schema } from "effect"
import { Malformed } from "./Errors.ts"

/** Rows in one page at most, and when the client names no number: clients of 2.0.0 know no pages, and believe that a list is whole. */
export const maxLimit = 1000

/** Messages in one page of a transcript at most. */
export const maxMessages = 200

/**
 * Bytes of encoded items at which a page ends, whatever its limit is; an item
 * that is larger comes alone. Writing a page out is one stretch of work in which
 * nobody else is served.
 */
export const pageBytes: number = 4 * 1024 * 1024

/** A whole number of a query, between these two. */
export const wholeNumber = (minimum: number, maximum: number, more: object = {}) =>
  Schema.NumberFromString.pipe(Schema.int(), Schema.between(minimum, maximum)).annotations({
    jsonSchema: { type: "integer", minimum, maximum, ...more }
  })

/** The same, and what it is when it is left out. */
export const queryInteger = (minimum: number, maximum: number, byDefault: number) =>
  Schema.optionalWith(wholeNumber(minimum, maximum, { default: byDefault }), { default: () => byDefault })

/** Keyset page request. `cursor` is the `next_cursor` of the page before. */
export const PageRequest = Schema.Struct({
  limit: queryInteger(1, maxLimit, maxLimit),
  cursor: Schema.optional(Schema.String.pipe(Schema.maxLength(512)))
})
export type PageRequest = typeof PageRequest.Type

export interface Page<A> {
  readonly items: ReadonlyArray<A>
  /** All rows that the list holds, not just this page's. */
  readonly total: number
  /** Absent on the last page. */
  readonly next_cursor: string | null
}

/** A list on the wire: `{agents: [...], total, next_cursor}`. */
export const listOf = <Plural extends string, A, I, R>(plural: Plural, item: Schema.Schema<A, I, R>) =>
  Schema.Struct(
    {
      [plural]: Schema.Array(item),
      total: Schema.Int,
      next_cursor: Schema.NullOr(Schema.String)
    } as { readonly [K in Plural]: Schema.Array$<Schema.Schema<A, I, R>> } & {
      readonly total: typeof Schema.Int
      readonly next_cursor: Schema.NullOr<typeof Schema.String>
    }
  )

/** The same for a list in which a text can be looked for: then nobody has counted how many hold it, and `total` is null. */
export const searchedListOf = <Plural extends string, A, I, R>(plural: Plural, item: Schema.Schema<A, I, R>) =>
  Schema.Struct(
    {
      [plural]: Schema.Array(item),
      total: Schema.NullOr(Schema.Int),
      next_cursor: Schema.NullOr(Schema.String)
    } as { readonly [K in Plural]: Schema.Array$<Schema.Schema<A, I, R>> } & {
      readonly total: Schema.NullOr<typeof Schema.Int>
      readonly next_cursor: Schema.NullOr<typeof Schema.String>
    }
  )

/** The opaque cursor after the row whose sort key is `key`. */
export const cursorAfter = (key: string): string => Encoding.encodeBase64Url(key)

const invalidCursor = () =>
  new Malformed({
    code: "invalid_cursor",
    detail: "The cursor is not one that this server gave. Use the next_cursor of the page before, or leave it out."
  })

/** The sort key inside a cursor of ours; anything else is `Malformed`. */
export const keyOfCursor = (cursor: string): Either.Either<string, Malformed> =>
  Encoding.decodeBase64UrlString(cursor).pipe(
    Either.filterOrLeft((key) => /^[\x21-\x7e]{1,128}$/.test(key), () => null),
    Either.mapLeft(invalidCursor)
  )

/** Where a page of a transcript begins, or before which message it ends. */
export type TranscriptPlace = { readonly offset: number } | { readonly before: string }

const mark = "before:"

export const cursorOfPlace = (place: TranscriptPlace): string =>
  cursorAfter("offset" in place ? String(place.offset) : `${mark}${place.before}`)

/** The same for a transcript, which is read forth and back. */
export const placeOfCursor = (cursor: string): Either.Either<TranscriptPlace, Malformed> =>
  Either.flatMap(keyOfCursor(cursor), (key): Either.Either<TranscriptPlace, Malformed> => {
    if (/^\d{1,15}$/.test(key)) return Either.right({ offset: Number(key) })
    return key.startsWith(mark) && key.length > mark.length
      ? Either.right({ before: key.slice(mark.length) })
      : Either.left(invalidCursor())
  })
