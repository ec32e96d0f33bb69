import { Cause, Clock, Duration, Effect, Exit, Layer, Option, Schedule } from "effect"
import type { UserId } from "../../domain/Ids.ts"
import { costOf, type LedgerEntry, tokensOf } from "../../domain/Ledger.ts"
import type { Prices } from "../../domain/Model.ts"
import { reported, type Usage } from "../../domain/Usage.ts"
import { addUsage, noUsage } from "../../domain/UsageSum.ts"
import { type CallFor, DirectCalls } from "../../services/DirectCalls.ts"
import { EventLog } from "../../services/EventLog.ts"
import { type ModelFailed, type ModelName, Models } from "../../services/Models.ts"
import { NewId } from "../../services/NewId.ts"
import { monotonicMillis, timestampOf } from "../../services/Now.ts"
import { Storage } from "../../services/Storage.ts"

/** How long an answer waits for its entry; storage that is away must not hold it back for ever. */
const entryTimeout = "5 seconds"

/** How often a server that stops looks whether the calls have ended. */
const lookEvery = "20 millis"

interface Progress {
  usage: Usage
  prices: Prices | undefined
  attempts: number
  firstAt: number | undefined
}

const outcomeOf = (exit: Exit.Exit<unknown, ModelFailed>): string => {
  if (Exit.isSuccess(exit)) return "completed"
  if (Cause.isInterrupted(exit.cause)) return "interrupted"
  return Option.match(Cause.failureOption(exit.cause), { onNone: () => "internal", onSome: ({ type }) => type })
}

export const make = Effect.gen(function*() {
  const models = yield* Models
  const log = yield* EventLog
  const newId = yield* NewId
  const { credentials } = yield* Storage
  let underWay = 0

  const enter = (entry: LedgerEntry) =>
    log.append({ pages: [], runs: [], messages: [], usage: [entry] }).pipe(
      Effect.timeout(entryTimeout),
      Effect.catchAllCause((cause) =>
        Effect.logError("A call of a model could not be entered into the ledger", cause).pipe(
          Effect.annotateLogs({ tenant: entry.user_id, model: entry.model })
        )
      )
    )

  const counted = <E>(call: Effect.Effect<void, E>) =>
    Effect.acquireUseRelease(Effect.sync(() => underWay++), () => call, () => Effect.sync(() => underWay--))

  /** Makes the call and enters it, also when it fails or is interrupted. */
  const metered = <E>(
    kind: LedgerEntry["kind"],
    user_id: UserId,
    { credential_id, model, type }: ModelName,
    call: (progress: Progress) => Effect.Effect<void, E>,
    outcome: (exit: Exit.Exit<void, E>) => string,
    session?: CallFor
  ) =>
    counted(Effect.gen(function*() {
      const began = yield* Clock.currentTimeMillis
      const since = yield* monotonicMillis
      const progress: Progress = { usage: noUsage, prices: undefined, attempts: 1, firstAt: undefined }
      yield* Effect.onExit(call(progress), (exit) =>
        Effect.flatMap(monotonicMillis, (now) => {
          const tokens = tokensOf(progress.usage)
          const isPaid = Exit.isSuccess(exit) || progress.firstAt !== undefined
          return enter({
            id: `direct/${newId.record(began)}`,
            kind,
            user_id,
            session_id: session?.id ?? null,
            run_id: null,
            agent_id: session?.agent_id ?? null,
            credential_id,
            provider: type,
            model,
            ...tokens,
            // What was cut off has a price that nobody has named; what never began has none.
            cost: progress.prices !== undefined ? costOf(tokens, progress.prices) : isPaid ? null : 0,
            first_token_ms: progress.firstAt === undefined ? null : Math.round(progress.firstAt - since),
            duration_ms: Math.max(0, Math.round(now - since)),
            outcome: outcome(exit),
            attempts: progress.attempts,
            created_at: timestampOf(began)
          })
        }))
    }))

  return DirectCalls.of({
    drain: (seconds) =>
      Effect.sync(() => underWay === 0).pipe(
        Effect.repeat({ until: (isIdle) => isIdle, schedule: Schedule.spaced(lookEvery) }),
        Effect.interruptible,
        Effect.timeoutOption(Duration.seconds(seconds)),
        Effect.asVoid
      ),
    stream: (call, emit, session) =>
      Effect.flatMap(
        Effect.clock,
        (clock) =>
          metered(
            "chat",
            call.owner,
            call.config,
            (progress) =>
              models.stream(call, (part) => {
                switch (part.type) {
                  case "retry":
                    progress.attempts++
                    return undefined
                  case "charged":
                    progress.usage = addUsage(progress.usage, reported(part.usage))
                    progress.prices ??= part.prices
                    return undefined
                  case "switch":
                    return undefined
                  case "finish":
                    progress.usage = addUsage(progress.usage, reported(part.usage))
                    progress.prices = part.prices ?? progress.prices
                    break
                }
                progress.firstAt ??= Number(clock.unsafeCurrentTimeNanos()) / 1e6
                return emit(part)
              }),
            outcomeOf,
            session
          )
      ),
    embed: Effect.fnUntraced(function*(call) {
      const { config, owner } = call
      const { type } = yield* credentials.get(owner, config.credential_id)
      let answer = undefined as Effect.Effect.Success<ReturnType<typeof models.embed>> | undefined
      yield* metered(
        "embedding",
        owner,
        { credential_id: config.credential_id, model: config.model, type },
        (progress) =>
          Effect.gen(function*() {
            const cards = yield* Effect.orElseSucceed(models.embeddingCards(type), () => [])
            answer = yield* models.embed(call)
            const { input_tokens } = answer.usage
            progress.usage = reported({ input_tokens, output_tokens: 0 })
            const price = cards.find(({ name }) => name === config.model)?.prices
            if (price != null) progress.prices = { input: price.input, output: 0 }
          }),
        (exit) =>
          Exit.isSuccess(exit)
            ? "completed"
            : Cause.isInterrupted(exit.cause)
            ? "interrupted"
            : Option.match(Cause.failureOption(exit.cause), {
              onNone: () => "internal",
              onSome: (error) => error._tag === "ModelFailed" ? error.type : "invalid_request"
            })
      )
      return answer!
    })
  })
})

export const layer: Layer.Layer<DirectCalls, never, Models | EventLog | Storage> = Layer.effect(DirectCalls, make)
