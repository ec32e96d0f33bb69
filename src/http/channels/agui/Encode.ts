/**
 * The encoder: a run's events as those of this protocol. What it answers depends on its head and on the events alone, so
 * that a run is rendered again in the same bytes. Whatever was begun is ended before the run is, wherever that comes.
 */
import type { AgentEvent } from "../../../domain/Event.ts"
import { isObject } from "../../../domain/JsonSchema.ts"
import { endsStream } from "../../../domain/RunOf.ts"
import { detailOf, type Problem } from "../../middleware/Problems.ts"
import type { Encoder } from "../Channel.ts"
import { openText, openThought, textKey, thoughtKey } from "./Blocks.ts"
import { Frames } from "./Frames.ts"
import { type FileEvent, Gathered, type ResultEvent } from "./Gathered.ts"
import { callerId, callId, resultId, textId } from "./Ids.ts"
import { lackOf, outcomeOf } from "./Outcome.ts"
import { contentOf, type Interrupt, interruptOf, protocolVersion, Usages } from "./Shapes.ts"
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

export class Stream implements Encoder {
  readonly #head: Head
  readonly #usages = new Usages()
  readonly #state: State
  readonly #frames = new Frames()
  readonly #gathered = new Gathered()
  #isBegun: boolean
  /** The message to which calls belong that come now. */
  #carrier: string | undefined
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
    return this.#frames.flush()
  }

  /** A part of the run that ended with a question: it has been answered since, and the run went on. */
  goOn(): string {
    this.#frames.close()
    return this.#frames.flush()
  }

  /** The calls that the run waits for, as clients know them. */
  get waitsFor(): ReadonlyArray<string> {
    return [...this.#interrupts.keys(), ...this.#pending]
  }

  readonly failed = (problem: Problem): string => {
    this.#begin()
    this.#frames.close()
    const { isOld, runId, threadId } = this.#head
    const usage = this.#usages.told()
    const used = usage.length > 0 && { usage }
    if (problem.code === "cancelled" && !isOld) {
      this.#frames.emit({ type: "RUN_FINISHED", threadId, runId, outcome: { type: "cancelled" }, ...used })
    } else this.#frames.emit({ type: "RUN_ERROR", message: detailOf(problem), code: problem.code, ...used })
    return this.#frames.flush()
  }

  #begin() {
    if (this.#isBegun) return
    this.#isBegun = true
    const { isOld, parentRunId, runId, threadId } = this.#head
    this.#frames.emit({
      type: "RUN_STARTED",
      threadId,
      runId,
      ...(parentRunId !== undefined && { parentRunId }),
      ...(!isOld && { protocolVersion })
    })
  }

  #text(block: string) {
    this.#carrier = textId(block)
    openText(this.#frames, block)
  }

  #take(event: AgentEvent) {
    switch (event.type) {
      case "MODEL_CALL_START":
        this.#usages.begin(event.model_name, event.provider)
        return this.#frames.start(
          "step",
          [{ type: "STEP_STARTED", stepName: event.purpose ?? "model" }],
          [{ type: "STEP_FINISHED", stepName: event.purpose ?? "model" }]
        )
      case "MODEL_CALL_END":
        this.#usages.add(event)
        return this.#frames.end("step")
      case "TEXT_BLOCK_START":
        return this.#text(event.block_id)
      case "TEXT_BLOCK_DELTA":
        if (event.delta === "") return
        this.#text(event.block_id)
        return this.#frames.emit({
          type: "TEXT_MESSAGE_CONTENT",
          messageId: textId(event.block_id),
          delta: event.delta
        })
      case "TEXT_BLOCK_END":
        return this.#frames.end(textKey(event.block_id))
      case "THINKING_BLOCK_START":
        return openThought(this.#frames, event.block_id)
      case "THINKING_BLOCK_DELTA":
        if (event.delta === "") return
        openThought(this.#frames, event.block_id)
        return this.#frames.emit({
          type: "REASONING_MESSAGE_CONTENT",
          messageId: textId(event.block_id),
          delta: event.delta
        })
      case "THINKING_BLOCK_END":
        return this.#frames.end(thoughtKey(event.block_id))
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
    if (event.type === "TOOL_CALL_END") return this.#frames.end(key)
    if (event.type === "TOOL_CALL_START") {
      this.#carrier ??= callerId(event.reply_id, event.tool_call_id)
      return this.#frames.start(
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
    if (event.delta !== "" && this.#frames.isOpen(key)) {
      this.#frames.emit({ type: "TOOL_CALL_ARGS", toolCallId, delta: event.delta })
    }
  }

  #result(event: ResultEvent) {
    const toolCallId = callId(event.reply_id, event.tool_call_id)
    this.#carrier = undefined
    const parts = this.#gathered.result(toolCallId, event)
    if (parts === undefined || event.type !== "TOOL_RESULT_END") return
    this.#interrupts.delete(toolCallId)
    this.#pending.delete(toolCallId)
    // The call has to be whole before its result.
    this.#frames.end(`call ${toolCallId}`)
    if (this.#head.answered.has(toolCallId)) return
    this.#frames.emit({
      type: "TOOL_CALL_RESULT",
      messageId: resultId(event.reply_id, event.tool_call_id),
      toolCallId,
      role: "tool",
      content: contentOf(parts, this.#head.isOld),
      ...(event.state !== "success" && { metadata: { state: event.state } })
    })
  }

  #file(event: FileEvent) {
    const file = this.#gathered.file(event)
    if (file !== undefined) {
      this.#frames.emit({ type: "CUSTOM", name: "stoa.file", value: { id: event.block_id, ...file } })
    }
  }

  #custom(event: Extract<AgentEvent, { readonly type: "CUSTOM" }>) {
    const name: string = event.name
    if (event.name === "state_updated") {
      for (const told of this.#state.set("tasks", event.value.tasks_context.tasks)) this.#frames.emit(told)
    }
    if (event.name === "agent_state") {
      for (const told of this.#state.set("agent", event.value.state)) this.#frames.emit(told)
    }
    if (untold.has(name)) return
    this.#frames.emit({ type: "CUSTOM", name: `stoa.${name}`, value: isObject(event.value) ? event.value : {} })
  }

  /** The run ends here with the question that it has asked. */
  parked(): string {
    this.#finish(undefined)
    return this.#frames.flush()
  }

  #finish(event: Extract<AgentEvent, { readonly type: "REPLY_END" }> | undefined) {
    this.#frames.close()
    const lack = event && lackOf(event)
    if (lack !== undefined) this.#frames.emit({ type: "CUSTOM", name: "stoa.incomplete", value: { reason: lack } })
    const { isOld, runId, threadId } = this.#head
    const usage = this.#usages.told()
    const result = event?.structured_output ?? undefined
    this.#frames.emit({
      type: "RUN_FINISHED",
      threadId,
      runId,
      ...(result !== undefined && { result }),
      outcome: outcomeOf([...this.#interrupts.values()], [...this.#pending], isOld),
      ...(usage.length > 0 && { usage })
    })
  }
}
