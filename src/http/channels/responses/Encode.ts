/**
 * The encoder: the events of a run as the protocol's events, and as the response that they come to. It depends on nothing
 * but the head of the response and the events, so that a stored response is rendered again with the same bytes.
 */
import type { AgentEvent } from "../../../domain/Event.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import type { ResponseHead } from "../../../domain/Response.ts"
import { addUsage, noUsage, type Usage } from "../../../domain/Usage.ts"
import { type Failure, problemOf } from "../Failures.ts"
import { type Answered, begun, type Progress, responseOf } from "./Answer.ts"
import { errorOf, failureOf } from "./Errors.ts"
import { itemId } from "./ItemIds.ts"
import * as Items from "./Items.ts"
import { serverCalls } from "./ServerCalls.ts"
import { Writer } from "./Writer.ts"

const seconds = (time: string) => Math.floor(Date.parse(time) / 1000)

/** A block of text or of thoughts that has begun. */
interface Open {
  readonly index: number
  readonly id: string
  text: string
}

export class Rendering {
  readonly #head: ResponseHead
  readonly #clientTools: ReadonlySet<string>
  readonly #out: Writer
  readonly #calls: ReturnType<typeof serverCalls>
  readonly #open = new Map<string, Open>()
  #usage: Usage = noUsage
  #held = ""
  #heldId = ""
  #state: "new" | "queued" | "begun" | "over" = "new"
  #progress: Progress = begun("in_progress")
  #problem: Failure | undefined

  /** Frames with a `sequence_number` up to `after` are left out: their client has them. */
  constructor(head: ResponseHead, after?: number) {
    this.#head = head
    this.#clientTools = new Set(head.client_tools)
    this.#out = new Writer(after)
    this.#calls = serverCalls(head.home, this.#clientTools, this.#out)
  }

  /** The frames of one event. */
  step(event: AgentEvent): string {
    if (this.#state === "over") return ""
    this.#begin(event)
    this.#calls.step(event)
    this.#step(event)
    return this.#out.take()
  }

  /** The server ends the stream before its run: nobody can come back for it. */
  cut(problem: Failure): string {
    if (this.#state === "over") return ""
    this.#begin(undefined)
    this.#fail(problem)
    return this.#out.take()
  }

  /** Why there is no answer, where there is none. */
  get problem() {
    return this.#problem
  }

  /** As it is for whoever asks for the response itself: one that was stopped is called so. */
  response(): Answered {
    const isStopped = this.#problem?.code === "cancelled"
    return responseOf(this.#head, isStopped ? { ...this.#progress, status: "cancelled" } : this.#progress)
  }

  #begin(event: AgentEvent | undefined) {
    if (this.#state === "new") {
      const isQueued = event?.type === "CUSTOM" && event.name === "run_queued"
      this.#tell("response.created", begun(isQueued ? "queued" : "in_progress"))
      if (isQueued) {
        this.#state = "queued"
        this.#tell("response.queued", begun("queued"))
        return
      }
    }
    const goesOn = this.#state === "new" || event?.type === "REPLY_START" || event?.type === "REPLY_END" ||
      event === undefined
    if (this.#state === "begun" || !goesOn) return
    this.#state = "begun"
    this.#tell("response.in_progress", begun("in_progress"))
  }

  #tell(type: string, progress: Progress) {
    this.#out.frame(type, { response: responseOf(this.#head, progress) })
  }

  #step(event: AgentEvent) {
    switch (event.type) {
      case "TEXT_BLOCK_START":
        return this.#head.is_structured ? this.#hold(event.block_id) : this.#openText(event.block_id)
      case "TEXT_BLOCK_DELTA":
        if (this.#head.is_structured) this.#held += event.delta
        else this.#delta(event.block_id, event.delta, "response.output_text.delta", ",\"content_index\":0,\"logprobs\":[]")
        return
      case "TEXT_BLOCK_END":
        if (!this.#head.is_structured) this.#closeText(event.block_id, Items.annotationsOf(event.annotations))
        return
      case "THINKING_BLOCK_START":
        return this.#openThought(event.block_id)
      case "THINKING_BLOCK_DELTA":
        return this.#delta(event.block_id, event.delta, "response.reasoning_summary_text.delta", ",\"summary_index\":0")
      case "THINKING_BLOCK_END":
        return this.#closeThought(event.block_id, event.provider_metadata)
      case "DATA_BLOCK_START":
        if (event.media_type.startsWith("image/")) this.#openImage(event.block_id)
        return
      case "DATA_BLOCK_DELTA": {
        const open = this.#open.get(event.block_id)
        if (open !== undefined) open.text += event.data
        return
      }
      case "DATA_BLOCK_END":
        return this.#closeImage(event.block_id)
      case "TOOL_CALL_START":
        // What was said on the way to a structured answer is none of it.
        this.#held = ""
        return
      case "MODEL_CALL_END":
        this.#usage = addUsage(this.#usage, event)
        return
      case "REQUIRE_EXTERNAL_EXECUTION":
        for (const call of event.tool_calls) this.#clientCall(call)
        return
      case "REQUIRE_USER_CONFIRM":
        for (const call of event.tool_calls) this.#out.whole(Items.approvalItem(this.#head.home, call))
        return
      case "REPLY_END":
        return this.#end(event)
      case "CUSTOM":
        if (event.name === "run_parked") this.#finish("completed", event.created_at)
    }
  }

  #hold(block: string) {
    this.#heldId = block
    this.#held = ""
  }

  #openText(block: string) {
    const id = itemId("msg", this.#head.home, block)
    const index = this.#out.add(Items.messageItem(id, "in_progress", []))
    this.#open.set(block, { index, id, text: "" })
    this.#out.frame("response.content_part.added", {
      item_id: id,
      output_index: index,
      content_index: 0,
      part: Items.textPart("")
    })
  }

  #delta(block: string, delta: string, type: string, place: string) {
    const open = this.#open.get(block)
    if (open === undefined || delta === "") return
    open.text += delta
    this.#out.delta(type, open.id, open.index, place, delta)
  }

  #closeText(block: string, annotations: ReadonlyArray<object>) {
    const open = this.#take(block)
    if (open === undefined) return
    const { id: item_id, index: output_index, text } = open
    const place = { item_id, output_index, content_index: 0 }
    for (const [annotation_index, annotation] of annotations.entries()) {
      this.#out.frame("response.output_text.annotation.added", { ...place, annotation_index, annotation })
    }
    const part = Items.textPart(text, annotations)
    this.#out.frame("response.output_text.done", { ...place, text, logprobs: [] })
    this.#out.frame("response.content_part.done", { ...place, part })
    this.#out.done(output_index, Items.messageItem(item_id, "completed", [part]))
  }

  #openThought(block: string) {
    const id = itemId("rs", this.#head.home, block)
    const encrypted = this.#head.tells_encrypted ? null : undefined
    const index = this.#out.add(Items.reasoningItem(id, [], encrypted, "in_progress"))
    this.#open.set(block, { index, id, text: "" })
    this.#out.frame("response.reasoning_summary_part.added", {
      item_id: id,
      output_index: index,
      summary_index: 0,
      part: Items.summaryPart("")
    })
  }

  #closeThought(block: string, metadata: JsonObject | undefined) {
    const open = this.#take(block)
    if (open === undefined) return
    const { id: item_id, index: output_index, text } = open
    const place = { item_id, output_index, summary_index: 0 }
    const part = Items.summaryPart(text)
    this.#out.frame("response.reasoning_summary_text.done", { ...place, text })
    this.#out.frame("response.reasoning_summary_part.done", { ...place, part })
    const encrypted = this.#head.tells_encrypted ? Items.encryptedOf(metadata) ?? null : undefined
    this.#out.done(output_index, Items.reasoningItem(item_id, [part], encrypted))
  }

  #openImage(block: string) {
    const id = itemId("ig", this.#head.home, block)
    const index = this.#out.add(Items.imageItem(id, null))
    this.#open.set(block, { index, id, text: "" })
    this.#out.frame("response.image_generation_call.in_progress", { item_id: id, output_index: index })
  }

  #closeImage(block: string) {
    const open = this.#take(block)
    if (open === undefined) return
    const { id: item_id, index: output_index, text } = open
    this.#out.frame("response.image_generation_call.completed", { item_id, output_index })
    this.#out.done(output_index, Items.imageItem(item_id, text))
  }

  #take(block: string) {
    const open = this.#open.get(block)
    this.#open.delete(block)
    return open
  }

  #clientCall(call: { readonly id: string; readonly name: string; readonly input: string }) {
    const item = Items.callItem(this.#head.home, call)
    const index = this.#out.add({ ...item, status: "in_progress", arguments: "" })
    if (call.input !== "") {
      this.#out.delta("response.function_call_arguments.delta", item.id, index, "", call.input)
    }
    this.#out.frame("response.function_call_arguments.done", {
      item_id: item.id,
      output_index: index,
      name: call.name,
      arguments: call.input
    })
    this.#out.done(index, item)
  }

  #end(event: Extract<AgentEvent, { readonly type: "REPLY_END" }>) {
    if (this.#head.is_structured) this.#structured(event.structured_output)
    const problem = problemOf(event)
    if (problem !== undefined) return this.#fail(problem)
    if (event.finished_reason === "exceed_max_iters" || event.stop_reason === "max_tokens") {
      return this.#finish("max_output_tokens", event.created_at)
    }
    const isWithheld = event.stop_reason === "content_filter" || event.stop_reason === "refusal"
    this.#finish(isWithheld ? "content_filter" : "completed", event.created_at)
  }

  #structured(output: unknown) {
    const text = output === undefined ? this.#held : JSON.stringify(output)
    if (text === "") return
    const block = this.#heldId
    this.#openText(block)
    this.#delta(block, text, "response.output_text.delta", ",\"content_index\":0,\"logprobs\":[]")
    this.#closeText(block, [])
  }

  #finish(how: "completed" | "max_output_tokens" | "content_filter", at: string) {
    const isWhole = how === "completed"
    this.#over({
      status: isWhole ? "completed" : "incomplete",
      output: this.#out.output(),
      error: null,
      incomplete: isWhole ? null : how,
      completed_at: isWhole ? seconds(at) : null,
      usage: this.#usage
    })
  }

  #fail(problem: Failure) {
    this.#problem = problem
    const base = { output: this.#out.output(), incomplete: null, completed_at: null, usage: this.#usage }
    // The protocol has no event for what was stopped; clients keep the text of what is incomplete.
    if (problem.code === "cancelled") return this.#over({ ...base, status: "incomplete", error: null })
    const { code, message, param } = errorOf(problem)
    this.#out.frame("error", { code, message, param, error: errorOf(problem) })
    this.#over({ ...base, status: "failed", error: failureOf(problem) })
  }

  #over(progress: Progress) {
    this.#state = "over"
    this.#progress = progress
    this.#tell(`response.${progress.status}`, progress)
  }
}
