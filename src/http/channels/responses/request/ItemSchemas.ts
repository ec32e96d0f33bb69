/** The items of a request. Those that say nothing to our models are named here, so that they are left out and not refused. */
import { Schema } from "effect"

/** Most parts of a message or of an output, and characters of the names of things. */
const maxParts = 256
const maxName = 256

export const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(schema))

const id = optional(Schema.String.pipe(Schema.maxLength(512)))
const status = optional(Schema.String.pipe(Schema.maxLength(64)))
const name = Schema.String.pipe(Schema.length({ min: 1, max: 128 }))

const InputText = Schema.Struct({
  type: Schema.Literal("input_text", "text", "output_text", "summary_text", "reasoning_text"),
  text: Schema.String,
  annotations: Schema.optional(Schema.Unknown),
  logprobs: Schema.optional(Schema.Unknown)
})
const Refusal = Schema.Struct({ type: Schema.Literal("refusal"), refusal: Schema.String })
const InputImage = Schema.Struct({
  type: Schema.Literal("input_image"),
  image_url: optional(Schema.String),
  file_id: optional(Schema.String),
  detail: optional(Schema.String)
})
const InputFile = Schema.Struct({
  type: Schema.Literal("input_file"),
  file_data: optional(Schema.String),
  file_url: optional(Schema.String),
  file_id: optional(Schema.String),
  filename: optional(Schema.String.pipe(Schema.maxLength(maxName))),
  detail: optional(Schema.String)
})
const InputAudio = Schema.Struct({
  type: Schema.Literal("input_audio"),
  input_audio: Schema.Struct({ data: Schema.String, format: Schema.Literal("wav", "mp3") })
})

const parts = <A, I>(part: Schema.Schema<A, I>) => Schema.Array(part).pipe(Schema.maxItems(maxParts))

const Part = Schema.Union(InputText, Refusal, InputImage, InputFile, InputAudio)
export type Part = typeof Part.Type

/** The short form has no type. */
const MessageItem = Schema.Struct({
  type: Schema.optional(Schema.Literal("message")),
  role: Schema.Literal("user", "assistant", "system", "developer"),
  content: Schema.Union(Schema.String, parts(Part)),
  id,
  status,
  phase: optional(Schema.String)
})

const callId = Schema.String.pipe(
  Schema.pattern(/^[\x21-\x7e]{1,256}$/, { message: () => "Expected 1 to 256 printable ASCII characters" })
)

const FunctionCall = Schema.Struct({
  type: Schema.Literal("function_call"),
  call_id: callId,
  name,
  arguments: Schema.String,
  namespace: optional(Schema.String),
  id,
  status
})
const CustomCall = Schema.Struct({
  type: Schema.Literal("custom_tool_call"),
  call_id: callId,
  name,
  input: Schema.String,
  id,
  status
})
const Output = Schema.Struct({
  type: Schema.Literal("function_call_output", "custom_tool_call_output"),
  call_id: callId,
  output: Schema.Union(Schema.String, parts(Part)),
  id,
  status
})
const Reasoning = Schema.Struct({
  type: Schema.Literal("reasoning"),
  id,
  summary: optional(parts(InputText)),
  content: optional(parts(InputText)),
  encrypted_content: optional(Schema.String),
  status
})
const McpCall = Schema.Struct({
  type: Schema.Literal("mcp_call"),
  id: callId,
  name,
  arguments: Schema.String,
  output: optional(Schema.String),
  error: Schema.optional(Schema.Unknown),
  server_label: optional(Schema.String),
  approval_request_id: optional(Schema.String),
  status
})
const ApprovalRequest = Schema.Struct({
  type: Schema.Literal("mcp_approval_request"),
  id: callId,
  name,
  arguments: Schema.String,
  server_label: optional(Schema.String)
})
const ApprovalResponse = Schema.Struct({
  type: Schema.Literal("mcp_approval_response"),
  approval_request_id: callId,
  approve: Schema.Boolean,
  reason: optional(Schema.String),
  id
})
const ItemReference = Schema.Struct({
  type: Schema.optional(Schema.NullOr(Schema.Literal("item_reference"))),
  id: callId
})
const Compaction = Schema.Struct({
  type: Schema.Literal("compaction", "compaction_summary"),
  encrypted_content: Schema.String,
  id
})

/** What the hosted tools of others leave behind. Nobody here could read it. */
const LeftOut = Schema.Struct({
  type: Schema.Literal(
    "apply_patch_call",
    "apply_patch_call_output",
    "code_interpreter_call",
    "computer_call",
    "computer_call_output",
    "file_search_call",
    "image_generation_call",
    "local_shell_call",
    "local_shell_call_output",
    "mcp_list_tools",
    "shell_call",
    "shell_call_output",
    "tool_search_call",
    "tool_search_output",
    "web_search_call"
  )
})
const Vendors = Schema.Struct({ type: Schema.TemplateLiteral(Schema.String, ":", Schema.String) })

export const InputItem = Schema.Union(
  MessageItem,
  FunctionCall,
  CustomCall,
  Output,
  Reasoning,
  McpCall,
  ApprovalRequest,
  ApprovalResponse,
  ItemReference,
  Compaction,
  LeftOut,
  Vendors
).annotations({ identifier: "ResponseInputItem" })
export type InputItem = typeof InputItem.Type
