/** What the first start makes: a key that manages keys, and an agent with a demo model. */
import * as FileSystem from "@effect/platform/FileSystem"
import { Clock, Effect, Schema } from "effect"
import { resolve } from "node:path"
import { AgentDraft } from "../../domain/Agent.ts"
import { AgentId, CredentialId, SessionId, UserId, WorkspaceId } from "../../domain/Ids.ts"
import { permissionContext } from "../../domain/Permission.ts"
import type { Settings } from "../../domain/Settings.ts"
import { ApiKeys } from "../../services/ApiKeys.ts"
import { NewId } from "../../services/NewId.ts"
import { now } from "../../services/Now.ts"
import { Storage } from "../../services/Storage.ts"
import { localUser } from "./LocalUser.ts"

/** The key that manages keys, made when there is none yet. */
export const firstKey = Effect.gen(function*() {
  const { keys } = yield* Storage
  const apiKeys = yield* ApiKeys
  const { total } = yield* Effect.orDie(keys.host.list({ limit: 1, cursor: undefined }))
  if (total > 0) return undefined
  const { key } = yield* apiKeys.issue({
    user_id: UserId.make("admin"),
    name: "first start",
    scopes: ["read", "write", "chat", "admin"],
    expires_at: null
  })
  return key
})

/** Makes an agent with the demo model, so that one can talk to it at once. */
export const firstSession = Effect.gen(function*() {
  const storage = yield* Storage
  const newId = yield* NewId
  const at = yield* now
  const millis = yield* Clock.currentTimeMillis
  const owned = { user_id: localUser, created_at: at, updated_at: at }
  const agent_id = AgentId.make(newId.record(millis))
  const credential_id = CredentialId.make(newId.record(millis))
  const session_id = SessionId.make(newId.record(millis))
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-chat", parameters: {} }
  const draft = yield* Schema.decode(AgentDraft)({ name: "assistant", chat_model_config })
  yield* storage.agents.insert({ ...owned, id: agent_id, data: { id: agent_id, ...draft } })
  yield* storage.credentials.insert({
    ...owned,
    id: credential_id,
    type: "demo_credential",
    name: "Demo",
    settings: {},
    secrets: [],
    sealed: null
  })
  yield* storage.sessions.insert({
    ...owned,
    id: session_id,
    agent_id,
    source: "user",
    source_schedule_id: null,
    config: {
      workspace_id: WorkspaceId.make(newId.record(millis)),
      name: "first conversation",
      chat_model_config,
      fallback_chat_model_config: null,
      tts_model_config: null,
      knowledge_config: null,
      cwd: null
    },
    state: { session_id, permission_context: permissionContext("default") }
  })
}).pipe(Effect.orDie)

export const newestSession = Effect.gen(function*() {
  const { sessions } = yield* Storage
  const { items } = yield* Effect.orDie(sessions.list(localUser, { limit: 10, cursor: undefined }, {}, "newest"))
  return items.find(({ config }) => config.chat_model_config !== null)
})

const ownerOnly = 0o600

/**
 * Keeps the key for the operator of a server that no person sees start: its
 * output goes into a log, where no secret belongs. None when that is not
 * possible; another key can be made offline.
 */
export const keepKey = Effect.fnUntraced(function*({ data_dir }: Settings, key: string) {
  const files = yield* FileSystem.FileSystem
  const path = resolve(data_dir, "admin.key")
  return yield* files.makeDirectory(data_dir, { recursive: true, mode: 0o700 }).pipe(
    // An existing file would keep its mode when it is written, so it is removed first.
    Effect.zipRight(files.remove(path, { force: true })),
    Effect.zipRight(files.writeFileString(path, `${key}\n`, { mode: ownerOnly, flag: "wx" })),
    Effect.as(path),
    Effect.option
  )
})
