/** The paths of the Responses API below their mount: responses and conversations. */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { wholeNumber } from "../../../domain/Page.ts"
import { Authentication } from "../../api/Authentication.ts"
import { EventStream } from "../../api/EventStream.ts"
import { idempotencyKey } from "../../api/IdempotencyKey.ts"
import { operation } from "../../api/Operation.ts"
import * as Problem from "../../api/Problem.ts"
import { includes, PageQuery } from "./output/Lists.ts"
import {
  CompactRequest,
  ConversationPatch,
  ConversationRequest,
  ItemsRequest,
  Metadata,
  ResponseRequest,
  TokensRequest
} from "./request/Requests.ts"

const id = Schema.String.pipe(Schema.maxLength(512))
const ofResponse = Schema.Struct({ response_id: id })
const ofConversation = Schema.Struct({ conversation_id: id })
const ofItem = Schema.Struct({ conversation_id: id, item_id: id })

const Item = Schema.Record({ key: Schema.String, value: Schema.Unknown }).annotations({ identifier: "ResponseItem" })

const Response = Schema.Struct({
  id: Schema.String,
  object: Schema.Literal("response"),
  created_at: Schema.Int,
  completed_at: Schema.NullOr(Schema.Int),
  status: Schema.Literal("queued", "in_progress", "completed", "failed", "cancelled", "incomplete"),
  error: Schema.NullOr(Schema.Struct({ code: Schema.String, message: Schema.String })),
  incomplete_details: Schema.NullOr(Schema.Struct({ reason: Schema.String })),
  model: Schema.String,
  output: Schema.Array(Item),
  previous_response_id: Schema.NullOr(Schema.String),
  metadata: Metadata
}).annotations({ identifier: "Response" })

const ItemList = Schema.Struct({
  object: Schema.Literal("list"),
  data: Schema.Array(Item),
  first_id: Schema.NullOr(Schema.String),
  last_id: Schema.NullOr(Schema.String),
  has_more: Schema.Boolean
}).annotations({ identifier: "ResponseItemList" })

const Conversation = Schema.Struct({
  id: Schema.String,
  object: Schema.Literal("conversation"),
  created_at: Schema.Int,
  metadata: Metadata
}).annotations({ identifier: "Conversation" })

const deleted = <const Name extends string>(object: Name) =>
  Schema.Struct({ id: Schema.String, object: Schema.Literal(object), deleted: Schema.Literal(true) })

const StreamQuery = Schema.Struct({
  stream: Schema.optional(Schema.Literal("true", "false")),
  starting_after: Schema.optional(wholeNumber(0, Number.MAX_SAFE_INTEGER)),
  include_obfuscation: Schema.optional(Schema.String),
  ...includes
})

const headers = Schema.Struct({ accept: Schema.optional(Schema.String), ...idempotencyKey })

class ResponsesApi extends HttpApiGroup.make("responses")
  .add(
    HttpApiEndpoint.post("create", "/responses").setHeaders(headers).setPayload(ResponseRequest)
      .addSuccess(Response).addSuccess(EventStream)
      .annotateContext(operation({
        scope: "chat",
        takesFiles: true,
        summary: "Ask an agent or a model",
        description:
          "`previous_response_id` goes on from another response, which stays as it is; `conversation` adds to "
          + "a conversation. Leaving stops the answer, unless it is in the background or in a conversation.",
        example: { model: "agent/assistant", input: "Hello!" }
      }))
  )
  .add(
    HttpApiEndpoint.get("connect", "/responses").addSuccess(HttpApiSchema.Empty(101))
      .annotateContext(operation({
        scope: "chat",
        opensSocket: true,
        summary: "Ask over a WebSocket",
        description:
          "Messages are JSON: `{type: \"response.create\", …}` with the fields of `POST /responses` is answered with "
          + "the events of its stream, one response after the other. Closing the socket stops the answer, unless it is in a "
          + "conversation."
      }))
  )
  .add(
    HttpApiEndpoint.post("tokens", "/responses/input_tokens").setPayload(TokensRequest)
      .addSuccess(Schema.Struct({ object: Schema.Literal("response.input_tokens"), input_tokens: Schema.Int }))
      .annotateContext(operation({ scope: "chat", takesFiles: true, summary: "Estimate the tokens of a request" }))
  )
  .add(
    HttpApiEndpoint.post("compact", "/responses/compact").setPayload(CompactRequest)
      .addSuccess(Schema.Struct({
        id: Schema.String,
        object: Schema.Literal("response.compaction"),
        created_at: Schema.Int,
        output: Schema.Array(Item),
        usage: Schema.Unknown
      }))
      .annotateContext(operation({
        scope: "chat",
        takesFiles: true,
        summary: "Make a summary of an exchange",
        description: "What comes back stands for all that was said, as the input of the next request."
      }))
  )
  .add(
    HttpApiEndpoint.get("get", "/responses/:response_id").setPath(ofResponse).setUrlParams(StreamQuery)
      .setHeaders(Schema.Struct({ accept: Schema.optional(Schema.String) }))
      .addSuccess(Response).addSuccess(EventStream)
      .annotateContext(operation({
        scope: "read",
        summary: "Read a response, or follow it",
        description: "`stream=true` sends its events from the first on, or those after `starting_after`, a "
          + "`sequence_number`. They are the same bytes each time."
      }))
  )
  .add(
    HttpApiEndpoint.del("remove", "/responses/:response_id").setPath(ofResponse).addSuccess(deleted("response"))
      .annotateContext(operation({ scope: "write", summary: "Delete a response" }))
  )
  .add(
    HttpApiEndpoint.post("cancel", "/responses/:response_id/cancel").setPath(ofResponse).addSuccess(Response)
      .annotateContext(operation({ scope: "chat", summary: "Stop a response" }))
  )
  .add(
    HttpApiEndpoint.get("inputItems", "/responses/:response_id/input_items").setPath(ofResponse)
      .setUrlParams(PageQuery).addSuccess(ItemList)
      .annotateContext(operation({ scope: "read", summary: "List what a response was asked" }))
  )
  .middleware(Authentication)
{}

class ConversationsApi extends HttpApiGroup.make("conversations")
  .add(
    HttpApiEndpoint.post("createConversation", "/conversations")
      .setHeaders(Schema.Struct(idempotencyKey)).setPayload(ConversationRequest).addSuccess(Conversation)
      .annotateContext(operation({ scope: "chat", summary: "Begin a conversation", example: { metadata: {} } }))
  )
  .add(
    HttpApiEndpoint.get("getConversation", "/conversations/:conversation_id").setPath(ofConversation)
      .addSuccess(Conversation).annotateContext(operation({ scope: "read", summary: "Read a conversation" }))
  )
  .add(
    HttpApiEndpoint.post("updateConversation", "/conversations/:conversation_id").setPath(ofConversation)
      .setPayload(ConversationPatch).addSuccess(Conversation)
      .annotateContext(operation({ scope: "write", summary: "Change what is said of a conversation" }))
  )
  .add(
    HttpApiEndpoint.del("removeConversation", "/conversations/:conversation_id").setPath(ofConversation)
      .addSuccess(deleted("conversation.deleted"))
      .annotateContext(operation({ scope: "write", summary: "Delete a conversation" }))
  )
  .add(
    HttpApiEndpoint.get("items", "/conversations/:conversation_id/items").setPath(ofConversation)
      .setUrlParams(PageQuery).addSuccess(ItemList)
      .annotateContext(operation({ scope: "read", summary: "List the items of a conversation" }))
  )
  .add(
    HttpApiEndpoint.post("addItems", "/conversations/:conversation_id/items").setPath(ofConversation)
      .setUrlParams(Schema.Struct(includes)).setPayload(ItemsRequest).addSuccess(ItemList)
      .annotateContext(operation({ scope: "chat", takesFiles: true, summary: "Add items to a conversation" }))
  )
  .add(
    HttpApiEndpoint.get("item", "/conversations/:conversation_id/items/:item_id").setPath(ofItem)
      .setUrlParams(Schema.Struct(includes)).addSuccess(Item)
      .annotateContext(operation({ scope: "read", summary: "Read an item" }))
  )
  .add(
    HttpApiEndpoint.del("removeItem", "/conversations/:conversation_id/items/:item_id").setPath(ofItem)
      .addSuccess(Conversation)
      .annotateContext(operation({ scope: "write", summary: "Take an item out of a conversation" }))
  )
  .middleware(Authentication)
{}

export const api = Problem.ofChannel(
  HttpApi.make("responses")
    .add(ResponsesApi)
    .add(ConversationsApi)
)
  .annotate(OpenApi.Title, "Stoa: OpenAI's Responses API")
  .annotate(OpenApi.Version, "0.1.0")
  .annotate(
    OpenApi.Description,
    "Responses and conversations as clients of OpenAI speak them, answered by agents and models, durable and resumable."
  )
