/**
 * Tool calls of one answer. They keep the provider's id if it can be one of ours.
 * Calls of the tool named `output` are the answer itself.
 */
import type { LanguageModelV3ToolCall, LanguageModelV3ToolResult } from "@ai-sdk/provider"
import { Schema } from "effect"
import { ToolCallId } from "../../../domain/Ids.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import type { Block, Blocks, Give, Metadata } from "./Blocks.ts"
import { asField } from "./Dialect.ts"
import { resultOf } from "./Executed.ts"
import type { ExecutedTool } from "./Overheard.ts"
import * as Sources from "./Sources.ts"

const isCallId = Schema.is(ToolCallId)

interface Tool {
  readonly id: string
  begun: boolean
  ended: boolean
  metadata: JsonObject | undefined
}

/** The names that servers give to tools of theirs are no words of ours, and `server:` is a package's. */
const toolName = (name: string): string => name.replace(/^server:/, "")

export const make = (blocks: Blocks, output: string | undefined, newId: () => string) => {
  /** The output's blocks and all other calls, by the SDK's id. */
  const outputs = new Map<string, Block>()
  const calls = new Map<string, Tool>()
  /** Calls that are not the provider's own to run. */
  let asked = 0

  const open = (given: string): Tool => {
    const call = { id: isCallId(given) ? given : `call_${newId()}`, begun: false, ended: false, metadata: undefined }
    calls.set(given, call)
    return call
  }

  const start = (given: string, name: string, executed: boolean, metadata: Metadata, give: Give) => {
    if (name === output) {
      outputs.set(given, blocks.make("text"))
      return
    }
    const call = open(given)
    if (!executed) asked++
    if (metadata !== undefined) blocks.note(call, metadata)
    give({
      type: "tool_call_start",
      id: call.id,
      name: executed ? toolName(name) : name,
      ...(executed && { provider_executed: true })
    })
  }

  const extend = (given: string, delta: string, give: Give) => {
    const block = outputs.get(given)
    if (block !== undefined) return blocks.say(block, delta, undefined, give)
    const call = calls.get(given)
    if (call === undefined || delta === "") return
    call.begun = true
    give({ type: "tool_call_delta", id: call.id, delta })
  }

  const close = (call: Tool, give: Give) => {
    if (!call.ended) give({ type: "tool_call_end", id: call.id, ...asField(call.metadata) })
    call.ended = true
  }

  /** Its arguments may come as a whole only. */
  const end = (part: LanguageModelV3ToolCall, give: Give) => {
    const { input, providerExecuted = false, providerMetadata, toolCallId, toolName } = part
    if (!calls.has(toolCallId) && !outputs.has(toolCallId)) {
      start(toolCallId, toolName, providerExecuted, undefined, give)
    }
    const block = outputs.get(toolCallId)
    const call = calls.get(toolCallId)
    if ((block ?? call)?.begun !== true && input !== "{}") extend(toolCallId, input, give)
    if (block !== undefined) return blocks.end(block, give)
    if (call === undefined) return
    if (providerMetadata !== undefined) blocks.note(call, providerMetadata)
    call.ended = true
    give({ type: "tool_call_end", id: call.id, ...asField(call.metadata) })
  }

  /** Some results come without a call, or before the call's end. A preview is replaced by the whole. */
  const takeResult = (part: LanguageModelV3ToolResult, give: Give) => {
    if (part.preliminary === true) return
    if (!calls.has(part.toolCallId)) start(part.toolCallId, part.toolName, true, undefined, give)
    const call = calls.get(part.toolCallId)
    if (call === undefined) return
    close(call, give)
    give({ type: "tool_result", id: call.id, ...resultOf(part) })
  }

  /** A server tells such a tool again in later chunks: its arguments first, and what came of it when it has run. */
  const hear = ({ index, input, name, result, sources }: ExecutedTool, give: Give) => {
    const given = `executed_${index}`
    if (!calls.has(given)) start(given, name, true, undefined, give)
    const call = calls.get(given)
    if (call === undefined || call.ended) return
    if (input !== undefined && !call.begun) extend(given, input, give)
    if (result === undefined) return
    close(call, give)
    blocks.sources.add(Sources.annotationsIn(sources))
    give({ type: "tool_result", id: call.id, ...resultOf({ result }) })
  }

  return { start, extend, end, takeResult, hear, asked: () => asked, isEmpty: () => calls.size + outputs.size === 0 }
}
