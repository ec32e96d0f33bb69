/**
 * Reads a form that came whole (RFC 7578). Parts are views of its bytes. The reader of Node takes half a second of the event
 * loop for a hostile form of 20 MB, and the one of `@effect/platform` never ends when a file is cut off; this one looks at
 * each byte once, and at few of them itself.
 */
import { Either } from "effect"
import { Malformed } from "../../domain/Errors.ts"

export interface Part {
  readonly name: string
  readonly bytes: Uint8Array
}

/** Bytes of the headers of one part. */
const maxHeaders = 4_096

const boundaryIn = /^multipart\/form-data\s*;\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s";,]{1,70}))\s*$/i
const nameIn = /^content-disposition:\s*form-data\s*;(?:[^\r\n]*;)?\s*name="([^"\r\n]{0,256})"/im

const malformed = (detail: string) => new Malformed({ code: "malformed_form", detail })

/** The text between the parts, if the content type is that of a form. */
export const boundaryOf = (contentType: string): string | undefined => {
  const [, quoted, bare] = boundaryIn.exec(contentType) ?? []
  return quoted ?? bare
}

/** At most `most` parts, in their order. */
export const partsOf = (
  body: Buffer,
  boundary: string,
  most: number
): Either.Either<ReadonlyArray<Part>, Malformed> => {
  const no = (detail: string) => Either.left(malformed(detail))
  const between = Buffer.from(`\r\n--${boundary}`, "latin1")
  const parts: Array<Part> = []
  // What comes before the first boundary is nobody's.
  const first = between.subarray(2)
  let at = body.subarray(0, first.length).equals(first) ? first.length : body.indexOf(between) + between.length
  if (at < first.length) return no("The form has no boundary in it.")
  for (;;) {
    const next = body.toString("latin1", at, at + 2)
    if (next === "--") return Either.right(parts)
    if (next !== "\r\n") return no("The form has a boundary that is none.")
    if (parts.length >= most) return no(`The form has more than ${most} parts.`)
    const blank = body.subarray(at, at + maxHeaders).indexOf("\r\n\r\n")
    if (blank < 0) return no(`A part of the form has no headers, or more than ${maxHeaders} bytes of them.`)
    const name = nameIn.exec(body.toString("utf8", at, at + blank))?.[1]
    if (name === undefined) return no("A part of the form has no name.")
    const from = at + blank + 4
    // The part may be empty: then its end is that of its headers.
    const to = body.indexOf(between, from - 2)
    if (to < 0) return no("The form ended before its end.")
    parts.push({ name, bytes: body.subarray(from, Math.max(from, to)) })
    at = to + between.length
  }
}
