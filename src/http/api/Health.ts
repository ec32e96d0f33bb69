import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { Health } from "../../domain/Health.ts"
import { named, operation } from "./Operation.ts"

const State = Schema.Struct({ status: Schema.Literal("ok", "not_ready") }).annotations({ identifier: "State" })

export class HealthApi extends HttpApiGroup.make("health")
  .add(
    HttpApiEndpoint.get("health", "/health").addSuccess(Health)
      .addSuccess(named("Health", Health, 503))
      .annotateContext(operation({
        scope: null,
        summary: "See how the server is",
        description: "503 while a component does not work. Needs no identity."
      }))
  )
  .add(
    HttpApiEndpoint.get("readiness", "/readiness").addSuccess(State).addSuccess(named("State", State, 503))
      .annotateContext(operation({
        scope: null,
        summary: "See whether the server takes inputs",
        description: "503 until the server takes inputs, and again while it drains. Needs no identity."
      }))
  )
  .add(
    HttpApiEndpoint.get("liveness", "/liveness").addSuccess(State)
      .annotateContext(operation({
        scope: null,
        summary: "See whether the process answers",
        description: "Needs no identity."
      }))
  )
  .annotate(OpenApi.Description, "For probes and people: is the server well, ready, alive?")
{}
