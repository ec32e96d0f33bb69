/** OpenAI's paths below their mount: models, chat completions, the older completions, embeddings. */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { queryInteger } from "../../../domain/Page.ts"
import { Authentication } from "../../api/Authentication.ts"
import { EventStream } from "../../api/EventStream.ts"
import { idempotencyKey } from "../../api/IdempotencyKey.ts"
import { operation } from "../../api/Operation.ts"
import * as Problem from "../../api/Problem.ts"
import { keyHeaders } from "../Keys.ts"
import { ChatRequest, CompletionRequest, EmbeddingRequest, Metadata } from "./request/Requests.ts"

const Model = Schema.Struct({
  id: Schema.String,
  object: Schema.Literal("model"),
  created: Schema.Int,
  owned_by: Schema.String
}).annotations({ identifier: "Model" })

const ModelList = Schema.Struct({ object: Schema.Literal("list"), data: Schema.Array(Model) })

const accept = { accept: Schema.optional(Schema.String) }

const example = { model: "agent/assistant", messages: [{ role: "user", content: "Hello!" }] }

const usage = Schema.Struct({
  prompt_tokens: Schema.Int,
  completion_tokens: Schema.Int,
  total_tokens: Schema.Int
})

const head = { id: Schema.String, created: Schema.Int, model: Schema.String }

const ChatCompletion = Schema.Struct({
  ...head,
  object: Schema.Literal("chat.completion"),
  choices: Schema.Array(Schema.Struct({
    index: Schema.Int,
    message: Schema.Struct({
      role: Schema.Literal("assistant"),
      content: Schema.NullOr(Schema.String),
      refusal: Schema.NullOr(Schema.String),
      reasoning_content: Schema.optional(Schema.String),
      tool_calls: Schema.optional(Schema.Array(Schema.Struct({
        id: Schema.String,
        type: Schema.Literal("function"),
        function: Schema.Struct({ name: Schema.String, arguments: Schema.String })
      })))
    }),
    logprobs: Schema.Null,
    finish_reason: Schema.Literal("stop", "length", "tool_calls", "content_filter")
  })),
  usage
}).annotations({ identifier: "ChatCompletion" })

const TextCompletion = Schema.Struct({
  ...head,
  object: Schema.Literal("text_completion"),
  choices: Schema.Array(Schema.Struct({
    index: Schema.Int,
    text: Schema.String,
    logprobs: Schema.Null,
    finish_reason: Schema.Literal("stop", "length", "content_filter")
  })),
  usage
}).annotations({ identifier: "Completion" })

const EmbeddingList = Schema.Struct({
  object: Schema.Literal("list"),
  data: Schema.Array(Schema.Struct({
    object: Schema.Literal("embedding"),
    index: Schema.Int,
    embedding: Schema.Union(Schema.Array(Schema.Number), Schema.String)
  })),
  model: Schema.String,
  usage: Schema.Struct({ prompt_tokens: Schema.Int, total_tokens: Schema.Int })
}).annotations({ identifier: "EmbeddingList" })

class ModelsApi extends HttpApiGroup.make("models")
  .add(
    HttpApiEndpoint.get("list", "/models").addSuccess(ModelList)
      .annotateContext(operation({ scope: "read", summary: "List agents and models" }))
  )
  .add(
    // Names have slashes, which clients may write as they are.
    HttpApiEndpoint.get("get", "/models/*").setPath(Schema.Struct({ "*": Schema.String })).addSuccess(Model)
      .annotateContext(operation({ scope: "read", summary: "Read an agent or a model" }))
  )
  .middleware(Authentication)
{}

class ChatApi extends HttpApiGroup.make("chat")
  .add(
    HttpApiEndpoint.post("chat", "/chat/completions")
      .setHeaders(Schema.Struct({ ...accept, ...idempotencyKey, ...keyHeaders }))
      .setPayload(ChatRequest)
      .addSuccess(ChatCompletion)
      .addSuccess(EventStream)
      .annotateContext(operation({
        scope: "chat",
        takesFiles: true,
        summary: "Talk to an agent or a model",
        description: "`metadata.session_id`, or the header `x-session-id`, names a conversation that the server keeps; "
          + "without it, the request holds all of the conversation. Leaving stops the answer.",
        example
      }))
  )
  .add(
    HttpApiEndpoint.post("completion", "/completions")
      .setHeaders(Schema.Struct({ ...accept, ...idempotencyKey }))
      .setPayload(CompletionRequest)
      .addSuccess(TextCompletion)
      .addSuccess(EventStream)
      .annotateContext(operation({ scope: "chat", summary: "Complete a text" }))
  )
  .middleware(Authentication)
{}

/** A kept answer has its labels too; what else an answer has is written as it was. */
const StoredChatCompletion = Schema.Struct({ ...ChatCompletion.fields, metadata: Metadata }).annotations({
  identifier: "StoredChatCompletion"
})

const listOf = <A, I>(item: Schema.Schema<A, I>) =>
  Schema.Struct({
    object: Schema.Literal("list"),
    data: Schema.Array(item),
    first_id: Schema.NullOr(Schema.String),
    last_id: Schema.NullOr(Schema.String),
    has_more: Schema.Boolean
  })

const completionId = HttpApiSchema.param("completion_id", Schema.String.pipe(Schema.pattern(/^[\x21-\x7e]{1,128}$/)))

/** Most items of a page. */
const maxPage = 100

const page = {
  after: Schema.optional(Schema.String.pipe(Schema.pattern(/^[\x21-\x7e]{1,128}$/))),
  limit: queryInteger(1, maxPage, 20),
  order: Schema.optionalWith(
    Schema.Literal("asc", "desc").annotations({
      jsonSchema: { type: "string", enum: ["asc", "desc"], default: "asc" }
    }),
    { default: () => "asc" as const }
  )
}

const StoredMessage = Schema.Struct({
  id: Schema.String,
  role: Schema.String,
  content: Schema.NullOr(Schema.String),
  content_parts: Schema.NullOr(Schema.Array(Schema.Unknown))
}).annotations({ identifier: "StoredMessage" })

class StoredApi extends HttpApiGroup.make("stored")
  .add(
    HttpApiEndpoint.get("list", "/chat/completions")
      .setUrlParams(Schema.Struct(
        { ...page, model: Schema.optional(Schema.String.pipe(Schema.maxLength(768))) },
        // Their number is bounded by the length of a URL.
        { key: Schema.TemplateLiteral("metadata[", Schema.String, "]"), value: Schema.String }
      ))
      .addSuccess(listOf(StoredChatCompletion))
      .annotateContext(operation({
        scope: "read",
        summary: "List stored chat completions",
        description:
          "Those that were asked for with `store: true`: of a model as it was asked for, and those that have "
          + "all of the labels `metadata[name]=value`."
      }))
  )
  .add(
    HttpApiEndpoint.get("get")`/chat/completions/${completionId}`.addSuccess(StoredChatCompletion)
      .annotateContext(operation({ scope: "read", summary: "Read a stored chat completion" }))
  )
  .add(
    HttpApiEndpoint.post("label")`/chat/completions/${completionId}`
      .setPayload(Schema.Struct({ metadata: Metadata }))
      .addSuccess(StoredChatCompletion)
      .annotateContext(operation({
        scope: "write",
        summary: "Label a stored chat completion",
        description: "The labels replace those that it had."
      }))
  )
  .add(
    HttpApiEndpoint.del("remove")`/chat/completions/${completionId}`
      .addSuccess(Schema.Struct({
        object: Schema.Literal("chat.completion.deleted"),
        id: Schema.String,
        deleted: Schema.Boolean
      }))
      .annotateContext(operation({ scope: "write", summary: "Delete a stored chat completion" }))
  )
  .add(
    HttpApiEndpoint.get("messages")`/chat/completions/${completionId}/messages`
      .setUrlParams(Schema.Struct(page))
      .addSuccess(listOf(StoredMessage))
      .annotateContext(operation({ scope: "read", summary: "List the messages of a stored chat completion" }))
  )
  .middleware(Authentication)
{}

class EmbeddingsApi extends HttpApiGroup.make("embeddings")
  .add(
    HttpApiEndpoint.post("embed", "/embeddings").setPayload(EmbeddingRequest).addSuccess(EmbeddingList)
      .annotateContext(operation({ scope: "chat", summary: "Make vectors of texts" }))
  )
  .middleware(Authentication)
{}

export const api = Problem.ofChannel(
  HttpApi.make("openai")
    .add(ModelsApi)
    .add(ChatApi)
    .add(StoredApi)
    .add(EmbeddingsApi)
)
  .annotate(OpenApi.Title, "Stoa: OpenAI's API")
  .annotate(OpenApi.Version, "0.1.0")
  .annotate(
    OpenApi.Description,
    "What clients of OpenAI speak: models, chat completions, completions and embeddings, answered by agents and models."
  )
