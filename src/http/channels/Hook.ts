/**
 * A hook is the operator's own code at three points of a channel's run: before it
 * begins, before its whole reply goes out, and for each event of a stream. It runs in the
 * server's process, for every channel or for those that it names. One that does not
 * answer in time, or breaks, fails its own request and nothing else.
 */
import { Duration, type Effect } from "effect"
import type { ChatRequest } from "../../domain/Chat.ts"
import type { Invalid, LimitReached } from "../../domain/Errors.ts"
import type { AgentEvent } from "../../domain/Event.ts"
import type { AgentId, BlockId, RunId, SessionId, UserId } from "../../domain/Ids.ts"
import type { Message } from "../../domain/Message.ts"

/** Whose run it is. */
export interface About {
  /** The channel's name. */
  readonly channel: string
  readonly owner: UserId
  readonly agent_id: AgentId
  readonly session_id: SessionId
}

/** What a run hook may change. */
export interface Change extends Partial<Pick<ChatRequest, "input" | "output_schema" | "tool_choice" | "tools">> {
  /** Added to the agent's system prompt for this run. */
  readonly instructions?: string
}

/** A request as it was decoded. Its files are stored already, or are stored when the hook is through. */
export interface Sent extends About, Pick<ChatRequest, "input" | "output_schema" | "tool_choice" | "tools"> {
  readonly instructions: string
  /** What was said before, where the client keeps the conversation itself. */
  readonly history: ReadonlyArray<Message>
}

/** A text or a thought of a reply. */
export interface Part {
  readonly id: BlockId
  readonly type: "text" | "thinking"
  readonly text: string
}

/** A whole reply, as far as it is words. */
export interface Reply {
  readonly parts: ReadonlyArray<Part>
  readonly structured_output?: unknown
}

export interface OfRun extends About {
  readonly run_id: RunId
}

/** Why a hook refuses: the client reads the sentence and the code. */
export type Refusal = Invalid | LimitReached

export interface Hook {
  /** For the log. */
  readonly name: string
  /** The names of the channels that it is for; all without it. */
  readonly channels?: ReadonlyArray<string>
  /** How long it may take each time; never longer than 10 seconds, for an event 2. */
  readonly patience?: Duration.DurationInput
  /** Sees a request before anything of it is stored, and answers with what is to be different, or refuses it. */
  readonly run?: (sent: Sent) => Effect.Effect<Change | void, Refusal>
  /**
   * Sees the whole reply before it goes out to who does not stream, and answers with the same parts, with other texts,
   * or fewer. The log keeps the reply as it was.
   */
  readonly response?: (reply: Reply, about: OfRun) => Effect.Effect<Reply, Refusal>
  /**
   * Sees each event of a stream but its last, and answers with it, changed or not, or with nothing, which leaves it out.
   * It is no redaction: what it takes away is in the log, in other streams, and in the answer to who asks again.
   */
  readonly update?: (event: AgentEvent, about: OfRun) => Effect.Effect<AgentEvent | undefined, Refusal>
}

/** A hook for `extensions`. It throws where the `patience` is none: no request should find that out. */
export const make = ({ patience, ...hook }: Hook): Hook =>
  patience === undefined ? hook : { ...hook, patience: Duration.decode(patience) }
