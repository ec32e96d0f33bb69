/** The schemas of the document: plain JSON schema, with the words of a person and none of our library. */
import { fields } from "./FieldWords.ts"
import { schemas as words } from "./SchemaWords.ts"

export interface JsonSchema {
  readonly [key: string]: unknown
  readonly $ref?: string
  readonly type?: string
  readonly description?: string
  readonly examples?: ReadonlyArray<unknown>
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: ReadonlyArray<string>
  readonly additionalProperties?: boolean | JsonSchema
}

type Schemas = Readonly<Record<string, JsonSchema>>

/** Names of our library, not of the API. Where they are referred to stands what they are. */
const ofTheLibrary = new Set(["Int", "NonNegative", "NonNegativeInt", "Positive", "NonEmptyString"])

/** What our library says of a schema: its own ids, titles and words. */
const unsaid = new Set(["$id", "title", "description"])

const prefix = "#/components/schemas/"

const nameIn = (reference: string) => reference.slice(prefix.length)

/** Keywords that hold a schema, and those that hold several. */
const holders = new Set(["items", "not", "contentSchema", "propertyNames"])
const lists = new Set(["anyOf", "oneOf", "allOf", "prefixItems"])

const isEmpty = (value: unknown) => typeof value === "object" && value !== null && Object.keys(value).length === 0

export const cleaner = (given: Schemas) => {
  /** `where` is the schema's name and the fields on the way: `Prices.tiers.input`. */
  const clean = (schema: JsonSchema, where: string): JsonSchema => {
    const { $ref } = schema
    if ($ref !== undefined) return ofTheLibrary.has(nameIn($ref)) ? clean(given[nameIn($ref)]!, where) : { $ref }
    const kept: Record<string, unknown> = {}
    for (const [key, value] of Object.entries(schema)) {
      if (unsaid.has(key)) continue
      if (key === "properties") {
        if (!isEmpty(value)) kept[key] = described(value as Schemas, where)
      } else if (key === "additionalProperties") {
        // More fields may come in an answer, and are ignored in a request.
        if (value === true || (value !== false && isEmpty(clean(value as JsonSchema, where)))) kept[key] = true
        else if (value !== false) kept[key] = clean(value as JsonSchema, where)
      } else if (key === "patternProperties") {
        kept[key] = Object.fromEntries(Object.entries(value as Schemas).map(([name, one]) => [name, clean(one, where)]))
      } else if (holders.has(key) && !Array.isArray(value)) kept[key] = clean(value as JsonSchema, where)
      else if (lists.has(key)) kept[key] = (value as ReadonlyArray<JsonSchema>).map((one) => clean(one, where))
      else if (!(key === "required" && isEmpty(value))) kept[key] = value
    }
    return kept
  }

  const described = (properties: Schemas, where: string): Schemas =>
    Object.fromEntries(
      Object.entries(properties).map(([name, schema]) => {
        const at = `${where}.${name}`
        const description = fields[at] ?? fields[name]
        return [name, { ...clean(schema, at), ...description !== undefined && { description } }]
      })
    )

  return {
    /** A schema that has no name. */
    inline: (schema: JsonSchema, where = ""): JsonSchema => clean(schema, where),
    all: (): Schemas =>
      Object.fromEntries(
        Object.entries(given).filter(([name]) => !ofTheLibrary.has(name)).map(([name, schema]) => {
          const description = words[name]
          return [name, { ...description !== undefined && { description }, ...clean(schema, name) }]
        })
      )
  }
}

const referencesIn = (value: unknown): ReadonlyArray<string> =>
  [...JSON.stringify(value).matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name!)

/** The names of the schemas that something refers to, directly or by others. */
export const isUsedIn = (roots: object, schemas: Schemas): ReadonlySet<string> => {
  const used = new Set<string>()
  const waiting = [...referencesIn(roots)]
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (used.has(name)) continue
    used.add(name)
    waiting.push(...referencesIn(schemas[name] ?? {}))
  }
  return used
}
