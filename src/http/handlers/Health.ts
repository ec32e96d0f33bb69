import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as OpenApi from "@effect/platform/OpenApi"
import { Context, Effect, Option, Record } from "effect"
import type { Health } from "../../domain/Health.ts"
import { Models } from "../../services/Models.ts"
import { now } from "../../services/Now.ts"
import { Readiness } from "../../services/Readiness.ts"
import { Rooms } from "../../services/Rooms.ts"
import { shared } from "../../services/Shared.ts"
import { Storage } from "../../services/Storage.ts"
import { Api } from "../Api.ts"

/** Storage that does not answer within this time is unhealthy. */
const timeout = "2 seconds"

/** The result is cached for so long, so that polling does not become load. */
const remembered = "1 second"

const version = Option.getOrElse(Context.getOption(Api.annotations, OpenApi.Version), () => "")

const state = (ok: boolean): "ok" | "not_ready" => ok ? "ok" : "not_ready"

export const layer = HttpApiBuilder.group(Api, "health", (handlers) =>
  Effect.gen(function*() {
    const { agents } = yield* Storage
    const { schemas } = yield* Models
    const rooms = yield* Rooms
    const readiness = yield* Readiness

    const storage = yield* shared(
      agents.host.list({ limit: 1, cursor: undefined }).pipe(
        Effect.timeout(timeout),
        Effect.as(true),
        Effect.catchAllCause(() => Effect.succeed(false))
      ),
      remembered
    )

    return handlers
      .handle(
        "health",
        Effect.fnUntraced(function*() {
          const ok = {
            storage: yield* storage,
            event_log: yield* rooms.healthy,
            models: schemas.length > 0,
            intake: readiness.isReady()
          }
          const status = state(Object.values(ok).every((is) => is))
          const components = Record.map(ok, state)
          const health: Health = { status, version, time: yield* now, components }
          return HttpServerResponse.unsafeJson(health, { status: status === "ok" ? 200 : 503 })
        })
      )
      .handle("readiness", () =>
        Effect.sync(() =>
          readiness.isReady()
            ? HttpServerResponse.unsafeJson({ status: "ok" })
            : HttpServerResponse.unsafeJson({ status: "not_ready" }, { status: 503, headers: { "retry-after": "5" } })
        ))
      .handle("liveness", () => Effect.succeed({ status: "ok" as const }))
  }))
