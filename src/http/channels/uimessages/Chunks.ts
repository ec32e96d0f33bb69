/**
 * The encoder: a part of a run, up to its end or to where it waits, as the chunks of one stream. A run that waited and goes
 * on is told by a new stream, which begins with the same `messageId` and goes on in the client's message.
 */
import type { AgentEvent } from "../../../domain/Event.ts"
import type { RunId, SessionId } from "../../../domain/Ids.ts"
import { detailOf, type Problem } from "../../middleware/Problems.ts"
import type { Encoder } from "../Channel.ts"
import { Calls } from "./Calls.ts"
import { Collected } from "./Collected.ts"
import { chunk, type EventOf, finishOf, sourceOf, usageOf } from "./Frames.ts"
import { noticeOf } from "./Notices.ts"

export interface Head {
  readonly session_id: SessionId
  readonly run_id: RunId
  /** Names of the tools that the client runs. They are asked for when the run waits for them: until then they may still be wrong. */
  readonly clientTools: ReadonlySet<string>
}

/** What ends a stream of a run that waits: what the client has to do, and the end itself. */
export interface Parked {
  readonly asks: string
  readonly closing: string
}

export class Chunks implements Encoder {
  readonly #head: Head
  /** Keeps what ends a stream of a run that waits in `parked`: it is not known yet whether the run has gone on. */
  readonly #isHeld: boolean
  parked: Parked | undefined
  #frames = ""
  #hasBegun = false
  #isStepDue = false
  #isInStep = false
  /** Parts that are open, by their blocks. */
  readonly #open = new Map<string, "text" | "reasoning">()
  readonly #files = new Collected()
  readonly #calls: Calls

  constructor(head: Head, isHeld = false) {
    this.#head = head
    this.#calls = new Calls(head.clientTools)
    this.#isHeld = isHeld
  }

  readonly step = (event: AgentEvent): string => {
    if (!this.#hasBegun && "reply_id" in event) this.#begin(event.reply_id)
    this.#take(event)
    const frames = this.#frames
    this.#frames = ""
    return frames
  }

  readonly failed = (problem: Problem): string => {
    const closing = this.#closeParts()
    return closing + (problem.code === "cancelled"
      ? chunk("abort", { reason: detailOf(problem) })
      : chunk("error", { errorText: detailOf(problem) }))
  }

  #begin(messageId: string): void {
    const { run_id: runId, session_id: sessionId } = this.#head
    this.#hasBegun = true
    this.#frames += chunk("start", { messageId, messageMetadata: { sessionId, runId } })
  }

  #take(event: AgentEvent): void {
    switch (event.type) {
      case "REPLY_START":
        this.#isStepDue = true
        return
      case "MODEL_CALL_START":
        if (event.purpose === undefined) this.#isStepDue = true
        return
      case "TEXT_BLOCK_DELTA":
        return this.#say("text", event)
      case "THINKING_BLOCK_DELTA":
        return this.#say("reasoning", event)
      case "TEXT_BLOCK_END":
        this.#close(event.block_id)
        for (const [i, source] of (event.annotations ?? []).entries()) {
          this.#content()
          this.#frames += sourceOf(`${event.block_id}-${i}`, source)
        }
        return
      case "THINKING_BLOCK_END":
        return this.#close(event.block_id)
      case "DATA_BLOCK_DELTA":
        return this.#files.add(event)
      case "DATA_BLOCK_END":
        return this.#file(event.block_id)
      case "TOOL_CALL_START":
        this.#content()
        this.#frames += this.#calls.step(event)
        return
      case "REPLY_END":
        return this.#end(event)
      case "CUSTOM":
        if (event.name === "run_parked") return this.#park()
        return this.#notice(event)
      default:
        this.#frames += this.#calls.step(event)
    }
  }

  /** What comes now is a part of the step whose model call has begun. */
  #content(): void {
    if (!this.#isStepDue) return
    if (this.#isInStep) this.#frames += chunk("finish-step")
    this.#frames += chunk("start-step")
    this.#isInStep = true
    this.#isStepDue = false
  }

  #say(type: "text" | "reasoning", { block_id, delta }: EventOf<"TEXT_BLOCK_DELTA" | "THINKING_BLOCK_DELTA">): void {
    if (delta === "") return
    if (!this.#open.has(block_id)) {
      this.#content()
      this.#open.set(block_id, type)
      this.#frames += chunk(`${type}-start`, { id: block_id })
    }
    this.#frames += chunk(`${type}-delta`, { id: block_id, delta })
  }

  #close(block: string): void {
    const type = this.#open.get(block)
    if (type === undefined) return
    this.#open.delete(block)
    this.#frames += chunk(`${type}-end`, { id: block })
  }

  /** Ends what is open. */
  #closeParts(): string {
    const frames = Array.from(this.#open, ([id, type]) => chunk(`${type}-end`, { id })).join("")
    this.#open.clear()
    const step = this.#isInStep ? chunk("finish-step") : ""
    this.#isInStep = false
    return frames + step
  }

  #file(block: string): void {
    const file = this.#files.take(block)
    if (file === undefined) return
    this.#content()
    const { type, ...members } = file
    this.#frames += chunk(type, members)
  }

  #notice(event: EventOf<"CUSTOM">): void {
    const notice = this.#hasBegun ? noticeOf(event) : undefined
    if (notice === undefined) return
    const { name, ...members } = notice
    this.#frames += chunk(`data-${name}`, members)
  }

  #park(): void {
    const parked = {
      asks: this.#calls.asks,
      closing: this.#closeParts() + chunk("finish", { finishReason: "tool-calls" })
    }
    if (this.#isHeld) this.parked = parked
    else this.#frames += parked.asks + parked.closing
  }

  #end(event: EventOf<"REPLY_END">): void {
    const messageMetadata = {
      usage: usageOf(event.usage),
      ...(event.structured_output !== undefined && { structuredOutput: event.structured_output })
    }
    this.#frames += this.#closeParts() + chunk("finish", { finishReason: finishOf(event), messageMetadata })
  }
}
