/** What clients send, in the JSON of both transports. Unknown members are ignored, as the protocol has it; null is nothing. */
import { Schema } from "effect"
import { PushTarget } from "../../../domain/A2aPush.ts"
import { JsonObject, JsonValue } from "../../../domain/Json.ts"

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(schema))

/** Longest id, parts of a message, modes that a client names, and characters of a text, a file's name and an address. */
const maxId = 256
const maxParts = 100
const maxModes = 64
const maxText = 256 * 1024
const maxName = 256
const maxUrl = 8 * 1024

const Id = Schema.String.pipe(Schema.maxLength(maxId))

const about = {
  mediaType: optional(Schema.String.pipe(Schema.maxLength(maxName))),
  filename: optional(Schema.String.pipe(Schema.maxLength(maxName))),
  metadata: optional(JsonObject)
}

const Part = Schema.Union(
  Schema.Struct({ text: Schema.String.pipe(Schema.maxLength(maxText)), ...about }),
  Schema.Struct({ raw: Schema.String, ...about }),
  Schema.Struct({ url: Schema.String.pipe(Schema.maxLength(maxUrl)), ...about }),
  Schema.Struct({ data: JsonValue, ...about })
).annotations({ identifier: "A2aPart" })
export type Part = typeof Part.Type

const Message = Schema.Struct({
  messageId: Schema.String.pipe(Schema.minLength(1), Schema.maxLength(maxId)),
  contextId: optional(Id),
  taskId: optional(Id),
  role: Schema.Literal("ROLE_USER"),
  parts: Schema.Array(Part).pipe(Schema.minItems(1), Schema.maxItems(maxParts)),
  metadata: optional(JsonObject)
}).annotations({ identifier: "A2aMessage" })
export type Message = typeof Message.Type

/** Most messages of a history that can be asked for. */
const maxHistory = 1000
const length = Schema.Int.pipe(Schema.between(0, maxHistory))

const pushConfig = {
  url: PushTarget.fields.url,
  token: optional(Schema.String),
  authentication: optional(Schema.Struct({ scheme: Schema.String, credentials: optional(Schema.String) }))
}

/** Whom to send updates to; without an id it gets one. */
export const PushConfig = Schema.Struct({ id: optional(Schema.String), ...pushConfig }).annotations({
  identifier: "A2aPushNotificationConfig"
})
export type PushConfig = typeof PushConfig.Type

export const PushRequest = Schema.Struct({ taskId: Id, ...PushConfig.fields })
export const OnePushRequest = Schema.Struct({ taskId: Id, id: Id })
export const PushesRequest = Schema.Struct({ taskId: Id })

export const SendRequest = Schema.Struct({
  message: Message,
  configuration: optional(Schema.Struct({
    acceptedOutputModes: optional(
      Schema.Array(Schema.String.pipe(Schema.maxLength(maxName))).pipe(Schema.maxItems(maxModes))
    ),
    historyLength: optional(length),
    returnImmediately: optional(Schema.Boolean),
    taskPushNotificationConfig: optional(PushConfig)
  })),
  metadata: optional(JsonObject)
}).annotations({ identifier: "A2aSendMessageRequest" })
export type SendRequest = typeof SendRequest.Type

export const TaskRequest = Schema.Struct({ id: Id, historyLength: optional(length) })

export const defaultPageSize = 50
export const maxPageSize = 100

export const TaskState = Schema.Literal(
  "TASK_STATE_UNSPECIFIED",
  "TASK_STATE_SUBMITTED",
  "TASK_STATE_WORKING",
  "TASK_STATE_INPUT_REQUIRED",
  "TASK_STATE_AUTH_REQUIRED",
  "TASK_STATE_COMPLETED",
  "TASK_STATE_FAILED",
  "TASK_STATE_CANCELED",
  "TASK_STATE_REJECTED"
)

const Moment = Schema.String.pipe(
  Schema.maxLength(64),
  Schema.filter((text) => !Number.isNaN(Date.parse(text)), {
    message: () => "Expected a time such as 2026-01-31T09:30:00Z",
    arbitrary: () => (fc) => fc.constant("2026-01-31T09:30:00Z")
  })
)

export const ListRequest = Schema.Struct({
  contextId: optional(Id),
  status: optional(TaskState),
  pageSize: optional(Schema.Int.pipe(Schema.between(1, maxPageSize))),
  pageToken: optional(Schema.String.pipe(Schema.maxLength(512))),
  historyLength: optional(length),
  statusTimestampAfter: optional(Moment),
  includeArtifacts: optional(Schema.Boolean)
})
export type ListRequest = typeof ListRequest.Type
