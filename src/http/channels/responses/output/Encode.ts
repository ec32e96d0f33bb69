/**
 * The encoder: the events of a run as the protocol's events, and as the response that they come to. It depends on nothing
 * but the head of the response and the events, so that a stored response is rendered again with the same bytes.
 */
import type { AgentEvent } from "../../../../domain/Event.ts"
import type { ResponseHead } from "../../../../domain/Response.ts"
import type { Usage } from "../../../../domain/Usage.ts"
import { addUsage, noUsage } from "../../../../domain/UsageSum.ts"
import { type Failure, problemOf } from "../../Failures.ts"
import { errorOf, failureOf } from "../Errors.ts"
import { type Answered, begun, type Progress, responseOf } from "./Answer.ts"
import { Blocks } from "./Blocks.ts"
import * as Items from "./Items.ts"
import { serverCalls } from "./ServerCalls.ts"
import { Writer } from "./Writer.ts"

const seconds = (time: string) => Math.floor(Date.parse(time) / 1000)

export class Rendering {
  readonly #head: ResponseHead
  readonly #clientTools: ReadonlySet<string>
  readonly #out: Writer
  readonly #calls: ReturnType<typeof serverCalls>
  readonly #blocks: Blocks
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
    this.#blocks = new Blocks(head, this.#out)
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
        return this.#head.is_structured ? this.#hold(event.block_id) : this.#blocks.openText(event.block_id)
      case "TEXT_BLOCK_DELTA":
        if (this.#head.is_structured) this.#held += event.delta
        else {this.#blocks.delta(
            event.block_id,
            event.delta,
            "response.output_text.delta",
            ",\"content_index\":0,\"logprobs\":[]"
          )}
        return
      case "TEXT_BLOCK_END":
        if (!this.#head.is_structured) this.#blocks.closeText(event.block_id, Items.annotationsOf(event.annotations))
        return
      case "THINKING_BLOCK_START":
        return this.#blocks.openThought(event.block_id)
      case "THINKING_BLOCK_DELTA":
        return this.#blocks.delta(
          event.block_id,
          event.delta,
          "response.reasoning_summary_text.delta",
          ",\"summary_index\":0"
        )
      case "THINKING_BLOCK_END":
        return this.#blocks.closeThought(event.block_id, event.provider_metadata)
      case "DATA_BLOCK_START":
        if (event.media_type.startsWith("image/")) this.#blocks.openImage(event.block_id)
        return
      case "DATA_BLOCK_DELTA":
        return this.#blocks.collect(event.block_id, event.data)
      case "DATA_BLOCK_END":
        return this.#blocks.closeImage(event.block_id)
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
    this.#blocks.openText(block)
    this.#blocks.delta(block, text, "response.output_text.delta", ",\"content_index\":0,\"logprobs\":[]")
    this.#blocks.closeText(block, [])
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
