/** Plain YAML 1.2 of strangers: without aliases, tags and merges, so that what cannot be large cannot become large. */

export interface Bounds {
  /** Lines, brackets in each other, signs of nesting in one line, and blanks before it. */
  readonly lines: number
  readonly depth: number
  readonly signs: number
  readonly indent: number
}

/**
 * Whether the text nests little. The parser calls itself for each level, and a regular expression that is compiled at the
 * end of the stack ends the whole process.
 */
export const isFlat = (text: string, bounds: Bounds): boolean => {
  let depth = 0
  for (const character of text) {
    if (character === "[" || character === "{") depth++
    else if (character === "]" || character === "}") depth = Math.max(0, depth - 1)
    if (depth > bounds.depth) return false
  }
  const lines = text.split("\n")
  return lines.length <= bounds.lines &&
    lines.every((line) =>
      line.length - line.trimStart().length <= bounds.indent &&
      line.split(/[ \t]/).filter((word) => word === "-" || word === "?" || word === ":").length <= bounds.signs
    )
}

/** How the parser is asked to read such a text. */
export const options = {
  schema: "core",
  merge: false,
  uniqueKeys: true,
  prettyErrors: false,
  logLevel: "silent",
  resolveKnownTags: false
} as const
