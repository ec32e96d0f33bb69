import { Context, type Effect } from "effect"
import type { Agent } from "../domain/Agent.ts"
import type { BackgroundTask } from "../domain/BackgroundTask.ts"
import type { Compacted } from "../domain/Context.ts"
import type { EventDraft } from "../domain/Event.ts"
import type { CallProgress } from "../domain/Ledger.ts"
import type { Message } from "../domain/Message.ts"
import type { Outcome, Reply } from "../domain/Reply.ts"
import type { Run } from "../domain/Run.ts"
import type { Session } from "../domain/Session.ts"
import type { AppendRefused } from "./EventLog.ts"

/** A reply that is to be started or continued: `out.reply()` says how far it has come. */
export interface ReplyRequest {
  readonly run: Run
  readonly session: Session
  readonly agent: Agent
  /** The transcript before the reply, oldest first. */
  readonly context: ReadonlyArray<Message>
  /** The newest compaction of the context; it may stand for a part of the reply, too. */
  readonly compaction?: Compacted | undefined
}

/** Where a run's events go. */
export interface Out {
  readonly emit: (draft: EventDraft) => void
  /** Emits a compaction, which holds for the session from then on. Answers the event. */
  readonly compact: (draft: Extract<EventDraft, { readonly name: "context_compacted" }>) => Compacted
  /** Attaches the progress record to the model call that begins next; the ledger's entry is made from it when the call ends. */
  readonly calling: (call: CallProgress) => void
  /** The reply with everything emitted so far. */
  readonly reply: () => Reply
  /** Waits until everything emitted so far is in the log. */
  readonly durable: Effect.Effect<void, AppendRefused>
  readonly behind: () => Promise<void> | undefined
  /** Takes the steering inputs that came since the last call, oldest first. From then on they belong to the reply. */
  readonly takeSteering: () => ReadonlyArray<Message>
  /** Whether there was ever one among them that says nothing: a task in the background has ended. */
  readonly wasWoken: () => boolean
  /** Writes the task's row with the events emitted so far. */
  readonly keepTask: (task: BackgroundTask) => void
}

/**
 * Runs the loop of model calls and tool calls. It says how the reply ended, or what
 * it waits for; the caller writes that into the log. A reply that was parked or
 * cut off is continued.
 */
export class AgentRunner extends Context.Tag("stoa/services/AgentRunner")<AgentRunner, {
  readonly run: (request: ReplyRequest, out: Out) => Effect.Effect<Outcome, AppendRefused>
}>() {}
