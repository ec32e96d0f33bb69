/** What a word of a shell command becomes, where that can be known before it runs. */
import type { Word as Syntax, WordPart } from "unbash"
import type { Word } from "./Part.ts"

/** A control character that quotes such as `$'\x00'` put into a word. */
const odd = /[\0-\x08\x0b-\x1f\x7f]/

/** Undefined for a part that only the shell knows. Variables count as such, but for two that name folders. */
const textOf = (part: WordPart, first: boolean): Word => {
  switch (part.type) {
    case "Literal":
    case "SingleQuoted":
      return part.value
    case "AnsiCQuoted":
      return odd.test(part.value) ? undefined : part.value
    case "DoubleQuoted":
      return joined(part.parts, first)
    case "SimpleExpansion":
      return first ? folder(part.text.slice(1)) : undefined
    case "ParameterExpansion":
      return first && part.prefix === undefined && part.index === undefined && part.operation === undefined
        ? folder(part.parameter)
        : undefined
    default:
      return undefined
  }
}

const folder = (name: string): Word => name === "HOME" ? "~" : name === "PWD" ? "." : undefined

const joined = (parts: ReadonlyArray<WordPart>, first: boolean): Word => {
  let text = ""
  for (const [index, part] of parts.entries()) {
    const next = textOf(part, first && index === 0)
    // "$HOMEx" is a variable of another name already; here "${HOME}x" would be a sibling of the home.
    const isFolder = index === 0 && (part.type === "SimpleExpansion" || part.type === "ParameterExpansion")
    const after = parts[1]
    if (next === undefined) return undefined
    if (isFolder && after !== undefined && !(after.type === "Literal" && after.value.startsWith("/"))) return undefined
    text += next
  }
  return text
}

/** A leading `~` stays: it stands for a home. A quoted one is taken for it too, which is the careful reading. */
export const literal = (word: Syntax): Word => {
  const text = word.parts === undefined ? word.value : joined(word.parts, true)
  return text === undefined || /^~[-+\d]/.test(text) ? undefined : text
}
