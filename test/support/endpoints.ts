/** Every endpoint of the API, read from its value: what is tested for all of them holds for one that is added later. */
import { HttpApi } from "@effect/platform"
import { Arbitrary, FastCheck, Option, Schema } from "effect"
import { Api } from "../../src/http/Api.ts"
import { Authentication } from "../../src/http/api/Authentication.ts"

export interface Endpoint {
  /** `sessions.update` */
  readonly name: string
  readonly group: string
  readonly method: string
  /** `/sessions/:session_id` */
  readonly path: string
  readonly params: ReadonlyArray<string>
  readonly isBehindAuthentication: boolean
  /** A body that the endpoint takes; undefined when it takes none. */
  readonly body: unknown
}

const bodyOf = (schema: Schema.Schema.All): unknown => {
  const typed = schema as Schema.Schema<unknown, unknown>
  const value = FastCheck.sample(Arbitrary.make(typed), { numRuns: 1, seed: 4711 })[0]
  return JSON.parse(JSON.stringify(Schema.encodeSync(typed)(value)))
}

export const endpoints: ReadonlyArray<Endpoint> = (() => {
  const all: Array<Endpoint> = []
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint, group, middleware }) => {
      all.push({
        name: `${group.identifier}.${endpoint.name}`,
        group: group.identifier,
        method: endpoint.method,
        path: endpoint.path,
        params: [...endpoint.path.matchAll(/:(\w+)/g)].map(([, name]) => name!),
        isBehindAuthentication: [...middleware].some(({ key }) => key === Authentication.key),
        body: Option.getOrUndefined(Option.map(endpoint.payloadSchema, bodyOf))
      })
    }
  })
  return all
})()

/** The path with these ids in it. */
export const fill = ({ path }: Endpoint, ids: Readonly<Record<string, string>>): string =>
  path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(ids[name]!))
