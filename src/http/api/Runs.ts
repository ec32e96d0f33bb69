import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { RunId, SessionId } from "../../domain/Ids.ts"
import { listOf, PageRequest } from "../../domain/Page.ts"
import { Run, RunStatus } from "../../domain/Run.ts"
import { Authentication } from "./Authentication.ts"
import { named, operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

const narrowed = Schema.Struct({ ...PageRequest.fields, status: Schema.optional(RunStatus) })
const Runs = listOf("runs", Run).annotations({ identifier: "RunList" })
const RunStopped = named("RunStopped", Schema.Struct({ run_id: RunId }), 202)

const id = HttpApiSchema.param("run_id", RunId)

export class RunsApi extends HttpApiGroup.make("runs")
  .add(
    HttpApiEndpoint.get("list", "/runs").setUrlParams(narrowed).addSuccess(Runs)
      .annotateContext(operation({
        scope: "read",
        summary: "List your runs",
        description: "Of all sessions, newest first."
      }))
  )
  .add(
    HttpApiEndpoint.get("get")`/runs/${id}`.addSuccess(Run).addError(Problem.NotFound)
      .annotateContext(operation({ scope: "read", summary: "Read a run" }))
  )
  .add(
    HttpApiEndpoint.post("cancel")`/runs/${id}/cancel`
      .addSuccess(RunStopped)
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "chat",
        summary: "Stop a run",
        description: "Stops one run, also one that waits its turn or is parked. One that has ended stays as it is."
      }))
  )
  .add(
    HttpApiEndpoint.get("ofSession")`/sessions/${HttpApiSchema.param("session_id", SessionId)}/runs`
      .setUrlParams(narrowed).addSuccess(Runs).addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "read",
        summary: "List the runs of a session",
        description: "Newest first."
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "What each accepted input started, newest first.")
{}
