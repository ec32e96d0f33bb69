/** What `useChat` sends: the whole conversation as its client has it, and why it asks. */
import { Schema } from "effect"
import { ClientToolsInput } from "../../../domain/Tool.ts"

/** Most messages of a request, and parts of one. A client sends all that it has each time. */
const maxMessages = 4_096
const maxParts = 4_096

/** Longest id, and longest word for a type or a state, in characters. */
const maxId = 256

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(schema))
const short = Schema.String.pipe(Schema.maxLength(maxId))

/** Everything that is not ours to read; clients send back what they were sent. */
const rest = { key: Schema.String, value: Schema.Unknown }

const Approval = Schema.Struct(
  { id: Schema.String, approved: optional(Schema.Boolean), reason: optional(Schema.String) },
  rest
)

const Part = Schema.Struct({
  type: short,
  text: optional(Schema.String),
  /** Of files. `url` is their address, or a `data:` URL. */
  url: optional(Schema.String),
  mediaType: optional(short),
  filename: optional(short),
  /** Of calls of tools. */
  toolCallId: optional(Schema.String),
  toolName: optional(Schema.String),
  state: optional(short),
  input: Schema.optional(Schema.Unknown),
  output: Schema.optional(Schema.Unknown),
  errorText: optional(Schema.String),
  approval: optional(Approval)
}, rest).annotations({ identifier: "UiMessagePart" })
export type Part = typeof Part.Type

const UiMessage = Schema.Struct({
  id: short,
  role: Schema.Literal("system", "user", "assistant"),
  parts: Schema.Array(Part).pipe(Schema.maxItems(maxParts)),
  metadata: Schema.optional(Schema.Unknown)
}, rest).annotations({ identifier: "UiMessage" })
export type UiMessage = typeof UiMessage.Type

export const ChatBody = Schema.Struct({
  /** The chat: a key within whoever asks, which leads to one session. */
  id: Schema.String,
  messages: Schema.Array(UiMessage).pipe(Schema.minItems(1), Schema.maxItems(maxMessages)),
  trigger: optional(Schema.Literal("submit-message", "regenerate-message")),
  /** The message of the user's that was edited, or the reply that is wanted anew. */
  messageId: optional(Schema.String),
  /** The agent that answers, by name or id. */
  agent: optional(Schema.String.pipe(Schema.length({ min: 1, max: maxId }))),
  /** Tools that this client runs itself, beside those of the agent. */
  tools: Schema.optional(ClientToolsInput)
}).annotations({ identifier: "UiChatRequest" })
export type ChatBody = typeof ChatBody.Type
