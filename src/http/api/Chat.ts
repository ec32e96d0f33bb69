/**
 * One input, and a choice of answers. `POST /chat` looks at headers to choose;
 * the others have one kind of answer each, so that generated clients have its
 * type. The one that does not wait is not `POST /runs`, for an input need not
 * start a run: an answer to a parked run goes on with that one.
 */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { type Context, Schema } from "effect"
import { Accepted, ChatRequest } from "../../domain/Chat.ts"
import { Message } from "../../domain/Message.ts"
import { Authentication } from "./Authentication.ts"
import { EventStream } from "./EventStream.ts"
import { IdempotencyHeaders, idempotencyKey } from "./IdempotencyKey.ts"
import { named, operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

const example = { agent_id: "agent_id", session_id: "session_id", input: { content: "Hello!" } }

/** Answers of two types with one status have to be said so. */
const orMessage: Context.Tag.Service<typeof OpenApi.Transform> = (operation) => {
  operation["responses"]["200"].content["application/json"] = { schema: { $ref: "#/components/schemas/Message" } }
  return operation
}

const sameKey =
  "The same Idempotency-Key with the same input gives the same run, whichever kind of answer is asked for."

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
      .addSuccess(named("Accepted", Accepted, 202))
      .addError(Problem.Unauthenticated)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .addError(Problem.Gone)
      .addError(Problem.LimitReached)
      .annotate(OpenApi.Transform, orMessage)
      .annotateContext(operation({
        scope: "chat",
        takesFiles: true,
        summary: "Send an input, and choose the answer by headers",
        description: "Answers with the run's events up to REPLY_END; leaving changes nothing. "
          + "`Prefer: respond-async` answers 202 at once, `Accept: application/json` waits and answers with the reply message. "
          + `${sameKey} Generated clients do better with the three operations that have one kind of answer each.`,
        example
      }))
  )
  .add(
    HttpApiEndpoint.post("stream", "/chat/stream").setHeaders(IdempotencyHeaders).setPayload(ChatRequest)
      .addSuccess(EventStream)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .addError(Problem.Gone)
      .addError(Problem.LimitReached)
      .annotateContext(operation({
        scope: "chat",
        takesFiles: true,
        summary: "Send an input, and follow its run",
        description: "Answers with the run's events up to REPLY_END or CUSTOM `run_parked`; leaving changes nothing. "
          + `Go on with \`GET /sessions/{session_id}/stream\` after the last \`id\` that came. ${sameKey}`,
        example
      }))
  )
  .add(
    HttpApiEndpoint.post("reply", "/chat/reply").setHeaders(IdempotencyHeaders).setPayload(ChatRequest)
      .addSuccess(Message)
      .addError(Problem.Unauthenticated)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .addError(Problem.Gone)
      .addError(Problem.LimitReached)
      .annotateContext(operation({
        scope: "chat",
        takesFiles: true,
        summary: "Send an input, and wait for the reply",
        description: "Waits until the run has ended or is parked, and answers with the reply message. "
          + `Leaving changes nothing. ${sameKey}`,
        example
      }))
  )
  .add(
    HttpApiEndpoint.post("async", "/chat/async").setHeaders(IdempotencyHeaders).setPayload(ChatRequest)
      .addSuccess(named("Accepted", Accepted, 202))
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .addError(Problem.LimitReached)
      .annotateContext(operation({
        scope: "chat",
        takesFiles: true,
        summary: "Send an input, and do not wait",
        description: "Answers as soon as the input is durable: its run goes on by itself. Follow it with "
          + `\`GET /sessions/{session_id}/stream?after={seq}\`, or ask \`GET /runs/{run_id}\`. ${sameKey}`,
        example
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "Inputs to a session, and what comes of them.")
{}
