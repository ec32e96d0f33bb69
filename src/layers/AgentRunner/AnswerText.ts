/** Finds the JSON in what a model answered: models put words, thoughts and fences around it. Every search is linear. */
import type { ContentBlock, Message } from "../../domain/Message.ts"

/** Most values and fences of one text that are looked at, and most openings that lead to no value. */
const maxPlaces = 8
const maxFalse = 4

/** Longest text that is searched, in characters; a longer one must be JSON itself. */
const maxSearched = 1024 * 1024 + 64 * 1024

const isProviders = (block: ContentBlock): boolean => "provider_executed" in block && block.provider_executed === true

/** The texts since the last tool result or hint, oldest first. */
const textsIn = ({ content }: Pick<Message, "content">): ReadonlyArray<string> => {
  const before = content.findLastIndex((block) =>
    (block.type === "tool_result" && !isProviders(block)) || block.type === "hint"
  )
  return content.slice(before + 1).flatMap((block) => block.type === "text" && block.text !== "" ? [block.text] : [])
}

const thoughts = ["</think>", "</thinking>", "</thought>", "◁/think▷"]

export const afterThoughts = (text: string): string => {
  const from = Math.max(...thoughts.map((tag) => {
    const at = text.lastIndexOf(tag)
    return at < 0 ? 0 : at + tag.length
  }))
  return text.slice(from).trim()
}

const fence = "```"

/** What stands in fences, the last first, without the name of a language. */
const fenced = (text: string): ReadonlyArray<string> => {
  const marks: Array<number> = []
  for (let at = text.indexOf(fence); at >= 0; at = text.indexOf(fence, at + fence.length)) marks.push(at)
  const inside: Array<string> = []
  // The first of a pair has an even place.
  for (let n = (marks.length - 1) & ~1; n >= 0 && inside.length < maxPlaces; n -= 2) {
    const body = text.slice(marks[n]! + fence.length, marks[n + 1])
    inside.push(body.replace(/^[A-Za-z0-9_+-]{1,16}(?=[\s{["])/, "").trim())
  }
  return inside
}

const closing: Readonly<Record<string, string>> = { "{": "}", "[": "]" }

/** The end of the value that opens here; -1 when its brackets do not fit, or do not close. */
const endOfValue = (text: string, from: number): number => {
  const open: Array<string> = []
  for (let at = from; at < text.length; at++) {
    const character = text[at]!
    if (character === "\"") {
      // A string may hold brackets.
      for (at++; at < text.length && text[at] !== "\""; at++) if (text[at] === "\\") at++
    } else if (character === "{" || character === "[") open.push(closing[character]!)
    else if (character === "}" || character === "]") {
      if (open.pop() !== character) return -1
      if (open.length === 0) return at + 1
    }
  }
  return -1
}

/** Objects and lists that stand in the text, the last first. */
const valuesIn = (text: string): ReadonlyArray<string> => {
  const opening = /[{[]/g
  const found: Array<string> = []
  let misses = 0
  for (let next = opening.exec(text); next !== null && misses < maxFalse; next = opening.exec(text)) {
    const end = endOfValue(text, next.index)
    if (end < 0) {
      misses++
      continue
    }
    found.push(text.slice(next.index, end))
    if (found.length > maxPlaces) found.shift()
    opening.lastIndex = end
  }
  return found.toReversed()
}

/** The last value of text with braces that do not close before it: looked for from its end. */
const lastValue = (text: string): ReadonlyArray<string> => {
  const last = Math.max(text.lastIndexOf("\n{"), text.lastIndexOf("\n["))
  const end = last < 0 ? -1 : endOfValue(text, last + 1)
  return end < 0 ? [] : [text.slice(last + 1, end)]
}

/** Where the answer's JSON may be, the likeliest first. What a text holds is looked for only when it is asked for. */
export function* placesIn(message: Pick<Message, "content">): Generator<string> {
  const texts = textsIn(message)
  const plain = new Set([texts.join("").trim(), (texts.at(-1) ?? "").trim()])
  yield* plain
  const seen = new Set(plain)
  for (const text of plain) {
    if (text.length > maxSearched) continue
    const said = afterThoughts(text)
    for (const find of [() => [said], () => fenced(said), () => valuesIn(said), () => lastValue(said)]) {
      for (const place of find()) {
        if (seen.has(place)) continue
        seen.add(place)
        yield place
      }
    }
  }
}
