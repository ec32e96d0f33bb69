/** All that a shell command may do, part by part, by its text alone. */
import {
  type Assignment,
  type Command,
  forEachChild,
  type Redirection,
  type SyntaxNode,
  type Word as Syntax
} from "unbash"
import { dangerOfEdit } from "../permission/DangerousFiles.ts"
import { isInside, type Places, resolve } from "../permission/Paths.ts"
import { add, isSink, judge, type Surroundings } from "./Commands.ts"
import { network, type Part, read, unknown, type Word } from "./Part.ts"
import { syntaxOf } from "./Syntax.ts"
import { isHarmless } from "./Variables.ts"
import { literal } from "./Words.ts"

export interface Analysis {
  readonly parts: ReadonlyArray<Part>
  /** Why the parts may not be all that it does. */
  readonly unclear: string | undefined
}

/** Most parts, characters in all scripts together, nested levels, and folders that a command may be in. */
const maxParts = 256
const maxCharacters = 32 * 1024
const maxDepth = 12
const maxDirs = 8

interface Context {
  readonly depth: number
  readonly fed: boolean
  /** In a loop or a function, what comes later in the text may run earlier. */
  readonly repeated: boolean
  readonly functions: ReadonlySet<string>
}

const whole = { whole: true }

/** Operators of `[[ ]]` that calculate, which may run what a variable's text says. */
const calculating = new Set(["-eq", "-ne", "-lt", "-le", "-gt", "-ge"])

export const analyse = (source: string, places: Places): Analysis => {
  const parts: Array<Part> = []
  let unclear: string | undefined
  let characters = 0
  let dirs: ReadonlyArray<string> | undefined = [places.cwd]

  const fail = (why: string) => {
    unclear ??= why
  }

  const around = (context: Context, input?: string): Surroundings => ({
    places,
    dirs: () => dirs,
    fed: context.fed,
    input,
    functions: context.functions,
    add: (part) => {
      if (parts.length < maxParts) parts.push(part)
      else fail("has too many parts")
    },
    script: (text) => run(text, { ...context, depth: context.depth + 1 }),
    move: (to) => {
      if (context.repeated) fail("changes its folder again and again")
      const next: ReadonlyArray<string | undefined> | undefined = to === undefined || to === "-" || to.startsWith("~")
        ? undefined
        : dirs?.map((dir) => resolve(dir, to))
      const known = next?.filter((dir) => dir !== undefined)
      // It may fail, so that the command goes on where it was.
      const all: ReadonlyArray<string> | undefined = known === undefined || known.length < (next?.length ?? 0)
        ? undefined
        : [...new Set([...dirs ?? [], ...known])]
      dirs = all === undefined || all.length > maxDirs ? undefined : all
      return dirs !== undefined && dirs.every((dir) => isInside(places, dir) && dangerOfEdit(dir) === undefined)
    }
  })

  const assign = ({ index, name, value }: Assignment, context: Context) => {
    const isPlain = index === undefined && value.type === "Word"
    add(around(context), [`${name}=`], isPlain && isHarmless(name) ? read : unknown, whole)
  }

  const redirect = (node: Redirection, context: Context) => {
    if (node.descriptor?.type === "FileDescriptorVariable") add(around(context), [undefined], unknown, whole)
    if (node.type !== "Redirect") return
    const target = node.target === undefined ? undefined : literal(node.target)
    const isDuplicate = (node.operator === ">&" || node.operator === "<&") && target !== undefined &&
      /^(?:\d+-?|-)$/.test(target)
    if (isDuplicate || (target !== undefined && isSink(target))) return
    const isNetwork = target !== undefined && /^\/dev\/(?:tcp|udp)\//.test(target)
    const isRead = node.operator === "<" || node.operator === "<&"
    if (target === undefined) add(around(context), [undefined], unknown, { type: "redirect" })
    else if (isNetwork) add(around(context), [target], network, whole)
    else if (isRead) add(around(context), [target], { effect: "read", reads: [target] }, { type: "redirect" })
    else add(around(context), [target], { effect: "edit", writes: [target] }, { type: "redirect" })
  }

  const command = (node: Command, context: Context) => {
    const before = parts.length
    forEachChild(node, (child) => visit(child, context))
    // What is written into its words comes from the network when a substitution in them does.
    const fed = context.fed || parts.slice(before).some(({ effect }) => effect === "network")
    const assigned = node.prefix.filter((one) => one.type === "Assignment")
    if (node.name === undefined) {
      for (const one of assigned) assign(one, context)
      return
    }
    const words: ReadonlyArray<Word> = [node.name, ...node.args].map((word) =>
      word.type === "Word" ? literal(word) : word.text.includes("$") || word.text.includes("`") ? undefined : word.text
    )
    const isWhole = assigned.some((one) => !isHarmless(one.name) || one.index !== undefined)
    judge(around({ ...context, fed }, inputOf(node)), words, { least: 1, whole: isWhole })
    // A script or a file that comes from a substitution of the network is one that nobody has read.
    if (fed && !context.fed && words.includes(undefined)) {
      const isRun = words.some((word) =>
        word !== undefined &&
        ["sh", "bash", "dash", "zsh", "eval", "source", ".", "python", "python3", "node", "perl", "ruby"].includes(word)
      )
      if (isRun) add(around(context), words, { effect: "unknown", danger: "runs what comes from the network" }, whole)
    }
  }

  const visit = (node: SyntaxNode, context: Context): void => {
    if (unclear !== undefined) return
    switch (node.type) {
      case "Command":
        return command(node, context)
      case "Assignment":
        return forEachChild(node, (child) => visit(child, context))
      case "Redirect":
      case "HereString":
      case "HereDoc":
        redirect(node, context)
        return forEachChild(node, (child) => visit(child, context))
      case "Pipeline": {
        let fed = context.fed
        for (const one of node.commands) {
          const before = parts.length
          visit(one, { ...context, fed })
          fed ||= parts.slice(before).some(({ effect }) => effect === "network")
        }
        return
      }
      case "Function": {
        const name = literal(node.name)
        add(around(context), [`${name ?? ""}()`], unknown, whole)
        const functions = new Set([...context.functions, ...name === undefined ? [] : [name]])
        return visit(node.body, { ...context, functions, repeated: true })
      }
      case "Coproc":
        add(around(context), ["coproc"], unknown, whole)
        return visit(node.body, context)
      case "For":
      case "Select":
        if (!isHarmless(literal(node.name) ?? "")) add(around(context), [undefined], unknown, whole)
        return forEachChild(node, (child) => visit(child, { ...context, repeated: true }))
      case "While":
        return forEachChild(node, (child) => visit(child, { ...context, repeated: true }))
      case "ArithmeticFor":
      case "ArithmeticCommand":
        add(around(context), [undefined], unknown, whole)
        return forEachChild(node, (child) => visit(child, { ...context, repeated: true }))
      case "TestUnary":
        if (node.operator === "-v" || node.operator === "-R") add(around(context), ["[["], unknown, whole)
        return forEachChild(node, (child) => visit(child, context))
      case "TestBinary":
        if (calculating.has(node.operator) && ![node.left, node.right].every(isNumber)) {
          add(around(context), ["[["], unknown, whole)
        }
        return forEachChild(node, (child) => visit(child, context))
      case "TestCommand":
        add(around(context), ["[["], read)
        return visit(node.expression, context)
      case "ArithmeticExpansion":
        if (!/^\$\(\([\d\s()+*/%<>=!&|^?:~-]*\)\)$/.test(node.text)) add(around(context), ["$(("], unknown, whole)
        if (context.depth >= maxDepth) return fail("is nested too deeply")
        return forEachChild(node, (child) => visit(child, { ...context, depth: context.depth + 1 }))
      case "ParameterExpansion":
        if (context.depth >= maxDepth) return fail("is nested too deeply")
        if (!isPlainParameter(node)) add(around(context), ["${"], unknown, whole)
        return forEachChild(node, (child) => visit(child, { ...context, depth: context.depth + 1 }))
      case "CommandExpansion":
      case "ProcessSubstitution":
      case "ArithmeticCommandExpansion":
        if (context.depth >= maxDepth) return fail("is nested too deeply")
        if (node.script === undefined || (node.script.errors?.length ?? 0) > 0) {
          return fail("is not a whole shell command")
        }
        return visit(node.script, { ...context, depth: context.depth + 1 })
      default:
        if (context.depth >= maxDepth) return fail("is nested too deeply")
        return forEachChild(
          node,
          (child) => visit(child, isNesting(node) ? { ...context, depth: context.depth + 1 } : context)
        )
    }
  }

  const run = (text: string, context: Context): void => {
    characters += text.length
    if (characters > maxCharacters || context.depth > maxDepth) return fail("is nested too deeply")
    const script = syntaxOf(text)
    if (typeof script === "string") fail(script)
    else visit(script, context)
  }

  run(source, { depth: 0, fed: false, repeated: false, functions: new Set() })
  return { parts, unclear }
}

const isNesting = ({ type }: SyntaxNode) =>
  [
    "Subshell",
    "BraceGroup",
    "If",
    "Case",
    "DoubleQuoted",
    "BraceExpansion",
    "ExtendedGlob",
    "TestGroup",
    "ArithmeticGroup",
    "ArithmeticBinary"
  ].includes(type)

const isNumber = (word: Syntax) => /^[-+]?\d+$/.test(literal(word) ?? "")

/** Not one that calculates, that looks at another variable, or that reads its text as a prompt. */
const isPlainParameter = (node: Extract<SyntaxNode, { type: "ParameterExpansion" }>) => {
  if (node.prefix === "!" || (node.index !== undefined && !/^(?:\d+|[@*])$/.test(node.index.text))) return false
  const { operation } = node
  switch (operation?.type) {
    case undefined:
    case "Remove":
    case "Replace":
    case "CaseModification":
      return true
    case "Default":
      return !operation.operator.includes("=") || isHarmless(node.parameter)
    case "Slice":
      return [operation.offset, operation.length].every((word) => word === undefined || isNumber(word))
    default:
      return false
  }
}

/** The text that a here-document or a here-string gives to a command. */
const inputOf = (node: Command): string | undefined => {
  const inputs = node.redirects.filter((one) => one.type !== "Redirect" || one.operator === "<")
  const [only] = inputs
  if (inputs.length !== 1 || only === undefined) return undefined
  if (only.type === "HereString") return only.target === undefined ? undefined : literal(only.target)
  if (only.type !== "HereDoc") return undefined
  return only.delimiter?.quoted === true || !/[$`\\]/.test(only.body.text) ? only.body.text : undefined
}
