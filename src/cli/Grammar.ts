/**
 * What may be typed after `stoa`. @effect/cli lets an unknown option, or one
 * without its value, through as an argument: `chat --sesion x` would say it to
 * the agent. So a line is checked here first, and put into the one order that
 * cannot be misread: options, then `--`, then arguments.
 */
import { Args, AutoCorrect, CliConfig, type Command, type HelpDoc, Options } from "@effect/cli"
import type { Span } from "@effect/cli/HelpDoc/Span"
import { Either } from "effect"
import { type Failed, misused } from "./Failed.ts"

export const config = CliConfig.make({ isCaseSensitive: true, showBuiltIns: false })

export interface Option {
  /** The names with their dashes; the long one is last. */
  readonly names: ReadonlyArray<string>
  /** The placeholder of its value; empty for a switch. */
  readonly value: string
  readonly description: string
}

export interface Argument {
  /** `<id>...`, in brackets when it may be left out. */
  readonly term: string
  /** Whether a line may hold it more than once. */
  readonly isRepeated: boolean
  readonly description: string
}

/** A command as people see it. */
export interface Node {
  readonly name: string
  readonly description: string
  readonly options: ReadonlyArray<Option>
  readonly arguments: ReadonlyArray<Argument>
  readonly children: ReadonlyArray<Node>
}

/** The parts of a descriptor that @effect/cli has no reader for; its version is pinned, and a test walks them. */
type Descriptor =
  | {
    readonly _tag: "Standard"
    readonly name: string
    readonly description: HelpDoc.HelpDoc
    readonly options: Options.Options<unknown>
    readonly args: Args.Args<unknown>
  }
  | { readonly _tag: "Map"; readonly command: Descriptor }
  | { readonly _tag: "Subcommands"; readonly parent: Descriptor; readonly children: ReadonlyArray<Descriptor> }

const textOfSpan = (span: Span): string => {
  switch (span._tag) {
    case "Text":
    case "URI":
      return span.value
    case "Sequence":
      return textOfSpan(span.left) + textOfSpan(span.right)
    default:
      return textOfSpan(span.value)
  }
}

const paragraphs = (doc: HelpDoc.HelpDoc): ReadonlyArray<string> => {
  switch (doc._tag) {
    case "Paragraph":
      return [textOfSpan(doc.value)]
    case "Sequence":
      return [...paragraphs(doc.left), ...paragraphs(doc.right)]
    default:
      return []
  }
}

export const textOf = (doc: HelpDoc.HelpDoc): string => paragraphs(doc).join(" ")

interface Definition {
  readonly term: string
  readonly description: string
  readonly isOptional: boolean
}

/** The words by which @effect/cli marks what may be left out or repeated. */
const isAboutNumber = (text: string) => /^This (setting|option|argument) /.test(text)

const definitions = (doc: HelpDoc.HelpDoc): ReadonlyArray<Definition> => {
  switch (doc._tag) {
    case "DescriptionList":
      return doc.definitions.map(([term, description]) => {
        // The first says what its type is.
        const texts = paragraphs(description).slice(1)
        return {
          term: textOfSpan(term).trim().replace(/ \d+\+$/, "..."),
          description: texts.filter((text) => !isAboutNumber(text)).join(" "),
          isOptional: texts.some((text) => isAboutNumber(text) && /optional|zero/.test(text))
        }
      })
    case "Sequence":
      return [...definitions(doc.left), ...definitions(doc.right)]
    default:
      return []
  }
}

/** From `(-o, --output table | json)` or `--set NAME=VALUE...`. */
const optionOf = ({ description, term }: Definition): Option => {
  const words = (term.startsWith("(") ? term.slice(1, -1) : term).split(" ")
  const first = words.findIndex((word) => !word.startsWith("-"))
  const names = first < 0 ? words : words.slice(0, first)
  return {
    names: names.map((name) => name.replace(/,$/, "")),
    value: words.slice(names.length).join(" ").trim().replaceAll(" | ", "|"),
    description
  }
}

const argumentOf = ({ description, isOptional, term }: Definition): Argument => ({
  term: isOptional ? `[${term}]` : term,
  description,
  isRepeated: term.includes("...")
})

const nodeOf = (descriptor: Descriptor): Node => {
  switch (descriptor._tag) {
    case "Map":
      return nodeOf(descriptor.command)
    case "Subcommands":
      return { ...nodeOf(descriptor.parent), children: descriptor.children.map(nodeOf) }
    case "Standard":
      return {
        name: descriptor.name,
        description: textOf(descriptor.description),
        options: definitions(Options.getHelp(descriptor.options)).map(optionOf),
        arguments: definitions(Args.getHelp(descriptor.args)).map(argumentOf),
        children: []
      }
  }
}

export const read = <Name extends string, R, E, A>(command: Command.Command<Name, R, E, A>): Node =>
  nodeOf(command.descriptor as unknown as Descriptor)

/** What a line asks for. */
export type Request =
  /** `name` is that of the command, in full. */
  | { readonly _tag: "Run"; readonly name: string; readonly line: ReadonlyArray<string> }
  | { readonly _tag: "Help"; readonly path: ReadonlyArray<Node> }
  | { readonly _tag: "Version" }
  | { readonly _tag: "Completions"; readonly shell: string }

const near = (word: string, known: ReadonlyArray<string>) => {
  const closest = known
    .map((name) => ({ name, edits: AutoCorrect.levensteinDistance(word, name, config) }))
    .filter(({ edits, name }) => edits <= Math.max(1, Math.floor(name.length / 3)))
    .toSorted((a, b) => a.edits - b.edits)[0]
  return closest === undefined ? "" : ` Did you mean ${closest.name}?`
}

const nameOf = (path: ReadonlyArray<Node>) => path.map(({ name }) => name).join(" ")

const refuse = (path: ReadonlyArray<Node>, problem: string): Either.Either<never, Failed> =>
  Either.left(misused(`${problem} See ${nameOf(path)} --help.`))

const isHelp = (word: string) => word === "--help" || word === "-h"

/** The options that @effect/cli handles itself, wherever they stand. */
const isBuiltIn = (word: string) => /^(-h|--(help|version|wizard|completions|log-level))(=|$)/.test(word)

/** The words after a command's name: its options first, whatever looks like an option but is none refused. */
const readLeaf = (path: ReadonlyArray<Node>, words: ReadonlyArray<string>): Either.Either<Request, Failed> => {
  const leaf = path.at(-1)!
  const options: Array<string> = []
  const values: Array<string> = []
  const rest: Array<string> = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    if (word === "--") {
      rest.push(...words.slice(i + 1))
      break
    }
    if (isHelp(word)) return Either.right({ _tag: "Help", path })
    if (!word.startsWith("-") || word === "-") {
      rest.push(word)
      continue
    }
    const equals = word.indexOf("=")
    const name = equals < 0 ? word : word.slice(0, equals)
    const option = leaf.options.find(({ names }) => names.includes(name))
    if (option === undefined) {
      // The option is named without its value: a mistyped `--key=…` is still a secret.
      return refuse(
        path,
        `There is no option ${name.slice(0, 40)}.${near(name, leaf.options.flatMap(({ names }) => names))}`
      )
    }
    // The short one: @effect/cli takes `--log-level`, also a command's own, for itself.
    const canonical = option.names[0]!
    if (option.value === "") {
      if (equals >= 0) return refuse(path, `The option ${name} takes no value.`)
      options.push(canonical)
      continue
    }
    const value = equals < 0 ? words[++i] : word.slice(equals + 1)
    if (value === undefined) return refuse(path, `The option ${name} needs a value.`)
    options.push(canonical, value)
    values.push(value)
  }
  const misread = [...values, ...rest].find(isBuiltIn)
  if (misread !== undefined) return refuse(path, `${misread} can be neither an argument nor a value.`)
  const { length } = leaf.arguments
  if (rest.length > length && !leaf.arguments.some(({ isRepeated }) => isRepeated)) {
    return refuse(
      path,
      `${nameOf(path)} takes ${length === 0 ? "no arguments" : length === 1 ? "one argument" : `${length} arguments`}.`
    )
  }
  const line = [...path.map((node) => node.name), ...options, ...(rest.length === 0 ? [] : ["--", ...rest])]
  return Either.right({ _tag: "Run", name: nameOf(path), line })
}

const readFrom = (path: ReadonlyArray<Node>, words: ReadonlyArray<string>): Either.Either<Request, Failed> => {
  const here = path.at(-1)!
  if (here.children.length === 0) return readLeaf(path, words)
  const [word, ...rest] = words
  if (word === undefined || isHelp(word)) return Either.right({ _tag: "Help", path })
  const child = here.children.find(({ name }) => name === word)
  if (child !== undefined) return readFrom([...path, child], rest)
  if (path.length === 1) {
    if (word === "--version") return Either.right({ _tag: "Version" })
    if (word === "--completions") return Either.right({ _tag: "Completions", shell: rest[0] ?? "" })
    if (word === "help") return readFrom(path, [...rest.filter((next) => !isHelp(next)), "--help"])
  }
  return word.startsWith("-")
    ? refuse(path, `Options come after the command, as in ${nameOf(path)} ${here.children[0]!.name} --help.`)
    : refuse(
      path,
      `There is no command ${nameOf(path)} ${word.slice(0, 40)}.${near(word, here.children.map(({ name }) => name))}`
    )
}

export const parse = (root: Node, words: ReadonlyArray<string>): Either.Either<Request, Failed> =>
  readFrom([root], words)
