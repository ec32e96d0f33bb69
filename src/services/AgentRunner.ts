import { Context, type Effect } from "effect"
import type { Agent } from "../domain/Agent.ts"
import type { EventDraft } from "../domain/Event.ts"
import type { CallProgress } from "../domain/Ledger.ts"
import type { Message } from "../domain/Message.ts"
import type { Outcome, Reply } from "../domain/Reply.ts"
import type { Run } from "../domain/Run.ts"
import type { Session } from "../domain/Session.ts"
import type { AppendRefused } from "./EventLog.ts"

/** One reply to be made, or to be gone on with: `out.reply()` says how far it is. */
export interface ReplyRequest {
  readonly run: Run
  readonly session: Session
  readonly agent: Agent
  /** The transcript before the reply, oldest first. */
  readonly context: ReadonlyArray<Message>
}

/** Where a run's events go. */
export interface Out {
  readonly emit: (draft: EventDraft) => void
  /** Goes with the model call that begins next: what is known of it when it ends is entered into the ledger. */
  readonly calling: (call: CallProgress) => void
  /** The reply with everything emitted so far. */
  readonly reply: () => Reply
  /** Everything emitted so far is in the log. */
  readonly durable: Effect.Effect<void, AppendRefused>
  readonly behind: () => Promise<void> | undefined
  /** What was said into the reply since it was last asked for, oldest first. Once taken it is the reply's. */
  readonly takeSteering: () => ReadonlyArray<Message>
}

/**
 * The loop of model calls and tool calls. It says how the reply ended, or what
 * it waits for; saying so in the log is the caller's. A reply that was parked or
 * cut off is gone on with.
 */
export class AgentRunner extends Context.Tag("stoa/services/AgentRunner")<AgentRunner, {
  readonly run: (request: ReplyRequest, out: Out) => Effect.Effect<Outcome, AppendRefused>
}>() {}
