import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { AgentId, MessageId, SessionId } from "../../domain/Ids.ts"
import { Message } from "../../domain/Message.ts"
import { maxMessages, queryInteger, wholeNumber } from "../../domain/Page.ts"
import { Authentication } from "./Authentication.ts"
import { operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

/** Messages in one page when the client names no number. */
const defaultLimit = 50

export const Transcript = Schema.Struct({
  messages: Schema.Array(Message),
  is_running: Schema.Boolean,
  total: Schema.Int,
  has_more: Schema.Boolean,
  next_cursor: Schema.NullOr(Schema.String)
}).annotations({ identifier: "Transcript" })

/** Which messages: the newest, or those of one place. */
export const TranscriptRequest = Schema.Struct({
  agent_id: Schema.optional(AgentId),
  offset: Schema.optional(wholeNumber(0, Number.MAX_SAFE_INTEGER)),
  before: Schema.optional(MessageId),
  limit: queryInteger(1, maxMessages, defaultLimit),
  cursor: Schema.optional(Schema.String.pipe(Schema.maxLength(512)))
})
export type TranscriptRequest = typeof TranscriptRequest.Type

export class MessagesApi extends HttpApiGroup.make("messages")
  .add(
    HttpApiEndpoint.get("list")`/sessions/${HttpApiSchema.param("session_id", SessionId)}/messages`
      .setUrlParams(TranscriptRequest)
      .addSuccess(Transcript)
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "read",
        summary: "Read the transcript",
        description:
          "The newest messages, or with `offset` those from there on; with `before` the newest of those before "
          + "a message. Oldest first in each page; a reply in the making comes last, as far as it is. A page ends early "
          + "when its messages are large. `has_more` and `next_cursor` go on in the direction that was asked for: back, or "
          + "with `offset` forth."
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "What was said in a session.")
{}
