/** What is wrong with a value, in plain sentences for a model or a person: no words of a library, no types of a program. */
import { JSONSchema, type ParseResult, Schema, type SchemaAST } from "effect"
import type { JsonObject } from "../../domain/Json.ts"

/** Most problems that are told, and most choices that are listed. */
const maxProblems = 10
const maxChoices = 20

type Fields = Readonly<Record<string, unknown>>

const range = ({ exclusiveMaximum, exclusiveMinimum, maximum, minimum }: Fields): string => {
  const parts = [
    minimum === undefined ? undefined : `at least ${minimum}`,
    exclusiveMinimum === undefined ? undefined : `more than ${exclusiveMinimum}`,
    maximum === undefined ? undefined : `at most ${maximum}`,
    exclusiveMaximum === undefined ? undefined : `less than ${exclusiveMaximum}`
  ].filter((part) => part !== undefined)
  return parts.length === 0 ? "" : ` of ${parts.join(" and ")}`
}

const lengths = (least: unknown, most: unknown, what: string): string => {
  const parts = [
    least === undefined || least === 0 ? undefined : `at least ${least}`,
    most === undefined ? undefined : `at most ${most}`
  ].filter((part) => part !== undefined)
  return parts.length === 0 ? "" : ` of ${parts.join(" and ")} ${what}`
}

/** What the JSON schema wants, as the end of "expected …". */
const wanted = (schema: JsonObject, named: JsonObject): string => {
  const { $ref, anyOf, enum: choices, type } = schema
  if (typeof $ref === "string") {
    const { [$ref]: target, ...others } = named
    return target === undefined ? "another value" : wanted(target as JsonObject, others)
  }
  if (Array.isArray(choices)) {
    const listed = choices.slice(0, maxChoices).map((one) => JSON.stringify(one)).join(", ")
    return choices.length === 1 ? listed : `one of ${listed}${choices.length > maxChoices ? " …" : ""}`
  }
  if (Array.isArray(anyOf)) return [...new Set(anyOf.map((one: JsonObject) => wanted(one, named)))].join(" or ")
  switch (type) {
    case "number":
      return `a number${range(schema)}`
    case "integer":
      return `a whole number${range(schema)}`
    case "string":
      return `a text${lengths(schema["minLength"], schema["maxLength"], "characters")}${
        typeof schema["pattern"] === "string" ? ` that matches ${schema["pattern"]}` : ""
      }`
    case "boolean":
      return "true or false"
    case "array":
      return `a list${lengths(schema["minItems"], schema["maxItems"], "items")}`
    case "object":
      return "an object"
    case "null":
      return "null"
    default:
      return "another value"
  }
}

const ofAst = (ast: SchemaAST.AST): string => {
  try {
    const { $defs = {}, ...schema } = JSONSchema.make(Schema.make(ast))
    const named = Object.fromEntries(Object.entries($defs).map(([name, one]) => [`#/$defs/${name}`, one]))
    return wanted(schema as JsonObject, named as JsonObject)
  } catch {
    // What has no JSON schema has no plainer name either.
    return "another value"
  }
}

type Path = ReadonlyArray<PropertyKey>

const at = (path: Path): string => path.length === 0 ? "" : ` at \`${path.map(String).join(".")}\``

const listOf = <A>(value: A | ReadonlyArray<A>): ReadonlyArray<A> => Array.isArray(value) ? value : [value as A]

const sentences = (issue: ParseResult.ParseIssue, path: Path): ReadonlyArray<string> => {
  switch (issue._tag) {
    case "Pointer":
      return sentences(issue.issue, [...path, ...listOf(issue.path)])
    case "Composite":
      // Of a value that is none of several, it is enough to say which they are.
      return issue.ast._tag === "Union"
        ? [`expected ${ofAst(issue.ast)}${at(path)}`]
        : listOf(issue.issues).flatMap((one) => sentences(one, path))
    case "Missing":
      return [`\`${path.map(String).join(".")}\` is missing`]
    case "Unexpected":
      return [`there is no \`${path.map(String).join(".")}\``]
    case "Refinement":
      // What is of the wrong type altogether is told the type alone: the range matters only within it.
      return issue.kind === "From" ? sentences(issue.issue, path) : [`expected ${ofAst(issue.ast)}${at(path)}`]
    case "Transformation":
      return issue.kind === "Transformation"
        ? [`expected ${ofAst(issue.ast)}${at(path)}`]
        : sentences(issue.issue, path)
    case "Type":
      return [`expected ${ofAst(issue.ast)}${at(path)}`]
    case "Forbidden":
      return [`expected another value${at(path)}`]
  }
}

/** `expected a number of at most 3600 at \`seconds\``, and what else is wrong. */
export const problemsOf = (issue: ParseResult.ParseIssue): string =>
  [...new Set(sentences(issue, []))].slice(0, maxProblems).join("; ")
