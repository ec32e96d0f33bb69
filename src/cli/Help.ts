/** Help that fits a screen: what it does, how to type it, what may be added. */
import { connection } from "./Connection.ts"
import type { Node, Option } from "./Grammar.ts"
import { bold } from "./Screen.ts"
import { withoutOption } from "./Settings.ts"
import { version } from "./Version.ts"

const exits = [
  ["0", "done"],
  ["1", "the server or the request failed"],
  ["2", "wrongly typed"],
  ["3", "no such thing, or not yours"],
  ["4", "not authorised"],
  ["5", "no connection"],
  ["130", "interrupted"]
] as const

/** Widest first column before a description moves to its own line. */
const maxTerm = 30

const columns = (rows: ReadonlyArray<readonly [string, string]>): string => {
  const width = Math.max(...rows.map(([term]) => term.length).filter((length) => length <= maxTerm), 0)
  return rows.map(([term, description]) =>
    description === "" ?
      `  ${term}` :
      term.length > maxTerm ?
      `  ${term}\n  ${" ".repeat(width)}  ${description}` :
      `  ${term.padEnd(width)}  ${description}`
  ).join("\n")
}

const optionTerm = ({ names, value }: Option) => {
  const short = names.filter((name) => !name.startsWith("--"))
  const long = names.filter((name) => name.startsWith("--"))
  return `${short.length === 0 ? "    " : ""}${[...short, ...long].join(", ")}${value === "" ? "" : ` ${value}`}`
}

const isConnection = ({ names }: Option) => Object.keys(connection).some((name) => names.includes(`--${name}`))

export const render = (path: ReadonlyArray<Node>, hasColour: boolean): string => {
  const here = path.at(-1)!
  const name = path.map((node) => node.name).join(" ")
  const isRoot = path.length === 1
  const usage = here.children.length > 0
    ? `${name} COMMAND`
    : [name, ...here.arguments.map(({ term }) => term), ...(here.options.length === 0 ? [] : ["[OPTIONS]"])].join(" ")
  const section = (title: string, rows: ReadonlyArray<readonly [string, string]>) =>
    rows.length === 0 ? [] : [`${bold(title, hasColour)}\n${columns(rows)}`]
  const optionRows = (options: ReadonlyArray<Option>) =>
    options.map((option) => [optionTerm(option), option.description] as const)
  return [
    isRoot ? `${name} ${version}: ${here.description}` : here.description,
    `${bold("Usage", hasColour)}\n  ${usage}`,
    ...section("Commands", here.children.map((child) => [child.name, child.description])),
    ...section("Arguments", here.arguments.map(({ description, term }) => [term, description])),
    ...section("Options", optionRows(here.options.filter((option) => !isConnection(option)))),
    ...section("Server", optionRows(here.options.filter(isConnection))),
    ...section("Only in the environment or stoa.yaml", name === "stoa serve" ? withoutOption : []),
    ...isRoot
      ? [
        ...section("Exit codes", exits),
        ...section("Also", [
          [`${name} COMMAND --help`, "what a command does"],
          [`${name} --completions bash|zsh|fish`, "a completion script for the shell"],
          [`${name} --version`, "the version"]
        ])
      ]
      : []
  ].join("\n\n") + "\n"
}
