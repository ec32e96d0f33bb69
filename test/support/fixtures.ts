/** Records to put into a host: complete, valid, and each with ids of its own, so that tests can share one backend. */
import { Schema } from "effect"
import { randomBytes } from "node:crypto"
import { type Agent, AgentDraft } from "../../src/domain/Agent.ts"
import type { ApiKey } from "../../src/domain/ApiKey.ts"
import type { Credential } from "../../src/domain/Credential.ts"
import type { Elicitation } from "../../src/domain/Elicitation.ts"
import { frame } from "../../src/domain/Event.ts"
import type {
  AgentId,
  BlockId,
  CredentialId,
  ElicitationId,
  KeyId,
  McpServerId,
  MessageId,
  RunId,
  SessionId,
  SkillBundleId,
  SkillId,
  Timestamp,
  ToolCallId,
  UserId,
  WorkspaceId
} from "../../src/domain/Ids.ts"
import { noCard } from "../../src/domain/LibraryCard.ts"
import type { McpAuthorization } from "../../src/domain/McpAuthorization.ts"
import type { McpServer } from "../../src/domain/McpServer.ts"
import type { Message } from "../../src/domain/Message.ts"
import { permissionContext } from "../../src/domain/Permission.ts"
import type { Conversation, StoredResponse } from "../../src/domain/Response.ts"
import type { Run } from "../../src/domain/Run.ts"
import type { Session } from "../../src/domain/Session.ts"
import type { Skill, SkillBundle, SkillPiece } from "../../src/domain/Skill.ts"
import type { LogPage, PlacedMessage } from "../../src/services/EventLog.ts"

export const time = "2026-01-31T09:30:00.000Z" as Timestamp
export const later = "2026-01-31T09:30:01.500Z" as Timestamp

const prefix = randomBytes(8).toString("hex")
let made = 0

/** 32 hexadecimal digits, each greater than the one before. */
export const freshId = (): string => prefix + (++made).toString(16).padStart(16, "0")

export const freshOwner = (): UserId => `owner-${freshId()}` as UserId

export const agentOf = (owner: UserId, data: Partial<Agent["data"]> = {}): Agent => {
  const id = freshId() as AgentId
  return {
    id,
    user_id: owner,
    created_at: time,
    updated_at: time,
    data: { id, ...Schema.decodeSync(AgentDraft)({ name: "Zeno" }), ...data }
  }
}

export const credentialOf = (owner: UserId, changes: Partial<Credential> = {}): Credential => ({
  id: freshId() as CredentialId,
  user_id: owner,
  created_at: time,
  updated_at: time,
  type: "demo_credential",
  name: "Demo",
  settings: {},
  secrets: [],
  sealed: null,
  ...changes
})

export const sessionOf = (agent: Agent): Session => {
  const id = freshId() as SessionId
  return {
    id,
    user_id: agent.user_id,
    agent_id: agent.id,
    created_at: time,
    updated_at: time,
    source: "user",
    source_schedule_id: null,
    config: {
      workspace_id: freshId() as WorkspaceId,
      name: "Porch",
      chat_model_config: null,
      fallback_chat_model_config: null,
      tts_model_config: null,
      knowledge_config: null,
      cwd: null
    },
    state: { session_id: id, permission_context: permissionContext("default") }
  }
}

export const messageOf = (text: string, changes: Partial<Message> = {}): Message => ({
  id: freshId() as MessageId,
  name: "user",
  role: "user",
  content: [{ type: "text", id: "b1" as BlockId, text }],
  metadata: {},
  created_at: time,
  finished_at: time,
  usage: null,
  ...changes
})

export const runOf = (session: Session, changes: Partial<Run> = {}): Run => ({
  id: freshId() as RunId,
  user_id: session.user_id,
  session_id: session.id,
  agent_id: session.agent_id,
  driver: null,
  on_busy: "enqueue",
  source: "user",
  source_id: null,
  status: "running",
  reply_id: freshId() as MessageId,
  input: [messageOf("Good morning")],
  tools: [],
  first_seq: 1,
  last_seq: null,
  attempt: 1,
  finished_reason: null,
  error: null,
  usage: null,
  created_at: time,
  updated_at: time,
  started_at: time,
  ended_at: null,
  ...changes
})

export const responseOf = (run: Run): StoredResponse => ({
  id: `resp_${freshId()}`,
  user_id: run.user_id,
  created_at: time,
  updated_at: time,
  session_id: run.session_id,
  agent_id: run.agent_id,
  run_id: run.id,
  after: 0,
  known: 0,
  background: false,
  conversation: null,
  next: null,
  head: {
    id: "resp_0",
    created_at: 0,
    model: "agent/Ada",
    echo: { metadata: {} },
    home: run.session_id,
    client_tools: [],
    is_structured: false,
    tells_encrypted: false
  }
})

export const conversationOf = (session: Session): Conversation => ({
  id: `conv_${freshId()}`,
  user_id: session.user_id,
  created_at: time,
  updated_at: time,
  metadata: { about: "weather" },
  session_id: session.id,
  added: [messageOf("Good evening")],
  removed: []
})

export const keyOf = (owner: UserId, changes: Partial<ApiKey> = {}): ApiKey => ({
  id: freshId() as KeyId,
  user_id: owner,
  name: "laptop",
  scopes: ["read", "chat"],
  created_at: time,
  updated_at: time,
  expires_at: null,
  last_used_at: null,
  revoked_at: null,
  hash: "9Zm0",
  ...changes
})

export const mcpAuthorizationOf = ({ id, user_id }: McpServer): McpAuthorization => ({
  id: freshId(),
  user_id,
  created_at: time,
  updated_at: time,
  server_id: id,
  status: "authorized",
  state: "",
  expires_at: null,
  scope: null,
  lease: null,
  sealed: null
})

export const elicitationOf = ({ id: session_id, user_id }: Pick<Session, "id" | "user_id">): Elicitation => {
  const id = freshId() as ElicitationId
  return {
    id,
    user_id,
    created_at: time,
    updated_at: time,
    question: {
      elicitation_id: id,
      session_id,
      tool_call_id: "call" as ToolCallId,
      tool_name: "mcp__notes__ask",
      mode: "url",
      message: "A secret question",
      requested_schema: null,
      url: "https://example.com/",
      expires_at: later
    },
    process: "gone",
    status: "open",
    sealed: null
  }
}

export const mcpServerOf = (owner: UserId, changes: Partial<McpServer> = {}): McpServer => ({
  id: freshId() as McpServerId,
  user_id: owner,
  created_at: time,
  updated_at: time,
  name: "notes",
  workspace: "",
  library_id: null,
  shared: false,
  enabled: true,
  is_stateful: false,
  config: { type: "http_mcp", origin: "https://example.com/mcp", headers: [], timeout: null },
  sealed: null,
  enable_tools: null,
  disable_tools: null,
  execution_timeout: null,
  approved: [],
  offered: null,
  card: noCard,
  ...changes
})

export const placedOf = (session: Session, seq: number, message: Message): PlacedMessage => ({
  session_id: session.id,
  owner: session.user_id,
  seq,
  message
})

/** The events `first` to `last` of a session, each saying its own number. */
export const framesOf = (first: number, last: number, text = "event"): string =>
  Array.from({ length: last - first + 1 }, (_, i) => frame(first + i, JSON.stringify({ text, n: first + i }))).join("")

export const pageOf = (
  session: { readonly id: SessionId },
  first_seq: number,
  last_seq: number,
  changes: Partial<LogPage> = {}
): LogPage => ({
  session_id: session.id,
  first_seq,
  last_seq,
  run_id: null,
  ends: false,
  frames: framesOf(first_seq, last_seq),
  ...changes
})

/** What a person or a model may write, and a database may not like. */
export const strangeTexts: ReadonlyArray<string> = [
  "",
  "\0",
  "before\0after",
  "\ud800",
  "low \udc00 before high \ud83d",
  "🏛️ Στοά 👩‍👩‍👧‍👦 \u202e\ufeff",
  "\"quoted\" 'single' \\ back\\\\slash \\u0000 \\x1f",
  "{\"json\": [null]}, {NULL,\"\"} $1 ; -- '",
  "\x1f\x1e\x01\x7f\t\r\n\r\n\u2028\u2029",
  "id: 7\ndata: {}\n\n",
  "é".repeat(100_000)
]

export const skillBundleOf = (owner: UserId, changes: Partial<SkillBundle> = {}): SkillBundle => ({
  id: freshId() as SkillBundleId,
  user_id: owner,
  created_at: time,
  updated_at: time,
  is_whole: true,
  files: [{ path: "SKILL.md", size: 5 }],
  ...changes
})

export const skillPieceOf = (bundle: SkillBundle): SkillPiece => ({
  id: `${bundle.id}.000000`,
  user_id: bundle.user_id,
  created_at: time,
  updated_at: time,
  bundle: bundle.id,
  data: "aGVsbG8="
})

export const skillOf = (bundle: SkillBundle, changes: Partial<Skill> = {}): Skill => ({
  id: freshId() as SkillId,
  user_id: bundle.user_id,
  created_at: time,
  updated_at: time,
  name: "forms",
  description: "Fills in forms.",
  workspace: "",
  shared: false,
  enabled: true,
  bundle: bundle.id,
  digest: "0",
  bytes: 5,
  files: 1,
  card: noCard,
  ...changes
})
