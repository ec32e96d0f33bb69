import { Schema } from "effect"
import { AgentId, SessionId, Timestamp, UserId, WorkspaceId } from "./Ids.ts"
import { JsonObject } from "./Json.ts"
import { ChatModelConfig, Fallback } from "./Model.ts"
import { PermissionContext, PermissionMode } from "./Permission.ts"
import { TasksContext } from "./Tasks.ts"

const name = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(256))

/** Longest path in a workspace, in characters. */
const maxCwd = 4096

/** A path in the session's workspace. No file system and no `text` of PostgreSQL holds NUL. */
const cwd = Schema.String.pipe(
  Schema.maxLength(maxCwd),
  Schema.filter((path) => !path.includes("\0") || "Expected a path without NUL", {
    jsonSchema: { pattern: "^[^\\u0000]*$" }
  })
)

/** Most knowledge bases of a session, and characters of an id. */
const maxKnowledgeBases = 128
const maxKnowledgeBaseId = 256

/** What a session looks things up in. Nothing uses it yet. */
const KnowledgeConfig = Schema.Struct({
  knowledge_base_ids: Schema.optionalWith(
    Schema.Array(Schema.String.pipe(Schema.maxLength(maxKnowledgeBaseId))).pipe(Schema.maxItems(maxKnowledgeBases)),
    { default: () => [], nullable: true }
  ),
  parameters: Schema.optionalWith(JsonObject, { default: () => ({}), nullable: true })
}).annotations({ identifier: "KnowledgeConfig" })

/** Null, or left out in a record that is older than the field. */
const nullable = <A, I>(schema: Schema.Schema<A, I>) =>
  Schema.optionalWith(Schema.NullOr(schema), { default: () => null })

/**
 * One exchange between a user and an agent. The model choice lives here, so
 * one agent can run under different models in different sessions.
 */
export const Session = Schema.Struct({
  id: SessionId,
  user_id: UserId,
  agent_id: AgentId,
  created_at: Timestamp,
  updated_at: Timestamp,
  source: Schema.Literal("user", "schedule"),
  source_schedule_id: Schema.NullOr(Schema.String),
  config: Schema.Struct({
    workspace_id: WorkspaceId,
    name,
    chat_model_config: Schema.NullOr(ChatModelConfig),
    /** Null means that the agent's value is used. */
    fallback_chat_model_config: nullable(Fallback),
    /** The voice that reads replies out. Nothing uses it yet, so it is kept as it was given. */
    tts_model_config: nullable(ChatModelConfig),
    knowledge_config: nullable(KnowledgeConfig),
    /** Where the session works in its workspace; null is its root. */
    cwd: nullable(cwd)
  }),
  state: Schema.Struct({
    session_id: SessionId,
    permission_context: PermissionContext,
    /** Absent while the agent has made no list. */
    tasks_context: Schema.optionalWith(TasksContext, { exact: true })
  })
}).annotations({ identifier: "SessionRecord" })
export interface Session extends Schema.Schema.Type<typeof Session> {}

export const SessionStatus = Schema.Literal("running", "idle", "awaiting_permission", "awaiting_external_result")
export type SessionStatus = typeof SessionStatus.Type

/** A session as a list or a read shows it: the record and what it is doing. */
export const SessionView = Schema.Struct({
  ...Session.fields,
  status: SessionStatus,
  is_running: Schema.Boolean
}).annotations({ identifier: "SessionView" })
export type SessionView = typeof SessionView.Type

/**
 * A session in a list, for clients of every version: those of 2.0.0 read the
 * flat fields, newer ones the member `session`. There are no teams yet.
 */
export const SessionListItem = Schema.Struct({
  ...SessionView.fields,
  session: Session,
  team: Schema.Null
}).annotations({ identifier: "SessionListItem" })
export type SessionListItem = typeof SessionListItem.Type

/** What a session is called that nobody has named. */
export const timeName = (created_at: Timestamp): string => created_at.slice(0, 19).replace("T", " ")

/** Whether nobody has named it yet. */
export const isUnnamed = ({ config, created_at }: Session): boolean => config.name === timeName(created_at)

export const SessionDraft = Schema.Struct({
  agent_id: AgentId,
  workspace_id: Schema.optional(Schema.NullOr(WorkspaceId)),
  name: Schema.optional(Schema.NullOr(name)),
  chat_model_config: Schema.optional(Schema.NullOr(ChatModelConfig)),
  fallback_chat_model_config: Schema.optional(Schema.NullOr(Fallback)),
  tts_model_config: Schema.optional(Schema.NullOr(ChatModelConfig)),
  knowledge_config: Schema.optional(Schema.NullOr(KnowledgeConfig)),
  cwd: Schema.optional(Schema.NullOr(cwd))
}).annotations({ identifier: "SessionDraft" })
export type SessionDraft = typeof SessionDraft.Type

/** Absent fields keep what is there; a null name or permission mode keeps it too, every other null takes away. */
export const SessionPatch = Schema.Struct({
  name: Schema.optional(Schema.NullOr(name)),
  chat_model_config: Schema.optional(Schema.NullOr(ChatModelConfig)),
  fallback_chat_model_config: Schema.optional(Schema.NullOr(Fallback)),
  tts_model_config: Schema.optional(Schema.NullOr(ChatModelConfig)),
  knowledge_config: Schema.optional(Schema.NullOr(KnowledgeConfig)),
  cwd: Schema.optional(Schema.NullOr(cwd)),
  permission_mode: Schema.optional(Schema.NullOr(PermissionMode))
}).annotations({ identifier: "SessionPatch" })
export type SessionPatch = typeof SessionPatch.Type

export const patchSession = (session: Session, patch: SessionPatch, now: Timestamp): Session => ({
  ...session,
  updated_at: now,
  config: {
    ...session.config,
    ...(patch.name != null && { name: patch.name }),
    ...(patch.chat_model_config !== undefined && { chat_model_config: patch.chat_model_config }),
    ...(patch.fallback_chat_model_config !== undefined && {
      fallback_chat_model_config: patch.fallback_chat_model_config
    }),
    ...(patch.tts_model_config !== undefined && { tts_model_config: patch.tts_model_config }),
    ...(patch.knowledge_config !== undefined && { knowledge_config: patch.knowledge_config }),
    ...(patch.cwd !== undefined && { cwd: patch.cwd })
  },
  state: patch.permission_mode == null
    ? session.state
    : { ...session.state, permission_context: { ...session.state.permission_context, mode: patch.permission_mode } }
})
