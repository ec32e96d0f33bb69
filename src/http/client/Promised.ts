/** The whole native API as functions that answer with promises. */
import type * as HttpApi from "@effect/platform/HttpApi"
import type * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import type { Effect } from "effect"
import type { Api as Native } from "../Api.ts"
import { type Calling, promised } from "./Pull.ts"
import type { Wire } from "./Wire.ts"

type GroupsOf<A> = A extends HttpApi.HttpApi<infer _Id, infer Groups, infer _E, infer _R> ? Groups : never

type EndpointsOf<G> = G extends HttpApiGroup.HttpApiGroup<infer _Id, infer Endpoints, infer _E, infer _R, infer _Top>
  ? Endpoints
  : never

type Operation<E> = [E] extends [
  HttpApiEndpoint.HttpApiEndpoint<
    infer _Name,
    infer _Method,
    infer Path,
    infer UrlParams,
    infer Payload,
    infer Headers,
    infer Success,
    infer _Error,
    infer _R,
    infer _RE
  >
] ? (
    request: HttpApiEndpoint.HttpApiEndpoint.ClientRequest<Path, UrlParams, Payload, Headers, false>,
    options?: Calling
  ) => Promise<Success>
  : never

type Groups = GroupsOf<typeof Native>

/** Its groups are those of `/docs`. */
export type Api = {
  readonly [G in Groups as HttpApiGroup.HttpApiGroup.Name<G>]: {
    readonly [E in EndpointsOf<G> as HttpApiEndpoint.HttpApiEndpoint.Name<E>]: Operation<E>
  }
}

type Method = (request: unknown) => Effect.Effect<unknown, Error>

export const apiOf = ({ connection, withFetch }: Pick<Wire, "connection" | "withFetch">): Api => {
  type Asked = (request: unknown, options?: Calling) => Promise<unknown>
  const groups: Record<string, Record<string, Asked>> = {}
  for (const [name, methods] of Object.entries(connection.api)) {
    const operations: Record<string, Asked> = {}
    for (const [operation, method] of Object.entries(methods)) {
      operations[operation] = (request, options) => promised(withFetch((method as Method)(request)), options)
    }
    groups[name] = operations
  }
  // The shape is that of the typed client, whose methods these call.
  return groups as unknown as Api
}
