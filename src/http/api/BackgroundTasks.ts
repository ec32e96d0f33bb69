import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { TaskDetail, TaskStatus, TaskView } from "../../domain/BackgroundTask.ts"
import { SessionId, TaskId } from "../../domain/Ids.ts"
import { listOf, PageRequest } from "../../domain/Page.ts"
import { Authentication } from "./Authentication.ts"
import { operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

const sessionId = HttpApiSchema.param("session_id", SessionId)
const taskId = HttpApiSchema.param("task_id", TaskId)

export class BackgroundTasksApi extends HttpApiGroup.make("backgroundTasks")
  .add(
    HttpApiEndpoint.get("list")`/background-tasks/${sessionId}`
      .setUrlParams(Schema.Struct({
        ...PageRequest.fields,
        status: Schema.optional(Schema.Literal(...TaskStatus.literals, "all"))
      }))
      .addSuccess(listOf("tasks", TaskView).annotations({ identifier: "BackgroundTaskList" }))
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "read",
        summary: "List the background tasks of a session",
        description: "Tool calls that took too long for their turn and go on. Those that run, unless another status is "
          + "asked for; those that have ended are kept for 30 days."
      }))
  )
  .add(
    HttpApiEndpoint.get("get")`/background-tasks/${sessionId}/${taskId}`
      .addSuccess(TaskDetail)
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "read",
        summary: "Read a background task",
        description: "With what it has said since it went to the background. The session's stream tells the same as it "
          + "comes, in events named `task_output`."
      }))
  )
  .add(
    HttpApiEndpoint.del("cancel")`/background-tasks/${sessionId}/${taskId}`
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "write",
        summary: "Cancel a background task",
        description: "Returns when it is stopped for good. Its agent is not told. One that has ended stays as it is."
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "Tool calls that go on in the background while their agent does something else.")
{}
