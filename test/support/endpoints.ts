/** Every endpoint of the API, read from its value: what is tested for all of them holds for one that is added later. */
import { HttpApi } from "@effect/platform"
import { Arbitrary, Context, FastCheck, Option, Schema, SchemaAST } from "effect"
import type { Scope } from "../../src/domain/Principal.ts"
import { Api } from "../../src/http/Api.ts"
import { Authentication } from "../../src/http/api/Authentication.ts"
import { RequiredScope } from "../../src/http/api/Operation.ts"

export interface Endpoint {
  /** `sessions.update` */
  readonly name: string
  readonly group: string
  readonly method: string
  /** `/sessions/:session_id` */
  readonly path: string
  readonly params: ReadonlyArray<string>
  /** Names of the query parameters. */
  readonly query: ReadonlyArray<string>
  readonly isBehindAuthentication: boolean
  /** What the endpoint says that it needs; null where it is open, undefined where it says nothing. */
  readonly scope: Scope | null | undefined
  /** Bodies that the endpoint takes; undefined when it takes none. */
  readonly bodies: FastCheck.Arbitrary<unknown> | undefined
  /** One of them. */
  readonly body: unknown
}

const bodiesOf = (schema: Schema.Schema.All) => {
  const typed = schema as Schema.Schema<unknown, unknown>
  return Arbitrary.make(typed).map((value): unknown => JSON.parse(JSON.stringify(Schema.encodeSync(typed)(value))))
}

const namesOf = (schema: Schema.Schema.All) =>
  SchemaAST.getPropertySignatures(SchemaAST.encodedAST(schema.ast)).map(({ name }) => String(name))

export const endpoints: ReadonlyArray<Endpoint> = (() => {
  const all: Array<Endpoint> = []
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint, group, mergedAnnotations, middleware }) => {
      const bodies = Option.getOrUndefined(Option.map(endpoint.payloadSchema, bodiesOf))
      all.push({
        name: `${group.identifier}.${endpoint.name}`,
        group: group.identifier,
        method: endpoint.method,
        path: endpoint.path,
        params: [...endpoint.path.matchAll(/:(\w+)/g)].map(([, name]) => name!),
        query: Option.getOrElse(Option.map(endpoint.urlParamsSchema, namesOf), () => []),
        isBehindAuthentication: [...middleware].some(({ key }) => key === Authentication.key),
        scope: Option.getOrUndefined(
          Context.getOption(mergedAnnotations as Context.Context<RequiredScope>, RequiredScope)
        ),
        bodies,
        body: bodies && FastCheck.sample(bodies, { numRuns: 1, seed: 4711 })[0]
      })
    }
  })
  return all
})()

/** The path with these ids in it. */
export const fill = ({ path }: Endpoint, ids: Readonly<Record<string, string>>): string =>
  path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(ids[name]!))
