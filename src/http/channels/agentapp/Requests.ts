/** What AgentApp's clients send. Fields of which we know that they cannot be served are named here, so that they are refused and not left out. */
import { Schema } from "effect"
import { JsonObject } from "../../../domain/Json.ts"

/** Most messages of a request, and parts of one. */
const maxMessages = 1_024
const maxParts = 256

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(schema))

const shared = {
  index: optional(Schema.Number),
  delta: optional(Schema.Boolean),
  msg_id: optional(Schema.String),
  object: optional(Schema.String),
  status: optional(Schema.String)
}

const Part = Schema.Union(
  Schema.Struct({ ...shared, type: Schema.Literal("text"), text: Schema.String }),
  Schema.Struct({ ...shared, type: Schema.Literal("refusal"), refusal: Schema.String }),
  Schema.Struct({ ...shared, type: Schema.Literal("image"), image_url: Schema.String }),
  Schema.Struct({ ...shared, type: Schema.Literal("audio"), data: Schema.String, format: optional(Schema.String) }),
  Schema.Struct({ ...shared, type: Schema.Literal("video"), video_url: Schema.String }),
  Schema.Struct({
    ...shared,
    type: Schema.Literal("file"),
    file_url: optional(Schema.String),
    file_data: optional(Schema.String),
    file_id: optional(Schema.String),
    filename: optional(Schema.String.pipe(Schema.maxLength(256)))
  }),
  Schema.Struct({ ...shared, type: Schema.Literal("data"), data: Schema.Unknown })
).annotations({ identifier: "AgentAppContent" })
export type Part = typeof Part.Type

const Message = Schema.Struct({
  id: optional(Schema.String),
  object: optional(Schema.String),
  type: optional(Schema.String.pipe(Schema.maxLength(64))),
  role: optional(Schema.Literal("user", "assistant", "system", "tool")),
  status: optional(Schema.String),
  name: optional(Schema.String.pipe(Schema.maxLength(256))),
  content: optional(Schema.Union(Schema.String, Schema.Array(Part).pipe(Schema.maxItems(maxParts)))),
  metadata: optional(JsonObject)
}).annotations({ identifier: "AgentAppMessage" })
export type Message = typeof Message.Type

const keys = {
  session_id: optional(Schema.String),
  user_id: optional(Schema.String)
}

export const AgentRequest = Schema.Struct({
  input: Schema.Array(Message).pipe(Schema.maxItems(maxMessages)),
  stream: optional(Schema.Boolean),
  id: optional(Schema.String.pipe(Schema.maxLength(128))),
  model: optional(Schema.String.pipe(Schema.maxLength(512))),
  ...keys,
  tools: optional(Schema.Array(Schema.Unknown)),
  n: optional(Schema.Number),
  top_p: optional(Schema.Number),
  temperature: optional(Schema.Number),
  frequency_penalty: optional(Schema.Number),
  presence_penalty: optional(Schema.Number),
  max_tokens: optional(Schema.Number),
  stop: optional(Schema.Union(Schema.String, Schema.Array(Schema.String))),
  seed: optional(Schema.Number)
}).annotations({ identifier: "AgentRequest" })
export type AgentRequest = typeof AgentRequest.Type

/** The same request as `/process` has, as far as it says whose run is to be stopped. */
export const StopRequest = Schema.Struct({
  ...keys,
  input: optional(Schema.Array(Schema.Unknown))
}).annotations({ identifier: "StopRequest" })
export type StopRequest = typeof StopRequest.Type

const idle = [
  "top_p",
  "temperature",
  "frequency_penalty",
  "presence_penalty",
  "max_tokens",
  "stop",
  "seed"
] as const

/** What the session's model has parameters of its own for. */
export const idleIn = (request: AgentRequest): ReadonlyArray<string> => idle.filter((name) => request[name] != null)
