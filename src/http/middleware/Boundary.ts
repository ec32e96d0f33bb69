/**
 * The outermost function around the router. Whatever happens inside, a client
 * gets an answer with a request id, and every failure is a problem document.
 */
import * as HttpApiError from "@effect/platform/HttpApiError"
import * as HttpServerError from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Cause, Context, Effect, HashSet, Scope } from "effect"
import { Forbidden, MethodNotAllowed, NotFound, Unavailable } from "../../domain/Errors.ts"
import { NewId } from "../../services/NewId.ts"
import { Readiness } from "../../services/Readiness.ts"
import { aroundOf } from "../Around.ts"
import { note } from "../LogNotes.ts"
import { followed } from "../Sse.ts"
import * as Warnings from "../Warnings.ts"
import * as Body from "./Body.ts"
import * as Cors from "./Cors.ts"
import * as Hosts from "./Hosts.ts"
import { earlierAnswers } from "./InOrder.ts"
import * as InTurns from "./InTurns.ts"
import { malformation } from "./Malformed.ts"
import { methodsOf, type Route } from "./Methods.ts"
import { fromDecodeError, internal, isOurs, isProblem, type Problem, type Respond, respond } from "./Problems.ts"
import * as RequestLog from "./RequestLog.ts"
import { ResponseHeaders } from "./ResponseHeaders.ts"
import * as UnknownFields from "./UnknownFields.ts"

type Request = HttpServerRequest.HttpServerRequest
type Response = HttpServerResponse.HttpServerResponse
type App<E> = Effect.Effect<Response, E, Request | Scope.Scope>

export interface Options extends Hosts.Admission, Body.Options {
  /** All that the router knows. */
  readonly routes: ReadonlyArray<Route>
  /** How failures at a URL are written; as problem documents without it. */
  readonly respondAt?: (url: string, method: string) => Respond
  /** Where it is told what there is at the place of a URL. */
  readonly documentsAt?: (url: string) => string
  /** Whether there is a line in the log for each request. */
  readonly logRequests: boolean
  /** Nothing is answered but how this process is. */
  readonly onlyHealth?: boolean
}

/** A client's own request id is used when it has this form. */
const acceptedId = /^[A-Za-z0-9._-]{1,64}$/

const notReady = new Unavailable({
  detail: "The server is starting or shutting down and takes no inputs now. Try again.",
  retry_after: 5
})

const hostRefused = new Forbidden({
  code: "host_not_allowed",
  detail: "The server does not answer to this Host. Use localhost, or name the host in STOA_ALLOWED_HOSTS."
})

const originRefused = new Forbidden({
  code: "origin_not_allowed",
  detail: "Pages of this origin may not talk to the server. Name the origin in STOA_CORS_ORIGINS."
})

const noSuchPath = (base: string, documents: string) =>
  new NotFound({
    code: "no_such_path",
    detail: `There is nothing at this path. GET ${
      documents.split(" and ").map((path) => `${base}${path}`).join(" and ")
    } lists what there is.`
  })

const workerOnly = new NotFound({
  code: "worker_only",
  detail: "This process only works: it answers GET /health, /readiness and /liveness. Ask one that serves."
})
/** The answer with a place that its reader finds: nothing inside knows where the server is mounted. */
const below = (base: string, response: Response): Response => {
  const { location } = response.headers
  return location?.startsWith("/") === true
    ? HttpServerResponse.setHeader(response, "location", `${base}${location}`)
    : response
}

const bodyless = new Set(["GET", "HEAD", "OPTIONS"])

/** Whether a request brings work, and so is refused while the server drains. One that stops a run brings none. */
const bringsWork = (request: Request) =>
  !bodyless.has(request.method) && !/\/(?:interrupt|stop|cancel)\/?$/.test(RequestLog.pathOf(request))

const isClientGone = (cause: Cause.Cause<unknown>) =>
  HashSet.has(Cause.interruptors(cause), HttpServerError.clientAbortFiberId)

export const make = Effect.fnUntraced(function*(options: Options) {
  const newId = yield* NewId
  const readiness = yield* Readiness
  const admitsHost = Hosts.admitsHost(options)
  const admitsOrigin = Hosts.admitsOrigin(options)
  const methodsAt = methodsOf(options.routes)
  const unknownIn = UnknownFields.inQuery(options.routes)
  const log = yield* RequestLog.make(options)
  const body = yield* Body.make(options)

  const idOf = ({ headers }: Request) => {
    const given = headers["x-request-id"]
    return given !== undefined && acceptedId.test(given) ? given : newId.short()
  }

  const headersOf = ({ headers: { origin } }: Request, id: string): Record<string, string> => ({
    "x-request-id": id,
    "x-content-type-options": "nosniff",
    vary: "Origin",
    ...(!readiness.isReady() && { connection: "close" }),
    ...(origin !== undefined && admitsOrigin(origin) && Cors.headersFor(origin))
  })

  /** Why a request is refused before it reaches the router. */
  const refusal = (request: Request): Problem | undefined => {
    const problem = malformation(request)
    if (problem !== undefined) return problem
    const { host, origin } = request.headers
    if (!admitsHost(host ?? "")) return hostRefused
    if (options.loopback && origin !== undefined && !admitsOrigin(origin) && !Hosts.isSameOrigin(origin, host)) {
      return originRefused
    }
    if (options.onlyHealth === true && !RequestLog.isProbe(RequestLog.pathOf(request))) return workerOnly
    if (!readiness.isReady() && bringsWork(request)) return notReady
    if (bodyless.has(request.method)) return undefined
    const refused = body.refuse(request)
    // What is wrong with the path comes first: nobody reads the body there.
    return refused !== undefined && methodsAt(request.url).includes(request.method) ? refused : undefined
  }

  return <E>(app: App<E>): App<never> =>
    Effect.withFiberRuntime((fiber) => {
      const request = Context.unsafeGet(fiber.currentContext, HttpServerRequest.HttpServerRequest)
      const id = idOf(request)
      const headers = headersOf(request, id)
      const line = log.begin(request, fiber)
      const { base } = aroundOf(request)
      const complete = (answered: Response) => {
        const response = base === "" ? answered : below(base, answered)
        if (line !== undefined) {
          line.status = response.status
          line.bytes = response.body.contentLength
        }
        return HttpServerResponse.setHeaders(Warnings.told(response, headers), headers)
      }
      const answer = (problem: Problem, more?: Readonly<Record<string, string>>) => {
        if (line !== undefined) line.code = problem.code
        return complete((options.respondAt?.(request.url, request.method) ?? respond)(problem, id, more))
      }
      const refuse = (problem: Problem) =>
        problem.status === 503
          ? Effect.as(log.unavailable(problem), answer(problem))
          : Effect.succeed(answer(problem))

      const unrouted = () => {
        const methods = methodsAt(request.url)
        const isAdmitted = "access-control-allow-origin" in headers
        if (request.method === "OPTIONS" && (methods.length > 0 || isAdmitted)) {
          return complete(Cors.options(methods, isAdmitted, request.headers["access-control-request-headers"]))
        }
        if (methods.length === 0) return answer(noSuchPath(base, options.documentsAt?.(request.url) ?? "/openapi.json"))
        const allow = methods.join(", ")
        return answer(new MethodNotAllowed({ detail: `This path answers to ${allow}.` }), { allow })
      }

      const broken = (...what: ReadonlyArray<unknown>) =>
        Effect.logError("A request broke", ...what).pipe(
          Effect.annotateLogs({ method: request.method, path: RequestLog.pathOf(request) }),
          Effect.as(answer(internal))
        )

      const failed = (cause: Cause.Cause<E>): Effect.Effect<Response> => {
        if (isClientGone(cause)) return Effect.interruptWith(HttpServerError.clientAbortFiberId)
        if (Cause.isInterruptedOnly(cause)) return refuse(notReady)
        const error: unknown = Cause.squash(cause)
        if (isProblem(error)) return refuse(error)
        if (error instanceof HttpServerError.RouteNotFound) return Effect.succeed(unrouted())
        if (!(error instanceof HttpApiError.HttpApiDecodeError)) return broken(cause)
        const invalid = fromDecodeError(error)
        return isOurs(error)
          ? broken("The answer does not fit its schema.", invalid.errors)
          : Effect.succeed(answer(invalid))
      }

      const succeeded = (response: Response): Effect.Effect<Response> => {
        const stream = followed(response)
        if (stream === undefined) return Effect.succeed(complete(response))
        if (line !== undefined) line.status = response.status
        return stream
      }

      const refused = refusal(request)
      const query = request.url.indexOf("?")
      if (query >= 0) Warnings.add(headers, unknownIn(request.method, request.url, query))
      // The router gets only the context that it needs, because every merge of contexts inside copies this one.
      const context = Context.make(
        HttpServerRequest.HttpServerRequest,
        bodyless.has(request.method) ? request : body.bounded(request)
      ).pipe(
        Context.add(Scope.Scope, Context.unsafeGet(fiber.currentContext, Scope.Scope)),
        Context.add(ResponseHeaders, headers)
      )
      const answered = Effect.zipRight(
        note({ request_id: id }),
        refused === undefined
          ? Effect.matchCauseEffect(Effect.mapInputContext(app, () => context), {
            onSuccess: succeeded,
            onFailure: failed
          })
          : refuse(refused)
      )
      const earlier = earlierAnswers(request)
      const inTurn = () => {
        const turn = InTurns.turn()
        return turn === undefined ? answered : Effect.zipRight(turn, answered)
      }
      // The turn comes last: what the connection tells of earlier answers would be missed while a turn is waited for.
      const inOrder = earlier === undefined ? inTurn() : Effect.zipRight(earlier, Effect.suspend(inTurn))
      return line === undefined ? inOrder : Effect.ensuring(inOrder, line.write)
    })
})
