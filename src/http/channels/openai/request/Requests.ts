/** What OpenAI's clients send. Fields of which we know that they cannot be served are named here, so that they are refused and not left out. */
import { Schema } from "effect"
import { JsonObject } from "../../../../domain/Json.ts"
import { areSmall } from "../../../../domain/Tool.ts"

/** Most messages of a request, parts of one, tools, texts that end an answer, answers to one request, and prompts. */
export const maxMessages = 2_048
const maxParts = 256
export const maxTools = 64
const maxStops = 16
export const maxAnswers = 8
const maxPrompts = 8

export const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(schema))

const name = optional(Schema.String.pipe(Schema.maxLength(256)))

const TextPart = Schema.Struct({ type: Schema.Literal("text"), text: Schema.String })
const RefusalPart = Schema.Struct({ type: Schema.Literal("refusal"), refusal: Schema.String })
const ImagePart = Schema.Struct({
  type: Schema.Literal("image_url"),
  image_url: Schema.Struct({ url: Schema.String, detail: optional(Schema.String) })
})
const AudioPart = Schema.Struct({
  type: Schema.Literal("input_audio"),
  input_audio: Schema.Struct({ data: Schema.String, format: Schema.Literal("wav", "mp3") })
})
const FilePart = Schema.Struct({
  type: Schema.Literal("file"),
  file: Schema.Struct({
    file_data: optional(Schema.String),
    filename: optional(Schema.String.pipe(Schema.maxLength(256))),
    file_id: optional(Schema.String)
  })
})

const parts = <A, I>(part: Schema.Schema<A, I>) => Schema.Array(part).pipe(Schema.maxItems(maxParts))

const UserPart = Schema.Union(TextPart, ImagePart, AudioPart, FilePart)
export type UserPart = typeof UserPart.Type

export const callId = Schema.String.pipe(
  Schema.pattern(/^[\x21-\x7e]{1,256}$/, { message: () => "Expected 1 to 256 printable ASCII characters" })
)

const ToolCall = Schema.Struct({
  id: callId,
  type: Schema.optional(Schema.Literal("function")),
  function: Schema.Struct({
    name: Schema.String.pipe(Schema.length({ min: 1, max: 128 })),
    arguments: Schema.String
  })
})

export const SystemMessage = Schema.Struct({
  role: Schema.Literal("system", "developer"),
  content: Schema.Union(Schema.String, parts(TextPart)),
  name
})
export const UserMessage = Schema.Struct({
  role: Schema.Literal("user"),
  content: Schema.Union(Schema.String, parts(UserPart)),
  name
})
export const AssistantMessage = Schema.Struct({
  role: Schema.Literal("assistant"),
  content: optional(Schema.Union(Schema.String, parts(Schema.Union(TextPart, RefusalPart)))),
  refusal: optional(Schema.String),
  /** What the model thought; nobody but its own provider could use it, so it is left out. */
  reasoning_content: optional(Schema.String),
  tool_calls: optional(Schema.Array(ToolCall).pipe(Schema.maxItems(maxTools))),
  name
})
export const ToolMessage = Schema.Struct({
  role: Schema.Literal("tool"),
  content: Schema.Union(Schema.String, parts(TextPart)),
  tool_call_id: callId
})

const ChatMessage = Schema.Union(SystemMessage, UserMessage, AssistantMessage, ToolMessage).annotations({
  identifier: "ChatCompletionMessage"
})
export type ChatMessage = typeof ChatMessage.Type

const FunctionTool = Schema.Struct({
  type: Schema.Literal("function"),
  function: Schema.Struct({
    name: Schema.String.pipe(
      Schema.pattern(/^[A-Za-z0-9_-]{1,64}$/, {
        message: () => "Expected 1 to 64 letters, digits, dashes or underscores"
      })
    ),
    description: optional(Schema.String.pipe(Schema.maxLength(16 * 1024))),
    parameters: optional(JsonObject),
    strict: optional(Schema.Boolean)
  })
}).annotations({ identifier: "FunctionTool" })

const ToolChoice = Schema.Union(
  Schema.Literal("auto", "none", "required"),
  Schema.Struct({
    type: Schema.Literal("function"),
    function: Schema.Struct({ name: Schema.String.pipe(Schema.maxLength(256)) })
  })
)

const ResponseFormat = Schema.Union(
  Schema.Struct({ type: Schema.Literal("text", "json_object") }),
  Schema.Struct({
    type: Schema.Literal("json_schema"),
    json_schema: Schema.Struct({
      name: Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9_-]{1,64}$/)),
      description: optional(Schema.String),
      schema: optional(JsonObject),
      strict: optional(Schema.Boolean)
    })
  })
)

const answers = Schema.Int.pipe(Schema.between(1, maxAnswers))
const stop = Schema.Union(Schema.String, Schema.Array(Schema.String).pipe(Schema.maxItems(maxStops)))

/** They go to the model as they are; which of them it takes is its provider's to say. */
const sampling = {
  frequency_penalty: optional(Schema.Number),
  presence_penalty: optional(Schema.Number),
  max_tokens: optional(Schema.Number),
  seed: optional(Schema.Number),
  stop: optional(stop),
  temperature: optional(Schema.Number),
  top_p: optional(Schema.Number)
}

const streaming = {
  stream: optional(Schema.Boolean),
  stream_options: optional(Schema.Struct({
    include_usage: optional(Schema.Boolean),
    include_obfuscation: optional(Schema.Boolean)
  }))
}

/** Said of the request and of who sent it; it changes nothing, and the answer warns of that. */
const about = {
  user: optional(Schema.String),
  safety_identifier: optional(Schema.String),
  prompt_cache_key: optional(Schema.String)
}

const refused = (...names: ReadonlyArray<string>) =>
  Object.fromEntries(names.map((name) => [name, Schema.optional(Schema.Unknown)]))

/** Most labels of a request. */
const maxLabels = 16

export const Metadata = Schema.Record({
  key: Schema.String.pipe(Schema.maxLength(64)),
  value: Schema.String.pipe(Schema.maxLength(512))
}).pipe(
  Schema.filter((labels) => Object.keys(labels).length <= maxLabels, {
    message: () => `Expected at most ${maxLabels} labels`
  })
)
const metadata = optional(Metadata)

const model = optional(Schema.String.pipe(Schema.maxLength(768)))

export const ChatRequest = Schema.Struct({
  ...refused(
    "audio",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "modalities",
    "moderation",
    "prediction",
    "prompt_cache_options",
    "prompt_cache_retention",
    "service_tier",
    "top_logprobs",
    "web_search_options"
  ),
  model,
  messages: Schema.Array(ChatMessage).pipe(Schema.minItems(1), Schema.maxItems(maxMessages)),
  ...sampling,
  ...streaming,
  ...about,
  max_completion_tokens: optional(Schema.Number),
  metadata,
  n: optional(answers),
  parallel_tool_calls: optional(Schema.Boolean),
  reasoning_effort: optional(Schema.String),
  response_format: optional(ResponseFormat),
  store: optional(Schema.Boolean),
  tool_choice: optional(ToolChoice),
  tools: optional(areSmall(Schema.Array(FunctionTool).pipe(Schema.maxItems(maxTools)))),
  verbosity: optional(Schema.String)
}).annotations({ identifier: "CreateChatCompletionRequest" })
export type ChatRequest = typeof ChatRequest.Type

export const CompletionRequest = Schema.Struct({
  ...refused("best_of", "echo", "logit_bias", "logprobs", "suffix"),
  model,
  prompt: Schema.Union(
    Schema.String,
    Schema.Array(Schema.String).pipe(Schema.minItems(1), Schema.maxItems(maxPrompts))
  ),
  ...sampling,
  ...streaming,
  ...about,
  n: optional(answers)
}).annotations({ identifier: "CreateCompletionRequest" })
export type CompletionRequest = typeof CompletionRequest.Type

export const EmbeddingRequest = Schema.Struct({
  model: Schema.String.pipe(Schema.maxLength(768)),
  /** A text or several. Tokens are refused: what they mean is known to one tokeniser alone. */
  input: Schema.Union(Schema.String, Schema.Array(Schema.Unknown).pipe(Schema.minItems(1), Schema.maxItems(2_048))),
  dimensions: optional(Schema.Int),
  encoding_format: optional(Schema.Literal("float", "base64")),
  user: optional(Schema.String)
}).annotations({ identifier: "CreateEmbeddingRequest" })
export type EmbeddingRequest = typeof EmbeddingRequest.Type

/** Values that change nothing, of fields that cannot be served otherwise. */
const harmless: Readonly<Record<string, (value: unknown) => boolean>> = {
  best_of: (value) => value === 1,
  echo: (value) => value === false,
  function_call: (value) => value === "none",
  functions: (value) => Array.isArray(value) && value.length === 0,
  logit_bias: (value) => typeof value === "object" && value !== null && Object.keys(value).length === 0,
  logprobs: (value) => value === false,
  modalities: (value) => Array.isArray(value) && value.length === 1 && value[0] === "text",
  service_tier: (value) => value === "auto" || value === "default",
  suffix: (value) => value === "",
  top_logprobs: (value) => value === 0
}

const neverHarmless = new Set([
  "audio",
  "moderation",
  "prediction",
  "prompt_cache_options",
  "prompt_cache_retention",
  "web_search_options"
])

/** The first field of a request that asks for what is not served. */
export const unservedIn = (request: object): string | undefined =>
  Object.entries(request).find(([field, value]: [string, unknown]) =>
    value !== null && value !== undefined &&
    (neverHarmless.has(field) || (harmless[field] !== undefined && !harmless[field](value)))
  )?.[0]

/** The fields of a request that change nothing. */
export const idleIn = (request: ChatRequest | CompletionRequest | EmbeddingRequest): ReadonlyArray<string> => [
  ...Object.keys(about).filter((field) => {
    const value: unknown = Reflect.get(request, field)
    return value !== null && value !== undefined
  }),
  // Labels are kept with an answer that is.
  ..."metadata" in request && request.metadata != null && request.store !== true
    ? Object.keys(request.metadata).filter((name) => name !== "session_id").map((name) => `metadata.${name}`)
    : []
]
