/** AgentApp's paths below their mount. */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { RunId, Timestamp } from "../../../domain/Ids.ts"
import { JsonObject } from "../../../domain/Json.ts"
import { listOf, PageRequest } from "../../../domain/Page.ts"
import { Authentication } from "../../api/Authentication.ts"
import { EventStream } from "../../api/EventStream.ts"
import { idempotencyKey } from "../../api/IdempotencyKey.ts"
import { operation } from "../../api/Operation.ts"
import * as Problem from "../../api/Problem.ts"
import { keyHeaders } from "../Keys.ts"
import { AgentRequest, StopRequest } from "./Requests.ts"

const Welcome = Schema.Struct({
  service: Schema.String,
  mode: Schema.String,
  endpoints: Schema.Record({ key: Schema.String, value: Schema.String })
})

/** What becomes of a run, in the words of the protocol. */
export const TaskState = Schema.Literal("IDLE", "RUNNING", "STOPPED", "FINISHED", "ERROR")
export type TaskState = typeof TaskState.Type

const Stopped = Schema.Struct({
  status: Schema.Literal("success"),
  message: Schema.String,
  state: TaskState
}).annotations({ identifier: "Stopped" })

const Submitted = Schema.Struct({
  task_id: RunId,
  status: Schema.Literal("submitted"),
  queue: Schema.Literal("stream_query"),
  message: Schema.String
}).annotations({ identifier: "RunSubmitted" })

const listed = {
  task_id: RunId,
  status: Schema.Literal("pending", "running", "finished", "error"),
  submitted_at: Timestamp,
  started_at: Schema.NullOr(Timestamp),
  completed_at: Schema.NullOr(Timestamp),
  error: Schema.NullOr(Schema.String)
}

const Listed = Schema.Struct(listed).annotations({ identifier: "RunTask" })

const Status = Schema.Struct({ ...listed, result: Schema.NullOr(JsonObject) }).annotations({
  identifier: "RunTaskStatus"
})

const example = {
  input: [{ role: "user", content: [{ type: "text", text: "Hello!" }] }],
  session_id: "a-conversation",
  user_id: "ada"
}

class WelcomeApi extends HttpApiGroup.make("welcome").add(
  HttpApiEndpoint.get("welcome", "/").addSuccess(Welcome)
    .annotateContext(operation({ scope: null, summary: "Say what is here" }))
) {}

class ProcessApi extends HttpApiGroup.make("process")
  .add(
    HttpApiEndpoint.post("process", "/process")
      .setHeaders(Schema.Struct({ ...idempotencyKey, ...keyHeaders }))
      .setPayload(AgentRequest)
      .addSuccess(JsonObject)
      .addSuccess(EventStream)
      .annotateContext(operation({
        scope: "chat",
        takesFiles: true,
        summary: "Talk to an agent",
        description: "Answers with a stream of response, message and content objects, or with the response alone where "
          + "`stream` is false. `session_id` and `user_id` name a conversation that the server keeps. Leaving stops the run.",
        example
      }))
  )
  .add(
    HttpApiEndpoint.post("stop", "/stop")
      .setHeaders(Schema.Struct(keyHeaders))
      .setPayload(StopRequest)
      .addSuccess(Stopped)
      .annotateContext(operation({
        scope: "chat",
        summary: "Stop what runs",
        description: "Stops the run of these keys, in whichever process it goes on, and says what became of it."
      }))
  )
  .add(
    HttpApiEndpoint.post("submit", "/process/task")
      .setHeaders(Schema.Struct({ ...idempotencyKey, ...keyHeaders }))
      .setPayload(AgentRequest)
      .addSuccess(Submitted)
      .annotateContext(operation({
        scope: "chat",
        takesFiles: true,
        summary: "Run an agent in the background",
        description:
          "Answers once the run is durable. It goes on whoever leaves; inputs of one session wait for each other.",
        example
      }))
  )
  .add(
    HttpApiEndpoint.get("tasks", "/process/task")
      .setUrlParams(PageRequest)
      .addSuccess(listOf("tasks", Listed))
      .annotateContext(operation({ scope: "read", summary: "List runs, newest first" }))
  )
  .add(
    HttpApiEndpoint.get("task", "/process/task/:task_id")
      .setPath(Schema.Struct({ task_id: Schema.String }))
      .addSuccess(Status)
      .annotateContext(operation({
        scope: "read",
        summary: "Ask about a run",
        description:
          "Its status and, once it has ended, its whole response: of any run of this protocol, also one whose "
          + "client has left."
      }))
  )
  .middleware(Authentication)
{}

export const api = HttpApi.make("agentapp")
  .add(WelcomeApi)
  .add(ProcessApi)
  .addError(Problem.Malformed)
  .addError(Problem.NotFound)
  .addError(Problem.Conflict)
  .addError(Problem.Gone)
  .addError(Problem.TooLarge)
  .addError(Problem.UnsupportedContent)
  .addError(Problem.Invalid)
  .addError(Problem.LimitReached)
  .addError(Problem.Internal)
  .addError(Problem.ProviderFailed)
  .addError(Problem.Unavailable)
  .annotate(OpenApi.Title, "Stoa: AgentApp")
  .annotate(OpenApi.Version, "0.1.0")
  .annotate(OpenApi.Description, "What clients of AgentScope Runtime's AgentApp speak, answered by agents.")
