import { SessionId, type Timestamp, type UserId, WorkspaceId } from "./Ids.ts"
import { permissionContext } from "./Permission.ts"
import { type Session, type SessionDraft, timeName } from "./Session.ts"

/** A session as it begins. Without a name it is called by its time. */
export const newSession = (draft: SessionDraft, user_id: UserId, at: Timestamp, newId: () => string): Session => {
  const id = SessionId.make(newId())
  return {
    id,
    user_id,
    agent_id: draft.agent_id,
    created_at: at,
    updated_at: at,
    source: "user",
    source_schedule_id: null,
    config: {
      workspace_id: draft.workspace_id ?? WorkspaceId.make(newId()),
      name: draft.name ?? timeName(at),
      chat_model_config: draft.chat_model_config ?? null,
      fallback_chat_model_config: draft.fallback_chat_model_config ?? null,
      tts_model_config: draft.tts_model_config ?? null,
      knowledge_config: draft.knowledge_config ?? null,
      cwd: draft.cwd ?? null
    },
    state: { session_id: id, permission_context: permissionContext("default") }
  }
}
