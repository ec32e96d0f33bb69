/**
 * The encoder: a part of a run, up to its end or to where it waits, as the chunks of one stream. A run that waited and goes
 * on is told by a new stream, which begins with the same `messageId` and goes on in the client's message.
 */
import type { AgentEvent } from "../../../domain/Event.ts"
import type { RunId, SessionId } from "../../../domain/Ids.ts"
import type { Annotation } from "../../../domain/Message.ts"
import type { Usage } from "../../../domain/Usage.ts"
import { detailOf, type Problem } from "../../middleware/Problems.ts"
import type { Encoder } from "../Channel.ts"
import { noticeOf } from "./Notices.ts"
import * as Outputs from "./Outputs.ts"

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

interface Call {
  readonly name: string
  readonly isClients: boolean
  readonly isProviders: boolean
  input: string
}

interface Result {
  readonly isProviders: boolean
  text: string
  readonly files: Map<string, { readonly mediaType: string; data: string; url: string | undefined }>
}

type EventOf<Type extends AgentEvent["type"]> = Extract<AgentEvent, { readonly type: Type }>

const chunk = (type: string, members: object = {}): string => `data: ${JSON.stringify({ type, ...members })}\n\n`

const reasons: Readonly<Record<string, string>> = {
  end_turn: "stop",
  max_tokens: "length",
  content_filter: "content-filter",
  refusal: "content-filter"
}

const finishOf = ({ finished_reason, stop_reason }: EventOf<"REPLY_END">): string =>
  finished_reason === "exceed_max_iters" ? "other" : reasons[stop_reason ?? "end_turn"] ?? "other"

export const usageOf = ({ cache_input_tokens, input_tokens, output_tokens, reasoning_tokens }: Usage) => ({
  inputTokens: input_tokens,
  outputTokens: output_tokens,
  totalTokens: input_tokens + output_tokens,
  ...(cache_input_tokens !== undefined && { cachedInputTokens: cache_input_tokens }),
  ...(reasoning_tokens !== undefined && { reasoningTokens: reasoning_tokens })
})

/** A source that a text names, as a part of its own. */
const sourceOf = (id: string, { cited_text, file_id, title, type, url }: Annotation): string =>
  type === "url_citation" && url !== undefined
    ? chunk("source-url", { sourceId: id, url, ...(title !== undefined && { title }) })
    : chunk("source-document", {
      sourceId: id,
      mediaType: "text/plain",
      title: title ?? file_id ?? cited_text ?? "A document"
    })

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
  readonly #files = new Map<string, { readonly mediaType: string; data: string; url: string | undefined }>()
  readonly #calls = new Map<string, Call>()
  readonly #results = new Map<string, Result>()
  #asks = ""

  constructor(head: Head, isHeld = false) {
    this.#head = head
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
        return this.#collect(this.#files, event)
      case "DATA_BLOCK_END":
        return this.#file(event.block_id)
      case "TOOL_CALL_START":
        return this.#call(event)
      case "TOOL_CALL_DELTA": {
        const call = this.#calls.get(event.tool_call_id)
        if (call === undefined || event.delta === "") return
        call.input += event.delta
        this.#frames += chunk("tool-input-delta", { toolCallId: event.tool_call_id, inputTextDelta: event.delta })
        return
      }
      case "TOOL_CALL_END": {
        const call = this.#calls.get(event.tool_call_id)
        if (call !== undefined && !call.isClients) this.#frames += this.#available(event.tool_call_id, call)
        return
      }
      case "TOOL_RESULT_START":
        this.#results.set(event.tool_call_id, {
          isProviders: event.provider_executed === true,
          text: "",
          files: new Map()
        })
        return
      case "TOOL_RESULT_TEXT_DELTA": {
        const result = this.#results.get(event.tool_call_id)
        if (result !== undefined) result.text += event.delta
        return
      }
      case "TOOL_RESULT_DATA_DELTA": {
        const result = this.#results.get(event.tool_call_id)
        if (result !== undefined) this.#collect(result.files, event)
        return
      }
      case "TOOL_RESULT_END":
        return this.#result(event)
      case "EXTERNAL_EXECUTION_RESULT":
        for (const { id, output, state } of event.execution_results) {
          this.#frames += state === "success"
            ? chunk("tool-output-available", { toolCallId: id, output: Outputs.valueOf(output) })
            : chunk("tool-output-error", { toolCallId: id, errorText: Outputs.wordsOf(output) })
        }
        return
      case "REQUIRE_USER_CONFIRM":
        for (const { id } of event.tool_calls) {
          this.#frames += chunk("tool-approval-request", { approvalId: id, toolCallId: id })
        }
        return
      case "REQUIRE_EXTERNAL_EXECUTION":
        for (const { id, input, name } of event.tool_calls) {
          const known = this.#calls.get(id)
          // The agent has got the tool since the run began: its call was told as one of the server's.
          if (known !== undefined && !known.isClients) continue
          this.#asks += this.#available(id, { name, input, isClients: true, isProviders: false })
        }
        return
      case "REPLY_END":
        return this.#end(event)
      case "CUSTOM":
        if (event.name === "run_parked") return this.#park()
        this.#notice(event)
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

  #collect(files: Result["files"], event: EventOf<"DATA_BLOCK_DELTA" | "TOOL_RESULT_DATA_DELTA">): void {
    const known = files.get(event.block_id)
    if (known !== undefined) known.data += event.data ?? ""
    else {
      files.set(event.block_id, { mediaType: event.media_type, data: event.data ?? "", url: event.url ?? undefined })
    }
  }

  #file(block: string): void {
    const file = this.#files.get(block)
    if (file === undefined) return
    this.#files.delete(block)
    this.#content()
    const { type, ...members } = Outputs.fileOf(file.mediaType, file)
    this.#frames += chunk(type, members)
  }

  #call({ provider_executed, tool_call_id, tool_call_name: name }: EventOf<"TOOL_CALL_START">): void {
    this.#content()
    const isClients = this.#head.clientTools.has(name)
    const call = { name, isClients, isProviders: provider_executed === true, input: "" }
    this.#calls.set(tool_call_id, call)
    this.#frames += chunk("tool-input-start", this.#about(tool_call_id, call))
  }

  /** Tools of the client are those that it has types for; all others are told with their names. */
  #about = (toolCallId: string, { isClients, isProviders, name: toolName }: Call) => ({
    toolCallId,
    toolName,
    ...(isProviders && { providerExecuted: true }),
    ...(!isClients && { dynamic: true })
  })

  #available(id: string, call: Call): string {
    const about = this.#about(id, call)
    try {
      const input: unknown = call.input.trim() === "" ? {} : JSON.parse(call.input)
      return chunk("tool-input-available", { ...about, input })
    } catch {
      const errorText = "The arguments of the call are not valid JSON."
      return chunk("tool-input-error", { ...about, input: call.input, errorText })
    }
  }

  /** Results of a client's tools have begun in the stream before, and come as a whole. */
  #result({ state, tool_call_id: toolCallId }: EventOf<"TOOL_RESULT_END">): void {
    const result = this.#results.get(toolCallId)
    if (result === undefined) return
    this.#results.delete(toolCallId)
    const { files, isProviders, text } = result
    const about = { toolCallId, ...(isProviders && { providerExecuted: true }) }
    if (state === "denied") this.#frames += chunk("tool-output-denied", { toolCallId })
    else if (state !== "success") this.#frames += chunk("tool-output-error", { ...about, errorText: text })
    else {
      const parts = Array.from(files.values(), (file) => Outputs.fileOf(file.mediaType, file))
      const said = text === "" ? [] : [{ type: "text", text }]
      const output = parts.length === 0 ? text : [...said, ...parts]
      this.#frames += chunk("tool-output-available", { ...about, output })
    }
  }

  #notice(event: EventOf<"CUSTOM">): void {
    const notice = this.#hasBegun ? noticeOf(event) : undefined
    if (notice === undefined) return
    const { name, ...members } = notice
    this.#frames += chunk(`data-${name}`, members)
  }

  #park(): void {
    const parked = { asks: this.#asks, closing: this.#closeParts() + chunk("finish", { finishReason: "tool-calls" }) }
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
