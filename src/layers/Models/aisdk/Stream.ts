/** Reads a model of the AI SDK: one loop over its stream, without an Effect per part. */
import type {
  LanguageModelV3,
  LanguageModelV3CallOptions,
  LanguageModelV3FinishReason,
  LanguageModelV3StreamPart
} from "@ai-sdk/provider"
import { type Clock, Effect } from "effect"
import type { EmitPart, ModelFailed, ModelPart } from "../../../services/Models.ts"
import { NewId } from "../../../services/NewId.ts"
import * as Calls from "../incoming/Calls.ts"
import type { End } from "../incoming/End.ts"
import { cut, failureOf, garbage, isUnread } from "./Failure.ts"
import * as Translate from "./Translate.ts"

interface Call extends Translate.Options {
  readonly model: LanguageModelV3
  readonly options: LanguageModelV3CallOptions
  readonly emit: EmitPart
  /** How its requests are made and their answers read. */
  readonly requests: Calls.Call
  /** Told of each event that the package could not read. */
  readonly skipped: () => void
  /** The end of the answer, if its bytes have told one. */
  readonly ended: () => End | undefined
}

type Finish = Extract<LanguageModelV3StreamPart, { readonly type: "finish" }>

/** A finish as it would be, had the package read all events. */
const finishOf = ({ reason, usage }: End, told: Finish): Finish => ({
  ...told,
  finishReason: { unified: "other", raw: reason },
  usage: usage === undefined ? told.usage : {
    inputTokens: {
      total: usage.input_tokens,
      noCache: undefined,
      cacheRead: usage.cache_input_tokens,
      cacheWrite: usage.cache_creation_input_tokens
    },
    outputTokens: { total: usage.output_tokens, text: undefined, reasoning: usage.reasoning_tokens }
  }
})

/** The packages say `other`, or `error`, without the provider's own word when the stream just ended. */
const isCut = ({ raw, unified }: LanguageModelV3FinishReason): boolean =>
  raw === undefined && (unified === "error" || unified === "other")

/** Hands over the whole answer; what went wrong is the value. */
const readAll = async (
  call: Call,
  newId: () => string,
  clock: Clock.Clock,
  signal: AbortSignal
): Promise<ModelFailed | undefined> => {
  const { emit, ended, model, options, requests, skipped } = call
  Calls.begin(signal, requests)
  let begun = false
  /** Whether something has come that could be read, and something that could not. */
  let isRead = false
  let isUnreadable = false
  const failure = (error: unknown) => failureOf(error, begun, clock.unsafeCurrentTimeMillis())
  const { translate, wantsRaw } = Translate.make(call, newId)
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
      // The packages ask for every chunk: from when nothing more is to be learned of them, none comes twice.
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
      if (next.done) return isUnreadable && !isRead ? garbage() : cut()
      let part = next.value
      if (part.type === "stream-start") continue
      if (part.type === "error" && isUnread(part.error)) {
        // One event that cannot be read does not end an answer.
        isUnreadable = true
        skipped()
        continue
      }
      if (part.type === "error") return failure(part.error)
      if (part.type === "finish" && isCut(part.finishReason)) {
        // One event that cannot be read makes some packages take the whole answer for a broken one.
        const end = isUnreadable && isRead ? ended() : undefined
        if (end === undefined) return isUnreadable && !isRead ? garbage() : cut()
        part = finishOf(end, part)
      }
      if (part.type !== "response-metadata" && part.type !== "raw") isRead = true
      begun = true
      const failed = translate(part, give)
      if (behind !== undefined) {
        await behind
        behind = undefined
        if (signal.aborted) return undefined
      }
      if (part.type === "finish") return failed
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
