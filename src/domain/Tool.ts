import { Schema } from "effect"
import { JsonObject } from "./Json.ts"
import { maxDeclared, problemIn } from "./JsonSchema.ts"

/** A tool's effect on the outside world. `none` and `read` change nothing, so nobody is asked. */
const ToolEffect = Schema.Literal("none", "read", "write")
export type ToolEffect = typeof ToolEffect.Type

/** Most client tools in one declaration. */
const maxClientTools = 64

/** A tool that the client runs itself: the run parks until the client sends the result. */
const ClientTool = Schema.Struct({
  name: Schema.String.pipe(
    Schema.pattern(/^[A-Za-z0-9_-]{1,64}$/, {
      message: () => "Expected 1 to 64 letters, digits, dashes or underscores"
    })
  ),
  description: Schema.optionalWith(Schema.String.pipe(Schema.maxLength(16 * 1024)), { default: () => "" }),
  /** JSON schema of the arguments. */
  parameters: Schema.optionalWith(JsonObject, { default: () => ({ type: "object", properties: {} }) }),
  /** With `write` somebody is asked first, as the session's permission mode says. */
  effect: Schema.optionalWith(ToolEffect, { default: () => "none" as const })
}).annotations({ identifier: "ClientTool" })
export type ClientTool = typeof ClientTool.Type

/** Whether a model has to call a tool, and which. */
export const ToolChoice = Schema.Union(
  Schema.Literal("auto", "none", "required"),
  Schema.Struct({ name: Schema.String.pipe(Schema.maxLength(256)) })
).annotations({ identifier: "ToolChoice" })
export type ToolChoice = typeof ToolChoice.Type

/** The names that several of these tools have. A model could not tell them apart, and providers refuse them. */
export const namedTwice = (tools: ReadonlyArray<{ readonly name: string }>): ReadonlyArray<string> => {
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const { name } of tools) (seen.has(name) ? twice : seen).add(name)
  return [...twice]
}

/** Most characters of all tools of one declaration, as JSON: they go with each call of the model, and may be kept. */
const maxToolsSize = 1024 * 1024

/** For lists of tools, in the words of any protocol. */
export const areSmall = <A extends ReadonlyArray<object>, I>(tools: Schema.Schema<A, I>) =>
  tools.pipe(
    Schema.filter((all) =>
      JSON.stringify(all).length <= maxToolsSize || `Expected tools of at most ${maxToolsSize} characters in all`
    )
  )

export const ClientTools = areSmall(Schema.Array(ClientTool).pipe(Schema.maxItems(maxClientTools)))

const problemOf = (tools: ReadonlyArray<ClientTool>) => {
  const [name] = namedTwice(tools)
  if (name !== undefined) {
    const place = tools.findLastIndex((tool) => tool.name === name)
    return { path: [place, "name"], message: `Expected a name of its own: '${name}' is there twice` }
  }
  const left = { schemas: maxDeclared }
  for (const [place, { parameters }] of tools.entries()) {
    const problem = problemIn(parameters, left)
    if (problem === undefined) continue
    const path = problem.path === "" ? [] : problem.path.split(".")
    return { path: [place, "parameters", ...path], message: problem.message }
  }
  return true
}

/**
 * The tools as a client declares them: each has a name of its own, and arguments that are an
 * object. What not every provider knows of a JSON schema is put into other words on the way out.
 */
export const ClientToolsInput = ClientTools.pipe(Schema.filter(problemOf))
