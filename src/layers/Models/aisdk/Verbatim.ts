/**
 * Arguments of calls leave as the model wrote them: integers beyond 2^53, `1.10`
 * and the order of keys do not survive being read. The packages take objects, so
 * each gets one that stands for the text, and the finished body has the text.
 */
import { randomUUID } from "node:crypto"
import type { ToolCallBlock } from "../../../domain/Message.ts"
import { wellFormed } from "./WellFormed.ts"

/** Nobody else can know it, so no text of a conversation can pretend to be such an object. */
const key = `verbatim-${randomUUID()}`

/** Deepest arguments that go as JSON: parsers of providers refuse or fail on deeper ones. */
const maxDepth = 100

/** Whether JSON text is nested deeper than that. */
const isDeep = (json: string): boolean => {
  let depth = 0
  let quoted = false
  for (let i = 0; i < json.length; i++) {
    const char = json[i]
    if (quoted) {
      if (char === "\\") i++
      else if (char === "\"") quoted = false
    } else if (char === "\"") quoted = true
    else if (char === "{" || char === "[") {
      if (++depth > maxDepth) return true
    } else if (char === "}" || char === "]") depth--
  }
  return false
}

const isObject = (json: string): boolean => {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === "object" && value !== null && !Array.isArray(value)
  } catch {
    // Cut off, or never JSON.
    return false
  }
}

/** The arguments of a call, for a package; what is no JSON object goes back to the model inside one, as it wrote it. */
export const argumentsOf = (input: string): Readonly<Record<string, string>> => {
  if (input.trim() === "") return {}
  if (isDeep(input) || !isObject(input)) return { malformed_arguments: input.toWellFormed() }
  return { [key]: wellFormed(input) }
}

const known = new WeakMap<ToolCallBlock, Readonly<Record<string, string>>>()

/** The arguments of a call. A block never changes, so each is looked at once, however often its message is converted. */
export const argumentsIn = (block: ToolCallBlock): Readonly<Record<string, string>> => {
  const before = known.get(block)
  if (before !== undefined) return before
  const made = argumentsOf(block.input)
  known.set(block, made)
  return made
}

/** The end of the JSON string that starts there, behind its quote. */
const endOfString = (json: string, start: number): number => {
  for (let end = json.indexOf("\"", start + 1);; end = json.indexOf("\"", end + 1)) {
    if (end < 0) return json.length
    let before = end
    while (json[before - 1] === "\\") before--
    if ((end - before) % 2 === 0) return end + 1
  }
}

/** The body with each text in the place of the object that stood for it, step by step. */
export function* verbatim(body: string): Generator<void, string> {
  let written = ""
  let done = 0
  for (let at = body.indexOf(key); at >= 0; at = body.indexOf(key, done)) {
    // Some wires have arguments as an object, `{"key":"…"}`, and some as its text, `"{\"key\":\"…\"}"`.
    const isText = body[at - 2] === "\\"
    const start = isText ? at - 4 : at - 2
    const end = isText ? endOfString(body, start) : endOfString(body, at + key.length + 2) + 1
    // What is left of it within its braces, and behind its key, is the text as a JSON string.
    const object: string = isText ? JSON.parse(body.slice(start, end)) : body.slice(start, end)
    const string = object.slice(key.length + 4, -1)
    written += body.slice(done, start) + (isText ? string : JSON.parse(string))
    done = end
    yield
  }
  return written + body.slice(done)
}

/** The same in one go. */
export const withVerbatim = (body: string): string => {
  const steps = verbatim(body)
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}
