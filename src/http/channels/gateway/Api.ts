/** The Agent Gateway's paths, below the mount. */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { JsonObject } from "../../../domain/Json.ts"
import { Authentication } from "../../api/Authentication.ts"
import { EventStream } from "../../api/EventStream.ts"
import { IdempotencyHeaders } from "../../api/IdempotencyKey.ts"
import { operation } from "../../api/Operation.ts"
import * as Problem from "../../api/Problem.ts"
import { AdminApi } from "./AdminApi.ts"
import * as Requests from "./Requests.ts"
import * as Shapes from "./Shapes.ts"
import { Timing } from "./Timing.ts"

/** Longer ids are nobody's. */
const param = <const Name extends string>(name: Name) =>
  HttpApiSchema.param(name, Schema.String.pipe(Schema.maxLength(256)))

const agent = param("agent_id")
const execution = param("execution_id")
const session = param("session_id")

class HealthApi extends HttpApiGroup.make("health")
  .add(
    HttpApiEndpoint.get("health", "/health").addSuccess(Shapes.Health)
      .annotateContext(operation({ scope: null, summary: "Say whether it takes work" }))
  )
  .middleware(Timing)
{}

class AgentsApi extends HttpApiGroup.make("agents")
  .add(
    HttpApiEndpoint.get("list", "/agents").addSuccess(Schema.Array(Shapes.AgentInfo))
      .annotateContext(operation({
        scope: "read",
        summary: "List your agents",
        description: "The first thousand, oldest first; prompts are not shown."
      }))
  )
  .add(
    HttpApiEndpoint.get("get")`/agents/${agent}`.addSuccess(Shapes.AgentInfo)
      .annotateContext(operation({ scope: "read", summary: "Read an agent", description: "By its id, or its name." }))
  )
  .add(
    HttpApiEndpoint.get("document", "/openapi.json").addSuccess(JsonObject)
      .annotateContext(operation({
        scope: "read",
        summary: "Read this document with a path of its own for each of your agents that has schemas",
        description: "What such an agent takes as `input` and answers as `output` is in it, for generators of clients."
      }))
  )
  .add(
    HttpApiEndpoint.get("setup")`/agents/${agent}/setup-schema`.addSuccess(Shapes.SetupSchema)
      .annotateContext(operation({ scope: "read", summary: "Read what a personal agent asks its users for" }))
  )
  .add(
    HttpApiEndpoint.get("config")`/agents/${agent}/config`.addSuccess(Shapes.Config)
      .annotateContext(operation({
        scope: "read",
        summary: "Read your configuration of a personal agent",
        description: "Secrets are never shown."
      }))
  )
  .add(
    HttpApiEndpoint.post("configure")`/agents/${agent}/config`.setPayload(Requests.ConfigRequest)
      .addSuccess(Shapes.Configured)
      .annotateContext(operation({
        scope: "write",
        summary: "Configure a personal agent for yourself",
        description:
          "`instructions` is for the agent; all else is what its `setup-schema` asks for, and takes the place "
          + "of what was there. A secret that is given as it is shown stays.",
        example: { instructions: "Be short.", city: "Kiel" }
      }))
  )
  .add(
    HttpApiEndpoint.del("unconfigure")`/agents/${agent}/config`.addSuccess(Shapes.Deleted)
      .annotateContext(operation({ scope: "write", summary: "Delete your configuration of a personal agent" }))
  )
  .add(
    HttpApiEndpoint.post("compact")`/agents/${agent}/memory/compact`.addSuccess(Shapes.Compacted)
      .annotateContext(operation({
        scope: "write",
        summary: "Compact what an agent remembers of you",
        description:
          "A model sums up what matters least, where there are more than 100 things. What it could not sum up stays."
      }))
  )
  .middleware(Authentication)
  .middleware(Timing)
{}

class RunsApi extends HttpApiGroup.make("runs")
  .add(
    HttpApiEndpoint.post("invoke")`/agents/${agent}/invoke`.setHeaders(IdempotencyHeaders)
      .setPayload(Requests.InvokeRequest).addSuccess(Shapes.Invoked).addSuccess(Shapes.Queued)
      .annotateContext(operation({
        scope: "chat",
        summary: "Have an agent do something, once",
        description: "Answers when it is done; a run that fails is answered with 200 and its status. With `async` the "
          + "answer is 202 when the execution is stored, and it goes on whatever happens to this server. The `input` is "
          + "held against the agent's `input_schema`.",
        example: { message: "Hello!" }
      }))
  )
  .add(
    HttpApiEndpoint.post("chat")`/agents/${agent}/chat`.setHeaders(IdempotencyHeaders)
      .setPayload(Requests.ChatRequest).addSuccess(Shapes.Answered).addSuccess(EventStream)
      .annotateContext(operation({
        scope: "chat",
        summary: "Talk to an agent",
        description: "In the session that is named, or a new one. With `stream` the answer is a stream of the events "
          + "`session`, `token`, `tool_call`, `tool_result`, `error` and at its end `done`. Leaving does not stop it.",
        example: { message: "Hello!" }
      }))
  )
  .middleware(Authentication)
  .middleware(Timing)
{}

class ExecutionsApi extends HttpApiGroup.make("executions")
  .add(
    HttpApiEndpoint.get("list", "/executions").setUrlParams(Requests.ExecutionsQuery)
      .addSuccess(Schema.Array(Shapes.Execution))
      .annotateContext(operation({
        scope: "read",
        summary: "List executions",
        description:
          "Newest first, of all that ran for you, whatever started it. Filters combine; `before` is the id of the "
          + "last one of the page before. Results are left out: read one for that."
      }))
  )
  .add(
    HttpApiEndpoint.get("get")`/executions/${execution}`.addSuccess(Shapes.Execution)
      .annotateContext(operation({ scope: "read", summary: "Read an execution, with its result" }))
  )
  .add(
    HttpApiEndpoint.get("workflow")`/executions/${execution}/workflow`.addSuccess(Schema.Array(Shapes.TreeNode))
      .annotateContext(operation({
        scope: "read",
        summary: "Read the tree of executions that one is part of",
        description:
          "The root first, then by depth and age; each with what it used, and with what it and all below it did."
      }))
  )
  .add(
    HttpApiEndpoint.post("cancel")`/executions/${execution}/cancel`.addSuccess(Shapes.Cancelled)
      .annotateContext(operation({
        scope: "chat",
        summary: "Cancel an execution",
        description: "Also one that waits, or is to be tried again. 409 when it has ended."
      }))
  )
  .middleware(Authentication)
  .middleware(Timing)
{}

class SessionsApi extends HttpApiGroup.make("sessions")
  .add(
    HttpApiEndpoint.get("list", "/sessions").setUrlParams(Requests.SessionsQuery)
      .addSuccess(Schema.Array(Shapes.SessionInfo))
      .annotateContext(operation({ scope: "read", summary: "List your sessions", description: "Newest first." }))
  )
  .add(
    HttpApiEndpoint.get("get")`/sessions/${session}`.addSuccess(Shapes.SessionInfo)
      .annotateContext(operation({ scope: "read", summary: "Read a session" }))
  )
  .add(
    HttpApiEndpoint.del("remove")`/sessions/${session}`.addSuccess(Shapes.Deleted)
      .annotateContext(operation({ scope: "write", summary: "Delete a session, and all that was said in it" }))
  )
  .middleware(Authentication)
  .middleware(Timing)
{}

class ConversationsApi extends HttpApiGroup.make("conversations")
  .add(
    HttpApiEndpoint.get("list", "/users/me/conversations").setUrlParams(Requests.ConversationsQuery)
      .addSuccess(Schema.Array(Shapes.Conversation))
      .annotateContext(operation({ scope: "read", summary: "List your conversations", description: "Newest first." }))
  )
  .add(
    HttpApiEndpoint.get("messages")`/users/me/conversations/${session}/messages`
      .setUrlParams(Requests.MessagesQuery).addSuccess(Schema.Array(Shapes.ConversationMessage))
      .annotateContext(operation({ scope: "read", summary: "Read what was said", description: "Oldest first." }))
  )
  .middleware(Authentication)
  .middleware(Timing)
{}

class CatalogApi extends HttpApiGroup.make("catalog")
  .add(
    HttpApiEndpoint.get("tools", "/tools").addSuccess(Schema.Array(Shapes.ToolInfo))
      .annotateContext(operation({
        scope: "read",
        summary: "List tools: the server's, and those that clients of your agents run"
      }))
  )
  .add(
    HttpApiEndpoint.get("tool")`/tools/${param("tool_id")}`.addSuccess(Shapes.ToolInfo)
      .annotateContext(operation({ scope: "read", summary: "Read a tool" }))
  )
  .add(
    HttpApiEndpoint.get("skills", "/skills").addSuccess(Schema.Array(Shapes.SkillInfo))
      .annotateContext(
        operation({
          scope: "read",
          summary: "List skills: those of your library, and those of your agents' definitions"
        })
      )
  )
  .add(
    HttpApiEndpoint.get("skill")`/skills/${param("skill_id")}`.addSuccess(Shapes.SkillInfo)
      .annotateContext(operation({ scope: "read", summary: "Read a skill" }))
  )
  .middleware(Authentication)
  .middleware(Timing)
{}

const schedule = param("schedule_id")

class SchedulesApi extends HttpApiGroup.make("schedules")
  .add(
    HttpApiEndpoint.get("list", "/schedules").addSuccess(Schema.Array(Shapes.ScheduleInfo))
      .annotateContext(operation({
        scope: "read",
        summary: "List schedules",
        description: "The first thousand, oldest first."
      }))
  )
  .add(
    HttpApiEndpoint.get("get")`/schedules/${schedule}`.addSuccess(Shapes.ScheduleDetail)
      .annotateContext(operation({ scope: "read", summary: "Read a schedule" }))
  )
  .add(
    HttpApiEndpoint.post("create", "/schedules").setPayload(Requests.ScheduleRequest)
      .addSuccess(Shapes.ScheduleCreated)
      .annotateContext(operation({
        scope: "write",
        summary: "Have an agent work by the clock",
        example: { agent_id: "<agent id>", name: "daily", cron_expr: "0 9 * * *", message: "Write the report." }
      }))
  )
  .add(
    HttpApiEndpoint.del("remove")`/schedules/${schedule}`.addSuccess(Shapes.ScheduleDeleted)
      .annotateContext(operation({ scope: "write", summary: "Delete a schedule" }))
  )
  .add(
    HttpApiEndpoint.post("pause")`/schedules/${schedule}/pause`.addSuccess(Shapes.SchedulePaused)
      .annotateContext(operation({ scope: "write", summary: "Pause a schedule" }))
  )
  .add(
    HttpApiEndpoint.post("resume")`/schedules/${schedule}/resume`.addSuccess(Shapes.ScheduleResumed)
      .annotateContext(operation({ scope: "write", summary: "Resume a schedule" }))
  )
  .add(
    HttpApiEndpoint.post("trigger")`/schedules/${schedule}/trigger`.addSuccess(Shapes.ScheduleTriggered)
      .annotateContext(operation({ scope: "write", summary: "Let a schedule fire now" }))
  )
  .middleware(Authentication)
  .middleware(Timing)
{}

export const api = Problem.ofChannel(
  HttpApi.make("gateway")
    .add(HealthApi)
    .add(AgentsApi)
    .add(RunsApi)
    .add(ExecutionsApi)
    .add(SessionsApi)
    .add(ConversationsApi)
    .add(CatalogApi)
    .add(SchedulesApi)
    .add(AdminApi)
)
  .annotate(OpenApi.Title, "Stoa: the Agent Gateway's API")
  .annotate(OpenApi.Version, "0.1.0")
  .annotate(
    OpenApi.Description,
    "Agents that are invoked and talked to, their executions, sessions, tools, skills and schedules. Executions are "
      + "runs, and conversations are sessions: what is seen here is seen everywhere."
  )
