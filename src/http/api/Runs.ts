import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { Accepted } from "../../domain/Chat.ts"
import { RunId, SessionId } from "../../domain/Ids.ts"
import { searchedListOf } from "../../domain/Page.ts"
import { Run } from "../../domain/Run.ts"
import { RunsRequest, SessionRunsRequest } from "../../domain/RunQuery.ts"
import { Timeline } from "../../domain/TimelineRecord.ts"
import { Authentication } from "./Authentication.ts"
import { IdempotencyHeaders } from "./IdempotencyKey.ts"
import { named, operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

const Runs = searchedListOf("runs", Run).annotations({ identifier: "RunList" })
const RunStopped = named("RunStopped", Schema.Struct({ run_id: RunId }), 202)
const RunRetried = named("RunRetried", Accepted, 202)

const id = HttpApiSchema.param("run_id", RunId)

export class RunsApi extends HttpApiGroup.make("runs")
  .add(
    HttpApiEndpoint.get("list", "/runs").setUrlParams(RunsRequest).addSuccess(Runs).addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "read",
        summary: "List your runs",
        description:
          "Of all sessions, newest first. What is given narrows the list, all of it together. With `q`, one page looks at "
          + "the newest 10,000 runs or 16 MB of them at most, so that it may hold few or none: `next_cursor` goes on."
      }))
  )
  .add(
    HttpApiEndpoint.get("get")`/runs/${id}`.addSuccess(Run).addError(Problem.NotFound)
      .annotateContext(operation({ scope: "read", summary: "Read a run" }))
  )
  .add(
    HttpApiEndpoint.get("timeline")`/runs/${id}/timeline`.addSuccess(Timeline).addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "read",
        summary: "See what a run did, step by step",
        description:
          "Calls of models, tools, waits for somebody, attempts after a crash, and the end: each with its time, and with "
          + "tokens and costs where it has some. It is made of the run's events and of the ledger, also while the run goes on."
      }))
  )
  .add(
    HttpApiEndpoint.post("cancel")`/runs/${id}/cancel`
      .addSuccess(RunStopped)
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "chat",
        summary: "Stop a run",
        description:
          "Stops one run, also one that waits its turn or is parked, and the background tasks that it began. One that "
          + "has ended stays as it is."
      }))
  )
  .add(
    HttpApiEndpoint.post("retry")`/runs/${id}/retry`.setHeaders(IdempotencyHeaders)
      .addSuccess(RunRetried)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .addError(Problem.LimitReached)
      .annotateContext(operation({
        scope: "chat",
        summary: "Send a run's input again",
        description:
          "Sends the same input, with its tools and its output schema, to the same session, at its end: a new run, whose "
          + "`retried_from` names the old one. A run that has not ended is 409 `run_not_ended`, and so is one whose input "
          + "is no longer there, `input_gone`."
      }))
  )
  .add(
    HttpApiEndpoint.get("ofSession")`/sessions/${HttpApiSchema.param("session_id", SessionId)}/runs`
      .setUrlParams(SessionRunsRequest).addSuccess(Runs).addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "read",
        summary: "List the runs of a session",
        description: "Newest first."
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "What each accepted input started, newest first.")
{}
