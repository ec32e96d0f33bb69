/** Our parts of the AI SDK's, part after part, for one answer. */
import type {
  LanguageModelV3FinishReason,
  LanguageModelV3StreamPart,
  LanguageModelV3ToolCall,
  LanguageModelV3ToolResult,
  LanguageModelV3Usage
} from "@ai-sdk/provider"
import { Schema } from "effect"
import { ToolCallId } from "../../../domain/Ids.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import { countOf, type Usage } from "../../../domain/Usage.ts"
import { ModelFailed, type ModelPart } from "../../../services/Models.ts"
import * as ChatDetails from "../families/ChatDetails.ts"
import { asField, type Dialect, isWorthABlock, joined, kept } from "./Dialect.ts"
import { resultOf } from "./Executed.ts"
import { categoryIn, endOf } from "./Finish.ts"
import type { Overheard } from "./Overheard.ts"
import * as Sources from "./Sources.ts"
import { fieldIn } from "./ThoughtField.ts"

export type Give = (part: ModelPart) => void

const isCallId = Schema.is(ToolCallId)

const usageOf = ({ inputTokens, outputTokens }: LanguageModelV3Usage): Usage => ({
  input_tokens: countOf(inputTokens.total),
  output_tokens: countOf(outputTokens.total),
  ...(countOf(inputTokens.cacheRead) > 0 && { cache_input_tokens: countOf(inputTokens.cacheRead) }),
  ...(countOf(inputTokens.cacheWrite) > 0 && { cache_creation_input_tokens: countOf(inputTokens.cacheWrite) }),
  ...(countOf(outputTokens.reasoning) > 0 && { reasoning_tokens: countOf(outputTokens.reasoning) })
})

type Metadata = Readonly<Record<string, unknown>> | undefined

type BlockEnd = Extract<ModelPart, { readonly type: "block_end" }>

/** A block of the answer: text, thinking, or a call that stands for the answer's JSON. */
interface Block {
  readonly block: string
  readonly kind: "text" | "thinking"
  /** Whether anything of it was given. */
  begun: boolean
  metadata: JsonObject | undefined
}

interface Tool {
  readonly id: string
  begun: boolean
  ended: boolean
  metadata: JsonObject | undefined
}

export interface Options {
  /** The model as the session names it, and its credential. */
  readonly author: string
  readonly dialect: Dialect
  /** The tool whose arguments are the answer. */
  readonly output?: string | undefined
}

type Finish = Extract<LanguageModelV3StreamPart, { readonly type: "finish" }>

/** The names that servers give to tools of theirs are no words of ours, and `server:` is a package's. */
const toolName = (name: string): string => name.replace(/^server:/, "")

/**
 * Blocks get numbers of their own, because the SDK uses a name again; calls keep
 * the provider's id if it can be one of ours. Calls of the tool named `output`
 * are the answer itself. A finish that tells of a failure is returned as one.
 */
export const make = ({ author, dialect, output }: Options, newId: () => string) => {
  /** By the SDK's name, with `t` or `r` before it; the output's by its call's id. */
  const blocks = new Map<string, Block>()
  const outputs = new Map<string, Block>()
  const calls = new Map<string, Tool>()
  const sources = Sources.make()
  /** The text that the last delta belongs to, by the SDK's name: nearly all go on with the one before. */
  let current: { readonly id: string; readonly block: Block } | undefined
  let numbers = 0
  /** Calls that are not the provider's own to run. */
  let asked = 0
  let refused = false
  let findings: unknown
  /** The field in which the answer's thoughts come, once it is known; "" when they come in the usual one, or not at all. */
  let field = dialect.reasoning === "as it came" ? undefined : ""
  /** The end of a text, for which sources may still come. */
  let held: BlockEnd | undefined

  const newBlock = (kind: Block["kind"]): Block => ({ block: `${++numbers}`, kind, begun: false, metadata: undefined })
  const openBlock = (name: string, kind: Block["kind"], metadata: Metadata) => {
    const block = newBlock(kind)
    blocks.set(name, block)
    current = undefined
    if (metadata !== undefined) note(block, metadata)
    return block
  }
  const openCall = (given: string): Tool => {
    const call = { id: isCallId(given) ? given : `call_${newId()}`, begun: false, ended: false, metadata: undefined }
    calls.set(given, call)
    return call
  }
  const note = (held: { metadata: JsonObject | undefined }, metadata: Metadata) => {
    held.metadata = joined(dialect, held.metadata, kept(dialect, author, metadata))
  }
  const say = (block: Block, delta: string, metadata: Metadata, give: Give) => {
    if (metadata !== undefined) note(block, metadata)
    if (delta === "") return
    block.begun = true
    give({ type: block.kind, block: block.block, delta })
  }
  const release = (give: Give) => {
    if (held === undefined) return
    const part = held
    held = undefined
    give(sources.isEmpty() ? part : { ...part, annotations: sources.take() })
  }
  const end = (ended: Block, give: Give) => {
    if (ended.kind === "thinking" && field === "reasoning") note(ended, { [dialect.namespace]: { field } })
    const { begun, block, kind, metadata } = ended
    const part: BlockEnd = { type: "block_end", block, ...asField(metadata) }
    if (begun && kind === "text") held = part
    else if (begun) give(part)
    else if (metadata !== undefined && isWorthABlock(dialect, metadata)) give({ ...part, empty: kind })
  }
  const startCall = (given: string, name: string, executed: boolean, metadata: Metadata, give: Give) => {
    if (name === output) {
      const block = newBlock("text")
      outputs.set(given, block)
      return
    }
    const call = openCall(given)
    if (!executed) asked++
    if (metadata !== undefined) note(call, metadata)
    give({
      type: "tool_call_start",
      id: call.id,
      name: executed ? toolName(name) : name,
      ...(executed && { provider_executed: true })
    })
  }
  const extendCall = (given: string, delta: string, give: Give) => {
    const block = outputs.get(given)
    if (block !== undefined) return say(block, delta, undefined, give)
    const call = calls.get(given)
    if (call === undefined || delta === "") return
    call.begun = true
    give({ type: "tool_call_delta", id: call.id, delta })
  }
  /** Its arguments may come as a whole only. */
  const endCall = (part: LanguageModelV3ToolCall, give: Give) => {
    const { input, providerExecuted = false, providerMetadata, toolCallId, toolName } = part
    if (!calls.has(toolCallId) && !outputs.has(toolCallId)) {
      startCall(toolCallId, toolName, providerExecuted, undefined, give)
    }
    const block = outputs.get(toolCallId)
    const call = calls.get(toolCallId)
    if ((block ?? call)?.begun !== true && input !== "{}") extendCall(toolCallId, input, give)
    if (block !== undefined) return end(block, give)
    if (call === undefined) return
    if (providerMetadata !== undefined) note(call, providerMetadata)
    call.ended = true
    give({ type: "tool_call_end", id: call.id, ...asField(call.metadata) })
  }
  /** Some results come without a call, or before the call's end. A preview is replaced by the whole. */
  const takeResult = (part: LanguageModelV3ToolResult, give: Give) => {
    if (part.preliminary === true) return
    if (!calls.has(part.toolCallId)) startCall(part.toolCallId, part.toolName, true, undefined, give)
    const call = calls.get(part.toolCallId)
    if (call === undefined) return
    if (!call.ended) give({ type: "tool_call_end", id: call.id, ...asField(call.metadata) })
    call.ended = true
    give({ type: "tool_result", id: call.id, ...resultOf(part) })
  }

  const hear = ({ findings: found, refusal, thinking }: Overheard, give: Give) => {
    if (found !== undefined) findings = found
    if (thinking !== undefined) {
      const name = `r${thinking.block}`
      say(blocks.get(name) ?? openBlock(name, "thinking", undefined), thinking.delta, undefined, give)
    }
    if (refusal === undefined || (refusal.isWhole === true && refused)) return
    refused = true
    const name = `t${refusal.block}`
    say(blocks.get(name) ?? openBlock(name, "text", undefined), refusal.delta, undefined, give)
  }

  /** What a provider says of the whole answer goes into a block of its own. */
  const endLate = (metadata: Metadata, give: Give) => {
    const { filesOf, namespace } = dialect
    const own = metadata?.[namespace]
    if (typeof own !== "object" || own === null) return
    for (const file of filesOf?.({ ...own }) ?? []) give({ type: "data", ...file })
    end({ ...newBlock("thinking"), metadata: kept(dialect, author, metadata) }, give)
  }

  /** What came beside the protocol; the word of the provider behind a router says more than the router's. */
  const hearBeside = (metadata: Metadata, { raw, unified }: LanguageModelV3FinishReason, give: Give) => {
    const own = metadata?.[dialect.namespace]
    const beside: unknown = typeof own === "object" && own !== null && ChatDetails.key in own
      ? own[ChatDetails.key]
      : undefined
    if (!ChatDetails.isDetails(beside)) return { raw, unified }
    if (beside.refusal !== "") hear({ refusal: { block: "beside", delta: beside.refusal } }, give)
    findings ??= beside.findings
    sources.add([...Sources.annotationsIn(beside.annotations), ...Sources.annotationsIn(beside.citations)])
    return { raw: unified === "content-filter" ? beside.native_reason ?? raw : raw, unified }
  }

  const finish = ({ finishReason, providerMetadata, usage }: Finish, give: Give): ModelFailed | undefined => {
    const told = hearBeside(providerMetadata, finishReason, give)
    if (held === undefined && !sources.isEmpty()) held = { type: "block_end", block: `${++numbers}`, empty: "text" }
    release(give)
    if (dialect.late === true) endLate(providerMetadata, give)
    const ended = endOf(told, {
      called: asked > 0,
      refused,
      category: categoryIn(findings) ?? categoryIn(providerMetadata)
    })
    if (ended instanceof ModelFailed) return ended
    give({ type: "finish", ...ended, usage: usageOf(usage) })
    return undefined
  }

  const translateContent = (part: LanguageModelV3StreamPart, give: Give): void => {
    switch (part.type) {
      case "text-start":
        openBlock(`t${part.id}`, "text", part.providerMetadata)
        return
      case "reasoning-start":
        openBlock(`r${part.id}`, "thinking", part.providerMetadata)
        return
      case "text-delta": {
        if (current?.id !== part.id) {
          const name = `t${part.id}`
          current = { id: part.id, block: blocks.get(name) ?? openBlock(name, "text", undefined) }
        }
        return say(current.block, part.delta, part.providerMetadata, give)
      }
      case "reasoning-delta": {
        const block = blocks.get(`r${part.id}`) ?? openBlock(`r${part.id}`, "thinking", undefined)
        return say(block, part.delta, part.providerMetadata, give)
      }
      case "text-end":
      case "reasoning-end": {
        const name = `${part.type[0]}${part.id}`
        const block = blocks.get(name)
        if (block === undefined) return
        blocks.delete(name)
        current = undefined
        if (part.providerMetadata !== undefined) {
          note(block, part.providerMetadata)
          const own = part.providerMetadata[dialect.namespace]
          sources.add(Sources.annotationsIn(own?.["annotations"] ?? own?.["citations"]))
        }
        return end(block, give)
      }
      case "tool-input-start":
        return startCall(part.id, part.toolName, part.providerExecuted === true, part.providerMetadata, give)
      case "tool-input-delta":
        return extendCall(part.id, part.delta, give)
      case "tool-call":
        return endCall(part, give)
      case "tool-result":
        return takeResult(part, give)
      case "file": {
        const data = typeof part.data === "string" ? part.data : Buffer.from(part.data).toString("base64")
        const metadata = kept(dialect, author, part.providerMetadata)
        return give({ type: "data", media_type: part.mediaType, data, ...asField(metadata) })
      }
    }
  }

  const translate = (part: LanguageModelV3StreamPart, give: Give): ModelFailed | undefined => {
    switch (part.type) {
      case "raw": {
        field ??= fieldIn(part.rawValue)
        const overheard = dialect.overheard?.(part.rawValue)
        if (overheard === undefined) return undefined
        if (held !== undefined && (overheard.refusal ?? overheard.thinking) !== undefined) release(give)
        hear(overheard, give)
        return undefined
      }
      case "source": {
        const annotation = Sources.sourceOf(part)
        if (annotation !== undefined) sources.add([annotation])
        return undefined
      }
      case "finish":
        return finish(part, give)
      default:
        if (held !== undefined) release(give)
        translateContent(part, give)
        return undefined
    }
  }

  return {
    translate,
    /** Whether something is still to be learned from chunks as they came. */
    wantsRaw: () => dialect.overheard !== undefined || field === undefined
  }
}
