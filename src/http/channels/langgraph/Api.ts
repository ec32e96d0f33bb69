/** The paths of LangGraph's server that its SDK needs for agents, threads and runs, below their mount. */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { JsonObject } from "../../../domain/Json.ts"
import { queryInteger } from "../../../domain/Page.ts"
import { Authentication } from "../../api/Authentication.ts"
import { EventStream } from "../../api/EventStream.ts"
import { idempotencyKey } from "../../api/IdempotencyKey.ts"
import { KeyHeader, operation } from "../../api/Operation.ts"
import * as Problem from "../../api/Problem.ts"
import { runStatuses } from "./output/Views.ts"
import {
  AssistantSearch,
  HistoryBody,
  RunBody,
  StateBody,
  ThreadBody,
  ThreadPatch,
  ThreadSearch
} from "./request/Requests.ts"

/** Longer ids are nobody's. */
const idOf = <const Name extends string>(name: Name) =>
  HttpApiSchema.param(name, Schema.String.pipe(Schema.maxLength(256)))

const assistant = idOf("assistant_id")
const thread = idOf("thread_id")
const run = idOf("run_id")
const checkpoint = idOf("checkpoint_id")

const Thread = JsonObject.annotations({ identifier: "LangGraphThread" })
const Run = JsonObject.annotations({ identifier: "LangGraphRunRecord" })
const State = JsonObject.annotations({ identifier: "LangGraphThreadState" })
const Values = JsonObject.annotations({ identifier: "LangGraphValues" })
const Assistant = JsonObject.annotations({ identifier: "LangGraphAssistant" })

class SystemApi extends HttpApiGroup.make("system")
  .add(
    HttpApiEndpoint.get("ok", "/ok").addSuccess(JsonObject)
      .annotateContext(operation({ scope: null, summary: "Say that somebody is there" }))
  )
  .add(
    HttpApiEndpoint.get("info", "/info").addSuccess(JsonObject)
      .annotateContext(operation({ scope: null, summary: "Say what answers here" }))
  )
{}

class AssistantsApi extends HttpApiGroup.make("assistants")
  .add(
    HttpApiEndpoint.post("search", "/assistants/search").setPayload(AssistantSearch)
      .addSuccess(Schema.Array(Assistant))
      .annotateContext(operation({ scope: "read", summary: "List your agents" }))
  )
  .add(
    HttpApiEndpoint.get("get")`/assistants/${assistant}`.addSuccess(Assistant)
      .annotateContext(operation({ scope: "read", summary: "Read an agent, by its id or its name" }))
  )
  .middleware(Authentication)
{}

class ThreadsApi extends HttpApiGroup.make("threads")
  .add(
    HttpApiEndpoint.post("create", "/threads").setPayload(ThreadBody).addSuccess(Thread)
      .annotateContext(operation({ scope: "chat", summary: "Begin a thread", example: { metadata: { topic: "tea" } } }))
  )
  .add(
    HttpApiEndpoint.post("search", "/threads/search").setPayload(ThreadSearch).addSuccess(Schema.Array(Thread))
      .annotateContext(operation({
        scope: "read",
        summary: "List your threads",
        description: "By their metadata and their status. Each shows its newest messages."
      }))
  )
  .add(
    HttpApiEndpoint.get("get")`/threads/${thread}`.addSuccess(Thread)
      .annotateContext(operation({ scope: "read", summary: "Read a thread" }))
  )
  .add(
    HttpApiEndpoint.patch("update")`/threads/${thread}`.setPayload(ThreadPatch).addSuccess(Thread)
      .annotateContext(operation({ scope: "chat", summary: "Add to a thread's metadata" }))
  )
  .add(
    HttpApiEndpoint.del("remove")`/threads/${thread}`.addSuccess(HttpApiSchema.NoContent)
      .annotateContext(operation({ scope: "chat", summary: "Delete a thread with all that was said in it" }))
  )
  .add(
    HttpApiEndpoint.get("state")`/threads/${thread}/state`.addSuccess(State)
      .annotateContext(operation({ scope: "read", summary: "Read what a thread holds, and what it waits for" }))
  )
  .add(
    HttpApiEndpoint.get("stateAt")`/threads/${thread}/state/${checkpoint}`.addSuccess(State)
      .annotateContext(operation({ scope: "read", summary: "Read what a thread held after one of its messages" }))
  )
  .add(
    HttpApiEndpoint.post("stateOf")`/threads/${thread}/state/checkpoint`.setPayload(StateBody).addSuccess(State)
      .annotateContext(operation({ scope: "read", summary: "The same, with the checkpoint in the body" }))
  )
  .add(
    HttpApiEndpoint.post("history")`/threads/${thread}/history`.setPayload(HistoryBody)
      .addSuccess(Schema.Array(State))
      .annotateContext(
        operation({ scope: "read", summary: "Read what a thread held after each message, newest first" })
      )
  )
  .middleware(Authentication)
{}

const headers = Schema.Struct(idempotencyKey)

const example = { assistant_id: "Ada", input: { messages: [{ type: "human", content: "Hello!" }] } }

const beginning = (summary: string, description: string) =>
  operation({ scope: "chat", takesFiles: true, summary, description, example })

const streaming = beginning(
  "Run an agent, and follow it",
  "Answers with the events of `stream_mode`. `Location` says where a stream that was cut goes on, with `Last-Event-ID`."
)
const waiting = beginning(
  "Run an agent, and wait for it",
  "Answers with what the thread holds when the run has ended or waits for somebody."
)
const creating = beginning("Run an agent in the background", "Answers when the run is durable.")

const modes = Schema.String.pipe(Schema.maxLength(256))

const followed = Schema.Struct({
  stream_mode: Schema.optional(Schema.Union(modes, Schema.Array(modes).pipe(Schema.maxItems(16)))),
  cancel_on_disconnect: Schema.optional(Schema.Literal("0", "1", "true", "false")),
  /** Where the stream began that `Location` was said with. */
  from: Schema.optional(Schema.NumberFromString.pipe(Schema.int(), Schema.nonNegative()))
})
const lastId = Schema.Struct({ "last-event-id": Schema.optional(Schema.String.pipe(Schema.maxLength(64))) })

const joining = operation({
  scope: "read",
  summary: "Follow a run again",
  description: "From its first event on, or behind the one of `Last-Event-ID`, to where it ends or waits."
})

class RunsApi extends HttpApiGroup.make("runs")
  .add(
    HttpApiEndpoint.post("stream")`/threads/${thread}/runs/stream`.setHeaders(headers).setPayload(RunBody)
      .addSuccess(EventStream).annotateContext(streaming)
  )
  .add(
    HttpApiEndpoint.post("wait")`/threads/${thread}/runs/wait`.setHeaders(headers).setPayload(RunBody)
      .addSuccess(Values).annotateContext(waiting)
  )
  .add(
    HttpApiEndpoint.post("create")`/threads/${thread}/runs`.setHeaders(headers).setPayload(RunBody)
      .addSuccess(Run).annotateContext(creating)
  )
  .add(
    HttpApiEndpoint.get("list")`/threads/${thread}/runs`
      .setUrlParams(Schema.Struct({
        limit: queryInteger(1, 100, 10),
        offset: queryInteger(0, 10_000, 0),
        status: Schema.optional(Schema.Literal(...runStatuses)),
        select: Schema.optional(Schema.String.pipe(Schema.maxLength(512)))
      }))
      .addSuccess(Schema.Array(Run))
      .annotateContext(operation({ scope: "read", summary: "List a thread's runs, newest first" }))
  )
  .add(
    HttpApiEndpoint.get("get")`/threads/${thread}/runs/${run}`.addSuccess(Run)
      .annotateContext(operation({ scope: "read", summary: "Read a run" }))
  )
  .add(
    HttpApiEndpoint.get("join")`/threads/${thread}/runs/${run}/join`.addSuccess(Values)
      .annotateContext(operation({ scope: "read", summary: "Wait for a run" }))
  )
  .add(
    HttpApiEndpoint.get("joinStream")`/threads/${thread}/runs/${run}/stream`
      .setHeaders(lastId).setUrlParams(followed).addSuccess(EventStream).annotateContext(joining)
  )
  .add(
    HttpApiEndpoint.post("cancel")`/threads/${thread}/runs/${run}/cancel`
      .setUrlParams(Schema.Struct({
        wait: Schema.optional(Schema.String.pipe(Schema.maxLength(8))),
        action: Schema.optional(Schema.Literal("interrupt", "rollback"))
      }))
      .addSuccess(HttpApiSchema.NoContent)
      .annotateContext(operation({
        scope: "chat",
        summary: "Stop a run",
        description: "Answers when its end is durable. What was said until then is kept."
      }))
  )
  .middleware(Authentication)
{}

class StatelessApi extends HttpApiGroup.make("stateless")
  .add(
    HttpApiEndpoint.post("stream", "/runs/stream").setHeaders(headers).setPayload(RunBody)
      .addSuccess(EventStream).annotateContext(streaming)
  )
  .add(
    HttpApiEndpoint.post("wait", "/runs/wait").setHeaders(headers).setPayload(RunBody)
      .addSuccess(Values).annotateContext(waiting)
  )
  .add(
    HttpApiEndpoint.post("create", "/runs").setHeaders(headers).setPayload(RunBody)
      .addSuccess(Run).annotateContext(creating)
  )
  .add(
    HttpApiEndpoint.get("joinStream")`/runs/${run}/stream`
      .setHeaders(lastId).setUrlParams(followed).addSuccess(EventStream).annotateContext(joining)
  )
  .middleware(Authentication)
{}

export const api = Problem.ofChannel(
  HttpApi.make("langgraph").add(SystemApi).add(AssistantsApi).add(ThreadsApi).add(RunsApi).add(StatelessApi)
)
  // LangGraph's SDK sends its key so.
  .annotate(KeyHeader, "x-api-key")
  .annotate(OpenApi.Title, "Stoa: LangGraph")
  .annotate(OpenApi.Version, "1.0.0")
  .annotate(OpenApi.Description, "Agents, threads and runs for programs that use LangGraph's SDK.")
