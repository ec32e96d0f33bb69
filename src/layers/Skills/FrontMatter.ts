/** Reads `SKILL.md`: what it says of the skill at its top, between two lines of dashes, and the instructions below. */
import { Either, ParseResult, Schema } from "effect"
import { parseDocument } from "yaml"
import type { Invalid } from "../../domain/Errors.ts"
import { isObject } from "../../domain/JsonSchema.ts"
import { type LibraryCard, noCard } from "../../domain/LibraryCard.ts"
import { asLine, FrontMatter } from "../../domain/Skill.ts"
import { mainFile, skillRefused } from "../../domain/SkillFiles.ts"
import { isFlat, options } from "../PlainYaml.ts"

/** Longest front matter, in characters. */
const maxLength = 4_096

/** Signs of nesting in one line may be dashes of a text too. */
const bounds = { lines: 256, depth: 8, signs: 16, indent: maxLength }

/** Tags of a card, and characters of one of its texts. */
const maxTags = 32
const maxText = 256

const fence = /^---[ \t]*$/

/** The front matter and what is below it; undefined when there is none. */
export const split = (markdown: string): { readonly top: string; readonly body: string } | undefined => {
  const text = markdown.startsWith("\u{feff}") ? markdown.slice(1) : markdown
  const head = text.slice(0, maxLength + 8).split("\n").map((line) => line.endsWith("\r") ? line.slice(0, -1) : line)
  if (!fence.test(head[0]!)) return undefined
  const end = head.findIndex((line, i) => i > 0 && fence.test(line))
  if (end < 0) return undefined
  return { top: head.slice(1, end).join("\n"), body: text.split("\n").slice(end + 1).join("\n").trim() }
}

const valueOf = (top: string): unknown => {
  if (!isFlat(top, bounds)) return undefined
  try {
    const document = parseDocument(top, options)
    if (document.errors.length > 0) return undefined
    return document.toJS({ maxAliasCount: 0 })
  } catch {
    return undefined
  }
}

const textOf = (value: unknown): string | null => {
  if (typeof value !== "string" && typeof value !== "number") return null
  const text = asLine(`${value}`).slice(0, maxText)
  return text === "" ? null : text
}

/** What else is said there and is worth showing. It decides nothing: tools that a skill allows itself are not allowed by it. */
const cardOf = (fields: Readonly<Record<string, unknown>>): LibraryCard => {
  const more = isObject(fields["metadata"]) ? fields["metadata"] : {}
  const find = (name: string) => textOf(fields[name]) ?? textOf(more[name])
  const tags = fields["tags"] ?? more["tags"]
  return {
    ...noCard,
    author: find("author"),
    version: find("version"),
    tags: Array.isArray(tags) ? tags.slice(0, maxTags).flatMap((tag) => textOf(tag) ?? []) : []
  }
}

export interface Main {
  readonly name: string
  readonly description: string
  readonly card: LibraryCard
}

const decode = Schema.decodeUnknownEither(FrontMatter, { errors: "first" })

export const mainOf = (bytes: Uint8Array): Either.Either<Main, Invalid> => {
  const no = (message: string, field = "") =>
    Either.left(skillRefused(message, field === "" ? mainFile : `${mainFile}.${field}`))
  let markdown: string
  try {
    markdown = new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    return no(`${mainFile} is no text in UTF-8`)
  }
  const parts = split(markdown)
  if (parts === undefined) {
    return no(
      `${mainFile} does not begin with front matter of at most ${maxLength} characters between two lines of ---`
    )
  }
  const fields = valueOf(parts.top)
  if (!isObject(fields)) {
    return no(
      `the front matter of ${mainFile} is no plain YAML: fields, each once, without aliases and with little in each other`
    )
  }
  for (const field of ["name", "description"]) {
    if (fields[field] === undefined || fields[field] === null) {
      return no(`the front matter of ${mainFile} has no field "${field}"`, field)
    }
    if (typeof fields[field] !== "string") {
      return no(`the field "${field}" in the front matter of ${mainFile} is no text`, field)
    }
  }
  const decoded = decode({ ...fields, name: `${fields["name"]}`.normalize("NFC").trim() })
  if (Either.isLeft(decoded)) {
    const [first] = ParseResult.ArrayFormatter.formatErrorSync(decoded.left)
    const field = String(first?.path[0] ?? "name")
    return no(`the field "${field}" in the front matter of ${mainFile} is wrong: ${first?.message ?? ""}`, field)
  }
  const { description, name } = decoded.right
  return Either.right({ name, description: asLine(description), card: cardOf(fields) })
}
