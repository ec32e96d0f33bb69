/** Agents elsewhere that speak A2A, which agents here call as tools; and the calls that were made of them. */
import { Schema } from "effect"
import { RemoteAgentId, RunId, SessionId, Timestamp, UserId } from "./Ids.ts"
import { address, headerName, headerValue } from "./McpConfig.ts"

/** The tools of these agents begin with this, and no others do. An agent that names `a2a` has all of them. */
export const remotePrefix = "a2a__"
export const allRemote = "a2a"

/** Most agents that an owner names, most calls of them by one run, and how often a message may be handed on from server to server. */
export const maxRemoteAgents = 64
export const maxRemoteCalls = 32
export const maxHops = 4

/** Where a message says how often it was handed on. */
export const hopsKey = "stoa_hops"

/** Longest message that is sent, in characters, and longest text that comes back. */
export const maxRemoteMessage = 100_000
export const maxRemoteAnswer = 32 * 1024

/** The kind of the jobs that cancel the tasks of a run that has ended without an answer. */
export const remoteCancelKind = "a2a_cancel"

/** Most headers, and the names that are the connection's own. */
const maxHeaders = 16
const ownHeaders = new Set(["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"])

const RemoteName = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9_-]{1,48}$/, {
    message: () => "Expected 1 to 48 letters, digits, dashes or underscores"
  })
)

const isName = Schema.is(headerName)

/** Names are looked at here: a record of such keys would leave the others out without a word. */
const Headers = Schema.Record({ key: Schema.String, value: headerValue }).pipe(
  Schema.filter((all) => {
    const names = Object.keys(all)
    if (names.length > maxHeaders) return `Expected at most ${maxHeaders} of them`
    return names.every((name) => isName(name) && !ownHeaders.has(name.toLowerCase())) ||
      "Expected names of headers, but not those of the connection itself"
  }, { arbitrary: () => (fc) => fc.constant({ Authorization: "Bearer x" }) })
)

export const RemoteAgentDraft = Schema.Struct({
  /** Where its card is; an address without a path is that of a server whose card has its usual place. */
  url: address,
  /** What its tool is called behind `a2a__`; that of the card without it. */
  name: Schema.optional(RemoteName),
  /** Sent with each request, such as `Authorization`. */
  headers: Schema.optionalWith(Headers, { default: () => ({}) })
}).annotations({ identifier: "A2aRegistryRequest" })
export type RemoteAgentDraft = typeof RemoteAgentDraft.Type

/** What an agent can be asked for, as it says itself. */
const RemoteSkill = Schema.Struct({ id: Schema.String, name: Schema.String, description: Schema.String })

/** How an agent is spoken to. */
const Binding = Schema.Literal("JSONRPC", "HTTP+JSON")

/** The address and the headers are sealed: both may hold secrets. */
export const RemoteSecrets = Schema.Struct({
  url: Schema.String,
  headers: Schema.Record({ key: Schema.String, value: Schema.String })
})
export type RemoteSecrets = typeof RemoteSecrets.Type

export const RemoteAgent = Schema.Struct({
  id: RemoteAgentId,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  name: Schema.String,
  /** The address of its card, without a query. */
  card_url: Schema.String,
  /** Where calls go: scheme, name and port. */
  origin: Schema.String,
  binding: Binding,
  tenant: Schema.NullOr(Schema.String),
  streams: Schema.Boolean,
  title: Schema.String,
  description: Schema.String,
  version: Schema.String,
  skills: Schema.Array(RemoteSkill),
  headers: Schema.Array(Schema.String),
  sealed: Schema.String
})
export interface RemoteAgent extends Schema.Schema.Type<typeof RemoteAgent> {}

export const remoteToolOf = ({ name }: Pick<RemoteAgent, "name">): string => `${remotePrefix}${name}`

/** An agent as its owner sees it. */
export const RemoteAgentView = Schema.Struct({
  id: RemoteAgentId,
  name: Schema.String,
  tool: Schema.String,
  card_url: Schema.String,
  origin: Schema.String,
  title: Schema.String,
  description: Schema.String,
  version: Schema.String,
  skills: Schema.Array(RemoteSkill),
  headers: Schema.Array(Schema.String),
  created_at: Timestamp
}).annotations({ identifier: "A2aRegisteredAgent" })
export type RemoteAgentView = typeof RemoteAgentView.Type

export const remoteView = (agent: RemoteAgent): RemoteAgentView => {
  const { card_url, created_at, description, headers, id, name, origin, skills, title, version } = agent
  return {
    id,
    name,
    tool: remoteToolOf(agent),
    card_url,
    origin,
    title,
    description,
    version,
    skills,
    headers,
    created_at
  }
}

/** A message that a call of a tool has sent, or is about to. Its id is the message's, and made of the run and the call. */
export const RemoteCall = Schema.Struct({
  id: Schema.String,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  session_id: SessionId,
  run_id: RunId,
  agent_id: RemoteAgentId,
  /** Unknown until the agent has answered; an answer that is only a message has no task. */
  task_id: Schema.NullOr(Schema.String),
  context_id: Schema.NullOr(Schema.String),
  /** Nothing more comes of it: it need not be cancelled. */
  is_over: Schema.Boolean
})
export interface RemoteCall extends Schema.Schema.Type<typeof RemoteCall> {}
