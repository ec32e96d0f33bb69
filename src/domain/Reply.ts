/**
 * A reply in the making: its message so far and what is still open in it. The
 * run loop, an interrupt and a recovery all end a reply by the same rules.
 */
import { Draft } from "./Draft.ts"
import type { AgentEvent, EventDraft } from "./Event.ts"
import type { MessageId, RunId, SessionId } from "./Ids.ts"
import { charactersIn, type FinishedReason, type Message, type ToolCallBlock, type ToolResultBlock } from "./Message.ts"
import { textOf } from "./MessageText.ts"
import { isProviders, unanswered, withoutResult } from "./OpenCalls.ts"
import type { RunError } from "./RunError.ts"
import { finishedReasonOf, isWithheld, type Stop, type StopDetails, stopFields, stopOf } from "./Stop.ts"
import { append, openReply, replyIdOf } from "./Transcript.ts"
import { noUsage } from "./UsageSum.ts"

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
  /** Why the last answer of the model ended; undefined while a call goes on, and when it was interrupted. */
  readonly stop: Stop | undefined
  /** Answers so far that were cut in the middle of a tool call. */
  readonly cuts: number
  readonly ended: boolean

  private constructor(
    draft: Draft,
    open: Open,
    call: CallStart | undefined,
    rounds: number,
    stop: Stop | undefined,
    cuts: number,
    ended: boolean
  ) {
    this.draft = draft
    this.open = open
    this.call = call
    this.rounds = rounds
    this.stop = stop
    this.cuts = cuts
    this.ended = ended
  }

  static start(event: Extract<AgentEvent, { readonly type: "REPLY_START" }>): Reply {
    return new Reply(Draft.of(openReply(event)), new Map(), undefined, 0, undefined, 0, false)
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
    if (replyIdOf(event) !== this.id) return this
    const draft = append(this.draft, event)
    const { call, cuts, ended, open, rounds, stop } = this
    switch (event.type) {
      case "MODEL_CALL_START":
        return new Reply(draft, open, event, rounds, event.purpose === undefined ? undefined : stop, cuts, ended)
      case "MODEL_CALL_END":
        // The call belongs to no round, and leaves everything else as it was before it.
        if (call?.purpose !== undefined) return new Reply(draft, open, undefined, rounds, stop, cuts, ended)
        return this.called(draft, stopOf(event))
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
        return new Reply(draft, open, call, rounds, stop, cuts, true)
      default:
        return draft === this.draft ? this : new Reply(draft, open, call, rounds, stop, cuts, ended)
    }
  }

  private called(draft: Draft, stop: Stop | undefined): Reply {
    const { cuts, ended, open, rounds } = this
    // After an error another model is asked for the same round.
    if (stop?.reason === "error") return new Reply(draft, open, undefined, rounds, undefined, cuts, ended)
    const next = new Reply(draft, open, undefined, rounds + 1, stop, cuts, ended)
    return cutCalls(next).length === 0
      ? next
      : new Reply(draft, open, undefined, rounds + 1, stop, cuts + 1, ended)
  }

  private opened(draft: Draft, kind: BlockKind, id: string): Reply {
    return this.with(draft, new Map(this.open).set(`${kind} ${id}`, { kind, id }))
  }

  private closed(draft: Draft, kind: BlockKind, id: string): Reply {
    const open = new Map(this.open)
    open.delete(`${kind} ${id}`)
    return this.with(draft, open)
  }

  private with(draft: Draft, open: Open): Reply {
    return new Reply(draft, open, this.call, this.rounds, this.stop, this.cuts, this.ended)
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

/** Whether a call's arguments are whole. */
const isJson = ({ input }: ToolCallBlock): boolean => {
  if (input.trim() === "") return true
  try {
    JSON.parse(input)
    return true
  } catch {
    return false
  }
}

/** Calls in the middle of which the last answer reached its limit. They must not run: nobody knows what was meant. */
export const cutCalls = (reply: Reply): ReadonlyArray<ToolCallBlock> => {
  if (reply.stop?.reason !== "max_tokens") return []
  const { message } = reply
  const last = message.content.findLast((block) => block.type === "tool_call")
  return unanswered(message).filter((call) =>
    call.state === "pending" && (!isJson(call) || (call === last && call.input.trim() === ""))
  )
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
    : [
      ...closeBlocks(reply),
      { type: "MODEL_CALL_END", reply_id: reply.id, ...noUsage, finished_reason: "interrupted" }
    ]

/** Gives each of these calls an interrupted result that says why; a result that has begun is completed. */
export const interrupted = (
  { message }: Pick<Reply, "message">,
  calls: ReadonlyArray<ToolCallBlock>,
  why: (call: ToolCallBlock, begun: ToolResultBlock | undefined) => string
): ReadonlyArray<EventDraft> => {
  const reply_id = message.id
  const begun = new Map(message.content.flatMap((block) => block.type === "tool_result" ? [[block.id, block]] : []))
  return calls.flatMap((call): ReadonlyArray<EventDraft> => {
    const { id: tool_call_id, name: tool_call_name } = call
    const result = begun.get(tool_call_id)
    const delta = why(call, result)
    return [
      ...(result !== undefined
        ? []
        : [{ type: "TOOL_RESULT_START", reply_id, tool_call_id, tool_call_name, ...markOf(call) } as const]),
      // A crash may have come between these events: what was said then is not said again.
      ...(result !== undefined && textOf(result.output).endsWith(delta)
        ? []
        : [{ type: "TOOL_RESULT_TEXT_DELTA", reply_id, tool_call_id, delta } as const]),
      { type: "TOOL_RESULT_END", reply_id, tool_call_id, state: "interrupted" }
    ]
  })
}

/** Whose call a result answers, where it is not one that the model has made for the server. */
export const markOf = (call: ToolCallBlock) => ({
  ...(isProviders(call) && { provider_executed: true }),
  ...(call.parent_tool_call_id !== undefined && { parent_tool_call_id: call.parent_tool_call_id })
})

/** Gives every call without a finished result an interrupted one, with words for one that had not begun to run. */
export const interruptCalls = (reply: Reply, notRun: string): ReadonlyArray<EventDraft> =>
  interrupted(reply, withoutResult(reply.message), (call, begun) =>
    isProviders(call)
      ? "The provider's call of its tool was interrupted; its outcome is unknown."
      : begun !== undefined && textOf(begun.output) !== notRun
      ? "The tool call was interrupted; its outcome is unknown."
      : notRun)

/** Ends the provider's own calls whose results did not come with its answer. */
export const closeProvidersCalls = (reply: Reply): ReadonlyArray<EventDraft> =>
  interrupted(
    reply,
    withoutResult(reply.message).filter(isProviders),
    () => "The provider gave no result of this call."
  )

const withheld = "The tool was not run: the answer that asked for it was withheld."
const cut = "The tool was not run: the answer reached its token limit in the middle of the call's arguments. "
  + "Call it again with shorter arguments, or do the work in several calls."
const malformed = "The tool was not run: the call's arguments are not valid JSON."

/** Answers the calls that must not run, because the last answer ended before they were whole. */
export const refuseCalls = (reply: Reply): ReadonlyArray<EventDraft> => {
  const pending = unanswered(reply.message).filter(({ state }) => state === "pending")
  if (isWithheld(reply.stop?.reason)) return interrupted(reply, pending, () => withheld)
  const cutShort = new Set(cutCalls(reply))
  return interrupted(
    reply,
    pending.filter((call) => cutShort.has(call) || !isJson(call)),
    (call) => cutShort.has(call) ? cut : malformed
  )
}

export interface Ending {
  readonly finished_reason: FinishedReason
  readonly error: RunError | null
  readonly stop_reason?: string
  readonly stop_details?: StopDetails
  readonly structured_output?: unknown
}

/** The ending of a reply whose last answer decides it. */
export const stopped = ({ stop }: Reply): Ending => ({
  finished_reason: finishedReasonOf(stop?.reason ?? "unknown"),
  error: null,
  ...(stop !== undefined && stopFields(stop))
})

/** What a parked run waits for. */
export type WaitingFor = Extract<AgentEvent, { readonly name: "run_parked" }>["value"]["waiting_for"]

/** How a run stopped working: its reply has ended, or it waits for somebody. */
export type Outcome = Ending | { readonly waiting_for: WaitingFor }

/** Everything that is still missing up to and with REPLY_END; nothing when the reply has ended. */
export const ending = (
  reply: Reply,
  run: { readonly session_id: SessionId; readonly run_id: RunId },
  how: Ending
): ReadonlyArray<EventDraft> =>
  reply.ended ? [] : [
    ...closeOpen(reply),
    ...interruptCalls(reply, "The tool was not run: the reply ended before."),
    {
      type: "REPLY_END",
      session_id: run.session_id,
      run_id: run.run_id,
      reply_id: reply.message.id,
      ...how,
      usage: reply.message.usage ?? noUsage
    }
  ]
