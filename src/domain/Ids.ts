import { Brand, Schema } from "effect"

/** Printable ASCII without spaces, 1–128 characters: safe in a path, a header, a log line and a database. */
const token = Schema.String.pipe(
  Schema.pattern(/^[\x21-\x7e]{1,128}$/, { message: () => "Expected 1 to 128 printable ASCII characters" })
)

/** The tenant that owns a record; on the wire it is `user_id`. */
export const UserId = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9._@-]{1,128}$/, {
    message: () => "Expected 1 to 128 letters, digits, dots, dashes, underscores or @"
  }),
  Schema.brand("UserId")
)
export type UserId = typeof UserId.Type

export const AgentId = token.pipe(Schema.brand("AgentId"))
export type AgentId = typeof AgentId.Type

export const CredentialId = token.pipe(Schema.brand("CredentialId"))
export type CredentialId = typeof CredentialId.Type

export const SessionId = token.pipe(Schema.brand("SessionId"))
export type SessionId = typeof SessionId.Type

export const RunId = token.pipe(Schema.brand("RunId"))
export type RunId = typeof RunId.Type

export const KeyId = token.pipe(Schema.brand("KeyId"))
export type KeyId = typeof KeyId.Type

export const WorkspaceId = token.pipe(Schema.brand("WorkspaceId"))
export type WorkspaceId = typeof WorkspaceId.Type

export const McpServerId = token.pipe(Schema.brand("McpServerId"))
export type McpServerId = typeof McpServerId.Type

/** Of an agent elsewhere that is called from here. */
export const RemoteAgentId = token.pipe(Schema.brand("RemoteAgentId"))
export type RemoteAgentId = typeof RemoteAgentId.Type

export const ElicitationId = token.pipe(Schema.brand("ElicitationId"))
export type ElicitationId = typeof ElicitationId.Type

export const SkillId = token.pipe(Schema.brand("SkillId"))
export type SkillId = typeof SkillId.Type

/** Names the files of a skill as they were added; they do not change. */
export const SkillBundleId = token.pipe(Schema.brand("SkillBundleId"))
export type SkillBundleId = typeof SkillBundleId.Type

export const RecollectionId = token.pipe(Schema.brand("RecollectionId"))
export type RecollectionId = typeof RecollectionId.Type

export const ScheduleId = token.pipe(Schema.brand("ScheduleId"))
export type ScheduleId = typeof ScheduleId.Type

export const FireId = token.pipe(Schema.brand("FireId"))
export type FireId = typeof FireId.Type

/** The id of a job says what it does for what, so that it is added once. */
export const JobId = token.pipe(Schema.brand("JobId"))
export type JobId = typeof JobId.Type

export const NotificationId = token.pipe(Schema.brand("NotificationId"))
export type NotificationId = typeof NotificationId.Type

/** It is the `webhook-id` too, by which a receiver knows a message that comes again. */
export const DeliveryId = token.pipe(Schema.brand("DeliveryId"))
export type DeliveryId = typeof DeliveryId.Type

/** Of a tool call that has outlived its turn. */
export const TaskId = token.pipe(Schema.brand("TaskId"))
export type TaskId = typeof TaskId.Type

/** A message's id; the id of a reply (`reply_id`) is the id of its assistant message. */
export const MessageId = token.pipe(Schema.brand("MessageId"))
export type MessageId = typeof MessageId.Type

/** Names one content block inside a message. */
export const BlockId = token.pipe(Schema.brand("BlockId"))
export type BlockId = typeof BlockId.Type

/** The provider's id of a tool call, or ours when it gave none. */
export const ToolCallId = token.pipe(Schema.brand("ToolCallId"))
export type ToolCallId = typeof ToolCallId.Type

/** UTC, milliseconds, `Z`: `2026-01-31T09:30:00.000Z`. Sorts as text. */
export const Timestamp = Schema.String.pipe(
  Schema.pattern(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, {
    message: () => "Expected a UTC time such as 2026-01-31T09:30:00.000Z"
  }),
  Schema.brand("Timestamp")
)
export type Timestamp = typeof Timestamp.Type

/**
 * The place of an event in its session: 1, 2, 3 … without a gap; 0 is before the
 * first. The event may still wait for the log, and is lost when that refuses it.
 */
export type Seq = number & Brand.Brand<"Seq">
export const Seq = Brand.nominal<Seq>()

/** The place of an event that is in the log, or 0. Only such a place is a cursor to give to a client. */
export type DurableSeq = Seq & Brand.Brand<"DurableSeq">
export const DurableSeq = Brand.nominal<DurableSeq>()
