/** Makes the derived OpenAPI document say what the boundary does: every failure is a problem document, and a bad field is 422. */
import type * as OpenApi from "@effect/platform/OpenApi"
import type { Context } from "effect"

type Transform = Context.Tag.Service<typeof OpenApi.Transform>

/** Of the platform's own decode error, which the boundary turns into `Invalid`. */
const unused = ["HttpApiDecodeError", "Issue", "PropertyKey"]

const decodeError = "#/components/schemas/HttpApiDecodeError"

interface Alternatives {
  readonly $ref?: string
  readonly anyOf?: ReadonlyArray<{ readonly $ref?: string }>
}

const withoutDecodeError = (schema: Alternatives): object => {
  const rest = schema.anyOf?.filter(({ $ref }) => $ref !== decodeError)
  return rest?.length === 1 ? rest[0]! : rest === undefined ? schema : { ...schema, anyOf: rest }
}

/** Errors are named schemas; a 503 of the health endpoints shows the same inline schema as their 200. */
const isProblem = (status: string, { $ref, anyOf }: Alternatives) =>
  Number(status) >= 400 && ($ref ?? anyOf) !== undefined

export const documentsProblems: Transform = (document) => {
  const spec = document as unknown as OpenApi.OpenAPISpec
  for (const operations of Object.values(spec.paths)) {
    for (const { responses } of Object.values(operations)) {
      for (const [status, response] of Object.entries(responses)) {
        const content = response.content as Record<string, { readonly schema: Alternatives }> | undefined
        const json = content?.["application/json"]
        if (json === undefined || !isProblem(status, json.schema)) continue
        Object.assign(response, {
          content: { "application/problem+json": { schema: withoutDecodeError(json.schema) } }
        })
        if (status === "400") response.description = "The request could not be read."
      }
    }
  }
  for (const name of unused) delete spec.components.schemas[name]
  return spec
}
