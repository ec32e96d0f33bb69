/**
 * A run as AgentApp's objects: a response, in it messages, in them content, each told of as it comes, with a number. It
 * depends on nothing but the events that it is given, so that a run told again is told by the same bytes.
 */
import type { AgentEvent } from "../../../domain/Event.ts"
import type { Usage } from "../../../domain/Usage.ts"
import { addUsage, noUsage } from "../../../domain/UsageSum.ts"
import type { Problem } from "../../middleware/Problems.ts"
import type { Encoder } from "../Channel.ts"
import { errorOf } from "./Errors.ts"
import { type Content, fileOf, type Lack, lackOf } from "./Shapes.ts"

export interface Head {
  /** The id of the response: the request's own, or one that is made of the run's. */
  readonly id: string
  /** As the client calls the session. */
  readonly session_id: string
  readonly run_id: string
}

type Status = "created" | "in_progress" | "completed" | "canceled" | "failed" | "incomplete"

interface OpenMessage {
  readonly id: string
  readonly type: string
  readonly role: "assistant" | "tool"
  text: string
}

const seconds = (time: string) => Math.floor(Date.parse(time) / 1000)

const usageOf = (usage: Usage) => ({ ...usage, total_tokens: usage.input_tokens + usage.output_tokens })

export class Objects implements Encoder {
  readonly #head: Head
  #frames = ""
  #number = 0
  #created: number | undefined
  /** The time of the newest event. */
  #at = 0
  #usage: Usage = noUsage
  #hasUsage = false
  #isOver = false
  readonly #output: Array<object> = []
  readonly #open = new Map<string, OpenMessage>()
  /** The names of the tools that were called, by the ids of the calls. */
  readonly #names = new Map<string, string>()
  #last: object | undefined
  /** Why the answer is not all that there could be. */
  #lacks: Lack | undefined

  constructor(head: Head) {
    this.#head = head
  }

  /** The response as it was told last. */
  get response(): object | undefined {
    return this.#last
  }

  readonly step = (event: AgentEvent): string => {
    if (this.#isOver) return ""
    this.#at = seconds(event.created_at)
    this.#begin()
    this.#tell(event)
    return this.#take()
  }

  readonly failed = (problem: Problem): string => {
    if (this.#isOver) return ""
    this.#begin()
    this.#end(problem.code === "cancelled" ? "canceled" : "failed", errorOf(problem))
    return this.#take()
  }

  #take(): string {
    const frames = this.#frames
    this.#frames = ""
    return frames
  }

  #frame(object: object) {
    this.#frames += `data: ${JSON.stringify({ sequence_number: this.#number++, ...object })}\n\n`
  }

  #begin() {
    if (this.#created !== undefined) return
    this.#created = this.#at
    this.#response("created", null)
    this.#response("in_progress", null)
  }

  #response(status: Status, error: { readonly code: string; readonly message: string } | null) {
    const isOver = status !== "created" && status !== "in_progress"
    this.#last = {
      object: "response",
      status,
      error,
      incomplete_details: this.#lacks === undefined ? null : { reason: this.#lacks },
      id: this.#head.id,
      created_at: this.#created,
      completed_at: isOver ? this.#at : null,
      output: isOver ? this.#output : null,
      usage: isOver && this.#hasUsage ? usageOf(this.#usage) : null,
      session_id: this.#head.session_id,
      run_id: this.#head.run_id
    }
    this.#frame(this.#last)
  }

  #end(status: Status, error: { readonly code: string; readonly message: string } | null) {
    this.#isOver = true
    this.#response(status, error)
  }

  #message({ id, role, type }: OpenMessage, status: Status, content: ReadonlyArray<object>) {
    return {
      object: "message",
      status,
      error: null,
      id,
      type,
      role,
      content,
      code: null,
      message: null,
      usage: null,
      metadata: null
    }
  }

  #start(key: string, message: OpenMessage) {
    this.#open.set(key, message)
    this.#frame(this.#message(message, "in_progress", []))
  }

  #content(msg_id: string, status: Status, delta: boolean, content: Content) {
    return { object: "content", status, error: null, index: 0, delta, msg_id, ...content }
  }

  #delta(key: string, text: string) {
    const message = this.#open.get(key)
    if (message === undefined) return
    message.text += text
    this.#frame(this.#content(message.id, "in_progress", true, { type: "text", text }))
  }

  #finish(key: string, contentOf: (message: OpenMessage) => Content) {
    const message = this.#open.get(key)
    if (message === undefined) return
    this.#open.delete(key)
    const content = this.#content(message.id, "completed", false, contentOf(message))
    this.#frame(content)
    const whole = this.#message(message, "completed", [content])
    this.#output.push(whole)
    this.#frame(whole)
  }

  #tell(event: AgentEvent): void {
    switch (event.type) {
      case "TEXT_BLOCK_START":
      case "THINKING_BLOCK_START": {
        const type = event.type === "TEXT_BLOCK_START" ? "message" : "reasoning"
        return this.#start(event.block_id, { id: `msg_${event.block_id}`, type, role: "assistant", text: "" })
      }
      case "TEXT_BLOCK_DELTA":
      case "THINKING_BLOCK_DELTA":
        return this.#delta(event.block_id, event.delta)
      case "TEXT_BLOCK_END":
      case "THINKING_BLOCK_END":
        return this.#finish(event.block_id, ({ text }) => ({ type: "text", text }))
      case "DATA_BLOCK_START":
        return this.#start(event.block_id, {
          id: `msg_${event.block_id}`,
          type: "message",
          role: "assistant",
          text: ""
        })
      case "DATA_BLOCK_DELTA": {
        const source = event.url == null ? { data: event.data ?? "" } : { url: event.url }
        return this.#finish(event.block_id, () => fileOf(event.media_type, source))
      }
      case "TOOL_CALL_START":
        this.#names.set(event.tool_call_id, event.tool_call_name)
        return this.#start(`call ${event.tool_call_id}`, {
          id: `msg_${event.tool_call_id}`,
          type: "plugin_call",
          role: "assistant",
          text: ""
        })
      case "TOOL_CALL_DELTA": {
        const message = this.#open.get(`call ${event.tool_call_id}`)
        if (message !== undefined) message.text += event.delta
        return
      }
      case "TOOL_CALL_END":
        return this.#finish(`call ${event.tool_call_id}`, ({ text }) => ({
          type: "data",
          data: {
            call_id: event.tool_call_id,
            name: this.#names.get(event.tool_call_id) ?? "",
            arguments: text === "" ? "{}" : text
          }
        }))
      case "TOOL_RESULT_START":
        this.#names.set(event.tool_call_id, event.tool_call_name)
        return this.#start(`result ${event.tool_call_id}`, {
          id: `msg_${event.tool_call_id}_output`,
          type: "plugin_call_output",
          role: "tool",
          text: ""
        })
      case "TOOL_RESULT_TEXT_DELTA": {
        const message = this.#open.get(`result ${event.tool_call_id}`)
        if (message !== undefined) message.text += event.delta
        return
      }
      case "TOOL_RESULT_END":
        return this.#finish(`result ${event.tool_call_id}`, ({ text }) => ({
          type: "data",
          data: {
            call_id: event.tool_call_id,
            name: this.#names.get(event.tool_call_id) ?? "",
            output: text,
            state: event.state
          }
        }))
      case "MODEL_CALL_END":
        this.#hasUsage = true
        this.#usage = addUsage(this.#usage, event)
        return
      case "REPLY_END":
        if (event.finished_reason === "interrupted") return this.#end("canceled", null)
        this.#lacks = lackOf(event)
        return this.#end(this.#lacks === undefined ? "completed" : "incomplete", null)
      case "CUSTOM":
        if (event.name !== "run_parked") return
        // The run waits for somebody who answers elsewhere.
        this.#lacks = event.value.waiting_for
        return this.#end("incomplete", null)
    }
  }
}
