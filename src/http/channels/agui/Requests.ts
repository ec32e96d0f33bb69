/** What clients of AG-UI send: those of 1.0, and those of before. */
import { Schema } from "effect"
import { JsonObject } from "../../../domain/Json.ts"

/** Most messages of a request, parts and calls of one, tools, pieces of context, and answers to interrupts. */
const maxMessages = 2_048
const maxParts = 256
const maxCalls = 256
const maxTools = 64
const maxContext = 100
const maxResume = 100

/** Longest id and name, in characters. */
const maxId = 512
const maxName = 256

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(schema))

const Id = Schema.String.pipe(Schema.maxLength(maxId))
const Name = Schema.String.pipe(Schema.maxLength(maxName))

const Source = Schema.Union(
  Schema.Struct({ type: Schema.Literal("data"), value: Schema.String, mimeType: Name }),
  Schema.Struct({ type: Schema.Literal("url"), value: Schema.String, mimeType: optional(Name) }),
  Schema.Struct({
    type: Schema.Literal("file"),
    value: Schema.String,
    provider: optional(Name),
    mimeType: optional(Name)
  })
)

const aside = { id: optional(Id), metadata: Schema.optional(Schema.Unknown) }

const Part = Schema.Union(
  Schema.Struct({ ...aside, type: Schema.Literal("text"), text: Schema.String }),
  Schema.Struct({ ...aside, type: Schema.Literal("image", "audio", "video", "document"), source: Source }),
  /** The form of before 1.0. */
  Schema.Struct({
    ...aside,
    type: Schema.Literal("binary"),
    mimeType: Name,
    url: optional(Schema.String),
    data: optional(Schema.String),
    filename: optional(Name)
  })
).annotations({ identifier: "AgUiPart" })
export type Part = typeof Part.Type

const Content = Schema.Union(Schema.String, Schema.Array(Part).pipe(Schema.maxItems(maxParts)))
export type Content = typeof Content.Type

const said = {
  id: Id,
  name: optional(Name),
  subagentRunId: optional(Id),
  encryptedValue: optional(Schema.String),
  metadata: optional(JsonObject)
}

const ToolCall = Schema.Struct({
  id: Id,
  type: Schema.optional(Schema.Literal("function")),
  function: Schema.Struct({ name: Name, arguments: Schema.String }),
  encryptedValue: optional(Schema.String),
  metadata: optional(JsonObject)
})

const Message = Schema.Union(
  Schema.Struct({ ...said, role: Schema.Literal("developer", "system"), content: Content }),
  Schema.Struct({ ...said, role: Schema.Literal("user"), content: Content }),
  Schema.Struct({
    ...said,
    role: Schema.Literal("assistant"),
    content: optional(Content),
    toolCalls: optional(Schema.Array(ToolCall).pipe(Schema.maxItems(maxCalls)))
  }),
  Schema.Struct({
    ...said,
    role: Schema.Literal("tool"),
    toolCallId: Id,
    content: Content,
    error: optional(Schema.String)
  }),
  Schema.Struct({ ...said, role: Schema.Literal("activity"), activityType: Name, content: Schema.Unknown }),
  Schema.Struct({ ...said, role: Schema.Literal("reasoning"), content: Schema.Unknown })
).annotations({ identifier: "AgUiMessage" })
export type Message = typeof Message.Type

const Tool = Schema.Struct({
  name: Name,
  description: optional(Schema.String),
  parameters: optional(JsonObject),
  metadata: optional(JsonObject)
}).annotations({ identifier: "AgUiTool" })

const Resume = Schema.Struct({
  interruptId: Id,
  status: Schema.Literal("resolved", "cancelled"),
  payload: Schema.optional(Schema.Unknown),
  metadata: optional(JsonObject)
}).annotations({ identifier: "AgUiResume" })
export type Resume = typeof Resume.Type

export const RunAgentInput = Schema.Struct({
  threadId: Schema.String,
  runId: Id,
  /** Clients of before 1.0 do not say it. */
  protocolVersion: optional(Schema.String.pipe(Schema.maxLength(32))),
  parentRunId: optional(Id),
  state: Schema.optional(Schema.Unknown),
  messages: Schema.Array(Message).pipe(Schema.maxItems(maxMessages)),
  tools: optional(Schema.Array(Tool).pipe(Schema.maxItems(maxTools))),
  context: optional(
    Schema.Array(Schema.Struct({ description: Schema.String, value: Schema.String })).pipe(Schema.maxItems(maxContext))
  ),
  forwardedProps: Schema.optional(Schema.Unknown),
  resume: optional(Schema.Array(Resume).pipe(Schema.maxItems(maxResume)))
}).annotations({ identifier: "RunAgentInput" })
export type RunAgentInput = typeof RunAgentInput.Type
