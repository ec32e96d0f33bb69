/** Defines tools, built-in ones and those of a user's own program. One schema is the validator, the types and the description for the model. */
import { Data, Effect, JSONSchema, ParseResult, Schema, type Scope } from "effect"
import type { JsonObject } from "../../domain/Json.ts"
import type { Tool, ToolCaller, ToolEffect } from "../../services/Toolbox.ts"

/** The tool could not do it. `message` is for the model. */
export class ToolFailed extends Data.TaggedError("ToolFailed")<{ readonly message: string }> {}

export interface BuiltInTool {
  readonly tool: Tool
  /** Runs with the arguments as the model wrote them; answers with a text for it. */
  readonly run: (input: string, caller: ToolCaller) => Effect.Effect<string, ToolFailed>
}

interface Definition<A, I> {
  readonly name: string
  readonly description: string
  readonly effect: ToolEffect
  readonly idempotent: boolean
  /** Give optional fields `exact: true`, otherwise the model's schema mentions null and undefined. */
  readonly parameters: Schema.Schema<A, I>
  /** What it opens in its scope is closed when the call ends, however it ends. */
  readonly run: (args: A, caller: ToolCaller) => Effect.Effect<string, ToolFailed, Scope.Scope>
}

/**
 * A tool, or an effect that makes one: with services, and in a scope that ends with the
 * server, for resources that all its calls share.
 */
export type ToolSource<R = never> = BuiltInTool | Effect.Effect<BuiltInTool, never, R>

/** Longest arguments, in characters. */
const maxInput = 1024 * 1024

/** Longest sentence about what is wrong with arguments, in characters. */
const maxProblem = 2_000

/** Removes the titles that checks such as `maxLength(64)` add to the schema. */
const untitled = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(untitled)
  if (typeof schema !== "object" || schema === null) return schema
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key, value]) => key !== "title" || typeof value !== "string")
      .map(([key, value]) => [key, untitled(value)])
  )
}

export const parametersOf = <A, I>(schema: Schema.Schema<A, I>): JsonObject => {
  const { $schema: _, ...parameters } = JSONSchema.make(schema)
  return untitled(parameters) as JsonObject
}

const problemsOf = (error: ParseResult.ParseError) =>
  ParseResult.ArrayFormatter.formatErrorSync(error)
    .map(({ message, path }) => path.length === 0 ? message : `${path.join(".")}: ${message}`)
    .join("; ")

const parse = (name: string, input: string): Effect.Effect<unknown, ToolFailed> =>
  Effect.try({
    try: (): unknown => input.trim() === "" ? {} : JSON.parse(input),
    catch: () => invalid(name, "the arguments are not valid JSON")
  })

const invalid = (name: string, problem: string) =>
  new ToolFailed({ message: `Input validation failed for tool '${name}': ${problem.slice(0, maxProblem)}` })

export const define = <A, I>(
  { parameters, run, ...spec }: Definition<A, I>
): BuiltInTool => {
  const decode = Schema.decodeUnknown(parameters, { errors: "all", onExcessProperty: "error" })
  return {
    tool: { ...spec, parameters: parametersOf(parameters) },
    run: Effect.fnUntraced(function*(input, caller) {
      if (input.length > maxInput) return yield* invalid(spec.name, `the arguments exceed ${maxInput} characters`)
      const value = yield* parse(spec.name, input)
      const args = yield* Effect.mapError(decode(value), (error) => invalid(spec.name, problemsOf(error)))
      return yield* Effect.scoped(run(args, caller))
    })
  }
}
