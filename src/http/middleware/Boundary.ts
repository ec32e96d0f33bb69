/**
 * The outermost function around the router. Whatever happens inside, a client
 * gets an answer with a request id, and every failure is a problem document.
 */
import { type HttpApi, HttpApiError, HttpApp, HttpServerError, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Cause, Context, Effect, HashSet, Option, type Scope } from "effect"
import { Forbidden, Malformed, MethodNotAllowed, NotFound, Unavailable } from "../../domain/Errors.ts"
import { NewId } from "../../services/NewId.ts"
import { Readiness } from "../../services/Readiness.ts"
import * as Body from "./Body.ts"
import * as Cors from "./Cors.ts"
import * as Hosts from "./Hosts.ts"
import { malformation } from "./Malformed.ts"
import { methodsOf, type Route } from "./Methods.ts"
import { fromDecodeError, internal, isOurs, isProblem, type Problem, respond } from "./Problems.ts"
import { ResponseHeaders } from "./ResponseHeaders.ts"

type Request = HttpServerRequest.HttpServerRequest
type Response = HttpServerResponse.HttpServerResponse

const acceptedId = /^[A-Za-z0-9._-]{1,64}$/

const retrySeconds = 5

const notReady = new Unavailable({
  detail: "The server is starting or shutting down and takes no inputs now. Try again.",
  retry_after: retrySeconds
})

const pathOf = (url: string) => url.split("?", 1)[0]!

/** Stopping a run is welcome even when nothing new is. */
const bringsWork = ({ method, url }: Request) => HttpMethodHasBody(method) && !/\/interrupt\/?$/.test(pathOf(url))

const HttpMethodHasBody = (method: string) => method !== "GET" && method !== "HEAD"

const isClientGone = (cause: Cause.Cause<unknown>) => HashSet.has(Cause.interruptors(cause), HttpServerError.clientAbortFiberId)

export interface Options extends Hosts.Admission {
  readonly routes: ReadonlyArray<Route>
}

export const make = Effect.fnUntraced(function*(options: Options) {
  const newId = yield* NewId
  const readiness = yield* Readiness
  const clock = yield* Effect.clock
  const admitsHost = Hosts.admitsHost(options)
  const admitsOrigin = Hosts.admitsOrigin(options)
  const methodsAt = methodsOf(options.routes)

  const idOf = ({ headers }: Request) => {
    const given = headers["x-request-id"]
    return given !== undefined && acceptedId.test(given) ? given : newId.record(clock.unsafeCurrentTimeMillis())
  }

  const headersOf = ({ headers: { origin } }: Request, id: string): Readonly<Record<string, string>> => ({
    "x-request-id": id,
    "x-content-type-options": "nosniff",
    vary: "Origin",
    ...(!readiness.isReady() && { connection: "close" }),
    ...(origin !== undefined && admitsOrigin(origin) && Cors.headersFor(origin))
  })

  const refusal = (request: Request): Problem | undefined => {
    const { host, origin } = request.headers
    const problem = malformation(request)
    if (problem !== undefined) return problem
    if (host !== undefined && !admitsHost(host)) {
      return new Forbidden({
        code: "host_not_allowed",
        detail: "The server does not answer to this Host. Use localhost, or name the host in STOA_ALLOWED_HOSTS."
      })
    }
    if (options.loopback && origin !== undefined && !admitsOrigin(origin) && !Hosts.isSameOrigin(origin, host)) {
      return new Forbidden({
        code: "origin_not_allowed",
        detail: "Pages of this origin may not talk to the server. Name the origin in STOA_CORS_ORIGINS."
      })
    }
    if (!HttpMethodHasBody(request.method)) return undefined
    return !readiness.isReady() && bringsWork(request) ? notReady : Body.refuse(request)
  }

  /** A path that no route has for this method. */
  const unrouted = (request: Request) => {
    const methods = methodsAt(request.url)
    if (request.method === "OPTIONS" && methods.length > 0) {
      const { origin } = request.headers
      return Cors.options(methods, origin !== undefined && admitsOrigin(origin))
    }
    return methods.length === 0
      ? new NotFound({ code: "no_such_path", detail: "There is nothing at this path. GET /openapi.json lists what there is." })
      : new MethodNotAllowed({ detail: `This path answers to ${methods.join(", ")}.` })
  }

  return <E>(app: Effect.Effect<Response, E, Request | Scope.Scope>): Effect.Effect<Response, E, Request | Scope.Scope> =>
    Effect.withFiberRuntime((fiber) => {
      const request = Context.unsafeGet(fiber.currentContext, HttpServerRequest.HttpServerRequest)
      const id = idOf(request)
      const headers = headersOf(request, id)
      const answer = (problem: Problem) => HttpServerResponse.setHeaders(respond(problem, id), headers)
      const refused = refusal(request)
      if (refused !== undefined) return Effect.succeed(answer(refused))

      const broken = (cause: Cause.Cause<unknown>) =>
        Effect.logError("A request broke", cause).pipe(
          Effect.annotateLogs({ request_id: id, method: request.method, path: pathOf(request.url) }),
          Effect.as(answer(internal))
        )

      const failed = (cause: Cause.Cause<E>): Effect.Effect<Response, E> => {
        if (isClientGone(cause)) return Effect.failCause(cause)
        const error: unknown = Cause.squash(cause)
        if (isProblem(error)) return Effect.succeed(answer(error))
        return broken(cause)
      }

      return Effect.void as never
    })
})
