import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { AgentId, SessionId } from "../../domain/Ids.ts"
import { Message } from "../../domain/Message.ts"
import { maxLimit, queryInteger } from "../../domain/Page.ts"
import { Authentication } from "./Authentication.ts"
import { operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

/** Messages in one page when the client names no number. */
const defaultLimit = 50

const Transcript = Schema.Struct({
  messages: Schema.Array(Message),
  is_running: Schema.Boolean,
  total: Schema.Int,
  has_more: Schema.Boolean,
  next_cursor: Schema.NullOr(Schema.String)
}).annotations({ identifier: "Transcript" })

export class MessagesApi extends HttpApiGroup.make("messages")
  .add(
    HttpApiEndpoint.get("list")`/sessions/${HttpApiSchema.param("session_id", SessionId)}/messages`
      .setUrlParams(Schema.Struct({
        agent_id: Schema.optional(AgentId),
        offset: queryInteger(0, Number.MAX_SAFE_INTEGER, 0),
        limit: queryInteger(1, maxLimit, defaultLimit),
        cursor: Schema.optional(Schema.String.pipe(Schema.maxLength(512)))
      }))
      .addSuccess(Transcript)
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "read",
        summary: "Read the transcript",
        description: "Oldest first; a reply in the making comes last, as far as it is. A page ends early when its "
          + "messages are large: go on with `next_cursor`, or with `offset` plus the messages that came."
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "What was said in a session.")
{}
