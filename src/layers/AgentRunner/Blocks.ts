/** Turns the parts of one model call into block events: each block that opens is closed, in the catalogue's order. */
import { Schema } from "effect"
import type { EventDraft } from "../../domain/Event.ts"
import { type BlockId, type MessageId, ToolCallId } from "../../domain/Ids.ts"
import type { JsonObject } from "../../domain/Json.ts"
import type { ModelPart } from "../../services/Models.ts"

/** A part as it becomes events: a file may have been stored, and then has a path instead of bytes. */
type Part = Exclude<ModelPart, { readonly type: "finish" }> & { readonly url?: string }

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

  const endFlow = (provider_metadata?: JsonObject) => {
    if (flow === undefined) return
    const { id: block_id, kind } = flow
    flow = undefined
    emit({ type: `${kind}_END`, reply_id, block_id, ...metadata({ provider_metadata }) })
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
          return flow?.name === part.block ? endFlow(part.provider_metadata) : undefined
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
          return emit({ type: "TOOL_CALL_START", reply_id, tool_call_id, tool_call_name: part.name })
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
      }
    }
  }
}
