import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { Conflict, Gone, Invalid, Malformed, NotFound } from "../../domain/Errors.ts"
import { AgentId, SessionId } from "../../domain/Ids.ts"
import { listOf, PageRequest } from "../../domain/Page.ts"
import { SessionDraft, SessionPatch, SessionStatus, SessionView } from "../../domain/Session.ts"
import { Authentication } from "./Authentication.ts"
import { EventStream, streamsEvents } from "./EventStream.ts"
import { IdempotencyHeaders } from "./IdempotencyKey.ts"

const id = HttpApiSchema.param("session_id", SessionId)

/** When given, it must be the session's agent. */
const ofAgent = Schema.Struct({ agent_id: Schema.optional(AgentId) })

export const SessionCreated = Schema.Struct({ session_id: SessionId })

export class SessionsApi extends HttpApiGroup.make("sessions")
  .add(
    HttpApiEndpoint.get("list", "/sessions")
      .setUrlParams(Schema.Struct({ ...ofAgent.fields, ...PageRequest.fields }))
      .addSuccess(listOf("sessions", SessionView))
      .addError(NotFound)
      .addError(Malformed)
      .annotate(OpenApi.Description, "Newest first.")
  )
  .add(
    HttpApiEndpoint.post("create", "/sessions").setHeaders(IdempotencyHeaders).setPayload(SessionDraft)
      .addSuccess(SessionCreated, { status: 201 })
      .addError(NotFound)
      .addError(Invalid)
  )
  .add(HttpApiEndpoint.get("get")`/sessions/${id}`.setUrlParams(ofAgent).addSuccess(SessionView).addError(NotFound))
  .add(
    HttpApiEndpoint.patch("update")`/sessions/${id}`.setUrlParams(ofAgent).setPayload(SessionPatch)
      .addSuccess(SessionView)
      .addError(NotFound)
      .addError(Conflict)
      .addError(Invalid)
  )
  .add(HttpApiEndpoint.del("remove")`/sessions/${id}`.setUrlParams(ofAgent).addError(NotFound))
  .add(
    HttpApiEndpoint.get("status")`/sessions/${id}/status`.setUrlParams(ofAgent)
      .addSuccess(Schema.Struct({ session_id: SessionId, status: SessionStatus }))
      .addError(NotFound)
  )
  .add(
    HttpApiEndpoint.post("interrupt")`/sessions/${id}/interrupt`
      .setUrlParams(Schema.Struct({
        ...ofAgent.fields,
        queue: Schema.optionalWith(Schema.Literal("keep", "drop"), { default: () => "keep" as const })
      }))
      .addSuccess(Schema.Struct({ session_id: SessionId }), { status: 202 })
      .addError(NotFound)
      .annotate(OpenApi.Description, "Stops the session's run. Idle is fine. `queue=drop` ends the waiting inputs too.")
  )
  .add(
    HttpApiEndpoint.get("stream")`/sessions/${id}/stream`
      .setUrlParams(
        Schema.Struct({ ...ofAgent.fields, after: Schema.optional(Schema.String.pipe(Schema.maxLength(32))) })
      )
      .setHeaders(Schema.Struct({ "last-event-id": Schema.optional(Schema.String.pipe(Schema.maxLength(32))) }))
      .addSuccess(EventStream)
      .addError(NotFound)
      .addError(Malformed)
      .addError(Conflict)
      .addError(Gone)
      .annotate(OpenApi.Transform, streamsEvents)
      .annotate(
        OpenApi.Description,
        "Replays the log after `Last-Event-ID`, or else after `after`, then follows, across runs. Without a cursor: the current run from its start, then live."
      )
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "Exchanges between a user and an agent.")
{}
