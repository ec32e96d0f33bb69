/**
 * Skills with steps, as they are run: what each step calls, and what its calls are given. A reference is a path to a value
 * that is there; nothing is evaluated.
 */
import type { SkillStep } from "./Definition.ts"
import type { JsonObject } from "./Json.ts"
import { isObject } from "./JsonSchema.ts"

/** The name under which a step that asks the model stands in the log. No step may call a tool of this name. */
export const promptName = "Prompt"

/** Longest arguments of one call, in characters of JSON, and the deepest that are looked at. */
export const maxArguments = 256 * 1024
const maxDepth = 32

/** Longest reference, in characters, and its most parts. */
const maxReference = 512
const maxParts = 32

export interface Workflow {
  /** The name of its skill, which is that of its tool. */
  readonly id: string
  readonly steps: ReadonlyArray<SkillStep>
  /** JSON schema of what it is given. */
  readonly input: JsonObject
  readonly timeout_seconds: number
  /** The workflows that its steps call, by name. */
  readonly inner: ReadonlyMap<string, Workflow>
  /** What its steps and those of the inner ones call, and does no harm when it is done again after a crash. */
  readonly repeatable: ReadonlySet<string>
}

export interface StepCall {
  readonly name: string
  readonly input: JsonObject
}

/** What a step calls, with references in the place of values. */
export const callsOf = (step: SkillStep): ReadonlyArray<StepCall> => {
  const { input, prompt, system_prompt, tool, tools } = step
  if (tool !== undefined) return [{ name: tool, input }]
  if (tools !== undefined) {
    return tools.map((one) => typeof one === "string" ? { name: one, input } : { name: one.tool, input: one.input })
  }
  return [{
    name: promptName,
    input: {
      prompt: literal(prompt ?? ""),
      ...(system_prompt !== null && { system_prompt: literal(system_prompt) }),
      ...(Object.keys(input).length > 0 && { input })
    }
  }]
}

/** A text that is a value, however it begins. */
const literal = (text: string) => text.startsWith("$") ? `$${text}` : text

type Part = string | number

interface Reference {
  /** The step whose output is meant; undefined for the input. */
  readonly step: string | undefined
  readonly path: ReadonlyArray<Part>
}

const isReference = (text: string) => text.startsWith("$.")

/** `$.input.city` or `$.steps.find.output.items[0]`; undefined for what is no reference to anything. */
const readReference = (text: string): Reference | undefined => {
  if (text.length > maxReference) return undefined
  const parts: Array<Part> = []
  const next = /\.([^.[\]]+)|\[(\d{1,9})\]/y
  next.lastIndex = 1
  while (next.lastIndex < text.length) {
    const found = next.exec(text)
    if (found === null || parts.length === maxParts) return undefined
    parts.push(found[1] ?? Number(found[2]))
  }
  const [root, step, output, ...path] = parts
  if (root === "input") return { step: undefined, path: parts.slice(1) }
  return root === "steps" && typeof step === "string" && output === "output" ? { step, path } : undefined
}

interface Placed {
  readonly text: string
  /** Undefined where the text cannot be read. */
  readonly reference: Reference | undefined
  readonly path: ReadonlyArray<string>
}

/** All texts in a value that are references, with the places where they stand. */
export function* referencesIn(value: unknown, path: ReadonlyArray<string> = []): Generator<Placed> {
  if (typeof value === "string") {
    if (isReference(value)) yield { text: value, reference: readReference(value), path }
  } else if (typeof value === "object" && value !== null && path.length < maxDepth) {
    for (const [key, one] of Object.entries(value)) yield* referencesIn(one, [...path, key])
  }
}

/** Whether a value nests deeper than it is looked at. */
export const isTooDeep = (value: unknown, depth = 0): boolean =>
  typeof value === "object" && value !== null &&
  (depth >= maxDepth || Object.values(value).some((one) => isTooDeep(one, depth + 1)))

/** What the steps so far know. */
export interface Scope {
  readonly input: JsonObject
  readonly outputs: ReadonlyMap<string, unknown>
}

/** What is at the end of the path; undefined where nothing is. Only what JSON holds is there. */
const at = (root: unknown, path: ReadonlyArray<Part>): unknown =>
  path.reduce<unknown>(
    (value, part) =>
      typeof part === "number"
        ? Array.isArray(value) ? value[part] as unknown : undefined
        : isObject(value) && Object.hasOwn(value, part)
        ? value[part]
        : undefined,
    root
  )

export type Resolved = { readonly json: string } | { readonly problem: string }

/** The arguments with the values that they refer to, as JSON. Of the input, what is not there is left out. */
export const resolve = (input: JsonObject, { input: given, outputs }: Scope): Resolved => {
  let left = maxArguments
  let problem: string | undefined
  const take = (text: string): unknown => {
    const reference = readReference(text)
    if (reference === undefined) {
      problem ??= `\`${text}\` refers to nothing.`
      return undefined
    }
    const { path, step } = reference
    const value = at(step === undefined ? given : outputs.get(step), path)
    if (value === undefined) {
      if (step !== undefined) problem ??= `\`${text}\` is not there: the step ${step} has not brought it.`
      return undefined
    }
    // Several small references may lead to the same large value.
    left -= JSON.stringify(value).length
    if (left < 0) problem ??= `Its arguments have more than ${maxArguments} characters.`
    return value
  }
  const of = (value: unknown): unknown => {
    if (problem !== undefined) return undefined
    if (typeof value === "string") {
      return isReference(value) ? take(value) : value.startsWith("$$") ? value.slice(1) : value
    }
    if (Array.isArray(value)) return value.map(of)
    return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, of(one)])) : value
  }
  const made = of(input)
  if (problem !== undefined) return { problem }
  const json = JSON.stringify(made)
  return json.length > maxArguments
    ? { problem: `Its arguments have more than ${maxArguments} characters.` }
    : { json }
}

/** What a call has brought: the JSON that its text is, or else the text. */
export const outputOf = (text: string): unknown => {
  try {
    const value = JSON.parse(text) as unknown
    return isTooDeep(value) ? text : value
  } catch {
    return text
  }
}

/** The schema of a workflow's input: the one that is written, or what its steps refer to. */
export const inputOf = (schema: JsonObject | null, steps: ReadonlyArray<SkillStep>): JsonObject => {
  if (schema !== null) return { type: "object", ...schema }
  const names = new Set<string>()
  let isWhole = false
  for (const step of steps) {
    for (const { input } of callsOf(step)) {
      for (const { reference } of referencesIn(input)) {
        if (reference === undefined || reference.step !== undefined) continue
        const [name] = reference.path
        if (typeof name === "string") names.add(name)
        else isWhole = true
      }
    }
  }
  return {
    type: "object",
    properties: Object.fromEntries([...names].map((name) => [name, {}])),
    required: [...names],
    ...(!isWhole && { additionalProperties: false })
  }
}
