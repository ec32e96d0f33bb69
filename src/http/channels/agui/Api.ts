/** AG-UI's paths below their mount. The protocol has one, of an agent; how one looks at a thread again and stops it is ours. */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { JsonObject } from "../../../domain/Json.ts"
import { Authentication } from "../../api/Authentication.ts"
import { EventStream } from "../../api/EventStream.ts"
import { idempotencyKey } from "../../api/IdempotencyKey.ts"
import { operation } from "../../api/Operation.ts"
import * as Problem from "../../api/Problem.ts"
import { keyHeaders } from "../Keys.ts"
import { RunAgentInput } from "./Requests.ts"

/** Longer ids are nobody's. */
const agent = HttpApiSchema.param("agent_id", Schema.String.pipe(Schema.maxLength(256)))
const thread = HttpApiSchema.param("thread_id", Schema.String.pipe(Schema.maxLength(512)))

const Cancelled = Schema.Struct({
  threadId: Schema.String,
  status: Schema.Literal("cancelled")
}).annotations({ identifier: "AgUiCancelled" })

const headers = Schema.Struct({ ...idempotencyKey, ...keyHeaders })

const run = operation({
  scope: "chat",
  takesFiles: true,
  summary: "Run an agent",
  description:
    "Answers with the events of the run. `threadId` names a conversation that the server keeps: of `messages` "
    + "it takes what it does not have. The run goes on when its client leaves.",
  example: {
    threadId: "a-thread",
    runId: "a-run",
    protocolVersion: "1.0",
    messages: [{ id: "1", role: "user", content: "Hello!" }],
    tools: [],
    context: []
  }
})

class RunsApi extends HttpApiGroup.make("runs")
  .add(
    HttpApiEndpoint.post("run", "/").setHeaders(headers).setPayload(RunAgentInput)
      .addSuccess(EventStream).annotateContext(run)
  )
  .add(
    HttpApiEndpoint.post("runAgent")`/agents/${agent}`.setHeaders(headers).setPayload(RunAgentInput)
      .addSuccess(EventStream).annotateContext(run)
  )
  .add(
    HttpApiEndpoint.get("capabilities")`/agents/${agent}/capabilities`.addSuccess(JsonObject)
      .annotateContext(operation({ scope: "read", summary: "Say what an agent can do" }))
  )
  .middleware(Authentication)
{}

class ThreadsApi extends HttpApiGroup.make("threads")
  .add(
    HttpApiEndpoint.get("stream")`/threads/${thread}/stream`
      .setHeaders(Schema.Struct(keyHeaders))
      .setUrlParams(Schema.Struct({
        runId: Schema.optional(Schema.String.pipe(Schema.maxLength(512))),
        protocolVersion: Schema.optional(Schema.String.pipe(Schema.maxLength(32)))
      }))
      .addSuccess(EventStream)
      .annotateContext(operation({
        scope: "read",
        summary: "Look at a thread again",
        description:
          "A stream of events that begins with all messages and the state, and follows what runs to its end. "
          + "`protocolVersion=1.0` says that the client knows the protocol's events of 1.0."
      }))
  )
  .add(
    HttpApiEndpoint.post("cancel")`/threads/${thread}/cancel`
      .setHeaders(Schema.Struct(keyHeaders))
      .addSuccess(Cancelled)
      .annotateContext(operation({
        scope: "chat",
        summary: "Stop what runs in a thread",
        description: "Stops the run, one that waits for somebody too, and answers when its end is durable."
      }))
  )
  .middleware(Authentication)
{}

export const api = Problem.ofChannel(HttpApi.make("ag_ui").add(RunsApi).add(ThreadsApi))
  .annotate(OpenApi.Title, "Stoa: AG-UI")
  .annotate(OpenApi.Version, "1.0")
  .annotate(OpenApi.Description, "Agents for front ends that speak AG-UI, of 1.0 and of before.")
