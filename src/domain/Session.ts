import { Schema } from "effect"
import { AgentId, SessionId, Timestamp, UserId, WorkspaceId } from "./Ids.ts"
import { ChatModelConfig, Fallback } from "./Model.ts"
import { PermissionContext, PermissionMode } from "./Permission.ts"

const name = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(256))

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
    fallback_chat_model_config: Schema.optionalWith(Schema.NullOr(Fallback), { default: () => null })
  }),
  state: Schema.Struct({ session_id: SessionId, permission_context: PermissionContext })
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

export const SessionDraft = Schema.Struct({
  agent_id: AgentId,
  workspace_id: Schema.optional(Schema.NullOr(WorkspaceId)),
  name: Schema.optional(Schema.NullOr(name)),
  chat_model_config: Schema.optional(Schema.NullOr(ChatModelConfig)),
  fallback_chat_model_config: Schema.optional(Schema.NullOr(Fallback))
}).annotations({ identifier: "SessionDraft" })
export type SessionDraft = typeof SessionDraft.Type

/** Absent fields keep what is there; a null model config takes the model away, other nulls keep. */
export const SessionPatch = Schema.Struct({
  name: Schema.optional(Schema.NullOr(name)),
  chat_model_config: Schema.optional(Schema.NullOr(ChatModelConfig)),
  fallback_chat_model_config: Schema.optional(Schema.NullOr(Fallback)),
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
    })
  },
  state: patch.permission_mode == null
    ? session.state
    : { ...session.state, permission_context: { ...session.state.permission_context, mode: patch.permission_mode } }
})
