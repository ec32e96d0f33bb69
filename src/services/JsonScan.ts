/**
 * Counts what makes a text of JSON dear to parse, while it comes: parsing is one
 * stretch of work in which nobody else is served, and takes a second or more for
 * a large body of nothing but braces.
 */

/** Most openings of objects and lists with the commas in them, and most backslashes. No body that keeps the other bounds has more. */
const maxMarks = 40_000
const maxEscapes = 5_000_000

const quote = 0x22
const backslash = 0x5c

const opening = 1
const comma = 2
const closing = 3
const marksOf = new Uint8Array(256)
for (const [mark, kind] of [["{", opening], ["[", opening], [",", comma], ["}", closing], ["]", closing]] as const) {
  marksOf[mark.charCodeAt(0)] = kind
}

/** Bytes of a text that are looked at one by one before the rest of it is searched, which is quick only for a long one. */
const lookedAt = 64

/** Counts one text, which may be nested so deep and have so many marks. */
export const make = (maxDepth: number, most = maxMarks) => {
  let depth = 0
  let marks = 0
  let escapes = 0
  let isInside = false
  /** The byte before was a backslash in a text. */
  let isEscaped = false

  const mark = (kind: number | undefined): "depth" | "members" | undefined => {
    if (kind === closing) {
      depth--
      return undefined
    }
    if (kind === opening && ++depth > maxDepth) return "depth"
    return ++marks > most ? "members" : undefined
  }

  return {
    /** What there is too much of, if anything. */
    take: (chunk: Uint8Array): "depth" | "members" | undefined => {
      /** The next quote and backslash from here on, as far as they were searched for; beyond the end when there is none. */
      let nextQuote = -1
      let nextBackslash = -1
      let plain = 0
      const search = (byte: number, from: number) => {
        const at = chunk.indexOf(byte, from)
        return at < 0 ? chunk.length : at
      }
      for (let at = 0; at < chunk.length; at++) {
        const byte = chunk[at]!
        if (!isInside) {
          if (byte === quote) {
            isInside = true
            plain = 0
          } else if (marksOf[byte] !== 0) {
            const excess = mark(marksOf[byte])
            if (excess !== undefined) return excess
          }
        } else if (isEscaped) {
          isEscaped = false
        } else if (byte === backslash) {
          if (++escapes > maxEscapes) return "members"
          isEscaped = true
          plain = 0
        } else if (byte === quote) {
          isInside = false
        } else if (++plain > lookedAt) {
          // Each of both is searched for again only when it has been passed, so no byte is searched twice.
          if (nextQuote <= at) nextQuote = search(quote, at + 1)
          if (nextBackslash <= at) nextBackslash = search(backslash, at + 1)
          at = Math.min(nextQuote, nextBackslash) - 1
          plain = 0
        }
      }
      return undefined
    }
  }
}
