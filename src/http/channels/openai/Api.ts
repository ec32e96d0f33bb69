/** OpenAI's paths below their mount: models, chat completions, the older completions, embeddings. */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { Authentication } from "../../api/Authentication.ts"
import { EventStream } from "../../api/EventStream.ts"
import { idempotencyKey } from "../../api/IdempotencyKey.ts"
import { operation } from "../../api/Operation.ts"
import * as Problem from "../../api/Problem.ts"
import { keyHeaders } from "../Keys.ts"
import { ChatRequest, CompletionRequest, EmbeddingRequest } from "./Requests.ts"

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

class EmbeddingsApi extends HttpApiGroup.make("embeddings")
  .add(
    HttpApiEndpoint.post("embed", "/embeddings").setPayload(EmbeddingRequest).addSuccess(EmbeddingList)
      .annotateContext(operation({ scope: "chat", summary: "Make vectors of texts" }))
  )
  .middleware(Authentication)
{}

export const api = HttpApi.make("openai")
  .add(ModelsApi)
  .add(ChatApi)
  .add(EmbeddingsApi)
  .addError(Problem.Malformed)
  .addError(Problem.Unauthenticated)
  .addError(Problem.Forbidden)
  .addError(Problem.NotFound)
  .addError(Problem.Conflict)
  .addError(Problem.Gone)
  .addError(Problem.TooLarge)
  .addError(Problem.UnsupportedContent)
  .addError(Problem.Invalid)
  .addError(Problem.LimitReached)
  .addError(Problem.Internal)
  .addError(Problem.ProviderFailed)
  .addError(Problem.Unavailable)
  .annotate(OpenApi.Title, "Stoa: OpenAI's API")
  .annotate(OpenApi.Version, "0.1.0")
  .annotate(
    OpenApi.Description,
    "What clients of OpenAI speak: models, chat completions, completions and embeddings, answered by agents and models."
  )
