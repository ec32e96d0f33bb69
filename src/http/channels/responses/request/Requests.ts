/** What clients of the Responses API send. Fields that cannot be served are named, so that they are refused and not left out. */
import { Schema } from "effect"
import { JsonObject } from "../../../../domain/Json.ts"
import { areSmall } from "../../../../domain/Tool.ts"
import { InputItem, optional } from "./ItemSchemas.ts"

/** Most items of a request, tools, values to include, and items that are added to a conversation at once. */
const maxItems = 2_048
const maxTools = 64
const maxIncluded = 32
const maxAdded = 20

const FunctionTool = Schema.Struct({
  type: Schema.Literal("function"),
  name: Schema.String.pipe(
    Schema.pattern(/^[A-Za-z0-9_-]{1,64}$/, {
      message: () => "Expected 1 to 64 letters, digits, dashes or underscores"
    })
  ),
  description: optional(Schema.String.pipe(Schema.maxLength(16 * 1024))),
  parameters: optional(JsonObject),
  strict: optional(Schema.Boolean)
})

/** A tool that somebody else runs: its type is read to say that it is not served. */
const HostedTool = Schema.Struct({
  type: Schema.String.pipe(
    Schema.maxLength(128),
    Schema.filter((type) => type !== "function" || "Expected a name and parameters, as functions have")
  )
})

const Tool = Schema.Union(FunctionTool, HostedTool).annotations({ identifier: "ResponseTool" })
type Tool = typeof Tool.Type

export const isFunction = (tool: Tool): tool is typeof FunctionTool.Type => tool.type === "function"

const Named = Schema.Struct({ type: Schema.Literal("function"), name: Schema.String.pipe(Schema.maxLength(256)) })
const ToolChoice = Schema.Union(
  Schema.Literal("auto", "none", "required"),
  Named,
  Schema.Struct({
    type: Schema.Literal("allowed_tools"),
    mode: Schema.Literal("auto", "required"),
    tools: Schema.Array(Named).pipe(Schema.maxItems(maxTools))
  })
)

const Format = Schema.Union(
  Schema.Struct({ type: Schema.Literal("text", "json_object") }),
  Schema.Struct({
    type: Schema.Literal("json_schema"),
    name: Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9_-]{1,64}$/)),
    schema: JsonObject,
    description: optional(Schema.String),
    strict: optional(Schema.Boolean)
  })
)

export const Metadata = Schema.Record({
  key: Schema.String.pipe(Schema.maxLength(64)),
  value: Schema.String.pipe(Schema.maxLength(512))
}).pipe(Schema.filter((pairs) => Object.keys(pairs).length <= 16 || "Expected at most 16 pairs"))

const anything = (...names: ReadonlyArray<string>) =>
  Object.fromEntries(names.map((name) => [name, Schema.optional(Schema.Unknown)]))

const responseId = Schema.String.pipe(Schema.maxLength(256))

const Input = Schema.Union(Schema.String, Schema.Array(InputItem).pipe(Schema.maxItems(maxItems)))

/** What decides what a model is told. */
const context = {
  model: optional(Schema.String.pipe(Schema.maxLength(768))),
  input: optional(Input),
  instructions: optional(Schema.String),
  previous_response_id: optional(responseId),
  conversation: optional(Schema.Union(responseId, Schema.Struct({ id: responseId }))),
  parallel_tool_calls: optional(Schema.Boolean),
  reasoning: optional(Schema.Struct({
    effort: optional(Schema.String),
    summary: optional(Schema.String),
    generate_summary: optional(Schema.String)
  })),
  text: optional(Schema.Struct({ format: optional(Format), verbosity: optional(Schema.String) })),
  tool_choice: optional(ToolChoice),
  tools: optional(areSmall(Schema.Array(Tool).pipe(Schema.maxItems(maxTools)))),
  truncation: optional(Schema.Literal("auto", "disabled"))
}

const fields = {
  ...anything(
    "context_management",
    "max_tool_calls",
    "moderation",
    "prompt",
    "prompt_cache_options",
    "prompt_cache_retention",
    "service_tier",
    "top_logprobs"
  ),
  ...context,
  background: optional(Schema.Boolean),
  frequency_penalty: optional(Schema.Number),
  include: optional(Schema.Array(Schema.String.pipe(Schema.maxLength(128))).pipe(Schema.maxItems(maxIncluded))),
  max_output_tokens: optional(Schema.Number),
  metadata: optional(Metadata),
  presence_penalty: optional(Schema.Number),
  prompt_cache_key: optional(Schema.String.pipe(Schema.maxLength(1024))),
  safety_identifier: optional(Schema.String.pipe(Schema.maxLength(512))),
  store: optional(Schema.Boolean),
  temperature: optional(Schema.Number),
  top_p: optional(Schema.Number),
  user: optional(Schema.String.pipe(Schema.maxLength(512)))
}

export const ResponseRequest = Schema.Struct({
  ...fields,
  stream: optional(Schema.Boolean),
  stream_options: optional(Schema.Struct({ include_obfuscation: optional(Schema.Boolean) }))
}).annotations({ identifier: "CreateResponseRequest" })
export type ResponseRequest = typeof ResponseRequest.Type

export const TokensRequest = Schema.Struct(context).annotations({ identifier: "CountInputTokensRequest" })
export type TokensRequest = typeof TokensRequest.Type

export const CompactRequest = Schema.Struct({
  model: Schema.String.pipe(Schema.maxLength(768)),
  input: context.input,
  instructions: context.instructions,
  previous_response_id: context.previous_response_id
}).annotations({ identifier: "CompactRequest" })
export type CompactRequest = typeof CompactRequest.Type

export const ConversationRequest = Schema.Struct({
  items: optional(Schema.Array(InputItem).pipe(Schema.maxItems(maxAdded))),
  metadata: optional(Metadata)
}).annotations({ identifier: "CreateConversationRequest" })

export const ConversationPatch = Schema.Struct({ metadata: Schema.NullOr(Metadata) })

export const ItemsRequest = Schema.Struct({
  items: Schema.Array(InputItem).pipe(Schema.minItems(1), Schema.maxItems(maxAdded))
})

/** Values that change nothing, of fields that cannot be served otherwise. */
const harmless: Readonly<Record<string, (value: unknown) => boolean>> = {
  context_management: (value) => Array.isArray(value) && value.length === 0,
  max_tool_calls: () => false,
  moderation: () => false,
  prompt: () => false,
  prompt_cache_options: () => false,
  prompt_cache_retention: () => false,
  service_tier: (value) => value === "auto" || value === "default",
  top_logprobs: (value) => value === 0
}

/** The first field of a request that asks for what is not served. */
export const unservedIn = (request: object): string | undefined =>
  Object.entries(request).find(([field, value]: [string, unknown]) =>
    value !== null && value !== undefined && harmless[field] !== undefined && !harmless[field](value)
  )?.[0]

const idle = ["user", "safety_identifier", "prompt_cache_key"]

/** The only thing beside the answer that can be asked for. */
export const encryptedReasoning = "reasoning.encrypted_content"

/** The fields of a request that change nothing. */
export const idleIn = (request: ResponseRequest): ReadonlyArray<string> => [
  ...idle.filter((field) => {
    const value: unknown = Reflect.get(request, field)
    return value !== null && value !== undefined
  }),
  ...request.include?.filter((value) => value !== encryptedReasoning).map((value) => `include: ${value}`) ?? []
]
