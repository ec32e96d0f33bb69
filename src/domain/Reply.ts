/**
 * A reply in the making: its message so far and what is still open in it. The
 * run loop, an interrupt and a recovery all end a reply by the same rules.
 */
import type { AgentEvent, EventDraft } from "./Event.ts"
import type { RunId, SessionId } from "./Ids.ts"
import type { FinishedReason, Message, RunError, ToolCallBlock } from "./Message.ts"
import { appendEvent, openReply } from "./Transcript.ts"
import { noUsage } from "./Usage.ts"

type BlockKind = "TEXT_BLOCK" | "THINKING_BLOCK" | "DATA_BLOCK" | "TOOL_CALL"

export interface Reply {
  readonly message: Message
  /** Blocks that have started and not ended, oldest first; keyed `KIND id`. */
  readonly open: ReadonlyMap<string, { readonly kind: BlockKind; readonly id: string }>
  /** The beginning of the model call that has not ended. */
  readonly call: Extract<AgentEvent, { readonly type: "MODEL_CALL_START" }> | undefined
  /** Rounds whose model call has ended. */
  readonly rounds: number
  readonly ended: boolean
}

export const start = (event: Extract<AgentEvent, { readonly type: "REPLY_START" }>): Reply => ({
  message: openReply(event),
  open: new Map(),
  call: undefined,
  rounds: 0,
  ended: false
})

const opened = (reply: Reply, message: Message, kind: BlockKind, id: string): Reply => ({
  ...reply,
  message,
  open: new Map(reply.open).set(`${kind} ${id}`, { kind, id })
})

const closed = (reply: Reply, message: Message, kind: BlockKind, id: string): Reply => {
  const open = new Map(reply.open)
  open.delete(`${kind} ${id}`)
  return { ...reply, message, open }
}

/** The reply after one more event of its own log; others change nothing. */
export const step = (reply: Reply, event: AgentEvent): Reply => {
  if (!("reply_id" in event) || event.reply_id !== reply.message.id) return reply
  const message = appendEvent(reply.message, event)
  switch (event.type) {
    case "MODEL_CALL_START":
      return { ...reply, message, call: event }
    case "MODEL_CALL_END":
      return {
        ...reply,
        message,
        call: undefined,
        // Another model is asked for the same round then.
        rounds: event.finished_reason === "error" ? reply.rounds : reply.rounds + 1
      }
    case "TEXT_BLOCK_START":
      return opened(reply, message, "TEXT_BLOCK", event.block_id)
    case "THINKING_BLOCK_START":
      return opened(reply, message, "THINKING_BLOCK", event.block_id)
    case "DATA_BLOCK_START":
      return opened(reply, message, "DATA_BLOCK", event.block_id)
    case "TOOL_CALL_START":
      return opened(reply, message, "TOOL_CALL", event.tool_call_id)
    case "TEXT_BLOCK_END":
      return closed(reply, message, "TEXT_BLOCK", event.block_id)
    case "THINKING_BLOCK_END":
      return closed(reply, message, "THINKING_BLOCK", event.block_id)
    case "DATA_BLOCK_END":
      return closed(reply, message, "DATA_BLOCK", event.block_id)
    case "TOOL_CALL_END":
      return closed(reply, message, "TOOL_CALL", event.tool_call_id)
    case "REPLY_END":
      return { ...reply, message, ended: true }
    default:
      return message === reply.message ? reply : { ...reply, message }
  }
}

/** The reply that a run's events tell of, if it has started. */
export const ofEvents = (events: Iterable<AgentEvent>): Reply | undefined => {
  let reply: Reply | undefined
  for (const event of events) {
    if (reply === undefined) {
      if (event.type === "REPLY_START") reply = start(event)
    } else reply = step(reply, event)
  }
  return reply
}

/** Calls of the reply that have no finished result yet, in order. */
export const unanswered = (message: Message): ReadonlyArray<ToolCallBlock> => {
  const done = new Set<string>()
  for (const block of message.content) if (block.type === "tool_result" && block.state !== "running") done.add(block.id)
  return message.content.filter((block): block is ToolCallBlock => block.type === "tool_call" && !done.has(block.id))
}

const order = ["TEXT_BLOCK", "THINKING_BLOCK", "DATA_BLOCK", "TOOL_CALL"]

/** Ends the blocks and the model call that are open: text, thinking, data, tool calls, then the call. */
export const closeOpen = (reply: Reply): ReadonlyArray<EventDraft> => {
  const reply_id = reply.message.id
  const ends = [...reply.open.values()]
    .toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))
    .map(({ id, kind }) =>
      (kind === "TOOL_CALL"
        ? { type: "TOOL_CALL_END", reply_id, tool_call_id: id }
        : { type: `${kind}_END`, reply_id, block_id: id }) as EventDraft
    )
  return reply.call !== undefined ? [...ends, { type: "MODEL_CALL_END", reply_id, ...noUsage }] : ends
}

/** Gives every call without a finished result an interrupted one. */
export const interruptCalls = (reply: Reply, why: string): ReadonlyArray<EventDraft> => {
  const reply_id = reply.message.id
  const running = new Set(reply.message.content.filter((b) => b.type === "tool_result").map((b) => b.id as string))
  return unanswered(reply.message).flatMap(({ id: tool_call_id, name: tool_call_name }): ReadonlyArray<EventDraft> => [
    ...(running.has(tool_call_id)
      ? []
      : [{ type: "TOOL_RESULT_START", reply_id, tool_call_id, tool_call_name } as const]),
    { type: "TOOL_RESULT_TEXT_DELTA", reply_id, tool_call_id, delta: why },
    { type: "TOOL_RESULT_END", reply_id, tool_call_id, state: "interrupted" }
  ])
}

export interface Ending {
  readonly finished_reason: FinishedReason
  readonly error: RunError | null
  readonly structured_output?: unknown
}

/** What a parked run waits for. */
export type WaitingFor = Extract<AgentEvent, { readonly type: "RUN_PARKED" }>["waiting_for"]

/** How a run stopped working: its reply has ended, or it waits for somebody. */
export type Outcome = Ending | { readonly waiting_for: WaitingFor }

/** Calls that wait for somebody outside: a person's word, or a client's result. */
export const awaited = (message: Message): ReadonlyArray<ToolCallBlock> =>
  unanswered(message).filter(({ state }) => state === "asking" || state === "submitted")

/** Everything that is still missing up to and with REPLY_END; nothing when the reply has ended. */
export const ending = (
  reply: Reply,
  run: { readonly session_id: SessionId; readonly run_id: RunId },
  how: Ending
): ReadonlyArray<EventDraft> =>
  reply.ended ? [] : [
    ...closeOpen(reply),
    ...interruptCalls(reply, "The tool call was interrupted; its outcome is unknown."),
    {
      type: "REPLY_END",
      session_id: run.session_id,
      run_id: run.run_id,
      reply_id: reply.message.id,
      ...how,
      usage: reply.message.usage ?? noUsage
    }
  ]
