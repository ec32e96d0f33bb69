/** Calls of tools in one stream: what they are called with, who has to run or allow them, and what they gave. */
import type { AgentEvent } from "../../../domain/Event.ts"
import { Collected } from "./Collected.ts"
import { chunk, type EventOf } from "./Frames.ts"
import * as Outputs from "./Outputs.ts"

interface Call {
  readonly name: string
  readonly isClients: boolean
  readonly isProviders: boolean
  input: string
}

interface Result {
  readonly isProviders: boolean
  text: string
  readonly files: Collected
}

export class Calls {
  readonly #clientTools: ReadonlySet<string>
  readonly #calls = new Map<string, Call>()
  readonly #results = new Map<string, Result>()
  /** What the client has to run, for when the run waits for it. */
  asks = ""

  constructor(clientTools: ReadonlySet<string>) {
    this.#clientTools = clientTools
  }

  readonly step = (event: AgentEvent): string => {
    switch (event.type) {
      case "TOOL_CALL_START":
        return this.#begin(event)
      case "TOOL_CALL_DELTA": {
        const { delta: inputTextDelta, tool_call_id: toolCallId } = event
        const call = this.#calls.get(toolCallId)
        if (call === undefined || inputTextDelta === "") return ""
        call.input += inputTextDelta
        return chunk("tool-input-delta", { toolCallId, inputTextDelta })
      }
      case "TOOL_CALL_END": {
        const call = this.#calls.get(event.tool_call_id)
        return call === undefined || call.isClients ? "" : this.#available(event.tool_call_id, call)
      }
      case "TOOL_RESULT_START": {
        const isProviders = event.provider_executed === true
        this.#results.set(event.tool_call_id, { isProviders, text: "", files: new Collected() })
        return ""
      }
      case "TOOL_RESULT_TEXT_DELTA": {
        const result = this.#results.get(event.tool_call_id)
        if (result !== undefined) result.text += event.delta
        return ""
      }
      case "TOOL_RESULT_DATA_DELTA":
        this.#results.get(event.tool_call_id)?.files.add(event)
        return ""
      case "TOOL_RESULT_END":
        return this.#result(event)
      case "EXTERNAL_EXECUTION_RESULT":
        return event.execution_results.map(({ id: toolCallId, output, state }) =>
          state === "success"
            ? chunk("tool-output-available", { toolCallId, output: Outputs.valueOf(output) })
            : chunk("tool-output-error", { toolCallId, errorText: Outputs.wordsOf(output) })
        ).join("")
      case "REQUIRE_USER_CONFIRM":
        return event.tool_calls.map(({ id }) => chunk("tool-approval-request", { approvalId: id, toolCallId: id }))
          .join("")
      case "REQUIRE_EXTERNAL_EXECUTION":
        for (const { id, input, name } of event.tool_calls) {
          const known = this.#calls.get(id)
          // The agent has got the tool since the run began: its call was told as one of the server's.
          if (known !== undefined && !known.isClients) continue
          this.asks += this.#available(id, { name, input, isClients: true, isProviders: false })
        }
        return ""
      default:
        return ""
    }
  }

  #begin(event: EventOf<"TOOL_CALL_START">): string {
    const { parent_tool_call_id, provider_executed, tool_call_id, tool_call_name: name } = event
    // A step of a workflow is the server's, whatever the client's tools are called.
    const isClients = parent_tool_call_id === undefined && this.#clientTools.has(name)
    const call = { name, isClients, isProviders: provider_executed === true, input: "" }
    this.#calls.set(tool_call_id, call)
    return chunk("tool-input-start", this.#about(tool_call_id, call))
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
  #result({ state, tool_call_id: toolCallId }: EventOf<"TOOL_RESULT_END">): string {
    const result = this.#results.get(toolCallId)
    if (result === undefined) return ""
    this.#results.delete(toolCallId)
    const { isProviders, text } = result
    const about = { toolCallId, ...(isProviders && { providerExecuted: true }) }
    if (state === "denied") return chunk("tool-output-denied", { toolCallId })
    if (state !== "success") return chunk("tool-output-error", { ...about, errorText: text })
    const files = result.files.all()
    const said = text === "" ? [] : [{ type: "text", text }]
    return chunk("tool-output-available", { ...about, output: files.length === 0 ? text : [...said, ...files] })
  }
}
