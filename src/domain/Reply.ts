/**
 * A reply in the making: its message so far and what is still open in it. The
 * run loop, an interrupt and a recovery all end a reply by the same rules.
 */
import { Draft } from "./Draft.ts"
import type { AgentEvent, EventDraft } from "./Event.ts"
import type { MessageId, RunId, SessionId } from "./Ids.ts"
import { charactersIn, type FinishedReason, type Message, type RunError, type ToolCallBlock } from "./Message.ts"
import { append, openReply } from "./Transcript.ts"
import { noUsage } from "./Usage.ts"

type BlockKind = "TEXT_BLOCK" | "THINKING_BLOCK" | "DATA_BLOCK" | "TOOL_CALL"

type CallStart = Extract<AgentEvent, { readonly type: "MODEL_CALL_START" }>

type Open = ReadonlyMap<string, { readonly kind: BlockKind; readonly id: string }>

/** A reply never changes: `step` makes the next one. */
export class Reply {
  /** Its message so far, without copying it for each event. */
  private readonly draft: Draft
  /** Blocks that have started and not ended, oldest first; keyed `KIND id`. */
  readonly open: Open
  /** The beginning of the model call that has not ended. */
  readonly call: CallStart | undefined
  /** Rounds whose model call has ended. */
  readonly rounds: number
  readonly ended: boolean

  private constructor(draft: Draft, open: Open, call: CallStart | undefined, rounds: number, ended: boolean) {
    this.draft = draft
    this.open = open
    this.call = call
    this.rounds = rounds
    this.ended = ended
  }

  static start(event: Extract<AgentEvent, { readonly type: "REPLY_START" }>): Reply {
    return new Reply(Draft.of(openReply(event)), new Map(), undefined, 0, false)
  }

  /** The same as `message.id`, but without building the message. */
  get id(): MessageId {
    return this.draft.id
  }

  /** The message is built when it is asked for, which copies the list of blocks once after each change. */
  get message(): Message {
    return this.draft.message
  }

  /** The reply after one more event of its own log; others change nothing. */
  step(event: AgentEvent): Reply {
    if (!("reply_id" in event) || event.reply_id !== this.id) return this
    const draft = append(this.draft, event)
    const { call, ended, open, rounds } = this
    switch (event.type) {
      case "MODEL_CALL_START":
        return new Reply(draft, open, event, rounds, ended)
      case "MODEL_CALL_END":
        // After an error another model is asked for the same round.
        return new Reply(draft, open, undefined, event.finished_reason === "error" ? rounds : rounds + 1, ended)
      case "TEXT_BLOCK_START":
        return this.opened(draft, "TEXT_BLOCK", event.block_id)
      case "THINKING_BLOCK_START":
        return this.opened(draft, "THINKING_BLOCK", event.block_id)
      case "DATA_BLOCK_START":
        return this.opened(draft, "DATA_BLOCK", event.block_id)
      case "TOOL_CALL_START":
        return this.opened(draft, "TOOL_CALL", event.tool_call_id)
      case "TEXT_BLOCK_END":
        return this.closed(draft, "TEXT_BLOCK", event.block_id)
      case "THINKING_BLOCK_END":
        return this.closed(draft, "THINKING_BLOCK", event.block_id)
      case "DATA_BLOCK_END":
        return this.closed(draft, "DATA_BLOCK", event.block_id)
      case "TOOL_CALL_END":
        return this.closed(draft, "TOOL_CALL", event.tool_call_id)
      case "REPLY_END":
        return new Reply(draft, open, call, rounds, true)
      default:
        return draft === this.draft ? this : new Reply(draft, open, call, rounds, ended)
    }
  }

  private opened(draft: Draft, kind: BlockKind, id: string): Reply {
    return new Reply(draft, new Map(this.open).set(`${kind} ${id}`, { kind, id }), this.call, this.rounds, this.ended)
  }

  private closed(draft: Draft, kind: BlockKind, id: string): Reply {
    const open = new Map(this.open)
    open.delete(`${kind} ${id}`)
    return new Reply(draft, open, this.call, this.rounds, this.ended)
  }
}

export const start = (event: Extract<AgentEvent, { readonly type: "REPLY_START" }>): Reply => Reply.start(event)

/** The reply after one more event of its own log; others change nothing. */
export const step = (reply: Reply, event: AgentEvent): Reply => reply.step(event)

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

/** Most blocks of a reply, and most characters of all that it holds. The model answer that exceeds them is still stored. */
export const maxBlocks = 4096
export const maxCharacters = 8 * 1024 * 1024

/** How much more a reply may hold, in characters; below zero when it holds too much. */
export const roomIn = ({ content }: Message): number =>
  content.reduce((left, block) => left - charactersIn(block), maxCharacters)

/** Names the bound that the reply exceeds, if any; it cannot go on then. */
export const excessOf = (message: Message): string | undefined => {
  if (message.content.length > maxBlocks) return `${maxBlocks} blocks`
  return roomIn(message) < 0 ? `${maxCharacters} characters` : undefined
}

/** Calls of the reply that have no finished result yet, in order. */
export const unanswered = (message: Message): ReadonlyArray<ToolCallBlock> => {
  const done = new Set<string>()
  for (const block of message.content) if (block.type === "tool_result" && block.state !== "running") done.add(block.id)
  return message.content.filter((block): block is ToolCallBlock => block.type === "tool_call" && !done.has(block.id))
}

const order = ["TEXT_BLOCK", "THINKING_BLOCK", "DATA_BLOCK", "TOOL_CALL"]

/** Ends the blocks that are open: text, thinking, data, then tool calls. */
export const closeBlocks = ({ id: reply_id, open }: Reply): ReadonlyArray<EventDraft> =>
  [...open.values()]
    .toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))
    .map(({ id, kind }) =>
      (kind === "TOOL_CALL"
        ? { type: "TOOL_CALL_END", reply_id, tool_call_id: id }
        : { type: `${kind}_END`, reply_id, block_id: id }) as EventDraft
    )

/** Ends what is open: the blocks, then the model call. */
export const closeOpen = (reply: Reply): ReadonlyArray<EventDraft> =>
  reply.call === undefined
    ? closeBlocks(reply)
    : [...closeBlocks(reply), { type: "MODEL_CALL_END", reply_id: reply.id, ...noUsage }]

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

/** Calls that wait for a person's permission or for a client's result. */
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
