import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { Malformed, NotFound } from "../../domain/Errors.ts"
import { RunId, SessionId } from "../../domain/Ids.ts"
import { listOf, PageRequest } from "../../domain/Page.ts"
import { Run, RunStatus } from "../../domain/Run.ts"
import { Authentication } from "./Authentication.ts"

const narrowed = Schema.Struct({ ...PageRequest.fields, status: Schema.optional(RunStatus) })
const Runs = listOf("runs", Run)

export class RunsApi extends HttpApiGroup.make("runs")
  .add(HttpApiEndpoint.get("list", "/runs").setUrlParams(narrowed).addSuccess(Runs).addError(Malformed))
  .add(HttpApiEndpoint.get("get")`/runs/${HttpApiSchema.param("run_id", RunId)}`.addSuccess(Run).addError(NotFound))
  .add(
    HttpApiEndpoint.post("cancel")`/runs/${HttpApiSchema.param("run_id", RunId)}/cancel`
      .addSuccess(Schema.Struct({ run_id: RunId }), { status: 202 })
      .addError(NotFound)
      .annotate(
        OpenApi.Description,
        "Stops one run, also one that waits its turn or is parked. One that has ended stays as it is."
      )
  )
  .add(
    HttpApiEndpoint.get("ofSession")`/sessions/${HttpApiSchema.param("session_id", SessionId)}/runs`
      .setUrlParams(narrowed).addSuccess(Runs).addError(NotFound).addError(Malformed)
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "What each accepted input started, newest first.")
{}
