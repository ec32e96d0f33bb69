/**
 * A call of any provider, kept within bounds: it begins and goes on in time, is
 * not too long, ends by saying so, and fails in our words. What fails before its
 * first part was handed over is tried again.
 */
import { Cause, type Clock, Context, Deferred, Duration, Effect, Exit, FiberId, Random } from "effect"
import type { Usage } from "../../domain/Usage.ts"
import { type EmitPart, ModelFailed, type ModelPart } from "../../services/Models.ts"
import { monotonic } from "../../services/Now.ts"
import { cut, endless, silent } from "./aisdk/Failure.ts"
import { type Gate, open } from "./Gate.ts"

export interface Bounds {
  /** How long no byte may come before the first one, and between two. Time in which the log is behind does not count. */
  readonly firstPart: Duration.Duration
  readonly idle: Duration.Duration
  /** How long an answer may take in all. */
  readonly total: Duration.Duration
  /** Longest answer, in characters of text, thinking, arguments and data. */
  readonly characters: number
  /** Most tool calls in an answer, and most blocks of all kinds. */
  readonly calls: number
  readonly blocks: number
  /** Times that a call is made at most. */
  readonly attempts: number
  /** About the wait before the second attempt; doubled for each after it. */
  readonly backoff: Duration.Duration
  /** A provider whose `Retry-After` is longer than this is not called again. */
  readonly longestWait: Duration.Duration
}

export const bounds: Bounds = {
  firstPart: Duration.seconds(60),
  idle: Duration.seconds(60),
  total: Duration.minutes(30),
  characters: 4 * 1024 * 1024,
  calls: 128,
  blocks: 2048,
  attempts: 3,
  backoff: Duration.millis(500),
  longestWait: Duration.seconds(30)
}

/** How long this server lets models be silent, where it says so. */
export class Silence extends Context.Reference<Silence>()("stoa/layers/Models/Bounds/Silence", {
  defaultValue: (): Partial<Pick<Bounds, "firstPart" | "idle">> => ({})
}) {}

/** What a provider says of its answer beside the parts. */
export interface Signs {
  readonly alive: () => void
  readonly charged: (usage: Usage) => void
}

type Provide = (emit: EmitPart, signs: Signs) => Effect.Effect<void, ModelFailed>

interface Progress {
  parts: number
  /** Whether a byte or a part has come. */
  begun: boolean
  /** Whether the provider tells of its bytes. */
  heard: boolean
  /** The tokens that the provider has named. */
  charged: Usage | undefined
  characters: number
  calls: number
  blocks: number
  /** The kind and the name of the block of text or thinking that the last part belongs to. */
  flowing: "text" | "thinking" | undefined
  flow: string | undefined
  /** When the last byte or part came, or the log had caught up with it, on a clock that only goes forward. */
  at: number
  /** Parts that the log has not caught up with. */
  held: number
  finished: boolean
  /** Whether the call has ended, so that later parts are dropped. */
  over: boolean
}

const exceeds = (what: string) =>
  new ModelFailed({ type: "upstream", message: `The model's answer exceeds ${what}.`, retryable: false })

const broken = new ModelFailed({
  type: "unknown",
  message: "The call of the model failed because of an internal error.",
  retryable: false
})

const ownSizeOf = (part: ModelPart): number => {
  switch (part.type) {
    case "data":
      return part.data.length + part.media_type.length
    case "tool_call_start":
      return part.id.length + part.name.length
    case "tool_result":
      return part.text.length + part.files.reduce((sum, { data }) => sum + data.length, 0)
    case "block_end":
      return part.annotations === undefined ? 0 : JSON.stringify(part.annotations).length
    default:
      return 0
  }
}

/** A part without characters counts as one, so that a flood of nothing ends too. */
const sizeOf = (part: ModelPart): number =>
  "delta" in part
    ? part.delta.length || 1
    : 1 + ownSizeOf(part) + ("provider_metadata" in part ? JSON.stringify(part.provider_metadata).length : 0)

/** Counts the part, and returns the failure when a bound is exceeded. */
const count = (part: ModelPart, progress: Progress, { blocks, calls, characters }: Bounds): string | undefined => {
  progress.characters += sizeOf(part)
  switch (part.type) {
    case "text":
    case "thinking":
      if (part.type !== progress.flowing || part.block !== progress.flow) progress.blocks++
      progress.flowing = part.type
      progress.flow = part.block
      break
    case "tool_call_start":
    case "tool_result":
    case "data":
      if (part.type === "tool_call_start") progress.calls++
      progress.blocks++
      progress.flowing = undefined
      break
    // Parts that continue or end a block or a call do not open a new one.
    case "tool_call_delta":
    case "tool_call_end":
      break
    default:
      if (part.type === "block_end" && part.empty !== undefined) progress.blocks++
      progress.flowing = undefined
  }
  if (progress.characters > characters) return `${characters} characters`
  if (progress.calls > calls) return `${calls} tool calls`
  return progress.blocks > blocks ? `${blocks} blocks` : undefined
}

const endOf = (exit: Exit.Exit<void, ModelFailed>, { finished }: Progress): Effect.Effect<void, ModelFailed> => {
  if (Exit.isSuccess(exit)) return finished ? Effect.void : Effect.fail(cut())
  const failed = Cause.failureOption(exit.cause)
  return failed._tag === "Some"
    ? Effect.fail(failed.value)
    : Effect.zipRight(Effect.logError("A model provider broke", exit.cause), Effect.fail(broken))
}

/** Hands parts on without making an Effect for each. */
const meter = (
  emit: EmitPart,
  bounds: Bounds,
  progress: Progress,
  clock: Clock.Clock,
  fail: (failed: ModelFailed) => void
): EmitPart => {
  const release = () => {
    progress.held--
    progress.at = monotonic(clock)
  }
  return (part) => {
    // A provider that goes on after the end gets a promise that never resolves, until the call is garbage-collected.
    if (progress.over) return new Promise(() => {})
    if (progress.finished) return undefined
    progress.parts++
    progress.begun = true
    const excess = count(part, progress, bounds)
    if (excess !== undefined) {
      progress.over = true
      fail(exceeds(excess))
      return new Promise(() => {})
    }
    progress.finished = part.type === "finish"
    // The bytes that a part is made of have been a sign of life before it.
    if (!progress.heard) progress.at = monotonic(clock)
    const behind = emit(part)
    if (behind === undefined) return undefined
    progress.held++
    return behind.then(release)
  }
}

/** Makes the call once. A provider that does not stop when it is interrupted is abandoned. */
const attempt = (
  provide: Provide,
  emit: EmitPart,
  bounds: Bounds,
  progress: Progress
): Effect.Effect<void, ModelFailed> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.clockWith((clock) => {
      const done = Deferred.unsafeMake<void, ModelFailed>(FiberId.none)
      const fail = (failed: ModelFailed) => Deferred.unsafeDone(done, Effect.fail(failed))
      const began = monotonic(clock)
      progress.at = began
      const total = Duration.toMillis(bounds.total)
      const watch: Effect.Effect<void> = Effect.suspend(() => {
        const now = monotonic(clock)
        const { begun } = progress
        const limit = Duration.toMillis(begun ? bounds.idle : bounds.firstPart)
        const quiet = progress.held > 0 ? 0 : now - progress.at
        const left = Math.min(limit - quiet, total - (now - began))
        // The limit is another once the answer has begun, which may be while it sleeps.
        return left > 0
          ? Effect.flatMap(Effect.sleep(Math.min(left, Duration.toMillis(bounds.idle))), () => watch)
          : Effect.sync(() => fail(quiet < limit ? endless(total / 1000) : silent(limit / 1000, begun)))
      })
      const take = meter(emit, bounds, progress, clock, fail)
      const signs: Signs = {
        alive: () => {
          progress.begun = true
          progress.heard = true
          progress.at = monotonic(clock)
        },
        charged: (usage) => {
          if (!progress.over) progress.charged = usage
        }
      }
      const asking = Effect.interruptible(Effect.suspend(() => provide(take, signs)))
      return Effect.flatMap(Effect.forkDaemon(asking), (calling) => {
        calling.addObserver((exit) => Deferred.unsafeDone(done, endOf(exit, progress)))
        return Effect.flatMap(Effect.fork(Effect.interruptible(watch)), (watching) =>
          Effect.ensuring(
            restore(Deferred.await(done)),
            Effect.sync(() => {
              progress.over = true
              // Here the attempt has failed, was interrupted, or has said itself what it cost.
              if (!progress.finished && progress.charged !== undefined) {
                void emit({ type: "charged", usage: progress.charged })
              }
              calling.unsafeInterruptAsFork(FiberId.none)
              watching.unsafeInterruptAsFork(FiberId.none)
            })
          ))
      })
    })
  )

/** Milliseconds before the attempt after the `n`th. `jitter` is from 0 to 1. */
export const waitAfter = (n: number, retry_after: number | undefined, jitter: number, { backoff }: Bounds): number =>
  Math.round((retry_after ?? 0) * 1000 + Duration.toMillis(backoff) * 2 ** (n - 1) * (0.5 + jitter))

/** Every attempt passes the gate. `retry` is called before all but the first. */
export const within = (
  bounds: Bounds,
  provide: Provide,
  emit: EmitPart,
  gate: Gate = open,
  retry: () => void = () => {}
): Effect.Effect<void, ModelFailed> => {
  const from = (n: number): Effect.Effect<void, ModelFailed> =>
    Effect.suspend(() => {
      const progress: Progress = {
        parts: 0,
        begun: false,
        heard: false,
        charged: undefined,
        characters: 0,
        calls: 0,
        blocks: 0,
        flowing: undefined,
        flow: undefined,
        at: 0,
        held: 0,
        finished: false,
        over: false
      }
      return Effect.catchAll(gate(attempt(provide, emit, bounds, progress), () => progress.parts > 0), (failure) => {
        if (failure._tag === "Refused") return Effect.fail(failure.failed)
        const { retry_after, retryable } = failure
        const again = retryable && progress.parts === 0 && n < bounds.attempts &&
          (retry_after ?? 0) <= Duration.toSeconds(bounds.longestWait)
        return again
          ? Effect.flatMap(
            Random.next,
            (jitter) =>
              Effect.delay(
                Effect.suspend(() => {
                  retry()
                  return from(n + 1)
                }),
                waitAfter(n, retry_after, jitter, bounds)
              )
          )
          : Effect.fail(failure)
      })
    })
  return from(1)
}
