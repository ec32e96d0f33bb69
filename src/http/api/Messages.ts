import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { NotFound } from "../../domain/Errors.ts"
import { AgentId, SessionId } from "../../domain/Ids.ts"
import { Message } from "../../domain/Message.ts"
import { maxLimit } from "../../domain/Page.ts"
import { Authentication } from "./Authentication.ts"

export class MessagesApi extends HttpApiGroup.make("messages")
  .add(
    HttpApiEndpoint.get("list")`/sessions/${HttpApiSchema.param("session_id", SessionId)}/messages`
      .setUrlParams(Schema.Struct({
        agent_id: Schema.optional(AgentId),
        offset: Schema.optionalWith(Schema.NumberFromString.pipe(Schema.int(), Schema.nonNegative()), {
          default: () => 0
        }),
        limit: Schema.optionalWith(Schema.NumberFromString.pipe(Schema.int(), Schema.between(1, maxLimit)), {
          default: () => 50
        })
      }))
      .addSuccess(Schema.Struct({
        messages: Schema.Array(Message),
        is_running: Schema.Boolean,
        total: Schema.Int,
        has_more: Schema.Boolean
      }))
      .addError(NotFound)
      .annotate(OpenApi.Description, "The transcript, oldest first; a reply in the making comes last, as far as it is.")
  )
  .middleware(Authentication)
{}
