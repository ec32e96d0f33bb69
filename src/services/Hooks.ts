/** Code of the operator's that is asked or told at points of a server, of its runs, of model calls and of tool calls. */
import { Context, Data, type Duration, Effect } from "effect"
import type { AgentId, MessageId, RunId, SessionId, Timestamp, ToolCallId, UserId } from "../domain/Ids.ts"
import type { JsonObject } from "../domain/Json.ts"
import type { FinishedReason, Message } from "../domain/Message.ts"
import type { Run, RunSource } from "../domain/Run.ts"
import type { Requested, RunChange } from "../domain/RunChange.ts"
import type { RunError } from "../domain/RunError.ts"
import type { Usage } from "../domain/Usage.ts"
import type { Answer, Problem } from "./HookCall.ts"
import type { ToolPart } from "./Toolbox.ts"

/** Whose it is. */
export interface OfSession {
  readonly owner: UserId
  readonly agent_id: AgentId
  readonly session_id: SessionId
}

/** Which run it is about, and what started that. */
export interface OfRun extends OfSession {
  readonly run_id: RunId
  readonly source: RunSource
  readonly source_id: string | null
}

/** An input as it was accepted, before a run is made of it. Its files are stored already. */
export interface RunBefore extends OfSession, Requested {
  readonly source: RunSource
  readonly source_id: string | null
  /** What was said before, where the client keeps the conversation itself. */
  readonly history: ReadonlyArray<Message>
  /** The run whose input is sent again: with the instructions that it had, a hook's included. */
  readonly retried_from: RunId | null
  /** It only makes a summary of the context. */
  readonly compact: boolean
}

/** A run that has ended, and that the log tells of. Times are null where it has never begun. */
export interface RunAfter extends OfRun {
  readonly reply_id: MessageId
  readonly finished_reason: FinishedReason | null
  readonly error: RunError | null
  readonly usage: Usage | null
  readonly created_at: Timestamp
  readonly started_at: Timestamp | null
  readonly ended_at: Timestamp | null
}

/** A call of a model that is about to be made, for an answer or for a summary of the context. */
export interface ModelCall extends OfRun {
  readonly purpose: "answer" | "compaction" | "workflow"
  /** The type of the credential, and the model that is asked first. */
  readonly provider: string
  readonly model: string
  readonly system: string
  readonly messages: ReadonlyArray<Message>
  /** The names of the tools that it is given. */
  readonly tools: ReadonlyArray<string>
}

/** What is to be different for this one call. */
export interface ModelChange {
  readonly system?: string
  readonly messages?: ReadonlyArray<Message>
  /** The tools that it is given: some of those that it would be. */
  readonly tools?: ReadonlyArray<string>
}

/** How a call of a model ended. */
export interface ModelSaid extends Omit<ModelCall, "messages" | "system" | "tools"> {
  /** `completed`, `interrupted`, or the kind of failure. */
  readonly outcome: string
  /** Tokens of the answer, when it is whole. */
  readonly usage: Usage | null
  readonly millis: number
}

/** A tool call that is about to be made. */
export interface ToolCall extends OfRun {
  readonly tool_call_id: ToolCallId
  readonly tool: string
  /** Its arguments. */
  readonly input: unknown
  /** Who runs it. */
  readonly runs: "server" | "client"
  /** A person has allowed this very call. */
  readonly confirmed: boolean
}

export interface ToolChange {
  /** Other arguments. */
  readonly input?: JsonObject
  /**
   * The call is not made, or a person is asked before. `allow` is no objection, as no answer is: nothing here allows what
   * the session's permissions do not.
   */
  readonly decision?: "allow" | "deny" | "ask"
  /** What the model reads where the call is denied. */
  readonly why?: string
}

export type ToolState = "success" | "error" | "denied"

/** How a tool call ended. */
export interface ToolSaid extends Omit<ToolCall, "confirmed" | "runs"> {
  readonly state: ToolState | "interrupted"
  /** The beginning of its output, as far as that is text. */
  readonly output: string
  readonly millis: number
}

/** What the model is given in the place of a tool's text. */
export interface ToolResult {
  readonly output: string
  readonly state?: ToolState
}

export interface SessionCreated extends OfSession {
  readonly name: string
  readonly source: "user" | "schedule"
}

export interface ServerStart {
  /** Where it listens; null inside of another program. */
  readonly url: string | null
}

/** An answer may be a refusal: a sentence for who asked. */
export interface Refusing {
  readonly refuse?: string
}

/** Goes on to the call that a hook stands around, once, and answers how that ended. It never rejects. */
export interface Next<A> {
  (): Promise<A>
  /** The same for an Effect. */
  readonly effect: Effect.Effect<A>
}

/** What hooks are told of. Nothing waits for them. */
export interface Told {
  readonly "run.after": RunAfter
  readonly "model.after": ModelSaid
  readonly "tool.after": ToolSaid
  readonly "session.created": SessionCreated
}

/** The points at which hooks are told. */
export type Telling = { readonly [Point in keyof Told]?: (told: Told[Point], signal: AbortSignal) => Answer<unknown> }

export interface Points extends Telling {
  readonly "run.before"?: (run: RunBefore, signal: AbortSignal) => Answer<(RunChange & Refusing) | void>
  readonly "model.before"?: (call: ModelCall, signal: AbortSignal) => Answer<(ModelChange & Refusing) | void>
  readonly "tool.before"?: (call: ToolCall, signal: AbortSignal) => Answer<ToolChange | void>
  /** Has its patience before it goes on, and again behind that; the call's own time does not count. */
  readonly "model.around"?: (call: ModelCall, next: Next<ModelSaid>, signal: AbortSignal) => Answer<unknown>
  /** May answer without the tool, by not going on. The tool's text is held back until it has answered. */
  readonly "tool.around"?: (call: ToolCall, next: Next<ToolSaid>, signal: AbortSignal) => Answer<ToolResult | void>
  /** May answer with a refusal: then the server does not start. */
  readonly "server.start"?: (server: ServerStart, signal: AbortSignal) => Answer<unknown>
  readonly "server.stop"?: (server: ServerStart, signal: AbortSignal) => Answer<unknown>
}

export type Point = keyof Points

export interface Hook extends Points {
  /** For the log. */
  readonly name: string
  /** How long it may take each time; never longer than 10 seconds. */
  readonly patience?: Duration.DurationInput
  /** Where it is late or breaks, what it was asked about is refused; otherwise it goes on as if the hook had said nothing. */
  readonly required?: boolean
}

/** A hook lets a call of a model not be made. The message may be shown. */
export class HookRefused extends Data.TaggedError("HookRefused")<{
  readonly code: "hook_refused" | "hook_failed" | "hook_timeout"
  readonly message: string
}> {}

/** What all hooks together say of a tool call. */
export interface ToolVerdict {
  /** The arguments as JSON, where they are to be others. */
  readonly input: string | undefined
  readonly decision: "deny" | "ask" | undefined
  readonly why: string
}

/** How a call of a model ended, as its caller sees it. */
export type ModelEnd = Pick<ModelSaid, "outcome" | "usage">

export interface Hooking {
  /** Whether a hook stands at this point: whoever asks first makes nothing ready for nobody. */
  readonly has: (point: Point) => boolean
  /** The request as it is after all hooks, each of which sees what the one before has made of it. */
  readonly beforeRun: (run: RunBefore) => Effect.Effect<RunBefore, Problem>
  readonly beforeModel: (call: ModelCall) => Effect.Effect<ModelCall, HookRefused>
  /** Makes the call within the hooks around it, and tells how it ended. */
  readonly aroundModel: <E>(
    call: ModelCall,
    make: Effect.Effect<void, E>,
    endOf: (failure: E | undefined) => ModelEnd
  ) => Effect.Effect<void, E | HookRefused>
  /** Never fails: who must be asked and does not answer denies. */
  readonly beforeTool: (call: ToolCall) => Effect.Effect<ToolVerdict>
  readonly aroundTool: (
    call: ToolCall,
    run: (emit: (part: ToolPart) => void) => Effect.Effect<ToolState>,
    emit: (part: ToolPart) => void
  ) => Effect.Effect<ToolState>
  /** Returns at once. What is told while too much is under way already is lost, and that is logged. */
  readonly tell: <P extends keyof Told>(point: P, told: Told[P]) => Effect.Effect<void>
  /** Fails with a sentence when a hook refuses the start, or one that is required breaks. */
  readonly start: (server: ServerStart) => Effect.Effect<void, HookRefused>
  /** Waits, for a bounded time, until all is told, and then tells of the end. */
  readonly stop: (server: ServerStart) => Effect.Effect<void>
}

export const none: Hooking = {
  has: () => false,
  beforeRun: Effect.succeed,
  beforeModel: Effect.succeed,
  aroundModel: (_, make) => make,
  beforeTool: () => Effect.succeed({ input: undefined, decision: undefined, why: "" }),
  aroundTool: (_, run, emit) => run(emit),
  tell: () => Effect.void,
  start: () => Effect.void,
  stop: () => Effect.void
}

/** A server without hooks has `none`, which costs nothing. */
export class Hooks extends Context.Reference<Hooks>()("stoa/services/Hooks", { defaultValue: () => none }) {}

/** What hooks are told of a run. */
export const ofRun = ({ agent_id, id, session_id, source, source_id, user_id }: Run): OfRun => ({
  owner: user_id,
  agent_id,
  session_id,
  run_id: id,
  source,
  source_id
})
