/** Parses a shell command, or says why nobody can be sure of what it does. */
import { parse, type ParsedScript } from "unbash"

/** Longest command that is looked at, in characters; longer ones are asked about. */
const maxLength = 4 * 1024

/**
 * What a person does not see, and what shells disagree on: control characters, blanks that are
 * no blanks for a shell, marks that change the direction of a text, letters without a shape.
 */
const hidden = /(?![ \n\t])(?:[\p{Cc}\p{Cf}\p{Cs}\p{Z}\u115f\u1160\u2800\u3164\uffa0]|\u034f|\u17b4|\u17b5)/u

/** Each opens a text whose end must be looked for, which takes quadratic time when there are many. */
const maxHereDocs = 16

/** Each is parsed again when one of those around it is looked at, which takes quadratic time when they are nested. */
const maxExpansions = 256
const expansion = /[$<>=]\(|\$[{[]|`/g

/** A spelling of `$(( ))` that went out of use. To find where it ends takes long, and nobody writes it. */
const outdated = "$["

export const syntaxOf = (source: string): ParsedScript | string => {
  if (source.length > maxLength) return "is too long"
  if (hidden.test(source)) return "has characters that cannot be seen"
  if (source.split("<<").length - 1 > maxHereDocs) return "has too many texts in it"
  if ((source.match(expansion)?.length ?? 0) > maxExpansions) return "has too many expansions in it"
  if (source.includes(outdated)) return "has an outdated spelling in it"
  try {
    const script = parse(source)
    return script.errors === undefined || script.errors.length === 0 ? script : "is not a whole shell command"
  } catch {
    // The parser runs out of stack on some texts that are nested without an end.
    return "is not a whole shell command"
  }
}
