import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Cause, Effect, Exit, FiberId, FiberSet, Scope } from "effect"
import { Forbidden, Malformed, MethodNotAllowed, NotFound } from "../../../domain/Errors.ts"
import { CurrentPrincipal } from "../../../domain/Principal.ts"
import { Storage } from "../../../services/Storage.ts"
import { isSameOrigin } from "../../middleware/Hosts.ts"
import { detailOf, internal, isProblem } from "../../middleware/Problems.ts"
import { ResponseHeaders } from "../../middleware/ResponseHeaders.ts"
import { publicUrl } from "../../PublicUrl.ts"
import type { Options } from "../Channel.ts"
import type { api } from "./Api.ts"
import type { Asking, Contents, Context, Sdk } from "./Asking.ts"
import { dataOf, numberOf, respond } from "./Errors.ts"
import { eventOf } from "./Marks.ts"
import * as Newest from "./Newest.ts"
import * as Older from "./Older.ts"

const originRefused = new Forbidden({
  code: "origin_not_allowed",
  detail: "Pages of this origin may not talk to the MCP server. Name the origin in STOA_CORS_ORIGINS."
})

const noStream = respond(
  new MethodNotAllowed({
    detail: "There are no streams beside those of requests. GET goes on with one, by Last-Event-ID."
  }),
  "",
  { allow: "POST" }
)

const badEvent = new Malformed({ code: "invalid_event_id", detail: "The Last-Event-ID is not one of this server's." })

const noRun = new NotFound({ code: "mcp_stream_not_found", detail: "There is no such stream." })

/** A page whose origin the server does not admit gets no answer, wherever the server listens. */
const admitted = Effect.gen(function*() {
  const { headers: { host, origin } } = yield* HttpServerRequest.HttpServerRequest
  const told = yield* ResponseHeaders
  if (origin === undefined || "access-control-allow-origin" in told || isSameOrigin(origin, host)) return
  return yield* originRefused
})

export const layer = <R>(mounted: typeof api, contents: Contents<R>, options: Options) =>
  HttpApiBuilder.group(mounted, "mcp", (handlers) =>
    Effect.gen(function*() {
      const { runs } = yield* Storage
      const make = yield* contents
      const works = yield* FiberSet.make()
      const scope = yield* Effect.scope
      const loaded = yield* Effect.cached(
        Effect.gen(function*() {
          const sdk: Sdk = yield* Effect.promise(() => import("@modelcontextprotocol/server"))
          return { sdk, newest: yield* Newest.make(sdk, make), older: yield* Older.make(sdk, make) }
        }).pipe(Scope.extend(scope))
      )

      /** Work for a request is a fiber of the channel's: its end is the signal's, and the server's. */
      const runner = (sdk: Sdk) =>
        Effect.map(FiberSet.runtime(works)<Context>(), (fork): Asking["run"] => (work, signal) =>
          new Promise((resolve, reject) => {
            const errorOf = (cause: Cause.Cause<unknown>) => {
              const error = Cause.squash(cause)
              const problem = isProblem(error) ? error : internal
              return new sdk.ProtocolError(numberOf(problem), detailOf(problem), dataOf(problem))
            }
            if (signal.aborted) {
              return reject(new Error("The request has ended."))
            }
            const fiber = fork(Effect.tapDefect(work, (cause) =>
              Effect.logError("A request of MCP broke", cause)))
            const stop = () => fiber.unsafeInterruptAsFork(FiberId.none)
            signal.addEventListener("abort", stop, { once: true })
            fiber.addObserver((exit) => {
              signal.removeEventListener("abort", stop)
              if (Exit.isSuccess(exit)) resolve(exit.value)
              else reject(errorOf(exit.cause))
            })
          }))

      const asked = (headers: Asking["headers"], sdk: Sdk) =>
        Effect.gen(function*() {
          const { user_id: owner } = yield* CurrentPrincipal
          return { owner, headers, base: yield* publicUrl, run: yield* runner(sdk) }
        })

      const sentBy = Effect.fnUntraced(function*(
        headers: Asking["headers"] & {
          readonly "mcp-session-id"?: string | undefined
          readonly "mcp-protocol-version"?: string | undefined
        },
        sdk: Sdk
      ) {
        const { headers: { accept } } = yield* HttpServerRequest.HttpServerRequest
        const sent: Older.Sent = {
          asking: yield* asked(headers, sdk),
          session: headers["mcp-session-id"],
          version: headers["mcp-protocol-version"],
          streams: accept?.includes("text/event-stream") === true
        }
        return sent
      })

      return handlers
        .handle(
          "send",
          Effect.fnUntraced(function*({ headers, payload }) {
            yield* admitted
            const { newest, older, sdk } = yield* loaded
            const version = headers["mcp-protocol-version"]
            const method = headers["mcp-method"]
            const name = headers["mcp-name"]
            const { kind } = sdk.classifyInboundRequest({
              httpMethod: "POST",
              body: payload,
              ...(version !== undefined && { protocolVersionHeader: version }),
              ...(method !== undefined && { mcpMethodHeader: method }),
              ...(name !== undefined && { mcpNameHeader: name })
            })
            return kind === "legacy"
              ? yield* older.post(yield* sentBy(headers, sdk), payload)
              : yield* newest(yield* asked(headers, sdk), payload)
          })
        )
        .handle(
          "resume",
          Effect.fnUntraced(function*({ headers }) {
            yield* admitted
            const given = headers["last-event-id"]
            if (given === undefined) {
              return noStream
            }
            const event = eventOf(given)
            if (event === undefined) {
              return yield* badEvent
            }
            const { user_id: owner } = yield* CurrentPrincipal
            const run = yield* Effect.filterOrFail(
              Effect.mapError(runs.get(owner, event.run_id), () =>
                noRun),
              ({ source, source_id }) => source === "channel" && source_id === options.name,
              () => noRun
            )
            const { older, sdk } = yield* loaded
            return yield* older.resume(yield* sentBy(headers, sdk), event, { run, told: event.told })
          })
        )
    }))
