import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { JobId, UserId } from "../../domain/Ids.ts"
import { Job, JobStatus } from "../../domain/Job.ts"
import { listOf, PageRequest } from "../../domain/Page.ts"
import { Authentication } from "./Authentication.ts"
import { operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

const id = HttpApiSchema.param("job_id", JobId)

export class JobsApi extends HttpApiGroup.make("jobs")
  .add(
    HttpApiEndpoint.get("list", "/jobs")
      .setUrlParams(Schema.Struct({
        ...PageRequest.fields,
        status: Schema.optional(JobStatus),
        user_id: Schema.optional(UserId)
      }))
      .addSuccess(listOf("jobs", Job).annotations({ identifier: "JobList" }))
      .annotateContext(operation({
        scope: "admin",
        summary: "List the jobs",
        description: "Of all tenants, or of one. What is done is kept for a day, what was given up for 30."
      }))
  )
  .add(
    HttpApiEndpoint.get("get")`/jobs/${id}`.addSuccess(Job).addError(Problem.NotFound)
      .annotateContext(operation({ scope: "admin", summary: "Read a job" }))
  )
  .add(
    HttpApiEndpoint.post("retry")`/jobs/${id}/retry`.addSuccess(Job)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "admin",
        summary: "Try a job again",
        description: "One that was given up; it is tried as often as a new one."
      }))
  )
  .add(
    HttpApiEndpoint.del("remove")`/jobs/${id}`
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "admin",
        summary: "Delete a job",
        description: "One that was given up, or that no part of this server knows how to do."
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "The work that is done later, such as messages to be delivered, for admins.")
{}
