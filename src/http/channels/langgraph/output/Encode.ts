/**
 * The encoder: a run's events as the frames of LangGraph's streams. Frames are counted over all modes, whichever a client
 * wants, from the run's first event on: the number of the last one that somebody has had says where they go on.
 */
import type { AgentEvent } from "../../../../domain/Event.ts"
import type { Message } from "../../../../domain/Message.ts"
import * as Reply from "../../../../domain/Reply.ts"
import { detailOf, type Problem } from "../../../middleware/Problems.ts"
import type { Encoder } from "../../Channel.ts"
import type { Mode } from "../request/Requests.ts"
import { Answer } from "./Answer.ts"
import { interruptsOf } from "./Interrupts.ts"
import { messagesOf, resultOf, type Told, usageOf } from "./Messages.ts"

export interface Head {
  readonly run_id: string
  readonly thread_id: string
  readonly assistant_id: string
  readonly modes: ReadonlySet<Mode>
  /** The number of the last frame that the client has. */
  readonly after: number
}

type EventOf<Type extends AgentEvent["type"]> = Extract<AgentEvent, { readonly type: Type }>

/** Events of our own that clients are told of as they are. */
const told = new Set([
  "state_updated",
  "agent_state",
  "model_switched",
  "context_compacted",
  "task_started",
  "task_ended",
  "elicitation_requested",
  "elicitation_ended"
])

const nodes = { agent: "agent", tools: "tools" } as const

export const frame = (id: number, event: string, data: unknown): string =>
  `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`

/** What a thread holds, for its clients. */
export const valuesOf = (messages: ReadonlyArray<Told>, newest: Message | undefined) => {
  const interrupts = newest === undefined ? [] : interruptsOf(newest)
  return {
    messages,
    ...(newest?.structured_output !== undefined && { structured_response: newest.structured_output }),
    ...(interrupts.length > 0 && { __interrupt__: interrupts })
  }
}

export class Frames implements Encoder {
  readonly #head: Head
  /** What was said before the run and in it, without its reply. */
  #messages: Array<Told> = []
  #reply: Reply.Reply | undefined
  #answer = new Answer("", 0)
  #model = ""
  #step = 0
  /** The model makes a summary of the context, which is no part of the reply. */
  #isAside = false
  #frames = ""
  /** The frames so far, those that were not sent too. */
  count = 0
  /** Frames are only counted. */
  isSilent = false

  constructor(head: Head) {
    this.#head = head
  }

  /** Tells what was said before the run; it comes before all events. */
  begin(before: ReadonlyArray<Told>) {
    this.#messages = [...before]
  }

  /** What the thread holds now. */
  values() {
    const reply = this.#reply?.message
    return valuesOf([...this.#messages, ...(reply === undefined ? [] : messagesOf(reply))], reply)
  }

  readonly step = (event: AgentEvent): string => {
    this.#reply = this.#reply === undefined
      ? event.type === "REPLY_START" ? Reply.start(event) : undefined
      : Reply.step(this.#reply, event)
    this.#take(event)
    return this.#flush()
  }

  readonly failed = (problem: Problem): string => {
    this.#emit("error", "error", () => ({ error: problem.code, message: detailOf(problem) }))
    return this.#flush()
  }

  #flush(): string {
    const frames = this.#frames
    this.#frames = ""
    return frames
  }

  #emit(mode: Mode | "error", event: string, data: () => unknown) {
    const id = ++this.count
    const { after, modes } = this.#head
    if (this.isSilent || id <= after || (mode !== "error" && !modes.has(mode))) return
    this.#frames += frame(id, event, data())
  }

  #values() {
    this.#emit("values", "values", () => this.values())
  }

  #event(event: string, name: string, data: () => object) {
    const { run_id, thread_id } = this.#head
    this.#emit("events", "events", () => ({
      event,
      name,
      run_id,
      tags: [],
      parent_ids: [],
      metadata: { thread_id },
      data: data()
    }))
  }

  #about = (node: keyof typeof nodes) => {
    const { assistant_id, run_id, thread_id } = this.#head
    return {
      run_id,
      thread_id,
      assistant_id,
      langgraph_node: nodes[node],
      langgraph_step: this.#step,
      tags: [],
      ...(this.#model !== "" && { ls_model_name: this.#model })
    }
  }

  #take(event: AgentEvent) {
    switch (event.type) {
      case "REPLY_START":
        this.#answer = new Answer(event.reply_id, 0)
        this.#event("on_chain_start", event.name, () => ({ input: { messages: this.#messages } }))
        return this.#values()
      case "MODEL_CALL_START":
        this.#isAside = event.purpose !== undefined
        if (this.#isAside) return
        this.#model = event.model_name
        this.#step++
        return this.#event("on_chat_model_start", event.model_name, () => ({}))
      case "TEXT_BLOCK_DELTA":
      case "THINKING_BLOCK_DELTA":
      case "TOOL_CALL_START":
      case "TOOL_CALL_DELTA":
        return this.#say(event)
      case "DATA_BLOCK_START":
        this.#answer = this.#answer.opened()
        return
      case "MODEL_CALL_END":
        if (!this.#isAside) this.#answered(event)
        this.#isAside = false
        return
      case "TOOL_RESULT_START":
        return this.#event("on_tool_start", event.tool_call_name, () => ({}))
      case "TOOL_RESULT_END":
        if (event.state !== "running") this.#results([event.tool_call_id])
        return
      case "EXTERNAL_EXECUTION_RESULT":
        return this.#results(event.execution_results.map(({ id }) => id))
      case "REPLY_END":
        this.#values()
        return this.#event("on_chain_end", this.#reply?.message.name ?? "", () => ({ output: this.values() }))
      case "CUSTOM":
        return this.#custom(event)
    }
  }

  /** A piece of what the model says. */
  #say(event: EventOf<"TEXT_BLOCK_DELTA" | "THINKING_BLOCK_DELTA" | "TOOL_CALL_START" | "TOOL_CALL_DELTA">) {
    if ("delta" in event && event.delta === "") return
    const isNew = !this.#answer.isOpen
    this.#answer = this.#answer.opened()
    const answer = this.#answer
    if (isNew) {
      this.#emit("messages", "messages/metadata", () => ({ [answer.id]: { metadata: this.#about("agent") } }))
    }
    const chunk = answer.take(event)
    this.#emit("messages-tuple", "messages", () => [chunk, this.#about("agent")])
    this.#event("on_chat_model_stream", this.#model, () => ({ chunk }))
    if (answer.isGrown()) this.#emit("messages", "messages/partial", () => [answer.partial()])
  }

  /** The model has said all of one answer. */
  #answered(event: EventOf<"MODEL_CALL_END">) {
    const answer = this.#answer
    if (!answer.isOpen) return
    this.#emit("messages-tuple", "messages", () => [answer.usage(usageOf(event)), this.#about("agent")])
    const whole = () => this.#wholes().find(({ id }) => id === answer.id)
    this.#emit("messages", "messages/complete", () => [whole()])
    this.#event("on_chat_model_end", this.#model, () => ({ output: whole() }))
    this.#emit("updates", "updates", () => ({ [nodes.agent]: { messages: [whole()] } }))
    this.#values()
  }

  #wholes = (): ReadonlyArray<Told> => this.#reply === undefined ? [] : messagesOf(this.#reply.message)

  #results(ids: ReadonlyArray<string>) {
    const { message } = this.#reply ?? {}
    if (message === undefined) return
    const all = message.content.flatMap((block) =>
      block.type === "tool_result" && ids.includes(block.id) ? [resultOf(message.id, block)] : []
    )
    this.#answer = this.#answer.next()
    for (const result of all) {
      this.#emit("messages-tuple", "messages", () => [result, this.#about("tools")])
      this.#emit("messages", "messages/complete", () => [result])
      this.#event("on_tool_end", result.name ?? "", () => ({ output: result }))
      this.#emit("updates", "updates", () => ({ [nodes.tools]: { messages: [result] } }))
    }
    this.#values()
  }

  #custom(event: EventOf<"CUSTOM">) {
    if (event.name === "user_message") {
      this.#messages.push(...messagesOf(event.value.message))
      return
    }
    if (event.name === "run_parked") {
      const { message } = this.#reply ?? {}
      const waits = () => message === undefined ? [] : interruptsOf(message)
      this.#emit("updates", "updates", () => ({ __interrupt__: waits() }))
      return this.#values()
    }
    if (told.has(event.name)) {
      this.#emit("custom", "custom", () => ({ type: event.name, ...event.value }))
    }
  }
}
