/** What this protocol's clients send. */
import { Schema } from "effect"
import { RunId } from "../../../domain/Ids.ts"
import { JsonObject } from "../../../domain/Json.ts"
import { OutputSchema } from "../../../domain/OutputSchema.ts"
import { queryInteger } from "../../../domain/Page.ts"
import { isBlank } from "../../../domain/Text.ts"

/** Longest message, in characters. */
const maxMessage = 102_400

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(schema))

const message = Schema.String.pipe(
  Schema.maxLength(maxMessage),
  Schema.filter((text) => !isBlank(text) || "Expected a text that is not blank", {
    arbitrary: () => (fc) => fc.string({ minLength: 1, maxLength: 64 }).map((text) => `say ${text}`)
  })
)

const timeout_ms = optional(Schema.Int.pipe(Schema.between(1_000, 300_000)))

export const InvokeRequest = Schema.Struct({
  message,
  /** Shown to the agent before the message, as JSON. */
  input: optional(JsonObject),
  options: optional(Schema.Struct({
    /** Answers at once; what comes of it is read at the `poll_url`. */
    async: optional(Schema.Boolean),
    stream: optional(Schema.Boolean),
    timeout_ms,
    output_schema: optional(OutputSchema)
  }))
}).annotations({ identifier: "InvokeRequest" })
export type InvokeRequest = typeof InvokeRequest.Type

export const ChatRequest = Schema.Struct({
  message,
  session_id: optional(Schema.String.pipe(Schema.maxLength(128))),
  input: optional(JsonObject),
  options: optional(Schema.Struct({ stream: optional(Schema.Boolean), timeout_ms }))
}).annotations({ identifier: "GatewayChatRequest" })
export type ChatRequest = typeof ChatRequest.Type

const token = Schema.String.pipe(Schema.maxLength(128))

export const ExecutionsQuery = Schema.Struct({
  agent_id: Schema.optional(token),
  session_id: Schema.optional(token),
  root_execution_id: Schema.optional(token),
  /** Only those that were made before this one. */
  before: Schema.optional(RunId),
  limit: queryInteger(1, 500, 50)
})

export const SessionsQuery = Schema.Struct({ agent_id: Schema.optional(token), limit: queryInteger(1, 200, 50) })

/** Most records that a list is read beyond. */
const maxOffset = 10_000

const offset = queryInteger(0, maxOffset, 0)

export const ConversationsQuery = Schema.Struct({
  agent_id: Schema.optional(token),
  limit: queryInteger(1, 200, 50),
  offset: queryInteger(0, 800, 0)
})

export const MessagesQuery = Schema.Struct({ limit: queryInteger(1, 500, 100), offset })

export const NotificationsQuery = Schema.Struct({
  status: Schema.optional(Schema.Literal("pending", "delivered", "failed")),
  agent_id: Schema.optional(token),
  channel: Schema.optional(token),
  execution_id: Schema.optional(token),
  limit: queryInteger(1, 200, 50),
  offset
})

export const ScheduleRequest = Schema.Struct({
  agent_id: token,
  name: Schema.String.pipe(
    Schema.pattern(/^[a-zA-Z0-9_.-]{1,128}$/, {
      message: () => "Expected 1 to 128 letters, digits, dots, dashes or underscores"
    })
  ),
  /** Five or six fields, as for the schedules of the native API. */
  cron_expr: Schema.String.pipe(Schema.length({ min: 9, max: 128 })),
  message,
  instructions: optional(Schema.String.pipe(Schema.maxLength(4_000))),
  input: optional(JsonObject),
  timezone: Schema.optionalWith(Schema.String.pipe(Schema.length({ min: 1, max: 64 })), { default: () => "UTC" }),
  enabled: Schema.optionalWith(Schema.Boolean, { default: () => true })
}).annotations({ identifier: "GatewayScheduleRequest" })
export type ScheduleRequest = typeof ScheduleRequest.Type

const name = Schema.String.pipe(
  Schema.pattern(/^[a-z0-9][a-z0-9_-]{0,63}$/, {
    message: () => "Expected 1 to 64 small letters, digits, dashes or underscores, a letter or digit first"
  })
)

const maxText = 8 * 1024

const line = Schema.String.pipe(Schema.maxLength(maxText))

/** Most values of one kind. */
const maxItems = 64

const values = Schema.Record({ key: Schema.String.pipe(Schema.maxLength(128)), value: line }).pipe(
  Schema.filter((record) => Object.keys(record).length <= maxItems || `Expected at most ${maxItems} of them`)
)

/** How one logs in at a server over HTTP, where that is more than a header. */
const credentials = Schema.Struct({
  auth_type: Schema.Literal("none", "static_header", "oauth2_client_credentials"),
  token_url: optional(line),
  client_id: optional(Schema.String.pipe(Schema.maxLength(512))),
  client_secret: optional(line),
  scope: optional(Schema.String.pipe(Schema.maxLength(1_024))),
  /** Of a static header. */
  header_name: optional(Schema.String.pipe(Schema.maxLength(128))),
  header_value: optional(line)
}).annotations({ identifier: "GatewayMcpCredentials" })

const server = {
  transport: Schema.Literal("stdio", "streamable_http"),
  command: optional(line),
  args: optional(Schema.Array(line).pipe(Schema.maxItems(maxItems))),
  env: optional(values),
  url: optional(Schema.String.pipe(Schema.maxLength(4 * 1024))),
  headers: optional(values),
  credentials: optional(credentials)
}

export const McpServerRequest = Schema.Struct({
  name,
  ...server,
  enabled: Schema.optionalWith(Schema.Boolean, { default: () => true })
}).annotations({ identifier: "GatewayMcpServerRequest" })
export type McpServerRequest = typeof McpServerRequest.Type

/** What is left out stays as it is. */
export const McpServerPatch = Schema.partial(Schema.Struct({ name, ...server, enabled: Schema.Boolean })).annotations({
  identifier: "GatewayMcpServerPatch"
})
export type McpServerPatch = typeof McpServerPatch.Type

/** What a user says of a personal agent. `instructions` is special; the rest is what its schema asks for. */
export const ConfigRequest = JsonObject
