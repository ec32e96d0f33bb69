/** Messages and their content blocks, with the wire names of the AgentEvent vocabulary. */
import { Schema } from "effect"
import { BlockId, MessageId, Timestamp, ToolCallId } from "./Ids.ts"
import { JsonObject } from "./Json.ts"
import { PermissionRule } from "./Permission.ts"
import { RunError } from "./RunError.ts"
import { StopDetails, StopReason } from "./Stop.ts"
import { isBlank } from "./Text.ts"
import { Usage } from "./Usage.ts"

/** Metadata that the next call must return to the provider, such as a signature. */
const provider_metadata = Schema.optional(JsonObject)

/** Where a text says that it comes from. Places are in characters of the block's text, where the provider names them. */
export const Annotation = Schema.Struct({
  type: Schema.Literal("url_citation", "file_citation"),
  url: Schema.optional(Schema.String),
  title: Schema.optional(Schema.String),
  file_id: Schema.optional(Schema.String),
  cited_text: Schema.optional(Schema.String),
  start_index: Schema.optional(Schema.Int),
  end_index: Schema.optional(Schema.Int)
}).annotations({ identifier: "Annotation" })
export type Annotation = typeof Annotation.Type

/** Sources that a text names. */
export const Annotations = Schema.optional(Schema.Array(Annotation))

export const TextBlock = Schema.Struct({
  type: Schema.Literal("text"),
  id: BlockId,
  text: Schema.String,
  annotations: Annotations,
  provider_metadata
}).annotations({ identifier: "TextBlock" })
export type TextBlock = typeof TextBlock.Type

export const ThinkingBlock = Schema.Struct({
  type: Schema.Literal("thinking"),
  id: BlockId,
  thinking: Schema.String,
  provider_metadata
}).annotations({ identifier: "ThinkingBlock" })
export type ThinkingBlock = typeof ThinkingBlock.Type

const DataSource = Schema.Union(
  Schema.Struct({ type: Schema.Literal("base64"), data: Schema.String, media_type: Schema.String }),
  Schema.Struct({ type: Schema.Literal("url"), url: Schema.String, media_type: Schema.String })
).annotations({ identifier: "DataSource" })
export type DataSource = typeof DataSource.Type

export const DataBlock = Schema.Struct({
  type: Schema.Literal("data"),
  id: BlockId,
  name: Schema.optional(Schema.NullOr(Schema.String)),
  source: DataSource,
  provider_metadata
}).annotations({ identifier: "DataBlock" })
export type DataBlock = typeof DataBlock.Type

/** Context for the model that neither the user nor the model wrote. */
export const HintBlock = Schema.Struct({
  type: Schema.Literal("hint"),
  id: BlockId,
  hint: Schema.Union(Schema.String, Schema.Array(Schema.Union(TextBlock, DataBlock))),
  source: Schema.optional(Schema.NullOr(Schema.String)),
  /** Characters of a long one that models are shown, with its last words; without it all of them. */
  shown: Schema.optional(Schema.Int)
}).annotations({ identifier: "HintBlock" })
export type HintBlock = typeof HintBlock.Type

const ToolCallState = Schema.Literal("pending", "asking", "allowed", "submitted", "finished")
export type ToolCallState = typeof ToolCallState.Type

export const ToolCallBlock = Schema.Struct({
  type: Schema.Literal("tool_call"),
  id: ToolCallId,
  name: Schema.String,
  /** The arguments as JSON text, as the model wrote them. */
  input: Schema.String,
  state: ToolCallState,
  suggested_rules: Schema.optionalWith(Schema.Array(PermissionRule), { default: () => [] }),
  /** The provider itself runs the tool, as part of the model's answer. */
  provider_executed: Schema.optional(Schema.Boolean),
  /** A step of the workflow that this call began. The model has not made it, and is not shown it. */
  parent_tool_call_id: Schema.optional(ToolCallId),
  /** The name of the step. */
  step: Schema.optional(Schema.String),
  provider_metadata
}).annotations({ identifier: "ToolCallBlock" })
export type ToolCallBlock = typeof ToolCallBlock.Type

export const ToolResultState = Schema.Literal("success", "error", "interrupted", "denied", "running")
export type ToolResultState = typeof ToolResultState.Type

export const ToolOutput = Schema.Union(Schema.String, Schema.Array(Schema.Union(TextBlock, DataBlock)))
export type ToolOutput = typeof ToolOutput.Type

/** A result of which models are shown the beginning. Counts are of characters; no path: the whole is in the transcript alone. */
export const Offloaded = Schema.Struct({
  shown: Schema.Int,
  characters: Schema.Int,
  path: Schema.NullOr(Schema.String)
}).annotations({ identifier: "Offloaded" })

/** Its `id` is the id of the tool call that it answers. */
export const ToolResultBlock = Schema.Struct({
  type: Schema.Literal("tool_result"),
  id: ToolCallId,
  name: Schema.String,
  output: ToolOutput,
  state: ToolResultState,
  /** Its call was run by the provider. */
  provider_executed: Schema.optional(Schema.Boolean),
  /** Its call is a step of a workflow. */
  parent_tool_call_id: Schema.optional(ToolCallId),
  offloaded: Schema.optional(Offloaded)
}).annotations({ identifier: "ToolResultBlock" })
export type ToolResultBlock = typeof ToolResultBlock.Type

export const ContentBlock = Schema.Union(TextBlock, ThinkingBlock, DataBlock, HintBlock, ToolCallBlock, ToolResultBlock)
  .annotations({ identifier: "ContentBlock" })
export type ContentBlock = typeof ContentBlock.Type

/** Why the reply ended; `stop_reason` beside it tells what a cut or withheld answer is. */
export const FinishedReason = Schema.Literal("completed", "interrupted", "exceed_max_iters", "error")
export type FinishedReason = typeof FinishedReason.Type

const Role = Schema.Literal("user", "assistant", "system")

export const Message = Schema.Struct({
  id: MessageId,
  name: Schema.String,
  role: Role,
  content: Schema.Array(ContentBlock),
  metadata: JsonObject,
  created_at: Timestamp,
  finished_at: Schema.NullOr(Timestamp),
  usage: Schema.NullOr(Usage),
  finished_reason: Schema.optional(FinishedReason),
  /** Why the last answer of the model stopped; absent where none decided the end. */
  stop_reason: Schema.optional(StopReason),
  stop_details: Schema.optional(StopDetails),
  error: Schema.optional(Schema.NullOr(RunError)),
  /** The JSON that the answer holds, where a schema was asked for. */
  structured_output: Schema.optional(Schema.Unknown)
}).annotations({ identifier: "Message" })
export interface Message extends Schema.Schema.Type<typeof Message> {}

/** What stands in the place of a stored message that cannot be read, so that it does not hide the others. */
export const unreadableMessage = (id: MessageId): Message => ({
  id,
  name: "unreadable",
  role: "assistant",
  content: [{ type: "text", id: BlockId.make("unreadable"), text: "This message is stored and cannot be read." }],
  metadata: {},
  created_at: Timestamp.make("1970-01-01T00:00:00.000Z"),
  finished_at: Timestamp.make("1970-01-01T00:00:00.000Z"),
  usage: null
})

/** Longest single text that a client may send, in characters, and most blocks in one message. */
const maxTextLength = 256 * 1024
const maxBlocks = 256

const inputId = Schema.optional(Schema.NullOr(Schema.String.pipe(Schema.maxLength(128))))
const inputText = Schema.String.pipe(Schema.maxLength(maxTextLength))

const InputBlock = Schema.Union(
  Schema.Struct({ type: Schema.Literal("text"), id: inputId, text: inputText }),
  Schema.Struct({
    type: Schema.Literal("data"),
    id: inputId,
    name: Schema.optional(Schema.NullOr(Schema.String)),
    source: DataSource
  })
).annotations({ identifier: "InputBlock" })

const isBlankInput = (content: string | ReadonlyArray<typeof InputBlock.Type>): boolean =>
  typeof content === "string"
    ? isBlank(content)
    : content.every((block) => block.type === "text" && isBlank(block.text))

/**
 * A message as a client sends it: text or text and data blocks, and something to see in them. Ids and times
 * are the server's; what the client put there is not kept.
 */
export const InputMessage = Schema.Struct({
  id: inputId,
  name: Schema.optionalWith(Schema.String.pipe(Schema.maxLength(256)), { default: () => "user" }),
  role: Schema.optionalWith(Schema.Literal("user", "assistant"), { default: () => "user" as const }),
  content: Schema.Union(inputText, Schema.Array(InputBlock).pipe(Schema.maxItems(maxBlocks))).pipe(
    Schema.filter((content) => !isBlankInput(content), {
      message: () => "Expected a text that is not blank, or a data block"
    })
  ),
  metadata: Schema.optionalWith(JsonObject, { default: () => ({}), nullable: true }),
  created_at: Schema.optional(Schema.NullOr(Schema.String))
}).annotations({ identifier: "InputMessage" })
export type InputMessage = typeof InputMessage.Type

/** The stored form of a client's message. `blockId` is called once a block. */
export const acceptMessage = (input: InputMessage, id: MessageId, now: Timestamp, blockId: () => BlockId): Message => ({
  id,
  name: input.name,
  role: input.role,
  content: typeof input.content === "string"
    ? [{ type: "text", id: blockId(), text: input.content }]
    : input.content.map((block): TextBlock | DataBlock => ({ ...block, id: blockId() })),
  metadata: input.metadata,
  created_at: now,
  finished_at: now,
  usage: null
})

const charactersOf = (content: string | ReadonlyArray<ContentBlock>): number =>
  typeof content === "string" ? content.length : content.reduce((sum, block) => sum + charactersIn(block), 0)

/** A block never changes, so each is measured once. */
const measured = new WeakMap<ContentBlock, number>()

/** Characters of text, data, arguments and metadata that a block holds. */
export const charactersIn = (block: ContentBlock): number => {
  const known = measured.get(block)
  if (known !== undefined) return known
  const metadata = "provider_metadata" in block && block.provider_metadata !== undefined
    ? JSON.stringify(block.provider_metadata).length
    : 0
  const annotations = "annotations" in block && block.annotations !== undefined
    ? JSON.stringify(block.annotations).length
    : 0
  const sum = metadata + annotations + ownCharacters(block)
  measured.set(block, sum)
  return sum
}

const ownCharacters = (block: ContentBlock): number => {
  switch (block.type) {
    case "text":
      return block.text.length
    case "thinking":
      return block.thinking.length
    case "data":
      return block.source.type === "base64" ? block.source.data.length : block.source.url.length
    case "hint":
      return charactersOf(block.hint)
    case "tool_call":
      return block.name.length + block.input.length
    case "tool_result":
      return charactersOf(block.output)
  }
}
