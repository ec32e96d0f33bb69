/** Identifies the caller and checks its scope: the route says which scope it needs. */
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Context, Effect, Layer } from "effect"
import { Forbidden } from "../../domain/Errors.ts"
import type { Scope } from "../../domain/Principal.ts"
import { Auth } from "../../services/Auth.ts"
import { Api } from "../Api.ts"
import { Authentication } from "../api/Authentication.ts"
import { RequiredScope } from "../api/Operation.ts"
import { note } from "../LogNotes.ts"
import { routesOf } from "./Methods.ts"

/** The scope that each route needs, as its endpoint declares it; an endpoint without a declaration stops the start. */
const scopes: ReadonlyMap<string, Scope> = new Map(
  routesOf(Api).flatMap(({ annotations, method, path }) => {
    const scope = Context.get(annotations as Context.Context<RequiredScope>, RequiredScope)
    return scope === null ? [] : [[`${method} ${path}`, scope]]
  })
)

/** `path` is the route's, such as `/keys/:key_id`: a request's own path can be spelled in many ways. */
const scopeOf = ({ method, path }: HttpRouter.Route<unknown, unknown>): Scope => {
  const scope = scopes.get(`${method} ${path}`)
  if (scope === undefined) throw new Error(`${method} ${path} is open, and asks all the same who it is.`)
  return scope
}

/** The principal, if it has the scope: for endpoints that need it only sometimes. */
export const identify = (auth: typeof Auth.Service, scope: Scope) =>
  Effect.gen(function*() {
    const { headers } = yield* HttpServerRequest.HttpServerRequest
    const principal = yield* auth.authenticate({
      authorization: headers["authorization"],
      user_id: headers["x-user-id"]
    })
    yield* note({ user_id: principal.user_id })
    if (principal.scopes.includes(scope)) return principal
    return yield* new Forbidden({ code: "scope_missing", detail: `This needs an API key with the scope '${scope}'.` })
  })

export const layer: Layer.Layer<Authentication, never, Auth> = Layer.effect(
  Authentication,
  Effect.map(Auth, (auth) => {
    const authenticate = Effect.flatMap(HttpRouter.RouteContext, ({ route }) => identify(auth, scopeOf(route)))
    return { key: () => authenticate, user: () => authenticate }
  })
)
