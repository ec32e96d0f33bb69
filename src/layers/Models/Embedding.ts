/** A request for embeddings, kept within bounds as a call is: in time, tried again, divided, and checked. */
import { Cause, Duration, Effect, Random } from "effect"
import { maxDimensions, mostTexts } from "../../domain/Embedding.ts"
import { countOf } from "../../domain/Usage.ts"
import { type Embedded, ModelFailed } from "../../services/Models.ts"
import { silent } from "./aisdk/Failure.ts"
import { type Bounds, waitAfter } from "./Bounds.ts"
import { type Gate, Refused } from "./Gate.ts"

type Ask = (input: ReadonlyArray<string>) => Effect.Effect<Embedded, ModelFailed>

/** Calls of one request that are under way at the same time. */
const concurrency = 4

/** Longest that a request may take, with all its calls. */
const longest = Duration.minutes(5)

/** Numbers that one call of a provider is asked for: its answer is read at once. */
export const numbersPerCall = 65_536

/** Numbers in a vector, where it is not known. */
const usualDimensions = 3072

const failed = (message: string) => new ModelFailed({ type: "upstream", message, retryable: false })

const broken = new ModelFailed({
  type: "unknown",
  message: "The call of the model failed because of an internal error.",
  retryable: false
})

const tooMany = (dimensions: number) =>
  new ModelFailed({
    type: "invalid_request",
    message: `The model's vectors have ${dimensions} numbers each: ask for at most ${mostTexts(dimensions)} at a time.`,
    retryable: false
  })

/** Texts of one call, of so many numbers each. */
export const textsPerCall = (most: number, dimensions = usualDimensions): number =>
  Math.max(1, Math.min(most, Math.floor(numbersPerCall / dimensions)))

/** A vector for each input, all as long as the first, of numbers only. */
const fits = ({ embeddings }: Embedded, inputs: number): boolean => {
  const length = embeddings[0]?.length ?? 0
  return embeddings.length === inputs && length > 0 && length <= maxDimensions &&
    embeddings.every((vector) => vector.length === length && vector.every(Number.isFinite))
}

/** Makes one call, which is abandoned when it does not stop. */
const once = (ask: Ask, input: ReadonlyArray<string>, { firstPart }: Bounds): Effect.Effect<Embedded, ModelFailed> =>
  Effect.suspend(() => ask(input)).pipe(
    Effect.catchAllDefect((defect) =>
      Effect.zipRight(Effect.logError("A model provider broke", Cause.die(defect)), Effect.fail(broken))
    ),
    Effect.disconnect,
    Effect.timeoutFail({ duration: firstPart, onTimeout: () => silent(Duration.toSeconds(firstPart), false) }),
    Effect.filterOrFail(
      (answer) => fits(answer, input.length),
      () => failed("The provider's answer does not have a vector for each text.")
    )
  )

export interface Request {
  readonly bounds: Bounds
  /** What stands before each call. */
  readonly gate: Gate
  readonly ask: Ask
  readonly input: ReadonlyArray<string>
  /** Texts that the provider takes in one call. */
  readonly most: number
}

const withRetries = ({ ask, bounds, gate }: Request, input: ReadonlyArray<string>) => {
  const attempt = Effect.suspend(() => {
    let answer: Embedded | undefined
    const call = Effect.map(once(ask, input, bounds), (embedded) => {
      answer = embedded
    })
    return Effect.flatMap(
      gate(call, () => false),
      () => answer === undefined ? Effect.fail(broken) : Effect.succeed(answer)
    )
  })
  const from = (n: number): Effect.Effect<Embedded, ModelFailed> =>
    Effect.catchAll(attempt, (error) => {
      if (error instanceof Refused) return Effect.fail(error.failed)
      const { retry_after, retryable } = error
      const again = retryable && n < bounds.attempts && (retry_after ?? 0) <= Duration.toSeconds(bounds.longestWait)
      return again
        ? Effect.flatMap(
          Random.next,
          (jitter) => Effect.delay(from(n + 1), waitAfter(n, retry_after, jitter, bounds))
        )
        : Effect.fail(error)
    })
  return from(1)
}

export const within = (request: Request): Effect.Effect<Embedded, ModelFailed> => {
  const { input, most } = request
  // The length of the vectors may have been unknown before the first answer.
  const part = (texts: ReadonlyArray<string>) =>
    Effect.filterOrElse(
      withRetries(request, texts),
      ({ embeddings }) => input.length <= mostTexts(embeddings[0]?.length ?? 1),
      ({ embeddings }) => Effect.fail(tooMany(embeddings[0]?.length ?? 1))
    )
  const parts = Array.from({ length: Math.ceil(input.length / most) }, (_, i) => input.slice(i * most, (i + 1) * most))
  return Effect.forEach(parts, part, { concurrency }).pipe(
    Effect.map((answers) => ({
      embeddings: answers.flatMap(({ embeddings }) => embeddings),
      usage: { input_tokens: answers.reduce((sum, { usage }) => sum + countOf(usage.input_tokens), 0) }
    })),
    Effect.timeoutFail({ duration: longest, onTimeout: () => silent(Duration.toSeconds(longest), true) })
  )
}
