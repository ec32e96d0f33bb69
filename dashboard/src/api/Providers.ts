/** What kinds of credentials there are, each with the schema of its form. */
import { isObject, type Json, type JsonSchema } from "../forms/Schema.ts"
import { useProviders } from "./Lists.ts"

export interface Provider {
  readonly type: string
  readonly title: string
  readonly schema: JsonSchema
}

/** What the server keeps to itself stands so in its answers. */
const masked = "********"

export const secretsOf = (data: Readonly<Record<string, unknown>>): ReadonlySet<string> =>
  new Set(Object.keys(data).filter((name) => data[name] === masked))

const typeIn = (schema: JsonSchema): string => {
  const constant = schema.properties?.["type"]?.const
  return typeof constant === "string" ? constant : ""
}

export const providersIn = (schemas: ReadonlyArray<unknown>): ReadonlyArray<Provider> =>
  schemas.flatMap((one): ReadonlyArray<Provider> => {
    // They are JSON schemas by the API's own word.
    const schema = isObject(one as Json) ? one as JsonSchema : {}
    const type = typeIn(schema)
    return type === "" ? [] : [{ type, title: schema.title ?? type, schema }]
  })

/** `openai_credential` as `OpenAI`; as it is while that is not known. */
export const useProviderTitle = (): (type: string) => string => {
  const { data } = useProviders()
  const titles = new Map(providersIn(data?.schemas ?? []).map(({ title, type }) => [type, title]))
  return (type) => titles.get(type) ?? type
}
