/** Reads a markdown file: what stands at its top between two lines of dashes, against a schema, and the text below. */
import { Either, ParseResult, Schema } from "effect"
import { type Document, isNode, LineCounter, parseDocument } from "yaml"
import type { Fault } from "../../domain/Definition.ts"
import { isObject } from "../../domain/JsonSchema.ts"
import { isFlat, options } from "../PlainYaml.ts"

/** Longest front matter, in characters: a schema of an agent's input may be long. */
const maxLength = 64 * 1024

/** Signs of nesting in one line may be dashes of a text too. */
const bounds = { lines: 4_096, depth: 64, signs: 16, indent: 256 }

/** Most faults that are told of one file, and characters of one sentence. */
const maxFaults = 20
const maxSentence = 300

const fence = /^---[ \t]*\r?$/

export interface Read<A> {
  readonly front: A
  readonly body: string
  /** Line and column of a field's value, or of the nearest thing around it. */
  readonly placeOf: (path: ReadonlyArray<PropertyKey>) => readonly [number, number]
}

interface Top {
  readonly top: string
  readonly body: string
}

export const fault = (
  file: string,
  [line, column]: readonly [number, number],
  message: string,
  fix: string
): Fault => ({
  level: "error",
  file,
  line,
  column,
  message: message.replaceAll(/\s+/g, " ").slice(0, maxSentence),
  fix
})

/** A file without front matter is all text. */
const split = (file: string, markdown: string): Either.Either<Top, Fault> => {
  const text = markdown.startsWith("\u{feff}") ? markdown.slice(1) : markdown
  const lines = text.split("\n")
  if (!fence.test(lines[0]!)) return Either.right({ top: "", body: text.trim() })
  const end = lines.findIndex((line, i) => i > 0 && fence.test(line))
  if (end < 0) {
    return Either.left(fault(file, [1, 1], "The front matter has no end.", "Put a line of --- behind it."))
  }
  const top = lines.slice(1, end).join("\n")
  if (top.length > maxLength) {
    return Either.left(
      fault(file, [1, 1], `The front matter has more than ${maxLength} characters.`, "Make it shorter.")
    )
  }
  return Either.right({ top, body: lines.slice(end + 1).join("\n").trim() })
}

/** The nearest known word, where one differs by little. */
const nearest = (word: string, known: ReadonlyArray<string>): string | undefined => {
  const letters = (text: string) => text.toLowerCase().replaceAll(/[^a-z]/g, "").split("").toSorted().join("")
  const mine = letters(word.slice(0, 64))
  return known.find((name) => {
    const theirs = letters(name)
    return theirs === mine ||
      (Math.abs(theirs.length - mine.length) <= 1 && (theirs.includes(mine) || mine.includes(theirs)))
  })
}

/** Where the value of a path stands, or the nearest thing around it. */
const positionOf = (
  document: Document,
  lines: LineCounter,
  path: ReadonlyArray<PropertyKey>
): readonly [number, number] => {
  for (let length = path.length; length > 0; length--) {
    const node: unknown = document.getIn(path.slice(0, length), true)
    if (!isNode(node) || node.range == null) continue
    const { col, line } = lines.linePos(node.range[0])
    // The line of dashes stands before it.
    return [line + 1, col]
  }
  return [1, 1]
}

/** The deepest issue of each field: of a union, that is the one of the member that was meant. */
const deepest = (issues: ReadonlyArray<ParseResult.ArrayFormatterIssue>) => {
  const byField = new Map<string, ParseResult.ArrayFormatterIssue>()
  for (const issue of issues) {
    // Each entry of a list is a field of its own.
    const field = issue.path.slice(0, typeof issue.path[1] === "number" ? 2 : 1).join(".")
    const before = byField.get(field)
    if (before === undefined || before.path.length < issue.path.length) byField.set(field, issue)
  }
  const found = [...byField.values()]
  // Where something in a list is wrong, nothing is wrong with the list.
  return found.filter(({ path }) =>
    !found.some((other) => other.path.length > path.length && path.every((part, i) => part === other.path[i]))
  ).slice(0, maxFaults)
}

const keysOf = (value: unknown): ReadonlyArray<string> => isObject(value) ? Object.keys(value) : []

const wordsOf = (issue: ParseResult.ArrayFormatterIssue, known: ReadonlyArray<string>): readonly [string, string] => {
  const name = issue.path.join(".")
  if (issue._tag === "Unexpected") {
    const near = issue.path.length === 1 ? nearest(name, known) : undefined
    return [`There is no field ${name}.`, near === undefined ? "Take it out." : `Did you mean ${near}?`]
  }
  if (issue._tag === "Missing") return [`The field ${name} is missing.`, "Add it."]
  // What stands there may be long, and is in the file.
  const message = issue.message.replace(/, actual [\s\S]*$/, "")
  return [`The field ${name} is wrong: ${message}.`, "Correct it."]
}

/** Decodes a file's text. On the left is all that is wrong with its front matter. */
export const reader = <A, I>(schema: Schema.Schema<A, I>, known: ReadonlyArray<string>) => {
  const decode = Schema.decodeUnknownEither(schema, { errors: "all" })
  return (file: string, markdown: string): Either.Either<Read<A>, ReadonlyArray<Fault>> => {
    const parts = split(file, markdown)
    if (Either.isLeft(parts)) return Either.left([parts.left])
    const { body, top } = parts.right
    if (!isFlat(top, bounds)) {
      return Either.left([fault(file, [1, 1], "The front matter nests too deep, or is too long.", "Make it plainer.")])
    }
    const lines = new LineCounter()
    const document = parseDocument(top, { ...options, lineCounter: lines })
    const [error] = document.errors
    if (error !== undefined) {
      const { col, line } = lines.linePos(error.pos[0])
      const isTwice = error.code === "DUPLICATE_KEY"
      return Either.left([fault(
        file,
        [line + 1, col],
        isTwice ? "A field stands here twice." : `This is no YAML: ${error.code.toLowerCase().replaceAll("_", " ")}.`,
        isTwice ? "Keep one of them." : "Put texts with special characters in quotes."
      )])
    }
    const value = Either.try(() => document.toJS({ maxAliasCount: 0 }) as unknown)
    if (Either.isLeft(value)) {
      return Either.left([fault(file, [1, 1], "The front matter has aliases.", "Write out what they stand for.")])
    }
    const fields = value.right ?? {}
    if (!isObject(fields)) {
      return Either.left([fault(file, [2, 1], "The front matter has no fields.", "Write one `name: value` a line.")])
    }
    const decoded = decode(fields)
    if (Either.isRight(decoded)) {
      return Either.right({
        front: decoded.right,
        body,
        placeOf: (path) => positionOf(document, lines, path)
      })
    }
    const mine = new Set(keysOf(fields))
    return Either.left(
      deepest(ParseResult.ArrayFormatter.formatErrorSync(decoded.left)).map((issue) =>
        fault(
          file,
          positionOf(document, lines, issue.path),
          ...wordsOf(issue, known.filter((name) => !mine.has(name)))
        )
      )
    )
  }
}
