/** The Open Agent API's own paths below its mount. Those that it has from OpenAI are OpenAI's. */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { JsonObject } from "../../../domain/Json.ts"
import { PageRequest } from "../../../domain/Page.ts"
import { Authentication } from "../../api/Authentication.ts"
import { EventStream } from "../../api/EventStream.ts"
import { IdempotencyHeaders, idempotencyKey } from "../../api/IdempotencyKey.ts"
import { KeyHeader, named, operation } from "../../api/Operation.ts"
import * as Problem from "../../api/Problem.ts"
import { keyHeaders } from "../Keys.ts"
import { AgentBody, RunRequest } from "./Requests.ts"

/** The header of an API key, beside `Authorization`. */
export const keyHeader = "x-api-key"

const ToolkitView = Schema.Struct({
  name: Schema.String,
  instructions: Schema.String,
  functions: Schema.Array(Schema.Struct({
    name: Schema.String,
    description: Schema.String,
    parameters: JsonObject,
    strict: Schema.Boolean
  }))
}).annotations({ identifier: "OpenAgentToolkit" })

const record = {
  id: Schema.String,
  agent_id: Schema.String,
  name: Schema.String,
  model: Schema.String,
  description: Schema.String,
  instructions: Schema.String,
  tools: Schema.Array(ToolkitView),
  created_at: Schema.String
}

const AgentRecord = Schema.Struct(record).annotations({ identifier: "OpenAgent" })

const Cost = Schema.Struct({
  input_tokens: Schema.Int,
  output_tokens: Schema.Int,
  microdollars: Schema.Int,
  unpriced_calls: Schema.Int
}).annotations({ identifier: "CostSummary" })

const Answer = Schema.Struct({
  run_id: Schema.String,
  session_id: Schema.String,
  agent_id: Schema.String,
  model: Schema.String,
  created_at: Schema.Int,
  messages: Schema.Array(JsonObject),
  message: JsonObject,
  finish_reason: Schema.Literal("stop", "length", "content_filter", "tool_request"),
  usage: Schema.Record({ key: Schema.String, value: Schema.Int }),
  cost: Cost
}).annotations({ identifier: "AgentCompletionResponse" })

const Tool = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  instructions: Schema.String,
  functions: Schema.Array(Schema.String)
}).annotations({ identifier: "OpenAgentTool" })

const ExternalTool = Schema.Struct({
  id: Schema.String,
  type: Schema.Literal("toolkit"),
  name: Schema.String,
  description: Schema.String,
  instructions: Schema.String,
  parameters: JsonObject,
  functions: Schema.Array(JsonObject)
}).annotations({ identifier: "OpenAgentExternalTool" })

const words = Schema.Record({ key: Schema.String, value: Schema.String })

/** Longer ids are nobody's. */
const id = HttpApiSchema.param("agent_id", Schema.String.pipe(Schema.maxLength(256)))

class AgentsApi extends HttpApiGroup.make("agents")
  .add(
    HttpApiEndpoint.post("create", "/agents").setHeaders(IdempotencyHeaders).setPayload(AgentBody)
      .addSuccess(named("OpenAgentCreated", Schema.Struct(record), 201))
      .annotateContext(operation({
        scope: "write",
        summary: "Create an agent",
        example: { name: "Friday", model: "Demo/demo-chat", instructions: "Be kind." }
      }))
  )
  .add(
    HttpApiEndpoint.get("list", "/agents").setUrlParams(PageRequest)
      .addSuccess(Schema.Struct({ agents: Schema.Array(AgentRecord), next_cursor: Schema.NullOr(Schema.String) }))
      .annotateContext(operation({
        scope: "read",
        summary: "List your agents",
        description: "Oldest first; where there are too many for one answer, `next_cursor` is the next one's `cursor`."
      }))
  )
  .add(
    HttpApiEndpoint.get("get")`/agents/${id}`.addSuccess(AgentRecord)
      .annotateContext(operation({ scope: "read", summary: "Read an agent" }))
  )
  .add(
    HttpApiEndpoint.put("replace")`/agents/${id}`.setPayload(AgentBody).addSuccess(AgentRecord)
      .annotateContext(operation({
        scope: "write",
        summary: "Change an agent",
        description: "What is left out stays as it is."
      }))
  )
  .add(
    HttpApiEndpoint.del("remove")`/agents/${id}`.addSuccess(Schema.Struct({ id: Schema.String }))
      .annotateContext(operation({ scope: "write", summary: "Delete an agent, and its sessions with it" }))
  )
  .middleware(Authentication)
{}

const headers = Schema.Struct({ accept: Schema.optional(Schema.String), ...idempotencyKey, ...keyHeaders })

const runs = operation({
  scope: "chat",
  takesFiles: true,
  summary: "Run an agent",
  description: "Answers when the agent has, or with `Accept: text/event-stream` as it does. When it calls tools of the "
    + "client it halts: the same request, with the answer's message and a result for each call, goes on. Leaving stops it.",
  example: { messages: [{ role: "user", content: "Hello!" }] }
})

class RunsApi extends HttpApiGroup.make("runs")
  .add(
    HttpApiEndpoint.post("run")`/agents/${id}/run`.setHeaders(headers).setPayload(RunRequest)
      .addSuccess(Answer).addSuccess(EventStream).annotateContext(runs)
  )
  .add(
    HttpApiEndpoint.post("chat")`/agents/${id}/chat`.setHeaders(headers).setPayload(RunRequest)
      .addSuccess(Answer).addSuccess(EventStream).annotateContext(runs)
  )
  .middleware(Authentication)
{}

class ToolsApi extends HttpApiGroup.make("tools")
  .add(
    HttpApiEndpoint.get("list", "/tools").addSuccess(Schema.Array(Tool))
      .annotateContext(operation({ scope: "read", summary: "List toolkits: the server's, and those of your agents" }))
  )
  .add(
    HttpApiEndpoint.get("get")`/tools/${HttpApiSchema.param("tool_id", Schema.String.pipe(Schema.maxLength(512)))}`
      .addSuccess(ExternalTool)
      .annotateContext(operation({ scope: "read", summary: "Read a toolkit" }))
  )
  .add(
    HttpApiEndpoint.del("remove")`/tools/${HttpApiSchema.param("tool_id", Schema.String.pipe(Schema.maxLength(512)))}`
      .addSuccess(Schema.Struct({ id: Schema.String }))
      .annotateContext(operation({ scope: "write", summary: "Take a toolkit from its agent" }))
  )
  .middleware(Authentication)
{}

class SystemApi extends HttpApiGroup.make("system")
  .add(
    HttpApiEndpoint.get("root", "/").addSuccess(words)
      .annotateContext(operation({ scope: null, summary: "Say what answers here" }))
  )
  .add(
    HttpApiEndpoint.get("health", "/health").addSuccess(words)
      .annotateContext(operation({ scope: null, summary: "Say whether it takes work" }))
  )
{}

export const api = Problem.ofChannel(
  HttpApi.make("open_agent")
    .add(SystemApi)
    .add(AgentsApi)
    .add(RunsApi)
    .add(ToolsApi)
)
  .annotate(KeyHeader, keyHeader)
  .annotate(OpenApi.Title, "Stoa: the Open Agent API")
  .annotate(OpenApi.Version, "0.7.0")
  .annotate(
    OpenApi.Description,
    "Agents, their runs as answers or as events, and the client's own toolkits; with OpenAI's paths beside them."
  )
