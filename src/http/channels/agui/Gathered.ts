/** What comes in pieces and is told as a whole: results of tools, and files. */
import type { AgentEvent } from "../../../domain/Event.ts"
import { fileOf, type Part } from "./Shapes.ts"

export type ResultEvent = Extract<
  AgentEvent,
  { readonly type: "TOOL_RESULT_START" | "TOOL_RESULT_TEXT_DELTA" | "TOOL_RESULT_DATA_DELTA" | "TOOL_RESULT_END" }
>

export type FileEvent = Extract<
  AgentEvent,
  { readonly type: "DATA_BLOCK_START" | "DATA_BLOCK_DELTA" | "DATA_BLOCK_END" }
>

export class Gathered {
  readonly #results = new Map<string, Array<Part>>()
  readonly #files = new Map<string, { readonly media_type: string; data: string; url: string | undefined }>()

  /** The result of a call, once it is whole. */
  result(toolCallId: string, event: ResultEvent): ReadonlyArray<Part> | undefined {
    if (event.type === "TOOL_RESULT_START") return undefined
    const parts = this.#results.get(toolCallId) ?? []
    if (event.type === "TOOL_RESULT_TEXT_DELTA") parts.push({ type: "text", text: event.delta })
    if (event.type === "TOOL_RESULT_DATA_DELTA") parts.push(fileOf(event))
    this.#results.set(toolCallId, parts)
    if (event.type !== "TOOL_RESULT_END" || event.state === "running") return undefined
    this.#results.delete(toolCallId)
    return parts
  }

  /** A file, once it is whole. */
  file(event: FileEvent): Part | undefined {
    const { block_id } = event
    if (event.type === "DATA_BLOCK_START") {
      this.#files.set(block_id, { media_type: event.media_type, data: "", url: undefined })
      return undefined
    }
    const file = this.#files.get(block_id)
    if (file === undefined) return undefined
    if (event.type === "DATA_BLOCK_DELTA") {
      file.data += event.data
      file.url = event.url ?? file.url
      return undefined
    }
    this.#files.delete(block_id)
    return fileOf(file)
  }
}
