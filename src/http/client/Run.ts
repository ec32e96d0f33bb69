/** One run as its client sees it: its events, and the reply that they make. */
import type { Accepted } from "../../domain/Chat.ts"
import { Draft } from "../../domain/Draft.ts"
import type { AgentEvent } from "../../domain/Event.ts"
import type { Message, ToolCallBlock } from "../../domain/Message.ts"
import { textOf } from "../../domain/MessageText.ts"
import { awaited } from "../../domain/OpenCalls.ts"
import type { WaitingFor } from "../../domain/Reply.ts"
import type { Run } from "../../domain/Run.ts"
import { endsStream, runOf } from "../../domain/RunOf.ts"
import { append, openReply } from "../../domain/Transcript.ts"

/** A run, and where to go on reading: its events have a greater `seq`. */
export interface RunRef {
  readonly agent_id: string
  readonly session_id: string
  readonly run_id: string
  readonly seq: number
}

/** An event as it came, with its number in the session's log in front. */
export type Seen = { readonly seq: number } & AgentEvent

/** What a run has answered, or what it waits for. */
export interface Reply {
  /** With the `seq` of the last event that the reply was made of. */
  readonly run: RunRef
  /** `waiting` for an answer to its `calls`; it goes on with `answer`. */
  readonly status: "completed" | "interrupted" | "exceed_max_iters" | "error" | "waiting"
  /** All that the agent has said, without thoughts. */
  readonly text: string
  readonly message: Message
  /** What fits the `output_schema` of the input, if it had one. */
  readonly structured_output: unknown
  /** A person's permission, or the results of tools that the client runs; undefined when it has ended. */
  readonly waiting_for: WaitingFor | undefined
  readonly calls: ReadonlyArray<ToolCallBlock>
}

type End = Extract<AgentEvent, { readonly type: "REPLY_END" } | { readonly name: "run_parked" }>

/** Whether a run of this id has ended or waits with this event, and not an agent inside of it. */
export const endsRun = (event: AgentEvent, run_id: string): event is End =>
  endsStream(event) && runOf(event) === run_id && (event.agent_path ?? []).length === 0

/**
 * Whether an event belongs to the run. Deltas do not name theirs, but a session
 * has one run at a time: from its first event on, all are its own.
 */
export const belongsTo = (run: string) => {
  let hasBegun = false
  return (event: AgentEvent): boolean => {
    const isOurs = runOf(event) === run
    if (isOurs && !(event.type === "CUSTOM" && event.name === "run_queued")) hasBegun = true
    return hasBegun || isOurs
  }
}

/** Whether nothing of the run comes after this `seq`. */
export const isOver = ({ last_seq, status }: Run, after: number): boolean =>
  status === "ended" && last_seq !== null && last_seq <= after

/** The reply of a run that has ended, without its events. */
export const ended = (run: RunRef, { finished_reason }: Run, message: Message): Reply => ({
  run,
  status: finished_reason ?? "completed",
  text: textOf(message.content),
  message,
  structured_output: message.structured_output,
  waiting_for: undefined,
  calls: []
})

/** Makes the reply of a run out of its events. */
export const collecting = (run: RunRef | (Accepted & { readonly agent_id: string })) => {
  let draft: Draft | undefined
  let seq = run.seq
  let end: End | undefined
  return {
    add: (at: number, event: AgentEvent): void => {
      seq = at
      if (event.type === "REPLY_START" && event.run_id === run.run_id) draft = Draft.of(openReply(event))
      else if (draft !== undefined) draft = append(draft, event)
      if (endsRun(event, run.run_id)) end = event
    },
    /** Undefined when the run has ended before it began to answer. */
    reply: (before?: Message): Reply | undefined => {
      const message = draft?.message ?? before
      if (message === undefined || end === undefined) return undefined
      const isWaiting = end.type === "CUSTOM"
      return {
        run: { agent_id: run.agent_id, session_id: run.session_id, run_id: run.run_id, seq },
        status: isWaiting ? "waiting" : end.type === "REPLY_END" ? end.finished_reason : "completed",
        text: textOf(message.content),
        message,
        structured_output: message.structured_output,
        waiting_for: end.type === "CUSTOM" ? end.value.waiting_for : undefined,
        calls: isWaiting ? awaited(message) : []
      }
    },
    error: () => end?.type === "REPLY_END" ? end.error : null
  }
}
