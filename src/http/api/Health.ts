import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { Health } from "../../domain/Health.ts"

const State = Schema.Struct({ status: Schema.Literal("ok", "not_ready") })

export class HealthApi extends HttpApiGroup.make("health")
  .add(
    HttpApiEndpoint.get("health", "/health").addSuccess(Health).addSuccess(
      Health.annotations({ identifier: "NotHealthy" }),
      { status: 503 }
    )
  )
  .add(
    HttpApiEndpoint.get("readiness", "/readiness").addSuccess(State).addSuccess(State, { status: 503 })
      .annotate(OpenApi.Description, "503 until the server takes inputs, and again while it drains.")
  )
  .add(HttpApiEndpoint.get("liveness", "/liveness").addSuccess(State))
{}
