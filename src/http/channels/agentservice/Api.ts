/** What the newest Agent Service answers otherwise than the root does, at the same paths. Everything else is the root's. */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Schema } from "effect"
import { ChatRequest } from "../../../domain/Chat.ts"
import { SessionId } from "../../../domain/Ids.ts"
import { searchedListOf } from "../../../domain/Page.ts"
import { Session, SessionStatus } from "../../../domain/Session.ts"
import { Authentication } from "../../api/Authentication.ts"
import { IdempotencyHeaders } from "../../api/IdempotencyKey.ts"
import { Transcript, TranscriptRequest } from "../../api/Messages.ts"
import { operation } from "../../api/Operation.ts"
import * as Problem from "../../api/Problem.ts"
import { SessionsRequest } from "../../api/Sessions.ts"

const ChatStarted = Schema.Struct({ status: Schema.Literal("started"), session_id: SessionId })
  .annotations({ identifier: "ChatStarted" })

/** The record, and beside it what changes by itself. */
const SessionItem = Schema.Struct({
  session: Session,
  status: SessionStatus,
  is_running: Schema.Boolean,
  team: Schema.Null
}).annotations({ identifier: "SessionItem" })

class ChatApi extends HttpApiGroup.make("chat")
  .add(
    HttpApiEndpoint.post("send", "/chat").setHeaders(IdempotencyHeaders).setPayload(ChatRequest)
      .addSuccess(ChatStarted)
      .annotateContext(operation({
        scope: "chat",
        takesFiles: true,
        summary: "Send an input, and do not wait",
        description: "Answers as soon as the input is durable. Its events come on "
          + "`GET /sessions/{session_id}/stream`; leaving stops nothing.",
        example: { agent_id: "agent_id", session_id: "session_id", input: { content: "Hello!" } }
      }))
  )
  .middleware(Authentication)
{}

class SessionsApi extends HttpApiGroup.make("sessions")
  .add(
    HttpApiEndpoint.get("list", "/sessions").setUrlParams(SessionsRequest)
      .addSuccess(searchedListOf("sessions", SessionItem).annotations({ identifier: "SessionItems" }))
      .annotateContext(operation({
        scope: "read",
        summary: "List your sessions",
        description: "Newest first; each in `session`, with what it does now beside it."
      }))
  )
  .middleware(Authentication)
{}

class MessagesApi extends HttpApiGroup.make("messages")
  .add(
    HttpApiEndpoint.get("list")`/sessions/${HttpApiSchema.param("session_id", SessionId)}/messages`
      .setUrlParams(TranscriptRequest)
      .addSuccess(Transcript)
      .annotateContext(operation({
        scope: "read",
        summary: "Read the transcript",
        description:
          "As at the root, but for a reply that is being made: it comes on the stream alone, and is here when "
          + "it has ended or waits."
      }))
  )
  .middleware(Authentication)
{}

export const api = HttpApi.make("agent_service")
  .add(ChatApi)
  .add(SessionsApi)
  .add(MessagesApi)
  .addError(Problem.Malformed)
  .addError(Problem.Unauthenticated)
  .addError(Problem.Forbidden)
  .addError(Problem.NotFound)
  .addError(Problem.Conflict)
  .addError(Problem.TooLarge)
  .addError(Problem.UnsupportedContent)
  .addError(Problem.Invalid)
  .addError(Problem.LimitReached)
  .addError(Problem.Internal)
  .addError(Problem.Unavailable)
