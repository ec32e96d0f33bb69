/** The small languages inside of arguments: whether a script of sed or awk only reads. */
import type { Options } from "./Options.ts"
import type { Word } from "./Part.ts"

/** Without `-e` the first operand is the script. `-i` may carry a suffix, which comes as its value. */
export const sedScripts = ({ given, operands }: Options): {
  readonly scripts: ReadonlyArray<Word>
  readonly files: ReadonlyArray<Word>
} => {
  const scripts = [...given.get("e") ?? [], ...given.get("expression") ?? []]
  return scripts.length > 0 ? { scripts, files: operands } : { scripts: operands.slice(0, 1), files: operands.slice(1) }
}

/** The place behind the next `end` that is not quoted by a backslash; undefined when there is none. */
const behind = (script: string, at: number, end: string): number | undefined => {
  for (let i = at; i < script.length; i++) {
    if (script[i] === "\\") i++
    else if (script[i] === "\n") return undefined
    else if (script[i] === end) return i + 1
  }
  return undefined
}

const addressEnd = (script: string, at: number): number | undefined => {
  if (script[at] === "/") {
    const end = behind(script, at + 1, "/")
    return end !== undefined && script[end] === "I" ? end + 1 : end
  }
  return /^(?:\d+(?:~\d+)?|\$|\+\d+)?/.exec(script.slice(at, at + 24))![0].length + at
}

/** Only commands that print, delete and replace; `e`, `r`, `w` and what is not known reach files and programs. */
export const isReadingSed = (script: string): boolean => {
  let at = 0
  while (at < script.length) {
    if (" \t\n;{}".includes(script[at]!)) {
      at++
      continue
    }
    let end = addressEnd(script, at)
    if (end === undefined) return false
    if (script[end] === ",") {
      end = addressEnd(script, end + 1)
      if (end === undefined) return false
    }
    at = end
    while (script[at] === " " || script[at] === "!") at++
    const name = script[at++]
    if (name === "{") continue
    if (name === "s" || name === "y") {
      const mark = script[at++]
      if (mark === undefined || /[\w\s\\;]/.test(mark)) return false
      const middle = behind(script, at, mark)
      const last = middle === undefined ? undefined : behind(script, middle, mark)
      if (last === undefined) return false
      at = last
      while (name === "s" && at < script.length && /[gpiIm0-9]/.test(script[at]!)) at++
    } else if (name === undefined || !"pdqQ=nNhHgGxlDP".includes(name)) return false
    while (script[at] === " ") at++
    if (at < script.length && !";\n}".includes(script[at]!)) return false
  }
  return true
}

/** A program without anything that starts commands, writes files or loads code. Comparisons with `>` are asked about too. */
export const isReadingAwk = (program: string): boolean =>
  !/system|getline|close|[>@]/.test(program) && !program.replaceAll("||", "").includes("|")
