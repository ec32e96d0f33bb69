/**
 * Counts what makes a text of JSON dear to parse, while it comes: parsing is one
 * stretch of work in which nobody else is served, and takes a second or more for
 * a body of nothing but braces.
 */

/** Most openings of objects and lists, commas, and backslashes. More than any body that passes the other bounds has. */
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

/** Counts one body, which may be nested so deep. */
export const make = (maxDepth: number) => {
  let depth = 0
  let marks = 0
  let escapes = 0
  let isInside = false
  /** The chunk before ended with a backslash. */
  let isEscaped = false
  return {
    /** What there is too much of, if anything. */
    take: (chunk: Uint8Array): "depth" | "members" | undefined => {
      let at = isEscaped ? 1 : 0
      isEscaped = false
      let slash = isInside ? -2 : 0
      while (at < chunk.length) {
        if (!isInside) {
          const byte = chunk[at++]!
          if (byte === quote) {
            isInside = true
            slash = -2
            continue
          }
          const kind = marksOf[byte]
          if (kind === 0) continue
          if (kind === closing) {
            depth--
            continue
          }
          if (kind === opening && ++depth > maxDepth) return "depth"
          if (++marks > maxMarks) return "members"
          continue
        }
        const end = chunk.indexOf(quote, at)
        // The next backslash is looked for again only when it has been passed.
        if (slash === -2 || (slash >= 0 && slash < at)) slash = chunk.indexOf(backslash, at)
        if (slash >= 0 && (end < 0 || slash < end)) {
          if (++escapes > maxEscapes) return "members"
          at = slash + 2
          isEscaped = at > chunk.length
          continue
        }
        if (end < 0) return undefined
        isInside = false
        at = end + 1
      }
      return undefined
    }
  }
}
