/**
 * The encoder: a run's events as those of this protocol. What it answers depends on its head and on the events alone, so
 * that a run is rendered again in the same bytes. Whatever was begun is ended before the run is, wherever that comes.
 */
import type { AgentEvent } from "../../../domain/Event.ts"
import { isObject } from "../../../domain/JsonSchema.ts"
import { endsStream } from "../../../domain/RunOf.ts"
import { detailOf, type Problem } from "../../middleware/Problems.ts"
import type { Encoder } from "../Channel.ts"
import { callerId, callId, resultId, textId } from "./Ids.ts"
import { contentOf, fileOf, type Interrupt, interruptOf, type Part, protocolVersion, Usages } from "./Shapes.ts"
import { State } from "./State.ts"

export interface Head {
  readonly threadId: string
  readonly runId: string
  readonly parentRunId?: string | undefined
  /** The client speaks the protocol of before 1.0. */
  readonly isOld: boolean
  /** Results that the client has sent itself, by the ids that it knows: it has them as messages. */
  readonly answered: ReadonlySet<string>
  /** The client's state as it came with the request. */
  readonly state: unknown
}

/** Events of our own that are nothing to a client, or are told in another way. */
const untold = new Set(["run_queued", "user_message", "run_parked", "state_updated", "agent_state"])

/** What an answer lacks that is not whole. */
const lackOf = (event: Extract<AgentEvent, { readonly type: "REPLY_END" }>): string | undefined =>
  event.finished_reason === "exceed_max_iters"
    ? "max_iterations"
    : ["max_tokens", "content_filter", "refusal"].find((reason) => reason === event.stop_reason)

export class Stream implements Encoder {
  readonly #head: Head
  readonly #usages = new Usages()
  readonly #state: State
  #frames = ""
  #isBegun: boolean
  /** What is open, with the frames that end it, in the order in which it was begun. */
  readonly #open = new Map<string, string>()
  /** The message to which calls belong that come now. */
  #carrier: string | undefined
  readonly #results = new Map<string, Array<Part>>()
  readonly #files = new Map<string, { readonly media_type: string; data: string; url: string | undefined }>()
  /** What waits for somebody, by its call: each is asked about by an event of its own, and some are answered before others. */
  readonly #interrupts = new Map<string, Interrupt>()
  readonly #pending = new Set<string>()

  /** `isBegun`: somebody else has said that the run has begun. */
  constructor(head: Head, isBegun = false) {
    this.#head = head
    this.#isBegun = isBegun
    this.#state = new State(head.state)
  }

  readonly step = (event: AgentEvent): string => {
    this.#begin()
    this.#take(event)
    if (endsStream(event)) this.#finish(event.type === "REPLY_END" ? event : undefined)
    return this.#flush()
  }

  /** A part of the run that ended with a question: it has been answered since, and the run went on. */
  goOn(): string {
    this.#close()
    return this.#flush()
  }

  /** The calls that the run waits for, as clients know them. */
  get waitsFor(): ReadonlyArray<string> {
    return [...this.#interrupts.keys(), ...this.#pending]
  }

  readonly failed = (problem: Problem): string => {
    this.#begin()
    this.#close()
    const { isOld, runId, threadId } = this.#head
    const usage = this.#usages.told()
    const used = usage.length > 0 && { usage }
    if (problem.code === "cancelled" && !isOld) {
      this.#emit({ type: "RUN_FINISHED", threadId, runId, outcome: { type: "cancelled" }, ...used })
    } else this.#emit({ type: "RUN_ERROR", message: detailOf(problem), code: problem.code, ...used })
    return this.#flush()
  }

  #flush(): string {
    const frames = this.#frames
    this.#frames = ""
    return frames
  }

  #emit(event: object) {
    this.#frames += `data: ${JSON.stringify(event)}\n\n`
  }

  #begin() {
    if (this.#isBegun) return
    this.#isBegun = true
    const { isOld, parentRunId, runId, threadId } = this.#head
    this.#emit({
      type: "RUN_STARTED",
      threadId,
      runId,
      ...(parentRunId !== undefined && { parentRunId }),
      ...(!isOld && { protocolVersion })
    })
  }

  /** Begins something unless it is open. */
  #start(key: string, begins: ReadonlyArray<object>, ends: ReadonlyArray<object>) {
    if (this.#open.has(key)) return
    for (const event of begins) this.#emit(event)
    this.#open.set(key, ends.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(""))
  }

  #end(key: string) {
    this.#frames += this.#open.get(key) ?? ""
    this.#open.delete(key)
  }

  #close() {
    for (const key of this.#open.keys()) this.#end(key)
  }

  #text(block: string) {
    const messageId = textId(block)
    this.#carrier = messageId
    this.#start(
      `text ${block}`,
      [{ type: "TEXT_MESSAGE_START", messageId, role: "assistant" }],
      [{ type: "TEXT_MESSAGE_END", messageId }]
    )
  }

  #thought(block: string) {
    const messageId = textId(block)
    this.#start(
      `thought ${block}`,
      [
        { type: "REASONING_START", messageId },
        { type: "REASONING_MESSAGE_START", messageId, role: "reasoning" }
      ],
      [{ type: "REASONING_MESSAGE_END", messageId }, { type: "REASONING_END", messageId }]
    )
  }

  #take(event: AgentEvent) {
    switch (event.type) {
      case "MODEL_CALL_START":
        this.#usages.begin(event.model_name, event.provider)
        return this.#start(
          "step",
          [{ type: "STEP_STARTED", stepName: event.purpose ?? "model" }],
          [{ type: "STEP_FINISHED", stepName: event.purpose ?? "model" }]
        )
      case "MODEL_CALL_END":
        this.#usages.add(event)
        return this.#end("step")
      case "TEXT_BLOCK_START":
        return this.#text(event.block_id)
      case "TEXT_BLOCK_DELTA":
        if (event.delta === "") return
        this.#text(event.block_id)
        return this.#emit({ type: "TEXT_MESSAGE_CONTENT", messageId: textId(event.block_id), delta: event.delta })
      case "TEXT_BLOCK_END":
        return this.#end(`text ${event.block_id}`)
      case "THINKING_BLOCK_START":
        return this.#thought(event.block_id)
      case "THINKING_BLOCK_DELTA":
        if (event.delta === "") return
        this.#thought(event.block_id)
        return this.#emit({ type: "REASONING_MESSAGE_CONTENT", messageId: textId(event.block_id), delta: event.delta })
      case "THINKING_BLOCK_END":
        return this.#end(`thought ${event.block_id}`)
      case "TOOL_CALL_START":
      case "TOOL_CALL_DELTA":
      case "TOOL_CALL_END":
        return this.#call(event)
      case "TOOL_RESULT_START":
      case "TOOL_RESULT_TEXT_DELTA":
      case "TOOL_RESULT_DATA_DELTA":
      case "TOOL_RESULT_END":
        return this.#result(event)
      case "DATA_BLOCK_START":
      case "DATA_BLOCK_DELTA":
      case "DATA_BLOCK_END":
        return this.#file(event)
      case "REQUIRE_USER_CONFIRM":
        for (const call of event.tool_calls) {
          this.#interrupts.set(callId(event.reply_id, call.id), interruptOf(event.reply_id, call))
        }
        return
      case "USER_CONFIRM_RESULT":
        for (const { tool_call } of event.confirm_results) this.#interrupts.delete(callId(event.reply_id, tool_call.id))
        return
      case "REQUIRE_EXTERNAL_EXECUTION":
        for (const { id } of event.tool_calls) {
          this.#interrupts.delete(callId(event.reply_id, id))
          this.#pending.add(callId(event.reply_id, id))
        }
        return
      case "CUSTOM":
        return this.#custom(event)
    }
  }

  #call(
    event: Extract<AgentEvent, { readonly type: "TOOL_CALL_START" | "TOOL_CALL_DELTA" | "TOOL_CALL_END" }>
  ) {
    const toolCallId = callId(event.reply_id, event.tool_call_id)
    const key = `call ${toolCallId}`
    if (event.type === "TOOL_CALL_END") return this.#end(key)
    if (event.type === "TOOL_CALL_START") {
      this.#carrier ??= callerId(event.reply_id, event.tool_call_id)
      return this.#start(
        key,
        [{
          type: "TOOL_CALL_START",
          toolCallId,
          toolCallName: event.tool_call_name,
          parentMessageId: this.#carrier
        }],
        [{ type: "TOOL_CALL_END", toolCallId }]
      )
    }
    if (event.delta !== "" && this.#open.has(key)) {
      this.#emit({ type: "TOOL_CALL_ARGS", toolCallId, delta: event.delta })
    }
  }

  #result(
    event: Extract<
      AgentEvent,
      { readonly type: "TOOL_RESULT_START" | "TOOL_RESULT_TEXT_DELTA" | "TOOL_RESULT_DATA_DELTA" | "TOOL_RESULT_END" }
    >
  ) {
    const toolCallId = callId(event.reply_id, event.tool_call_id)
    this.#carrier = undefined
    if (event.type === "TOOL_RESULT_START") return
    const parts = this.#results.get(toolCallId) ?? []
    if (event.type === "TOOL_RESULT_TEXT_DELTA") parts.push({ type: "text", text: event.delta })
    if (event.type === "TOOL_RESULT_DATA_DELTA") parts.push(fileOf(event))
    this.#results.set(toolCallId, parts)
    if (event.type !== "TOOL_RESULT_END" || event.state === "running") return
    this.#results.delete(toolCallId)
    this.#interrupts.delete(toolCallId)
    this.#pending.delete(toolCallId)
    // The call has to be whole before its result.
    this.#end(`call ${toolCallId}`)
    if (this.#head.answered.has(toolCallId)) return
    this.#emit({
      type: "TOOL_CALL_RESULT",
      messageId: resultId(event.reply_id, event.tool_call_id),
      toolCallId,
      role: "tool",
      content: contentOf(parts, this.#head.isOld),
      ...(event.state !== "success" && { metadata: { state: event.state } })
    })
  }

  #file(
    event: Extract<AgentEvent, { readonly type: "DATA_BLOCK_START" | "DATA_BLOCK_DELTA" | "DATA_BLOCK_END" }>
  ) {
    const { block_id } = event
    if (event.type === "DATA_BLOCK_START") {
      this.#files.set(block_id, { media_type: event.media_type, data: "", url: undefined })
      return
    }
    const file = this.#files.get(block_id)
    if (file === undefined) return
    if (event.type === "DATA_BLOCK_DELTA") {
      file.data += event.data
      file.url = event.url ?? file.url
      return
    }
    this.#files.delete(block_id)
    this.#emit({ type: "CUSTOM", name: "stoa.file", value: { id: block_id, ...fileOf(file) } })
  }

  #custom(event: Extract<AgentEvent, { readonly type: "CUSTOM" }>) {
    const name: string = event.name
    if (event.name === "state_updated") {
      for (const told of this.#state.set("tasks", event.value.tasks_context.tasks)) this.#emit(told)
    }
    if (event.name === "agent_state") {
      for (const told of this.#state.set("agent", event.value.state)) this.#emit(told)
    }
    if (untold.has(name)) return
    this.#emit({ type: "CUSTOM", name: `stoa.${name}`, value: isObject(event.value) ? event.value : {} })
  }

  /** The run ends here with the question that it has asked. */
  parked(): string {
    this.#finish(undefined)
    return this.#flush()
  }

  #finish(event: Extract<AgentEvent, { readonly type: "REPLY_END" }> | undefined) {
    this.#close()
    const lack = event && lackOf(event)
    if (lack !== undefined) this.#emit({ type: "CUSTOM", name: "stoa.incomplete", value: { reason: lack } })
    const { isOld, runId, threadId } = this.#head
    const usage = this.#usages.told()
    const result = event?.structured_output ?? undefined
    this.#emit({
      type: "RUN_FINISHED",
      threadId,
      runId,
      ...(result !== undefined && { result }),
      outcome: outcomeOf([...this.#interrupts.values()], [...this.#pending], isOld),
      ...(usage.length > 0 && { usage })
    })
  }
}

/** A run that waits for a person has an interrupt; one that waits for the client's tools is done as far as anybody here can say. */
export const outcomeOf = (interrupts: ReadonlyArray<Interrupt>, pending: ReadonlyArray<string>, isOld: boolean) =>
  interrupts.length > 0
    ? { type: "interrupt" as const, interrupts }
    : { type: "success" as const, ...(pending.length > 0 && !isOld && { pendingToolCallIds: pending }) }
