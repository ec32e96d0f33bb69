/** The paths of A2A below its mount, twice: for the agent that answers where none is named, and for each by its address. */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { JsonObject } from "../../../domain/Json.ts"
import { wholeNumber } from "../../../domain/Page.ts"
import { RemoteAgentDraft, RemoteAgentView } from "../../../domain/RemoteAgent.ts"
import { Authentication } from "../../api/Authentication.ts"
import { EventStream } from "../../api/EventStream.ts"
import { idempotencyKey } from "../../api/IdempotencyKey.ts"
import { operation } from "../../api/Operation.ts"
import * as Problem from "../../api/Problem.ts"
import { maxPageSize, PushConfig, SendRequest, TaskState } from "./Requests.ts"

const cardPath = "/.well-known/agent-card.json"

const text = Schema.String.pipe(Schema.maxLength(512))

/** Versions and extensions are said in headers; where those cannot be set, in the query. */
const headers = Schema.Struct({
  "a2a-version": Schema.optional(Schema.String),
  "a2a-extensions": Schema.optional(Schema.String),
  ...idempotencyKey
})
const version = { "A2A-Version": Schema.optional(Schema.String) }
const query = Schema.Struct(version)

/** Undefined below the mount itself. */
const agent = { agent: Schema.optional(text) }
const ofAgent = Schema.Struct(agent)
const ofTask = Schema.Struct({ ...agent, task: text })
const ofRegistered = Schema.Struct({ registered: text })
const ofPush = Schema.Struct({ ...agent, task: text, config: text })

const Status = Schema.Struct({
  state: TaskState,
  timestamp: Schema.String,
  message: Schema.optional(JsonObject)
})
const Task = Schema.Struct({
  id: Schema.String,
  contextId: Schema.String,
  status: Status,
  artifacts: Schema.optional(Schema.Array(JsonObject)),
  history: Schema.optional(Schema.Array(JsonObject)),
  metadata: Schema.optional(JsonObject)
}).annotations({ identifier: "A2aTask" })
const Config = Schema.Struct({
  id: Schema.String,
  taskId: Schema.String,
  url: Schema.String,
  authentication: Schema.optional(Schema.Struct({ scheme: Schema.String }))
}).annotations({ identifier: "A2aTaskPushNotificationConfig" })
const Sent = Schema.Struct({ task: Task }).annotations({ identifier: "A2aSendMessageResponse" })
const TaskList = Schema.Struct({
  tasks: Schema.Array(Task),
  nextPageToken: Schema.String,
  pageSize: Schema.Int,
  totalSize: Schema.Int
}).annotations({ identifier: "A2aListTasksResponse" })
const Card = JsonObject.annotations({ identifier: "A2aAgentCard" })

const ListQuery = Schema.Struct({
  ...version,
  contextId: Schema.optional(text),
  status: Schema.optional(TaskState),
  pageSize: Schema.optional(wholeNumber(1, maxPageSize)),
  pageToken: Schema.optional(text),
  historyLength: Schema.optional(wholeNumber(0, 1000)),
  statusTimestampAfter: Schema.optional(text),
  includeArtifacts: Schema.optional(Schema.Literal("true", "false"))
})

const message = { messageId: "m1", role: "ROLE_USER", parts: [{ text: "Hello!" }] }

const groupOf = <const Name extends string>(name: Name, prefix: "" | "/agents/:agent") =>
  HttpApiGroup.make(name)
    .add(
      HttpApiEndpoint.post("call", prefix === "" ? "/" : prefix)
        .setPath(ofAgent).setHeaders(headers).setUrlParams(query).setPayload(JsonObject)
        .addSuccess(JsonObject).addSuccess(EventStream)
        .annotateContext(operation({
          scope: "chat",
          takesFiles: true,
          summary: "Call a method by JSON-RPC",
          description: "`SendMessage`, `SendStreamingMessage`, `GetTask`, `ListTasks`, `CancelTask`, `SubscribeToTask` "
            + "and `GetExtendedAgentCard`, as A2A 1.0 has them.",
          example: { jsonrpc: "2.0", id: 1, method: "SendMessage", params: { message } }
        }))
    )
    .add(
      HttpApiEndpoint.post("say", `${prefix}/:operation`)
        .setPath(Schema.Struct({ ...agent, operation: text })).setHeaders(headers).setUrlParams(query)
        .setPayload(SendRequest)
        .addSuccess(Sent).addSuccess(EventStream)
        .annotateContext(operation({
          scope: "chat",
          takesFiles: true,
          summary: "Send a message: `message:send`, or `message:stream`",
          example: { message }
        }))
    )
    .add(
      HttpApiEndpoint.get("list", `${prefix}/tasks`)
        .setPath(ofAgent).setHeaders(headers).setUrlParams(ListQuery).addSuccess(TaskList)
        .annotateContext(operation({ scope: "read", summary: "List tasks, newest first" }))
    )
    .add(
      HttpApiEndpoint.get("get", `${prefix}/tasks/:task`)
        .setPath(ofTask).setHeaders(headers)
        .setUrlParams(Schema.Struct({ ...version, historyLength: Schema.optional(wholeNumber(0, 1000)) }))
        .addSuccess(Task).addSuccess(EventStream)
        .annotateContext(
          operation({ scope: "read", summary: "Read a task; with `:subscribe` after its id, follow it" })
        )
    )
    .add(
      HttpApiEndpoint.post("act", `${prefix}/tasks/:task`)
        .setPath(ofTask).setHeaders(headers).setUrlParams(query)
        .addSuccess(Task).addSuccess(EventStream)
        .annotateContext(operation({
          scope: "chat",
          summary: "Stop a task (`:cancel` after its id), or follow it (`:subscribe`)"
        }))
    )
    .add(
      HttpApiEndpoint.post("addPush", `${prefix}/tasks/:task/pushNotificationConfigs`)
        .setPath(ofTask).setHeaders(headers).setUrlParams(query).setPayload(PushConfig).addSuccess(Config)
        .annotateContext(operation({
          scope: "chat",
          summary: "Have a task's updates sent to an address",
          example: { url: "https://example.com/hook", token: "a-token" }
        }))
    )
    .add(
      HttpApiEndpoint.get("listPushes", `${prefix}/tasks/:task/pushNotificationConfigs`)
        .setPath(ofTask).setHeaders(headers).setUrlParams(query)
        .addSuccess(Schema.Struct({ configs: Schema.Array(Config), nextPageToken: Schema.String }))
        .annotateContext(operation({ scope: "read", summary: "List where a task's updates are sent" }))
    )
    .add(
      HttpApiEndpoint.get("getPush", `${prefix}/tasks/:task/pushNotificationConfigs/:config`)
        .setPath(ofPush).setHeaders(headers).setUrlParams(query).addSuccess(Config)
        .annotateContext(operation({ scope: "read", summary: "Read one address; its secrets are not shown" }))
    )
    .add(
      HttpApiEndpoint.del("removePush", `${prefix}/tasks/:task/pushNotificationConfigs/:config`)
        .setPath(ofPush).setHeaders(headers).setUrlParams(query).addSuccess(HttpApiSchema.NoContent)
        .annotateContext(operation({ scope: "chat", summary: "Send no more updates there" }))
    )
    .add(
      HttpApiEndpoint.get("extended", `${prefix}/extendedAgentCard`)
        .setPath(ofAgent).setHeaders(headers).setUrlParams(query).addSuccess(Card)
        .annotateContext(operation({ scope: "read", summary: "Read the card, with all your agents as skills" }))
    )
    .middleware(Authentication)

class StandingApi extends groupOf("standing", "") {}
class AgentApi extends groupOf("agent", "/agents/:agent") {}

class CardsApi extends HttpApiGroup.make("cards")
  .add(
    HttpApiEndpoint.get("ofAgent", `/agents/:agent${cardPath}`).setPath(Schema.Struct({ agent: text }))
      .addSuccess(Card)
      .annotateContext(operation({ scope: "read", summary: "Read the card of one agent" }))
  )
  .middleware(Authentication)
{}

class RegistryApi extends HttpApiGroup.make("registry")
  .add(
    HttpApiEndpoint.post("register", "/registry").setPayload(RemoteAgentDraft).addSuccess(RemoteAgentView, {
      status: 201
    })
      .annotateContext(operation({
        scope: "write",
        summary: "Name an agent elsewhere",
        description:
          "Its card is fetched and kept. Agents here that name its tool, or `a2a`, among their `tools` can call it.",
        example: { url: "https://agents.example.com", name: "weather", headers: { Authorization: "Bearer …" } }
      }))
  )
  .add(
    HttpApiEndpoint.get("registered", "/registry")
      .addSuccess(Schema.Struct({ agents: Schema.Array(RemoteAgentView) }))
      .annotateContext(operation({ scope: "read", summary: "List the agents elsewhere that you have named" }))
  )
  .add(
    HttpApiEndpoint.get("one", "/registry/:registered").setPath(ofRegistered).addSuccess(RemoteAgentView)
      .annotateContext(operation({ scope: "read", summary: "Read what is kept of one; its secrets are not shown" }))
  )
  .add(
    HttpApiEndpoint.del("forget", "/registry/:registered").setPath(ofRegistered).addSuccess(HttpApiSchema.NoContent)
      .annotateContext(operation({ scope: "write", summary: "Forget one: its tool is gone" }))
  )
  .middleware(Authentication)
{}

export const api = Problem.ofChannel(
  HttpApi.make("a2a")
    .add(StandingApi)
    .add(AgentApi)
    .add(CardsApi)
    .add(RegistryApi)
)
  .annotate(OpenApi.Title, "Stoa: A2A")
  .annotate(OpenApi.Version, "1.0")
  .annotate(
    OpenApi.Description,
    "Agents for other agents: tasks over JSON-RPC and over REST, and cards that describe them."
  )

class WellKnownApi extends HttpApiGroup.make("well_known").add(
  HttpApiEndpoint.get("card", cardPath).addSuccess(Card)
    .annotateContext(operation({ scope: null, summary: "Read the public card of this server" }))
) {}

/** What has its place at the root, wherever the rest is mounted. */
export const wellKnown = Problem.ofChannel(HttpApi.make("a2a_well_known").add(WellKnownApi))
  .annotate(OpenApi.Title, "Stoa: A2A")
  .annotate(OpenApi.Version, "1.0")
