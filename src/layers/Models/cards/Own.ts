/** The cards that a credential carries: they change and add to what is known of its provider's models. */
import { Either, Option, ParseResult, Schema } from "effect"
import type { FieldProblem } from "../../../domain/Errors.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import { type ModelCard, ModelCardDraft, OwnModels } from "../../../domain/Model.ts"
import * as Alias from "./Alias.ts"
import { type Catalogue, changed, find, type Source, withOwn } from "./Cards.ts"
import { cardOf as put } from "./Merge.ts"

type Problem = typeof FieldProblem.Type

/** Most problems that are told, and characters of a path. */
const maxProblems = 16
const longestPath = 200

const decodeAll = Schema.decodeUnknownEither(OwnModels, { onExcessProperty: "error", errors: "all" })
const decodeOne = Schema.decodeUnknownOption(ModelCardDraft)

/** The reason without the value that was refused: it may be a secret. */
const reasonOf = (message: string): string => {
  if (message === "is missing") return "Missing."
  if (message.startsWith("is unexpected")) return "Not a field of a model card."
  return `${/^Expected [\s\S]*?(?=, actual |$)/.exec(message)?.[0] ?? "Not what belongs here"}.`
}

/** The other half of a field that could have been left out. */
const leftOut = /^Expected undefined/

const problemsOf = (error: ParseResult.ParseError): ReadonlyArray<Problem> => {
  const problems = new Map<string, Problem>()
  for (const { message, path } of ParseResult.ArrayFormatter.formatErrorSync(error)) {
    const at = ["models", ...path].join(".").slice(0, longestPath)
    if (!leftOut.test(message) && !problems.has(at)) problems.set(at, { path: at, message: reasonOf(message) })
  }
  return [...problems.values()].slice(0, maxProblems)
}

/** What was given as a credential's `models`; nothing is no models. */
export const read = (
  given: unknown
): { readonly models: typeof OwnModels.Type; readonly problems: ReadonlyArray<Problem> } => {
  if (given == null) return { models: [], problems: [] }
  const decoded = decodeAll(given)
  if (Either.isLeft(decoded)) return { models: [], problems: problemsOf(decoded.left) }
  const models = decoded.right
  const second = models.findIndex(({ name }, i) => models.findIndex((other) => other.name === name) < i)
  return second < 0 ? { models, problems: [] } : {
    models: [],
    problems: [{ path: `models.${second}.name`, message: "Another of these models has this name." }]
  }
}

/** A credential's settings as its provider knows them. */
export const without = ({ models: _, ...settings }: JsonObject): JsonObject => settings

const stored = ({ models }: JsonObject): ReadonlyArray<unknown> => Array.isArray(models) ? models : []

const isOf = (name: string) => (own: unknown): boolean =>
  typeof own === "object" && own !== null && "name" in own && own.name === name

/** What is known of one model through this credential, under any of its names. */
export const cardOf = (
  catalogue: Catalogue,
  source: Source,
  settings: JsonObject,
  name: string
): ModelCard | undefined => {
  const own = stored(settings)
  if (own.length === 0) return find(catalogue, name)
  const cardWith = (draft: ModelCardDraft) => put(changed(catalogue, draft), source.parameters)
  const exact = Option.flatMap(Option.fromNullable(own.find(isOf(name))), decodeOne)
  if (Option.isSome(exact)) return cardWith(exact.value)
  const others = own.flatMap((one) => Option.toArray(decodeOne(one)))
  const meant = catalogue.drafts.has(name)
    ? undefined
    : Alias.resolver(source.type, others)(name) ?? catalogue.resolve(name)
  const draft = others.find((other) => other.name === meant?.name)
  if (meant === undefined || draft === undefined) return find(catalogue, name)
  return meant.priced ? cardWith(draft) : { ...cardWith(draft), prices: null }
}

/** All that is known through this credential. */
export const added = (catalogue: Catalogue, source: Source, settings: JsonObject): Catalogue => {
  const own = stored(settings)
  return own.length === 0 ? catalogue : withOwn(catalogue, source, own.flatMap((one) => Option.toArray(decodeOne(one))))
}
