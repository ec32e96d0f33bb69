/** What clients of the Open Agent API send. Where its schema and its text contradict each other, both are taken. */
import { Schema } from "effect"
import { JsonObject } from "../../../domain/Json.ts"
import {
  AssistantMessage,
  callId,
  maxMessages,
  maxTools,
  optional,
  SystemMessage,
  ToolMessage,
  UserMessage
} from "../openai/request/Requests.ts"

/** Characters of a name, of a longer text, and of what is said of a client's machine. */
const maxName = 256
const maxInstructions = 128 * 1024
const maxPlace = 1_024

const name = Schema.String.pipe(Schema.length({ min: 1, max: maxName }))
const description = optional(Schema.String.pipe(Schema.maxLength(16 * 1024)))

const fn = { name, description, parameters: optional(JsonObject), strict: optional(Schema.Boolean) }

const ToolkitFunction = Schema.Struct({ type: Schema.optional(Schema.Literal("function")), ...fn })

/** As OpenAI's clients write it. */
const FunctionTool = Schema.Struct({ type: Schema.Literal("function"), function: Schema.Struct(fn) })

/** Known, so that it is refused with a sentence of its own. */
const ExternalTool = Schema.Struct({ type: Schema.Literal("mcp"), name: Schema.optional(Schema.Unknown) })

const functions = Schema.Array(ToolkitFunction).pipe(Schema.maxItems(maxTools))

const Toolkit = Schema.Struct({ name, instructions: description, functions })

/** What has instructions is a toolkit, although nothing is in it. */
const EmptyToolkit = Schema.Struct({
  name,
  instructions: Schema.String.pipe(Schema.maxLength(16 * 1024)),
  functions: Schema.optionalWith(functions, { default: () => [] })
})

/** Toolkits, as the schema has them, or the functions themselves, as the text shows them. */
const Tools = Schema.Array(Schema.Union(ExternalTool, FunctionTool, Toolkit, EmptyToolkit, ToolkitFunction)).pipe(
  Schema.maxItems(maxTools)
).annotations({ identifier: "OpenAgentTools" })
export type Tools = typeof Tools.Type

export const AgentBody = Schema.Struct({
  /** The server makes the ids; a new agent without a name is called so. */
  id: optional(Schema.String.pipe(Schema.maxLength(maxName))),
  agent_id: Schema.optional(Schema.Unknown),
  created_at: Schema.optional(Schema.Unknown),
  name: optional(name),
  model: optional(Schema.String.pipe(Schema.maxLength(768))),
  description: optional(Schema.String.pipe(Schema.maxLength(4_096))),
  instructions: optional(Schema.String.pipe(Schema.maxLength(maxInstructions))),
  tools: optional(Tools)
}).annotations({ identifier: "OpenAgentBody" })
export type AgentBody = typeof AgentBody.Type

/** What messages are sent back with. It says nothing that the server does not know, and nobody uses it. */
const sentBack = Object.fromEntries(
  [
    "citations",
    "created_at",
    "from_history",
    "metrics",
    "provider_data",
    "reasoning_content",
    "redacted_thinking",
    "references",
    "thinking",
    "tool_args",
    "tool_name"
  ].map((field) => [field, Schema.optional(Schema.Unknown)])
)

/** Asks for what is not done yet; whoever asks is warned. */
const asking = {
  add_to_agent_memory: optional(Schema.Boolean),
  stop_after_tool_call: optional(Schema.Boolean)
}

const ToolCall = Schema.Struct({
  id: callId,
  type: Schema.optional(Schema.Literal("function", "tool")),
  function: Schema.Struct({ name: Schema.String.pipe(Schema.length({ min: 1, max: 128 })), arguments: Schema.String })
})

const AgentMessage = Schema.Union(
  Schema.Struct({ ...sentBack, ...SystemMessage.fields, ...asking }),
  Schema.Struct({ ...sentBack, ...UserMessage.fields, ...asking }),
  Schema.Struct({
    ...sentBack,
    ...AssistantMessage.fields,
    ...asking,
    tool_calls: optional(Schema.Array(ToolCall).pipe(Schema.maxItems(maxTools)))
  }),
  Schema.Struct({
    ...sentBack,
    ...ToolMessage.fields,
    ...asking,
    name: Schema.optional(Schema.Unknown),
    tool_call_error: optional(Schema.Boolean)
  })
).annotations({ identifier: "OpenAgentMessage" })
export type AgentMessage = typeof AgentMessage.Type

const Environment = Schema.Struct({
  working_directory: optional(Schema.String.pipe(Schema.maxLength(maxPlace))),
  platform: optional(Schema.String.pipe(Schema.maxLength(maxPlace)))
})

export const RunRequest = Schema.Struct({
  /** The agent is the one of the path. */
  id: Schema.optional(Schema.Unknown),
  model: optional(Schema.String.pipe(Schema.maxLength(768))),
  environment: optional(Environment),
  tools: optional(Tools),
  messages: Schema.Array(AgentMessage).pipe(Schema.minItems(1), Schema.maxItems(maxMessages)),
  stream: optional(Schema.Boolean)
}).annotations({ identifier: "OpenAgentRunRequest" })
export type RunRequest = typeof RunRequest.Type
