/** Reads a model of the AI SDK: one loop over its stream, without an Effect per part. */
import type {
  LanguageModelV3,
  LanguageModelV3CallOptions,
  LanguageModelV3FinishReason,
  LanguageModelV3StreamPart,
  LanguageModelV3Usage
} from "@ai-sdk/provider"
import { type Clock, Effect, Schema } from "effect"
import { ToolCallId } from "../../domain/Ids.ts"
import type { Usage } from "../../domain/Usage.ts"
import type { EmitPart, ModelFailed, ModelPart, StopReason } from "../../services/Models.ts"
import { NewId } from "../../services/NewId.ts"
import { cut, failureOf } from "./AiSdkFailure.ts"

const isCallId = Schema.is(ToolCallId)

const count = (tokens: number | undefined): number => tokens !== undefined && tokens > 0 ? Math.trunc(tokens) : 0

const usageOf = ({ inputTokens, outputTokens }: LanguageModelV3Usage): Usage => ({
  input_tokens: count(inputTokens.total),
  output_tokens: count(outputTokens.total),
  ...(count(inputTokens.cacheRead) > 0 && { cache_input_tokens: count(inputTokens.cacheRead) }),
  ...(count(inputTokens.cacheWrite) > 0 && { cache_creation_input_tokens: count(inputTokens.cacheWrite) }),
  ...(count(outputTokens.reasoning) > 0 && { reasoning_tokens: count(outputTokens.reasoning) })
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

/**
 * Our parts of the SDK's. Blocks get numbers of their own, because it uses a
 * name again; calls keep the provider's id if it can be one of ours.
 */
const translator = (newId: () => string) => {
  /** By the SDK's name, with `t` or `r` before it. */
  const blocks = new Map<string, string>()
  const calls = new Map<string, string>()
  let numbers = 0

  const openBlock = (id: string) => {
    const block = `${++numbers}`
    blocks.set(id, block)
    return block
  }
  const openCall = (given: string) => {
    const id = isCallId(given) ? given : `call_${newId()}`
    calls.set(given, id)
    return id
  }

  return (part: LanguageModelV3StreamPart, give: (part: ModelPart) => void): void => {
    switch (part.type) {
      case "text-start":
      case "reasoning-start":
        openBlock(`${part.type[0]}${part.id}`)
        return
      case "text-delta":
        if (part.delta === "") return
        return give({ type: "text", block: blocks.get(`t${part.id}`) ?? openBlock(`t${part.id}`), delta: part.delta })
      case "reasoning-delta":
        if (part.delta === "") return
        return give({
          type: "thinking",
          block: blocks.get(`r${part.id}`) ?? openBlock(`r${part.id}`),
          delta: part.delta
        })
      case "text-end":
      case "reasoning-end": {
        const block = blocks.get(`${part.type[0]}${part.id}`)
        const provider_metadata = part.type === "reasoning-end" ? part.providerMetadata : undefined
        if (block !== undefined) give({ type: "block_end", block, ...(provider_metadata && { provider_metadata }) })
        return
      }
      case "tool-input-start":
        return give({ type: "tool_call_start", id: openCall(part.id), name: part.toolName })
      case "tool-input-delta": {
        const id = calls.get(part.id)
        if (id !== undefined && part.delta !== "") give({ type: "tool_call_delta", id, delta: part.delta })
        return
      }
      case "tool-input-end": {
        const id = calls.get(part.id)
        if (id !== undefined) give({ type: "tool_call_end", id })
        return
      }
      case "tool-call": {
        // Already streamed, with most providers.
        if (calls.has(part.toolCallId)) return
        const id = openCall(part.toolCallId)
        give({ type: "tool_call_start", id, name: part.toolName })
        if (part.input !== "") give({ type: "tool_call_delta", id, delta: part.input })
        return give({ type: "tool_call_end", id })
      }
      case "file": {
        const data = typeof part.data === "string" ? part.data : Buffer.from(part.data).toString("base64")
        return give({ type: "data", media_type: part.mediaType, data })
      }
      case "finish":
        return give({ type: "finish", reason: reasonOf(part.finishReason, calls.size > 0), usage: usageOf(part.usage) })
    }
  }
}

interface Call {
  readonly model: LanguageModelV3
  readonly options: LanguageModelV3CallOptions
  readonly emit: EmitPart
}

/** Hands over the whole answer; what went wrong is the value. */
const readAll = async (
  { emit, model, options }: Call,
  newId: () => string,
  clock: Clock.Clock,
  signal: AbortSignal
): Promise<ModelFailed | undefined> => {
  let begun = false
  const failure = (error: unknown) => failureOf(error, begun, clock.unsafeCurrentTimeMillis())
  const translate = translator(newId)
  let behind: Promise<void> | undefined
  const give = (part: ModelPart) => {
    const wait = emit(part)
    if (wait !== undefined) behind = behind === undefined ? wait : Promise.all([behind, wait]).then(() => undefined)
  }
  let reader: ReadableStreamDefaultReader<LanguageModelV3StreamPart>
  try {
    const { stream } = await model.doStream({ ...options, abortSignal: signal })
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
      if (part.type === "error") return failure(part.error)
      if (part.type === "finish" && part.finishReason.unified === "error") return cut()
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
