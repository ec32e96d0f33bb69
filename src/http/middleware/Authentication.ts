/** Finds out who asks, and whether they may: the route says which scope it needs. */
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Effect, Layer } from "effect"
import { Forbidden } from "../../domain/Errors.ts"
import type { Scope } from "../../domain/Principal.ts"
import { Auth } from "../../services/Auth.ts"
import { Authentication } from "../api/Authentication.ts"
import { note } from "../LogNotes.ts"

/** `path` is the route's, such as `/keys/:key_id`: a request's own path can be spelled in many ways. */
const scopeOf = ({ method, path }: HttpRouter.Route<unknown, unknown>): Scope => {
  if (/^\/(keys|vault)\b/.test(path)) return "admin"
  if (method === "GET") return "read"
  return /^\/(chat|embedding)$|\/(interrupt|cancel)$/.test(path) ? "chat" : "write"
}

/** Who asks, if they have the scope: for endpoints that need it only sometimes. */
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
