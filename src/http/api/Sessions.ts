import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { Accepted } from "../../domain/Chat.ts"
import { ExportFormat } from "../../domain/Export.ts"
import { Sought } from "../../domain/Find.ts"
import { AgentId, SessionId } from "../../domain/Ids.ts"
import { PageRequest, searchedListOf } from "../../domain/Page.ts"
import { SessionDraft, SessionListItem, SessionPatch, SessionStatus, SessionView } from "../../domain/Session.ts"
import { Authentication } from "./Authentication.ts"
import { EventStream } from "./EventStream.ts"
import { IdempotencyHeaders } from "./IdempotencyKey.ts"
import { named, operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

const id = HttpApiSchema.param("session_id", SessionId)

/** When given, it must be the session's agent. */
const ofAgent = Schema.Struct({ agent_id: Schema.optional(AgentId) })

export const SessionCreated = named("SessionCreated", Schema.Struct({ session_id: SessionId }), 201)

const SessionState = Schema.Struct({ session_id: SessionId, status: SessionStatus })
  .annotations({ identifier: "SessionState" })

const SessionInterrupted = named("SessionInterrupted", Schema.Struct({ session_id: SessionId }), 202)

const CompactionAccepted = named("CompactionAccepted", Accepted, 202)

const queue = Schema.Literal("keep", "drop").annotations({
  jsonSchema: { type: "string", enum: ["keep", "drop"], default: "keep" }
})

const format = ExportFormat.annotations({
  jsonSchema: { type: "string", enum: [...ExportFormat.literals], default: "markdown" }
})

const cursor = Schema.String.pipe(Schema.maxLength(32))

export const SessionsRequest = Schema.Struct({
  ...ofAgent.fields,
  ...PageRequest.fields,
  q: Schema.optional(Sought)
})
export type SessionsRequest = typeof SessionsRequest.Type

export class SessionsApi extends HttpApiGroup.make("sessions")
  .add(
    HttpApiEndpoint.get("list", "/sessions")
      .setUrlParams(SessionsRequest)
      .addSuccess(searchedListOf("sessions", SessionListItem).annotations({ identifier: "SessionList" }))
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "read",
        summary: "List your sessions",
        description:
          "All, or those of one agent; newest first. Each item is the session itself, and holds it once more "
          + "as `session`, where newer clients look for it. With `q`: those whose name holds the text, or something that was "
          + "said in them. One page then looks at the newest 200 sessions or 32 MB of messages at most, so that it may hold "
          + "few or none: `next_cursor` goes on."
      }))
  )
  .add(
    HttpApiEndpoint.post("create", "/sessions").setHeaders(IdempotencyHeaders).setPayload(SessionDraft)
      .addSuccess(SessionCreated)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "write",
        summary: "Create a session",
        description: "A session without a model can be made, and gets one by a change before the first input.",
        example: {
          agent_id: "agent_id",
          name: "First steps",
          chat_model_config: { type: "demo_credential", credential_id: "credential_id", model: "demo-chat" }
        }
      }))
  )
  .add(
    HttpApiEndpoint.get("get")`/sessions/${id}`.setUrlParams(ofAgent).addSuccess(SessionView).addError(Problem.NotFound)
      .annotateContext(operation({ scope: "read", summary: "Read a session" }))
  )
  .add(
    HttpApiEndpoint.patch("update")`/sessions/${id}`.setUrlParams(ofAgent).setPayload(SessionPatch)
      .addSuccess(SessionView)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "write",
        summary: "Change a session",
        description:
          "Fields that are left out stay as they are; a null `chat_model_config`, `fallback_chat_model_config`, "
          + "`tts_model_config`, `knowledge_config` or `cwd` takes it away. The models and the permission mode cannot be changed while a run goes on.",
        example: { name: "Second thoughts" }
      }))
  )
  .add(
    HttpApiEndpoint.del("remove")`/sessions/${id}`.setUrlParams(ofAgent).addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "write",
        summary: "Delete a session",
        description: "Its transcript, its events and its runs go with it; what runs is stopped first."
      }))
  )
  .add(
    HttpApiEndpoint.get("export")`/sessions/${id}/export`
      .setUrlParams(Schema.Struct({
        ...ofAgent.fields,
        format: Schema.optionalWith(format, { default: () => "markdown" as const })
      }))
      .addSuccess(HttpApiSchema.Text({ contentType: "text/markdown" }))
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "read",
        summary: "Export a session",
        description:
          "The whole transcript as a file: Markdown for people, without thoughts, or as `application/json` an object "
          + "`{session, exported_at, messages}` with all that the messages hold. The unfinished reply is its last message."
      }))
  )
  .add(
    HttpApiEndpoint.get("status")`/sessions/${id}/status`.setUrlParams(ofAgent)
      .addSuccess(SessionState)
      .addError(Problem.NotFound)
      .annotateContext(operation({ scope: "read", summary: "See what a session is doing" }))
  )
  .add(
    HttpApiEndpoint.post("interrupt")`/sessions/${id}/interrupt`
      .setUrlParams(Schema.Struct({
        ...ofAgent.fields,
        queue: Schema.optionalWith(queue, { default: () => "keep" as const })
      }))
      .addSuccess(SessionInterrupted)
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "chat",
        summary: "Stop what runs in a session",
        description:
          "Stops the session's run and its background tasks. Idle is fine. `queue=drop` ends the waiting inputs too."
      }))
  )
  .add(
    HttpApiEndpoint.post("compact")`/sessions/${id}/compact`
      .setHeaders(IdempotencyHeaders)
      .setUrlParams(ofAgent)
      .addSuccess(CompactionAccepted)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .addError(Problem.LimitReached)
      .annotateContext(operation({
        scope: "chat",
        summary: "Summarise a session's context",
        description:
          "Starts a run that asks the session's model for a summary of the older part of the conversation. From then on the "
          + "model is given the summary in its place; the transcript keeps everything. While a run goes on it waits its "
          + "turn. Its reply says what came of it; when no summary can be made, it fails, and the context stays as it was."
      }))
  )
  .add(
    HttpApiEndpoint.get("stream")`/sessions/${id}/stream`
      .setUrlParams(Schema.Struct({ ...ofAgent.fields, after: Schema.optional(cursor) }))
      .setHeaders(Schema.Struct({ "last-event-id": Schema.optional(cursor) }))
      .addSuccess(EventStream)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .addError(Problem.Gone)
      .annotateContext(operation({
        scope: "read",
        summary: "Follow a session",
        description:
          "Replays the log after `Last-Event-ID`, or else after `after`, then follows, across runs. Without a cursor: the current run from its start, then live. It ends when you leave."
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "Exchanges between a user and an agent.")
{}
