/**
 * The encoder: a run's events as updates of its task. The text of the reply is one artifact, which grows; what the run
 * waits for and how it ended are states. Nothing but the events decides what is written.
 */
import { endedState } from "../../../domain/A2aPush.ts"
import type { AgentEvent } from "../../../domain/Event.ts"
import type { ToolCallBlock } from "../../../domain/Message.ts"
import type { Usage } from "../../../domain/Usage.ts"
import { addUsage, noUsage } from "../../../domain/UsageSum.ts"
import type { Problem } from "../../middleware/Problems.ts"
import type { Encoder } from "../Channel.ts"
import { between, complaint, filePart, question, structuredPart } from "./Parts.ts"
import { failureOf, metadataOf } from "./Render.ts"
import { artifactIdOf, artifactName, type Head, type Part, type StreamResponse, type TaskStatus } from "./Shapes.ts"

/** How one transport writes one update. */
export type Write = (update: StreamResponse) => string

export interface From {
  readonly head: Head
  /** The artifact has begun before these events, and ended with a text or not. */
  readonly begun?: boolean
  readonly endedWithText?: boolean
  /** The calls that it waited for by then. */
  readonly waiting?: ReadonlyArray<ToolCallBlock>
  /** What the run had used by then. */
  readonly usage?: Usage | null
}

interface Data {
  readonly media_type: string
  data: string
  url: string | undefined
}

export class Updates implements Encoder {
  readonly #head: Head
  readonly #write: Write
  #frames = ""
  #begun: boolean
  /** What comes next goes on after a text. */
  #afterText: boolean
  /** The text block that is being written. */
  #block: string | undefined
  readonly #data = new Map<string, Data>()
  /** Calls that wait for somebody. Each is asked about by an event of its own, and some may be answered before others. */
  readonly #calls = new Map<string, { readonly call: ToolCallBlock; readonly waits: "approval" | "tool_results" }>()
  #usage: Usage
  /** When the last of its events was made. */
  #last = ""

  constructor({ begun = false, endedWithText = false, head, usage, waiting = [] }: From, write: Write) {
    this.#head = head
    this.#write = write
    this.#begun = begun
    this.#afterText = endedWithText
    this.#usage = usage ?? noUsage
    for (const call of waiting) {
      this.#calls.set(call.id, { call, waits: call.state === "asking" ? "approval" : "tool_results" })
    }
  }

  readonly step = (event: AgentEvent): string => {
    this.#last = event.created_at
    this.#take(event)
    const frames = this.#frames
    this.#frames = ""
    return frames
  }

  /** The end of a stream that shows nothing more of its run: it has failed, or something keeps it back. */
  readonly failed = (problem: Problem): string => {
    const status = problem.code === "cancelled"
      ? { state: "TASK_STATE_CANCELED" as const, timestamp: this.#last }
      : { state: "TASK_STATE_FAILED" as const, timestamp: this.#last, message: complaint(this.#head, problem.detail) }
    this.#status(status)
    const frames = this.#frames
    this.#frames = ""
    return frames
  }

  #take(event: AgentEvent): void {
    switch (event.type) {
      case "USER_CONFIRM_RESULT":
        for (const { tool_call } of event.confirm_results) this.#calls.delete(tool_call.id)
        return this.#status({ state: "TASK_STATE_WORKING", timestamp: event.created_at })
      case "TOOL_RESULT_END":
        if (event.state !== "running") this.#calls.delete(event.tool_call_id)
        return
      case "REPLY_START":
      case "EXTERNAL_EXECUTION_RESULT":
        return this.#status({ state: "TASK_STATE_WORKING", timestamp: event.created_at })
      case "MODEL_CALL_END":
        this.#usage = addUsage(this.#usage, event)
        return
      case "TEXT_BLOCK_DELTA":
        return this.#text(event.block_id, event.delta)
      case "DATA_BLOCK_START":
        return void this.#data.set(event.block_id, { media_type: event.media_type, data: "", url: undefined })
      case "DATA_BLOCK_DELTA":
        return this.#piece(event.block_id, event.data, event.url ?? undefined)
      case "DATA_BLOCK_END":
        return this.#file(event.block_id)
      case "REQUIRE_USER_CONFIRM":
        for (const call of event.tool_calls) this.#calls.set(call.id, { call, waits: "approval" })
        return
      case "REQUIRE_EXTERNAL_EXECUTION":
        for (const call of event.tool_calls) this.#calls.set(call.id, { call, waits: "tool_results" })
        return
      case "CUSTOM":
        return event.name === "run_parked" ? this.#parked(event) : undefined
      case "REPLY_END":
        return this.#end(event)
      default:
        return
    }
  }

  #text(block: string, delta: string) {
    if (delta === "") return
    const isNext = this.#block !== block
    this.#block = block
    const text = isNext && this.#afterText ? `${between}${delta}` : delta
    this.#afterText = true
    this.#artifact({ text })
  }

  #piece(block: string, data: string, url: string | undefined) {
    const found = this.#data.get(block)
    if (found === undefined) return
    found.data += data
    found.url = url ?? found.url
  }

  #file(block: string) {
    const found = this.#data.get(block)
    if (found === undefined) return
    this.#data.delete(block)
    this.#afterText = false
    const place = found.url === undefined || found.url === "" ? { data: found.data } : { url: found.url }
    this.#artifact(filePart(this.#head, found.media_type, place))
  }

  #parked({ created_at, value }: Extract<AgentEvent, { readonly name: "run_parked" }>) {
    const waits = value.waiting_for === "user_confirmation" ? "approval" : "tool_results"
    const asked = Array.from(this.#calls.values()).filter((one) => one.waits === waits).map(({ call }) => call)
    this.#status({
      state: "TASK_STATE_INPUT_REQUIRED",
      timestamp: created_at,
      message: question(this.#head, waits, asked)
    }, metadataOf(this.#usage, undefined))
  }

  #end(event: Extract<AgentEvent, { readonly type: "REPLY_END" }>) {
    const { created_at, error, finished_reason, stop_reason, structured_output, usage } = event
    if (structured_output !== undefined) this.#artifact(structuredPart(structured_output))
    // No text: it only says that nothing more comes.
    if (this.#begun) this.#artifact({ text: "" }, true)
    const state = endedState(finished_reason)
    const message = state === "TASK_STATE_FAILED"
      ? { message: complaint(this.#head, failureOf(finished_reason, error)) }
      : {}
    this.#status({ state, timestamp: created_at, ...message }, metadataOf(usage, stop_reason))
  }

  #status(status: TaskStatus, more: { readonly metadata?: object } = {}) {
    const { contextId, run_id } = this.#head
    this.#frames += this.#write({ statusUpdate: { taskId: run_id, contextId, status, ...more } })
  }

  #artifact(part: Part, lastChunk = false) {
    const { contextId, run_id } = this.#head
    const append = this.#begun
    this.#begun = true
    const artifact = { artifactId: artifactIdOf(run_id), name: artifactName, parts: [part] }
    this.#frames += this.#write({ artifactUpdate: { taskId: run_id, contextId, artifact, append, lastChunk } })
  }
}
