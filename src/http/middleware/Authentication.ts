/** Identifies the caller and checks its scope: the route says which scope it needs. */
import type * as Headers from "@effect/platform/Headers"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Context, Effect, Layer, Option } from "effect"
import { Forbidden, type Unauthenticated } from "../../domain/Errors.ts"
import type { Principal, Scope } from "../../domain/Principal.ts"
import { Auth } from "../../services/Auth.ts"
import { Vault } from "../../services/Vault.ts"
import { Authentication } from "../api/Authentication.ts"
import { KeyHeader, RequiredScope } from "../api/Operation.ts"
import { aroundOf } from "../Around.ts"
import * as Downloads from "../Downloads.ts"
import { note } from "../LogNotes.ts"
import { sessionIn } from "../SessionCookie.ts"
import type { Described } from "./Methods.ts"

/** What a route asks of whoever uses it. */
interface Asked {
  readonly scope: Scope
  /** A header that may hold the key beside the usual one. */
  readonly keyHeader: string | undefined
}

/** What each route needs, as its endpoint declares it; an endpoint without a declaration stops the start. */
const asksOf = (routes: ReadonlyArray<Described>): ReadonlyMap<string, Asked> =>
  new Map(
    routes.flatMap(({ annotations, method, path }) => {
      const scope = Context.get(annotations as Context.Context<RequiredScope>, RequiredScope)
      const keyHeader = Option.getOrUndefined(Context.getOption(annotations as Context.Context<KeyHeader>, KeyHeader))
      return scope === null ? [] : [[`${method} ${path}`, { scope, keyHeader }]]
    })
  )

/** `path` is the route's, such as `/keys/:key_id`: a request's own path can be spelled in many ways. */
const askedAt = (
  asks: ReadonlyMap<string, Asked>,
  { method, path }: HttpRouter.Route<unknown, unknown>
): Asked => {
  const asked = asks.get(`${method} ${path}`)
  if (asked === undefined) throw new Error(`${method} ${path} is open, and asks all the same who it is.`)
  return asked
}

/** `Authorization` comes first. Clients may write the scheme before the key in the other header too. */
const authorizationIn = (headers: Headers.Headers, keyHeader: string | undefined): string | undefined => {
  const key = keyHeader === undefined ? undefined : headers[keyHeader]
  return headers["authorization"] ?? (key === undefined ? undefined : `Bearer ${key.replace(/^Bearer /i, "")}`)
}

/** What tells who asks. */
interface Knowing {
  readonly auth: typeof Auth.Service
  readonly vault: typeof Vault.Service
}

/** Who asks: as the program around the server says, or else the key of the request, the session of its cookie, or its header. */
export const principalIn = (
  { auth, vault }: Knowing,
  request: HttpServerRequest.HttpServerRequest,
  keyHeader?: string
): Effect.Effect<Principal, Forbidden | Unauthenticated> => {
  const { principal } = aroundOf(request)
  if (principal !== undefined) return Effect.succeed(principal)
  const authorization = authorizationIn(request.headers, keyHeader)
  const user_id = request.headers["x-user-id"]
  return authorization !== undefined || request.headers["cookie"] === undefined
    ? auth.authenticate({ authorization, user_id })
    : Effect.flatMap(
      sessionIn(vault, request),
      (session) => auth.authenticate({ authorization, user_id, session: session?.key_id })
    )
}

/** The principal, if it has the scope: for endpoints that need it only sometimes. */
export const identify = (knowing: Knowing, scope: Scope, keyHeader?: string) =>
  Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const principal = yield* principalIn(knowing, request, keyHeader)
    yield* note({ user_id: principal.user_id })
    if (principal.scopes.includes(scope)) return principal
    return yield* new Forbidden({ code: "scope_missing", detail: `This needs an API key with the scope '${scope}'.` })
  })

/** Who a token in the address stands for, where addresses take tokens and the request says nothing itself. */
const downloader = (vault: typeof Vault.Service, { method, path }: HttpRouter.Route<unknown, unknown>) =>
  Effect.gen(function*() {
    if (path !== Downloads.route.path || method !== Downloads.route.method) return undefined
    const { headers, url } = yield* HttpServerRequest.HttpServerRequest
    if (headers["authorization"] !== undefined || headers["x-user-id"] !== undefined) return undefined
    const user_id = yield* Downloads.ownerIn(vault, url)
    if (user_id === undefined) return undefined
    yield* note({ user_id })
    return { user_id, scopes: ["read"], key_id: null } satisfies Principal
  })

/** For all routes behind it, those of channels as well. */
export const layer = (routes: ReadonlyArray<Described>): Layer.Layer<Authentication, never, Auth | Vault> => {
  const asks = asksOf(routes)
  return Layer.effect(
    Authentication,
    Effect.map(Effect.all([Auth, Vault]), ([auth, vault]) => {
      const authenticate = Effect.flatMap(
        HttpRouter.RouteContext,
        ({ route }) =>
          Effect.flatMap(
            downloader(vault, route),
            (principal) => {
              if (principal !== undefined) return Effect.succeed<Principal>(principal)
              const { keyHeader, scope } = askedAt(asks, route)
              return identify({ auth, vault }, scope, keyHeader)
            }
          )
      )
      return { key: () => authenticate, user: () => authenticate }
    })
  )
}
