/**
 * What a person has allowed with an MCP server: tokens, and how they were got. Each tenant has its own for a server, also
 * for one that an admin shares.
 */
import { Schema } from "effect"
import { McpServerId, Timestamp, UserId } from "./Ids.ts"

/** How long a person may take from the address to the consent, in milliseconds. */
export const attemptMillis: number = 10 * 60 * 1000

/** Whether a server lets us in by OAuth. */
export const McpAuthorizationStatus = Schema.Literal("needs_authorization", "authorized")
export type McpAuthorizationStatus = typeof McpAuthorizationStatus.Type

export const McpAuthorization = Schema.Struct({
  id: Schema.String,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  /** The server whose address it is for: one of a workspace, or of a library. */
  server_id: McpServerId,
  status: McpAuthorizationStatus,
  /** Keyed hash of the `state` of the attempt that is under way; empty when there is none. It is taken once. */
  state: Schema.String,
  /** When that attempt is over. */
  expires_at: Schema.NullOr(Timestamp),
  /** What is to be asked for the next time; null is what the server says then. */
  scope: Schema.NullOr(Schema.String),
  /** Who asks for new tokens, the process first, and until when the others wait for it. */
  lease: Schema.NullOr(Schema.Struct({ by: Schema.String, until: Timestamp })),
  /** Tokens, client and attempt, as sealed JSON. */
  sealed: Schema.NullOr(Schema.String)
})
export interface McpAuthorization extends Schema.Schema.Type<typeof McpAuthorization> {}

/** The beginning of an authorization. */
export const McpAuthorizationStart = Schema.Struct({
  authorization: McpAuthorizationStatus,
  /** What a person opens in a browser; null when nobody needs to. */
  authorization_url: Schema.NullOr(Schema.String),
  /** Until when the address is good. */
  expires_at: Schema.NullOr(Timestamp)
}).annotations({ identifier: "McpAuthorizationStart" })
export type McpAuthorizationStart = typeof McpAuthorizationStart.Type

/** What an authorization server sends back with the person. */
export interface McpAuthorizationReturn {
  readonly state: string
  readonly code?: string | undefined
  readonly iss?: string | undefined
  readonly error?: string | undefined
}
