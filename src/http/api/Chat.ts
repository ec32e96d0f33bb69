import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { Accepted, ChatRequest } from "../../domain/Chat.ts"
import { Conflict, Gone, Invalid, LimitReached, NotFound, Unavailable } from "../../domain/Errors.ts"
import { Authentication } from "./Authentication.ts"
import { EventStream, streamsEventsOr } from "./EventStream.ts"
import { idempotencyKey } from "./IdempotencyKey.ts"

export class ChatApi extends HttpApiGroup.make("chat")
  .add(
    HttpApiEndpoint.post("send", "/chat")
      .setHeaders(Schema.Struct({
        prefer: Schema.optional(Schema.String),
        accept: Schema.optional(Schema.String),
        ...idempotencyKey
      }))
      .setPayload(ChatRequest)
      .addSuccess(EventStream)
      .addSuccess(Accepted, { status: 202 })
      .addError(NotFound)
      .addError(Conflict)
      .addError(Gone)
      .addError(Invalid)
      .addError(LimitReached)
      .addError(Unavailable)
      .annotate(OpenApi.Transform, streamsEventsOr("Message"))
      .annotate(
        OpenApi.Description,
        "Sends an input. Answers with the run's events up to REPLY_END; leaving changes nothing. "
          + "`Prefer: respond-async` answers 202 at once, `Accept: application/json` waits and answers with the reply message. "
          + "The same Idempotency-Key again gives the same run, from its start."
      )
  )
  .middleware(Authentication)
{}
