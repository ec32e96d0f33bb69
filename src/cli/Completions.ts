/** Completion scripts for shells, as @effect/cli makes them, with its mistakes put right. */
import { Command } from "@effect/cli"
import { Effect } from "effect"
import { misused } from "./Failed.ts"

/** Its wizard asks questions, and its log level is the server's setting: neither is ours. */
const isForeign = (line: string) => /^\s*'(--wizard|--log-level)\[|-l (wizard|log-level)\b/.test(line)

/** In the bash script the commands of a group are told apart by `stoa,agents` but looked up by `stoa__agents`. */
const groupCase = /^(\s+)([\w-]+(?:,[\w-]+)+),([\w-]+)\)$/

const mend = (line: string) =>
  line
    .replace(groupCase, (_, indent: string, group: string, name: string) =>
      `${indent}${group.replaceAll(",", "__")},${name})`)
    .replace(/^(\s+opts=".*)"$/, (opts) =>
      opts.replaceAll(/ (--wizard|--log-level)(?=[ "])/g, ""))

export const script = <Name extends string, R, E, A>(root: Command.Command<Name, R, E, A>, shell: string) => {
  const lines = () => {
    switch (shell) {
      case "sh":
      case "bash":
        return Command.getBashCompletions(root, "stoa")
      case "zsh":
        return Command.getZshCompletions(root, "stoa")
      case "fish":
        return Command.getFishCompletions(root, "stoa")
      default:
        return misused("Completions are there for bash, zsh and fish, as in stoa --completions bash.")
    }
  }
  return Effect.map(lines(), (lines) => `${lines.filter((line) => !isForeign(line)).map(mend).join("\n")}\n`)
}
