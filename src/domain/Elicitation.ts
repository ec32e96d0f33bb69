/**
 * Elicitations: what the server of a tool asks a person while the tool is under way. It is a form, or an
 * address that the person opens.
 */
import { type Option, Schema } from "effect"
import { ElicitationForm } from "./ElicitationForm.ts"
import { isWebUrl } from "./File.ts"
import { ElicitationId, SessionId, Timestamp, ToolCallId, UserId } from "./Ids.ts"
import { JsonObject } from "./Json.ts"

/** How long a person may take, in milliseconds; then the server is told that nobody answered. */
export const elicitationMillis: number = 4 * 60 * 1000

/** Questions of one call, and those of one session that are open at once. Those beyond are cancelled at once. */
export const maxOfCall = 16
export const maxOpenOfSession = 8

/** Longest message, in characters. */
const maxMessage = 8 * 1024

/** Longest address, in characters. */
const maxUrl = 4 * 1024

/** What a server asks. */
export const ElicitationRequest = Schema.Union(
  Schema.Struct({
    mode: Schema.optionalWith(Schema.Literal("form"), { default: () => "form" as const }),
    message: Schema.String.pipe(Schema.maxLength(maxMessage)),
    requestedSchema: ElicitationForm
  }),
  Schema.Struct({
    mode: Schema.Literal("url"),
    message: Schema.String.pipe(Schema.maxLength(maxMessage)),
    url: Schema.String.pipe(
      Schema.maxLength(maxUrl),
      Schema.filter((url) => isWebUrl(url) || "Expected an address")
    ).annotations({ arbitrary: () => (fc) => fc.webUrl() })
  })
)
export type ElicitationRequest = typeof ElicitationRequest.Type

const readRequest = Schema.decodeUnknownOption(ElicitationRequest)

/** None for what is no question that a person could be asked. */
export const requestOf = (params: unknown): Option.Option<ElicitationRequest> => readRequest(params)

/** A question as people and programs see it. */
export const ElicitationQuestion = Schema.Struct({
  elicitation_id: ElicitationId,
  session_id: SessionId,
  tool_call_id: ToolCallId,
  tool_name: Schema.String,
  mode: Schema.Literal("form", "url"),
  /** The server's words, which are no more to be trusted than the server. */
  message: Schema.String,
  /** JSON schema of the answer's `content`; null for an address. */
  requested_schema: Schema.NullOr(JsonObject),
  /** What the person is asked to open; null for a form. */
  url: Schema.NullOr(Schema.String),
  expires_at: Timestamp
}).annotations({ identifier: "ElicitationQuestion" })
export type ElicitationQuestion = typeof ElicitationQuestion.Type

/** The form of a question that was asked; none for an address. */
export const formOf = ({ requested_schema }: ElicitationQuestion): Option.Option<ElicitationForm> =>
  Schema.decodeUnknownOption(ElicitationForm)(requested_schema)

const ElicitationAction = Schema.Literal("accept", "decline", "cancel")

/** What a person says. With `accept`, `content` has the fields of the form; those with a default may be left out. */
export const ElicitationAnswer = Schema.Struct({
  action: ElicitationAction,
  content: Schema.optionalWith(Schema.NullOr(JsonObject), { default: () => null })
}).annotations({ identifier: "ElicitationAnswer" })
export type ElicitationAnswer = typeof ElicitationAnswer.Type

/** How it ended: as the person said, or since nobody answered in time, or the call ended before. */
export const ElicitationOutcome = Schema.Literal("accept", "decline", "cancel", "timeout", "interrupted")
export type ElicitationOutcome = typeof ElicitationOutcome.Type

/** A question as it is stored, while its call waits and a little longer. */
export const Elicitation = Schema.Struct({
  id: ElicitationId,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  question: ElicitationQuestion,
  /** The process that the call waits in. */
  process: Schema.String,
  status: Schema.Literal("open", "answered", "ended"),
  /** The answer, sealed, until that process has taken it. */
  sealed: Schema.NullOr(Schema.String)
})
export interface Elicitation extends Schema.Schema.Type<typeof Elicitation> {}
