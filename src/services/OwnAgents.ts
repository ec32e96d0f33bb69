import { Context, Data, type Effect, type Stream } from "effect"
import type { AgentId, RunId, SessionId, UserId } from "../domain/Ids.ts"
import type { Message } from "../domain/Message.ts"

/** What an agent says. A string is text. Calls of tools are those that the agent runs itself. */
export type Said =
  | string
  | { readonly type: "text"; readonly delta: string; /** Another block begins another text. */ readonly block?: string }
  | { readonly type: "thinking"; readonly delta: string; readonly block?: string }
  /** A file in base64. */
  | { readonly type: "data"; readonly media_type: string; readonly data: string }
  | { readonly type: "tool_call"; readonly id: string; readonly name: string; readonly input: unknown }
  | { readonly type: "tool_result"; readonly id: string; readonly output: unknown; readonly is_error?: boolean }

/** All at once, piece by piece, or later; as a promise or as an effect. */
export type Saying =
  | Said
  | void
  | AsyncIterable<Said>
  | Iterable<Said>
  | Promise<Said | void | AsyncIterable<Said>>
  | Stream.Stream<Said, unknown>
  | Effect.Effect<Said | void | Stream.Stream<Said, unknown>, unknown>

/** One input, and what the agent may need to answer it. */
export interface Turn<State> {
  readonly owner: UserId
  readonly session_id: SessionId
  readonly run_id: RunId
  /** The messages that were sent, and their text. */
  readonly input: ReadonlyArray<Message>
  readonly text: string
  /** What was said before, oldest first. */
  readonly history: ReadonlyArray<Message>
  /** What the sender adds for this run alone. */
  readonly instructions: string | undefined
  /** 1, and more when the server stopped while the agent worked; `said` is what it had said by then. */
  readonly attempt: number
  readonly said: Message
  /** Aborts when somebody stops the run, when it takes too long, and when the server stops. */
  readonly signal: AbortSignal
  /** What the agent remembers in this session. It is kept after every turn, however it ends. */
  state: State
  /** Keeps the state now: with all that was said so far, or not at all. */
  readonly save: () => void
}

/** The agent cannot answer. Users see the message; of all other errors they only see that there was one. */
export class AgentFailed extends Data.TaggedError("AgentFailed")<{ readonly message: string }> {}

/** An agent of the server's own program. */
export interface OwnAgent {
  readonly name: string
  readonly description: string
  /** A run that a crash has cut off is begun anew; else it ends as interrupted. */
  readonly resumes: boolean
  /** The state from what is stored, and the other way. Both throw when it does not fit. */
  readonly read: (stored: unknown) => unknown
  readonly written: (state: unknown) => unknown
  readonly run: (turn: Turn<unknown>) => Saying
}

/** The agents that the server's program brings. Every owner has a record of each, which says how it is talked to. */
export class OwnAgents extends Context.Tag("stoa/services/OwnAgents")<OwnAgents, {
  readonly get: (code: string) => OwnAgent | undefined
  /** The owner's record of the only one, where there is only one: whatever the owner calls it, and others. */
  readonly only: (owner: UserId) => AgentId | undefined
  /** Makes the owner's records that are not there, and those of the operator's definitions. Costs nothing where there are none. */
  readonly ensure: (owner: UserId) => Effect.Effect<void>
}>() {}
