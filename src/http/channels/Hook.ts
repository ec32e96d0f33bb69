/**
 * A hook is the operator's own code. At the points of `services/Hooks.ts`, which have a dot in their names, it is asked or
 * told about every run, call and session of the server. At three more points it stands between a channel and its
 * clients: before a run begins, before a whole reply goes out, and for each event of a stream; for every channel or
 * for those that it names. There, one that does not answer in time, or breaks, fails its own request and nothing else.
 */
import { Duration } from "effect"
import type { ChatRequest } from "../../domain/Chat.ts"
import type { AgentEvent } from "../../domain/Event.ts"
import type { AgentId, BlockId, RunId, SessionId, UserId } from "../../domain/Ids.ts"
import type { Message } from "../../domain/Message.ts"
import type { RunChange } from "../../domain/RunChange.ts"
import type { Answer } from "../../services/HookCall.ts"
import type * as Hooks from "../../services/Hooks.ts"

/** Whose run it is. */
export interface About {
  /** The channel's name. */
  readonly channel: string
  readonly owner: UserId
  readonly agent_id: AgentId
  readonly session_id: SessionId
}

/** What a run hook may change. */
export type Change = RunChange

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

/** @public Hooks outside of the repository name it. */
export type { Refusal } from "../../services/HookCall.ts"

export interface Hook extends Hooks.Hook {
  /** The names of the channels that it is for; all without it. Points with a dot in their names are asked whatever the channel is. */
  readonly channels?: ReadonlyArray<string>
  /** Sees a request before anything of it is stored, and answers with what is to be different, or refuses it. */
  readonly run?: (sent: Sent) => Answer<Change | void>
  /**
   * Sees the whole reply before it goes out to who does not stream, and answers with the same parts, with other texts,
   * or fewer. The log keeps the reply as it was.
   */
  readonly response?: (reply: Reply, about: OfRun) => Answer<Reply>
  /**
   * Sees each event of a stream but its last, and answers with it, changed or not, or with nothing, which leaves it out.
   * It is no redaction: what it takes away is in the log, in other streams, and in the answer to who asks again.
   */
  readonly update?: (event: AgentEvent, about: OfRun) => Answer<AgentEvent | undefined>
}

/** A hook for `extensions`. It throws where the `patience` is none: no request should find that out. */
export const make = ({ patience, ...hook }: Hook): Hook =>
  patience === undefined ? hook : { ...hook, patience: Duration.decode(patience) }
