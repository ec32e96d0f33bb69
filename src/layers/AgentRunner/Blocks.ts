/** Turns the parts of one model call into block events: each block that opens is closed, in the catalogue's order. */
import { Schema } from "effect"
import type { EventDraft } from "../../domain/Event.ts"
import { type BlockId, type MessageId, ToolCallId } from "../../domain/Ids.ts"
import type { JsonObject } from "../../domain/Json.ts"
import type { ModelPart } from "../../services/Models.ts"
import type { Placed } from "./FilesOut.ts"

type ExecutedResult = Extract<ModelPart, { readonly type: "tool_result" }>

/** A part as it becomes events: a file may have been stored, and then has a path instead of bytes. */
type Part =
  | Exclude<ModelPart, { readonly type: "finish" | "tool_result" }> & Placed
  | Omit<ExecutedResult, "files"> & { readonly files: ReadonlyArray<ExecutedResult["files"][number] & Placed> }

interface Flow {
  readonly kind: "TEXT_BLOCK" | "THINKING_BLOCK"
  /** The provider's name of the block. */
  readonly name: string
  readonly id: BlockId
}

const isCallId = Schema.is(ToolCallId)

const metadata = ({ provider_metadata }: { readonly provider_metadata?: JsonObject | undefined }) =>
  provider_metadata === undefined ? undefined : { provider_metadata }

export interface Options {
  readonly reply_id: MessageId
  readonly emit: (draft: EventDraft) => void
  readonly newBlock: () => BlockId
  /** Whether the reply has a call of that id already; some providers count from zero in every answer. */
  readonly isTaken: (id: string) => boolean
}

export const make = ({ emit, isTaken, newBlock, reply_id }: Options) => {
  let flow: Flow | undefined
  /** The calls that have not ended, by the provider's id. */
  const calls = new Map<string, ToolCallId>()
  /** Ids of this answer's calls. */
  const used = new Set<string>()
  /** Calls that the provider runs and that have no result yet, with their tools' names, by the provider's id. */
  const executed = new Map<string, { readonly id: ToolCallId; readonly name: string }>()

  const endFlow = (part: Partial<Extract<ModelPart, { readonly type: "block_end" }>> = {}) => {
    if (flow === undefined) return
    const { id: block_id, kind } = flow
    flow = undefined
    if (kind === "THINKING_BLOCK") return emit({ type: "THINKING_BLOCK_END", reply_id, block_id, ...metadata(part) })
    const { annotations } = part
    emit({
      type: "TEXT_BLOCK_END",
      reply_id,
      block_id,
      ...(annotations !== undefined && { annotations }),
      ...metadata(part)
    })
  }

  const inFlow = (kind: Flow["kind"], name: string): BlockId => {
    if (flow?.kind === kind && flow.name === name) return flow.id
    endFlow()
    flow = { kind, name, id: newBlock() }
    emit({ type: `${kind}_START`, reply_id, block_id: flow.id })
    return flow.id
  }

  return {
    take: (part: Part): void => {
      switch (part.type) {
        case "text":
          if (part.delta === "") return
          return emit({
            type: "TEXT_BLOCK_DELTA",
            reply_id,
            block_id: inFlow("TEXT_BLOCK", part.block),
            delta: part.delta
          })
        case "thinking":
          if (part.delta === "") return
          return emit({
            type: "THINKING_BLOCK_DELTA",
            reply_id,
            block_id: inFlow("THINKING_BLOCK", part.block),
            delta: part.delta
          })
        case "block_end":
          if (part.empty !== undefined) inFlow(part.empty === "text" ? "TEXT_BLOCK" : "THINKING_BLOCK", part.block)
          return flow?.name === part.block ? endFlow(part) : undefined
        case "data": {
          endFlow()
          const block_id = newBlock()
          emit({ type: "DATA_BLOCK_START", reply_id, block_id, media_type: part.media_type })
          const content = part.url === undefined ? { data: part.data } : { data: "", url: part.url }
          emit({ type: "DATA_BLOCK_DELTA", reply_id, block_id, ...content, media_type: part.media_type })
          return emit({ type: "DATA_BLOCK_END", reply_id, block_id, ...metadata(part) })
        }
        case "tool_call_start": {
          endFlow()
          const isNew = isCallId(part.id) && !used.has(part.id) && !isTaken(part.id)
          const tool_call_id = isNew ? part.id as ToolCallId : newBlock() as string as ToolCallId
          used.add(tool_call_id)
          calls.set(part.id, tool_call_id)
          const provider_executed = part.provider_executed === true
          if (provider_executed) executed.set(part.id, { id: tool_call_id, name: part.name })
          return emit({
            type: "TOOL_CALL_START",
            reply_id,
            tool_call_id,
            tool_call_name: part.name,
            ...(provider_executed && { provider_executed })
          })
        }
        case "tool_call_delta": {
          const tool_call_id = calls.get(part.id)
          if (tool_call_id === undefined || part.delta === "") return
          return emit({ type: "TOOL_CALL_DELTA", reply_id, tool_call_id, delta: part.delta })
        }
        case "tool_call_end": {
          const tool_call_id = calls.get(part.id)
          calls.delete(part.id)
          return tool_call_id === undefined
            ? undefined
            : emit({ type: "TOOL_CALL_END", reply_id, tool_call_id, ...metadata(part) })
        }
        case "tool_result": {
          const call = executed.get(part.id)
          if (call === undefined) return
          executed.delete(part.id)
          endFlow()
          const { id: tool_call_id, name: tool_call_name } = call
          emit({ type: "TOOL_RESULT_START", reply_id, tool_call_id, tool_call_name, provider_executed: true })
          if (part.text !== "") emit({ type: "TOOL_RESULT_TEXT_DELTA", reply_id, tool_call_id, delta: part.text })
          for (const { data, media_type, url } of part.files) {
            emit({
              type: "TOOL_RESULT_DATA_DELTA",
              reply_id,
              tool_call_id,
              block_id: newBlock(),
              media_type,
              ...(url === undefined ? { data } : { url })
            })
          }
          return emit({ type: "TOOL_RESULT_END", reply_id, tool_call_id, state: part.state })
        }
      }
    }
  }
}
