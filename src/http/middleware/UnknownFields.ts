/**
 * Finds what of a request no schema reads: decoding leaves it out without a word.
 * What is looked at is what was sent, beside the schema that is about to read it.
 */
import { SchemaAST } from "effect"
import { isObject } from "../../domain/JsonSchema.ts"
import { maxWarnings, quoted } from "../Warnings.ts"
import { finderOf, type Route } from "./Methods.ts"

/** Most values of a body that are looked at. What lies beyond is read, but nobody is warned of it. */
const maxValues = 2_000

interface Look {
  values: number
  readonly unknown: Array<string>
}

/** What a value on the wire is read by. */
const wired = (ast: SchemaAST.AST): SchemaAST.AST => {
  switch (ast._tag) {
    case "Suspend":
      return wired(ast.f())
    case "Refinement":
    case "Transformation":
      return wired(ast.from)
    default:
      return ast
  }
}

/** Whether a struct may be what is meant: fields that tell one struct from another have its values. */
const mayBe = (struct: SchemaAST.TypeLiteral, value: Readonly<Record<string, unknown>>): boolean =>
  struct.propertySignatures.every(({ isOptional, name, type }) => {
    const given = value[String(name)]
    if (given === undefined) return isOptional
    const only = wired(type)
    return only._tag !== "Literal" || only.literal === given
  })

const choicesOf = (union: SchemaAST.Union): ReadonlyArray<SchemaAST.AST> =>
  union.types.map(wired).flatMap((one) => one._tag === "Union" ? choicesOf(one) : [one])

/** Of several that it may be read by, the one that reads most of it. */
const lookAtChoice = (choices: ReadonlyArray<SchemaAST.AST>, value: object, path: string, look: Look): void => {
  let best: ReadonlyArray<string> | undefined
  for (const choice of choices) {
    const fits = choice._tag === "TupleType"
      ? Array.isArray(value)
      : choice._tag === "TypeLiteral" && isObject(value) && mayBe(choice, value)
    if (!fits) continue
    const own: Look = { values: look.values, unknown: [] }
    lookAt(choice, value, path, own)
    look.values = own.values
    if (best === undefined || own.unknown.length < best.length) best = own.unknown
    if (best.length === 0) return
  }
  look.unknown.push(...best ?? [])
}

const lookAt = (given: SchemaAST.AST, value: unknown, path: string, look: Look): void => {
  if (typeof value !== "object" || value === null || look.unknown.length >= maxWarnings) return
  if (look.values++ >= maxValues) return
  const ast = wired(given)
  if (ast._tag === "Union") return lookAtChoice(choicesOf(ast), value, path, look)
  if (ast._tag === "TupleType") {
    const [rest] = ast.rest
    if (rest === undefined || !Array.isArray(value)) return
    for (let i = 0; i < value.length && look.values < maxValues; i++) lookAt(rest.type, value[i], `${path}${i}.`, look)
    return
  }
  // What takes any name keeps what it is given.
  if (ast._tag !== "TypeLiteral" || ast.indexSignatures.length > 0 || !isObject(value)) return
  const known = fieldsOf(ast)
  for (const name in value) {
    const field = known.get(name)
    if (field !== undefined) lookAt(field, value[name], `${path}${name}.`, look)
    else if (look.unknown.length < maxWarnings) look.unknown.push(`${path}${name}`)
  }
}

const known = new WeakMap<SchemaAST.TypeLiteral, ReadonlyMap<string, SchemaAST.AST>>()

const fieldsOf = (ast: SchemaAST.TypeLiteral): ReadonlyMap<string, SchemaAST.AST> => {
  const before = known.get(ast)
  if (before !== undefined) return before
  const fields = new Map(ast.propertySignatures.map(({ name, type }) => [String(name), type]))
  known.set(ast, fields)
  return fields
}

/** A sentence for each field of a body that nobody reads. */
export const inBody = (routes: ReadonlyArray<Route>) => {
  const bodyOf = finderOf(routes, ({ body }) => body)
  return (method: string, url: string, value: unknown): ReadonlyArray<string> => {
    const ast = bodyOf(method, url)
    if (ast === undefined) return []
    const look: Look = { values: 0, unknown: [] }
    lookAt(ast, value, "", look)
    return look.unknown.map((path) => `The field ${quoted(path)} is not known here and was left out.`)
  }
}

/** Names that a struct takes beside those of its fields, such as `metadata[name]`. */
const patternsOf = ({ indexSignatures }: SchemaAST.TypeLiteral): ReadonlyArray<RegExp> =>
  indexSignatures.flatMap(({ parameter }) =>
    SchemaAST.isTemplateLiteral(parameter) ? [SchemaAST.getTemplateLiteralRegExp(parameter)] : []
  )

/** A sentence for each parameter of a query that nobody reads; `at` is where the query begins in the URL. */
export const inQuery = (routes: ReadonlyArray<Route>) => {
  const all = finderOf(routes, ({ query }) => {
    const struct = query && wired(query)
    return struct?._tag === "TypeLiteral"
      ? { names: fieldsOf(struct), patterns: patternsOf(struct) }
      : { names: new Map<string, SchemaAST.AST>(), patterns: [] }
  })
  return (method: string, url: string, at: number): ReadonlyArray<string> => {
    const fields = all(method === "HEAD" ? "GET" : method, url)
    if (fields === undefined) return []
    const names = new Set(new URLSearchParams(url.slice(at + 1)).keys())
    const isKnown = (name: string) => fields.names.has(name) || fields.patterns.some((pattern) => pattern.test(name))
    return [...names].filter((name) => !isKnown(name)).slice(0, maxWarnings)
      .map((name) => `The query parameter ${quoted(name)} is not known here and was ignored.`)
  }
}
