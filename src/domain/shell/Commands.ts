/** Judges the words of one command: looks through what wraps it, then into the tables. */
import { dangerOfEdit, dangerOfRead } from "../permission/DangerousFiles.ts"
import { isRootLike, type Places, resolve } from "../permission/Paths.ts"
import { editors } from "./Editors.ts"
import { type Part, read, unknown, type Verdict, type Word } from "./Part.ts"
import { interpreters, isDestroying, programs, runsItsInput } from "./Programs.ts"
import { isVersionOnly, readers } from "./Readers.ts"
import { wrappers } from "./Wrappers.ts"

/** What surrounds a command, and where its parts go. */
export interface Surroundings {
  readonly places: Places
  /** Where the command may be when it runs, absolute; undefined when nobody knows. */
  readonly dirs: () => ReadonlyArray<string> | undefined
  /** What comes from the network goes into the command. */
  readonly fed: boolean
  /** The text that the command gets as its input, where that is known. */
  readonly input: string | undefined
  /** Functions in whose bodies the command is. */
  readonly functions: ReadonlySet<string>
  readonly add: (part: Part) => void
  readonly script: (text: string) => void
  readonly move: (to: Word) => boolean
}

/** Folders whose programs are those that the tables mean. */
const trusted = /^\/(?:usr\/(?:local\/)?)?s?bin\//

const nameOf = (word: Word): Word => {
  if (word === undefined) return undefined
  return trusted.test(word) ? word.replace(trusted, "") : word
}

const verdictOf = (name: string, args: ReadonlyArray<Word>): Verdict => {
  if (isVersionOnly(name, args)) return { effect: "read" }
  const judge = readers.get(name) ?? editors.get(name) ?? programs.get(name)
  if (judge !== undefined) return judge(args)
  return isDestroying(name) ? { effect: "unknown", danger: "changes the system" } : unknown
}

/** Commands that reach all that lies below a folder. */
const isDeep = (name: string, args: ReadonlyArray<Word>) =>
  ["rm", "chmod", "chown", "chgrp", "mv"].includes(name) &&
  (name === "mv" || args.some((word) => word !== undefined && (/^-[A-Za-z]*[rR]/.test(word) || word.startsWith("--r"))))

/** All places that a path may mean; undefined when one of them cannot be known. */
const resolved = (
  around: Pick<Surroundings, "dirs">,
  paths: ReadonlyArray<Word>
): ReadonlyArray<string> | undefined => {
  const found: Array<string> = []
  for (const path of paths) {
    if (path === undefined) return undefined
    const dirs = /^[/~]/.test(path) ? ["/"] : around.dirs()
    for (const dir of dirs ?? [undefined]) {
      const absolute = dir === undefined ? undefined : resolve(dir, path)
      if (absolute === undefined) return undefined
      found.push(absolute)
    }
  }
  return found
}

/** A device takes what is written to it; these lose or show it. */
export const isSink = (path: string) => /^\/dev\/(?:null|stdout|stderr|tty|fd\/\d+)$/.test(path)

export const add = (
  around: Surroundings,
  words: ReadonlyArray<Word>,
  verdict: Verdict,
  { deep = false, least = 1, type = "command" as Part["type"], whole = false } = {}
): void => {
  const writes = resolved(around, (verdict.writes ?? []).filter((path) => path === undefined || !isSink(path)))
  const reads = resolved(around, (verdict.reads ?? []).filter((path) => path !== "-" && path !== ""))
  const isKnown = writes !== undefined && reads !== undefined
  const danger = verdict.danger ??
    (deep && writes?.some((path) => isRootLike(around.places, path))
      ? "reaches everything in a main folder"
      : undefined) ??
    writes?.map(dangerOfEdit).find((why) => why !== undefined) ??
    reads?.map(dangerOfRead).find((why) => why !== undefined)
  around.add({
    type,
    words,
    effect: isKnown ? verdict.effect : verdict.effect === "network" ? "network" : "unknown",
    reads: reads ?? [],
    writes: writes ?? [],
    danger,
    least,
    whole
  })
}

interface Outside {
  readonly least: number
  readonly whole: boolean
}

/** Wrappers in wrappers that are looked through. */
const maxWrappers = 8

export const judge = (
  around: Surroundings,
  words: ReadonlyArray<Word>,
  outside: Outside = { least: 1, whole: false },
  depth = 0
): void => {
  const [first, ...args] = words
  const name = nameOf(first)
  const mark = (verdict: Verdict, deep = false) =>
    add(
      around,
      name === undefined ? words : [name, ...args],
      outside.whole && verdict.effect === "read" ? { ...verdict, effect: "unknown" } : verdict,
      { ...outside, deep }
    )
  if (name === undefined || depth > maxWrappers) return mark(unknown)
  if (around.functions.has(name)) return mark({ effect: "unknown", danger: "starts itself without an end" })
  if (interpreters.has(name) && around.fed && runsItsInput(name, args)) {
    return mark({ effect: "unknown", danger: "runs what comes from the network" })
  }
  if (name === "cd") {
    const [to] = args[0] === "--" || args[0] === "-P" || args[0] === "-L" ? args.slice(1) : args
    return mark({ effect: around.move(to) ? "read" : "unknown" })
  }
  if (name === "pushd" || name === "popd") {
    around.move(undefined)
    return mark(unknown)
  }
  const inside = wrappers.get(name)?.(args)
  if (inside === undefined) {
    const verdict = verdictOf(name, args)
    // A folder that moves is no danger by itself, so that only what is deep and gone counts.
    const deep = isDeep(name, args)
    return mark(name === "git" && around.dirs()?.length !== 1 && verdict.effect === "read" ? unknown : verdict, deep)
  }
  switch (inside.type) {
    case "verdict":
      return mark(inside.verdict)
    case "script":
      mark(read)
      return around.script(inside.text)
    case "input":
      mark(around.input === undefined ? unknown : read)
      return around.input === undefined ? undefined : around.script(around.input)
    case "commands": {
      // The wrapper is a part as well, for rules that deny or ask.
      mark(inside.besides ?? read)
      for (const command of inside.commands) {
        if (inside.privileged === true) privileged(around, words, command, depth)
        else judge(around, command, { ...outside, whole: outside.whole || inside.whole === true }, depth + 1)
      }
    }
  }
}

/** With other rights a command is never harmless, and a rule on it has to name it behind its wrapper. */
const privileged = (around: Surroundings, words: ReadonlyArray<Word>, command: ReadonlyArray<Word>, depth: number) => {
  const parts: Array<Part> = []
  judge({ ...around, add: (part) => parts.push(part) }, command, undefined, depth + 1)
  around.add({
    type: "command",
    words,
    effect: "unknown",
    reads: parts.flatMap(({ reads }) => reads),
    writes: parts.flatMap(({ writes }) => writes),
    danger: parts.find(({ danger }) => danger !== undefined)?.danger,
    least: words.length - command.length + 1,
    whole: parts.some(({ whole }) => whole)
  })
  // The inner command is named for the rules that deny or ask; it needs no permission of its own.
  for (const part of parts) around.add({ ...part, effect: "read", danger: undefined })
}
