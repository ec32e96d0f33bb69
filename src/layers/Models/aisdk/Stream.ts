/** Reads a model of the AI SDK: one loop over its stream, without an Effect per part. */
import type {
  LanguageModelV3,
  LanguageModelV3CallOptions,
  LanguageModelV3FinishReason,
  LanguageModelV3StreamPart,
  LanguageModelV3ToolCall,
  LanguageModelV3Usage
} from "@ai-sdk/provider"
import { type Clock, Effect, Schema } from "effect"
import { ToolCallId } from "../../../domain/Ids.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import { countOf, type Usage } from "../../../domain/Usage.ts"
import type { EmitPart, ModelFailed, ModelPart, StopReason } from "../../../services/Models.ts"
import { NewId } from "../../../services/NewId.ts"
import { asField, type Dialect, isWorthABlock, joined, kept } from "./Dialect.ts"
import { cut, failureOf } from "./Failure.ts"
import { fieldIn } from "./ThoughtField.ts"

const isCallId = Schema.is(ToolCallId)

const usageOf = ({ inputTokens, outputTokens }: LanguageModelV3Usage): Usage => ({
  input_tokens: countOf(inputTokens.total),
  output_tokens: countOf(outputTokens.total),
  ...(countOf(inputTokens.cacheRead) > 0 && { cache_input_tokens: countOf(inputTokens.cacheRead) }),
  ...(countOf(inputTokens.cacheWrite) > 0 && { cache_creation_input_tokens: countOf(inputTokens.cacheWrite) }),
  ...(countOf(outputTokens.reasoning) > 0 && { reasoning_tokens: countOf(outputTokens.reasoning) })
})

/** Some servers say `stop` after tool calls. */
const reasonOf = ({ unified }: LanguageModelV3FinishReason, called: boolean): StopReason => {
  switch (unified) {
    case "length":
      return "length"
    case "content-filter":
      return "content_filter"
    case "stop":
    case "tool-calls":
      return called ? "tool_calls" : "stop"
    default:
      return called ? "tool_calls" : "other"
  }
}

type Metadata = Readonly<Record<string, unknown>> | undefined

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
  metadata: JsonObject | undefined
}

/**
 * Our parts of the SDK's. Blocks get numbers of their own, because it uses a
 * name again; calls keep the provider's id if it can be one of ours. Calls of
 * the tool named `output` are the answer itself.
 */
const translator = ({ author, dialect, output }: Call, newId: () => string) => {
  /** By the SDK's name, with `t` or `r` before it; the output's by its call's id. */
  const blocks = new Map<string, Block>()
  const outputs = new Map<string, Block>()
  const calls = new Map<string, Tool>()
  let numbers = 0

  const newBlock = (kind: Block["kind"]): Block => ({ block: `${++numbers}`, kind, begun: false, metadata: undefined })
  const openBlock = (name: string, kind: Block["kind"], metadata: Metadata) => {
    const block = newBlock(kind)
    blocks.set(name, block)
    if (metadata !== undefined) note(block, metadata)
    return block
  }
  const openCall = (given: string): Tool => {
    const call = { id: isCallId(given) ? given : `call_${newId()}`, begun: false, metadata: undefined }
    calls.set(given, call)
    return call
  }
  /** The field in which the answer's thoughts come, once it is known; "" when they come in the usual one, or not at all. */
  let field = dialect.reasoning === "as it came" ? undefined : ""
  const note = (held: { metadata: JsonObject | undefined }, metadata: Metadata) => {
    held.metadata = joined(dialect, held.metadata, kept(dialect, author, metadata))
  }
  const say = (block: Block, delta: string, metadata: Metadata, give: Give) => {
    if (metadata !== undefined) note(block, metadata)
    if (delta === "") return
    block.begun = true
    give({ type: block.kind, block: block.block, delta })
  }
  const end = (ended: Block, give: Give) => {
    if (ended.kind === "thinking" && field === "reasoning") note(ended, { [dialect.namespace]: { field } })
    const { begun, block, kind, metadata } = ended
    if (begun) give({ type: "block_end", block, ...asField(metadata) })
    else if (metadata !== undefined && isWorthABlock(dialect, metadata)) {
      give({ type: "block_end", block, ...asField(metadata), empty: kind })
    }
  }
  const startCall = (given: string, name: string, metadata: Metadata, give: Give) => {
    if (name === output) {
      const block = newBlock("text")
      outputs.set(given, block)
      return block
    }
    const call = openCall(given)
    if (metadata !== undefined) note(call, metadata)
    give({ type: "tool_call_start", id: call.id, name })
    return undefined
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
  const endCall = ({ input, providerMetadata, toolCallId, toolName }: LanguageModelV3ToolCall, give: Give) => {
    if (!calls.has(toolCallId) && !outputs.has(toolCallId)) startCall(toolCallId, toolName, undefined, give)
    const block = outputs.get(toolCallId)
    const call = calls.get(toolCallId)
    if ((block ?? call)?.begun !== true && input !== "{}") extendCall(toolCallId, input, give)
    if (block !== undefined) return end(block, give)
    if (call === undefined) return
    if (providerMetadata !== undefined) note(call, providerMetadata)
    give({ type: "tool_call_end", id: call.id, ...asField(call.metadata) })
  }

  /** What a provider says of the whole answer goes into a block of its own. */
  const endLate = (metadata: Metadata, give: Give) => {
    const { filesOf, namespace } = dialect
    const own = metadata?.[namespace]
    if (typeof own !== "object" || own === null) return
    for (const file of filesOf?.({ ...own }) ?? []) give({ type: "data", ...file })
    end({ ...newBlock("thinking"), metadata: kept(dialect, author, metadata) }, give)
  }

  const translate = (part: LanguageModelV3StreamPart, give: Give): void => {
    switch (part.type) {
      case "text-start":
        openBlock(`t${part.id}`, "text", part.providerMetadata)
        return
      case "reasoning-start":
        openBlock(`r${part.id}`, "thinking", part.providerMetadata)
        return
      case "text-delta": {
        const block = blocks.get(`t${part.id}`) ?? openBlock(`t${part.id}`, "text", undefined)
        return say(block, part.delta, part.providerMetadata, give)
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
        if (part.providerMetadata !== undefined) note(block, part.providerMetadata)
        return end(block, give)
      }
      case "tool-input-start":
        startCall(part.id, part.toolName, part.providerMetadata, give)
        return
      case "tool-input-delta":
        return extendCall(part.id, part.delta, give)
      case "tool-call":
        return endCall(part, give)
      case "file": {
        const data = typeof part.data === "string" ? part.data : Buffer.from(part.data).toString("base64")
        const metadata = kept(dialect, author, part.providerMetadata)
        return give({ type: "data", media_type: part.mediaType, data, ...asField(metadata) })
      }
      case "finish":
        if (dialect.late === true) endLate(part.providerMetadata, give)
        return give({ type: "finish", reason: reasonOf(part.finishReason, calls.size > 0), usage: usageOf(part.usage) })
    }
  }
  return {
    translate,
    /** Whether chunks are wanted as they came. */
    wantsRaw: () => field === undefined,
    readRaw: (chunk: unknown) => field ??= fieldIn(chunk)
  }
}

interface Call {
  readonly model: LanguageModelV3
  /** The model as the session names it, and its credential. */
  readonly author: string
  readonly options: LanguageModelV3CallOptions
  readonly dialect: Dialect
  /** The tool whose arguments are the answer. */
  readonly output?: string | undefined
  readonly emit: EmitPart
}

type Give = (part: ModelPart) => void

/** The packages say `other` without the provider's own word when the stream just ended. */
const isCut = ({ raw, unified }: LanguageModelV3FinishReason): boolean =>
  unified === "error" || (unified === "other" && raw === undefined)

/** Hands over the whole answer; what went wrong is the value. */
const readAll = async (
  call: Call,
  newId: () => string,
  clock: Clock.Clock,
  signal: AbortSignal
): Promise<ModelFailed | undefined> => {
  const { emit, model, options } = call
  let begun = false
  const failure = (error: unknown) => failureOf(error, begun, clock.unsafeCurrentTimeMillis())
  const { readRaw, translate, wantsRaw } = translator(call, newId)
  let behind: Promise<void> | undefined
  const give = (part: ModelPart) => {
    const wait = emit(part)
    if (wait !== undefined) behind = behind === undefined ? wait : Promise.all([behind, wait]).then(() => undefined)
  }
  let reader: ReadableStreamDefaultReader<LanguageModelV3StreamPart>
  try {
    const { stream } = await model.doStream({
      ...options,
      abortSignal: signal,
      // The packages ask for every chunk: from when it is known on, none comes twice.
      get includeRawChunks() {
        return wantsRaw()
      }
    })
    reader = stream.getReader()
  } catch (error) {
    return failure(error)
  }
  // oxlint-disable no-await-in-loop -- a stream is read part after part
  try {
    for (;;) {
      let next: Awaited<ReturnType<typeof reader.read>>
      try {
        next = await reader.read()
      } catch (error) {
        return failure(error)
      }
      if (signal.aborted) return undefined
      if (next.done) return cut()
      const part = next.value
      if (part.type === "stream-start") continue
      if (part.type === "raw") {
        readRaw(part.rawValue)
        continue
      }
      if (part.type === "error") return failure(part.error)
      if (part.type === "finish" && isCut(part.finishReason)) return cut()
      begun = true
      translate(part, give)
      if (behind !== undefined) {
        await behind
        behind = undefined
        if (signal.aborted) return undefined
      }
      if (part.type === "finish") return undefined
    }
  } finally {
    reader.cancel().catch(() => undefined)
  }
}

/** Streams a call; interrupting it closes the connection. */
export const stream = (call: Call): Effect.Effect<void, ModelFailed> =>
  Effect.flatMap(NewId, ({ short }) =>
    Effect.clockWith((clock) =>
      Effect.flatMap(
        Effect.promise((signal) => readAll(call, short, clock, signal)),
        (failed) => failed === undefined ? Effect.void : Effect.fail(failed)
      )
    ))
