/** Defines tools, built-in ones and those of a user's own program. One schema is the validator, the types and the description for the model. */
import { Data, Effect, JSONSchema, Schema, type Scope } from "effect"
import type { JsonObject } from "../../domain/Json.ts"
import type { ToolCallBlock } from "../../domain/Message.ts"
import { argumentsIn } from "../../domain/permission/Arguments.ts"
import type { Tool, ToolCaller, ToolEffect, ToolPart, WorkingFolder } from "../../services/Toolbox.ts"
import { problemsOf } from "./Problems.ts"

/** The tool could not do it. `message` is for the model. */
export class ToolFailed extends Data.TaggedError("ToolFailed")<{ readonly message: string }> {}

/** How a call is told of and answered while it runs. */
export interface ToolIo {
  readonly call: ToolCallBlock
  /** Hands output on as it is produced. What the tool answers with in the end comes after it. */
  readonly emit: (part: ToolPart) => void
}

export interface BuiltInTool {
  readonly tool: Tool
  /** Runs with the arguments as the model wrote them; answers with a text for it. */
  readonly run: (input: string, caller: ToolCaller, io: ToolIo) => Effect.Effect<string, ToolFailed>
  /** Where a call would work now. */
  readonly folderOf?: ((caller: ToolCaller) => Effect.Effect<WorkingFolder, ToolFailed>) | undefined
  /** What a call with these arguments does, where that is not always what the tool says. */
  readonly effectOf?: (input: string, caller: ToolCaller) => ToolEffect
}

interface Definition<A, I> {
  readonly name: string
  readonly description: string
  readonly effect: ToolEffect
  readonly idempotent: boolean
  /** Only agents that ask for it have it: by its name, or for all. */
  readonly onRequest?: boolean
  /** After how many seconds a call goes on in the background; never with `false`, and as the settings say without it. */
  readonly background?: number | false
  readonly onHistory?: boolean
  /** Give optional fields `exact: true`, otherwise the model's schema mentions null and undefined. */
  readonly parameters: Schema.Schema<A, I>
  readonly folderOf?: (caller: ToolCaller) => Effect.Effect<WorkingFolder, ToolFailed>
  /** What it opens in its scope is closed when the call ends, however it ends. */
  readonly run: (args: A, caller: ToolCaller, io: ToolIo) => Effect.Effect<string, ToolFailed, Scope.Scope>
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

const invalid = (name: string, problem: string) =>
  new ToolFailed({ message: `Input validation failed for tool '${name}': ${problem.slice(0, maxProblem)}` })

export const define = <A, I>(
  { folderOf, parameters, run, ...spec }: Definition<A, I>
): BuiltInTool => {
  const decode = Schema.decodeUnknown(parameters, { errors: "all", onExcessProperty: "error" })
  return {
    tool: { ...spec, parameters: parametersOf(parameters) },
    folderOf,
    run: Effect.fnUntraced(function*(input, caller, io) {
      if (input.length > maxInput) return yield* invalid(spec.name, `the arguments exceed ${maxInput} characters`)
      const value = argumentsIn(input)
      if (value === undefined) return yield* invalid(spec.name, "the arguments are not valid JSON")
      const args = yield* Effect.mapError(decode(value), (error) => invalid(spec.name, problemsOf(error.issue)))
      return yield* Effect.scoped(run(args, caller, io))
    })
  }
}
