/** Finds the methods of a path, because the router only says that it found no route. */
import * as HttpApi from "@effect/platform/HttpApi"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import { type Context, Option, type SchemaAST } from "effect"

/** Ids are matched as they are, up to more than their length. */
export const routerConfig = {
  ignoreTrailingSlash: true,
  ignoreDuplicateSlashes: false,
  caseSensitive: true,
  maxParamLength: 512
}

export interface Route {
  readonly method: string
  readonly path: HttpLayerRouter.PathInput
  /** What the query of its URL and its body are read by, as far as it reads them. */
  readonly query?: SchemaAST.AST | undefined
  readonly body?: SchemaAST.AST | undefined
}

/** A route of an API, with what is said of its endpoint and its group. */
export interface Described extends Route {
  readonly annotations: Context.Context<never>
}

export const routesOf = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R>(
  api: HttpApi.HttpApi<Id, Groups, E, R>
): ReadonlyArray<Described> => {
  const routes: Array<Described> = []
  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint, mergedAnnotations }) =>
      void routes.push({
        method: endpoint.method,
        path: endpoint.path as HttpLayerRouter.PathInput,
        annotations: mergedAnnotations,
        query: Option.getOrUndefined(endpoint.urlParamsSchema)?.ast,
        body: Option.getOrUndefined(endpoint.payloadSchema)?.ast
      })
  })
  return routes
}

/** Finds what belongs to the route of a request. */
export const finderOf = <A>(
  routes: ReadonlyArray<Route>,
  of: (route: Route) => A | undefined
): (method: string, url: string) => A | undefined => {
  const table = HttpLayerRouter.FindMyWay.make<A>(routerConfig)
  for (const route of routes) {
    const value = of(route)
    if (value !== undefined) table.on(route.method, route.path, value)
  }
  return (method, url) => table.find(method, url)?.handler
}

/** The methods of a URL's path, empty when there is no such path. */
export const methodsOf = (routes: ReadonlyArray<Route>): (url: string) => ReadonlyArray<string> => {
  const table = HttpLayerRouter.FindMyWay.make<true>(routerConfig)
  for (const { method, path } of routes) table.on(method, path, true)
  const methods = [...new Set(routes.map(({ method }) => method))]
  return (url) =>
    methods.filter((method) => table.find(method, url) !== undefined)
      .flatMap((method) => method === "GET" ? ["GET", "HEAD"] : [method])
}
