import { Schema } from "effect"
import { AgentId, RunId, SessionId } from "./Ids.ts"
import { InputMessage } from "./Message.ts"

/** What happens to an input when the session is busy. */
export const OnBusy = Schema.Literal("enqueue", "reject", "interrupt")
export type OnBusy = typeof OnBusy.Type

/** Most messages in one input. */
const maxInputMessages = 100

/** A message, several, or null to go on without one. The key must be there. */
const ChatInput = Schema.Union(
  InputMessage,
  Schema.Array(InputMessage).pipe(Schema.maxItems(maxInputMessages)),
  Schema.Null
).annotations({ identifier: "ChatInput" })

export const ChatRequest = Schema.Struct({
  agent_id: AgentId,
  session_id: SessionId,
  input: ChatInput,
  on_busy: Schema.optionalWith(OnBusy, { default: () => "enqueue" as const })
}).annotations({ identifier: "ChatRequest" })
export type ChatRequest = typeof ChatRequest.Type

/** An input is durable; follow it from `seq` on. */
export const Accepted = Schema.Struct({
  session_id: SessionId,
  run_id: RunId,
  /** Its events have a greater `seq` than this. */
  seq: Schema.Int
}).annotations({ identifier: "Accepted" })
export type Accepted = typeof Accepted.Type
