/** Hears what code says, in whatever way it says it: at once, piece by piece, or later; as a promise, a stream or an effect. */
import { Data, Effect, Exit, Predicate, Stream } from "effect"
import { nextTurn } from "../../services/NextTurn.ts"
import type { Said, Saying } from "../../services/OwnAgents.ts"
import { grace, leaving } from "../Leaving.ts"

/** So many pieces may come in one turn of the event loop: code that never waits must not keep others from theirs. */
const inOneTurn = 64

/** What code of the program failed with, whatever it is. */
export class Broke extends Data.TaggedError("Broke")<{ readonly cause: unknown }> {}

export const broke = (cause: unknown): Broke => new Broke({ cause })

/** Takes a piece; a promise asks to wait. It throws what ends the run. */
export type Take = (said: Said) => Promise<void> | undefined

const isAsync = (value: unknown): value is AsyncIterable<Said> =>
  Predicate.isObject(value) && Symbol.asyncIterator in value

const isSync = (value: unknown): value is Iterable<Said> => Predicate.isObject(value) && Symbol.iterator in value

const isStream = (value: unknown): value is Stream.Stream<Said, unknown> =>
  Predicate.hasProperty(value, Stream.StreamTypeId)

const isPiece = (value: unknown): value is Said => typeof value === "string" || Predicate.hasProperty(value, "type")

const notSaid = () => new TypeError("An agent says texts, parts, or something that they come out of.")

export const hear = (saying: Saying, take: Take, controller: AbortController): Effect.Effect<void, Broke> => {
  let pieces = 0

  const takeOne = async (piece: Said): Promise<void> => {
    if (controller.signal.aborted) return
    await take(piece)
    if (++pieces % inOneTurn === 0) await Effect.runPromise(nextTurn)
  }

  const takeAll = async (pieces: AsyncIterable<Said> | Iterable<Said>): Promise<void> => {
    for await (const piece of pieces) {
      // Whoever has stopped it does not want to hear more, and the iterator is told by the break.
      if (controller.signal.aborted) break
      await takeOne(piece)
    }
  }

  /** What has been there at once, or has come by a promise. */
  const takeValue = (value: unknown): Promise<void> => {
    if (value === undefined || value === null || controller.signal.aborted) return Promise.resolve()
    if (isPiece(value)) return takeOne(value)
    return isAsync(value) || isSync(value) ? takeAll(value) : Promise.reject(notSaid())
  }

  /** Interrupted, it tells the code to stop and waits for its end, but not for ever. */
  const promised = (value: unknown) =>
    Effect.async<void, Broke>((resume) => {
      const working = Promise.resolve(value).then(takeValue)
      working.then(() => resume(Exit.void), (error: unknown) => resume(Exit.fail(broke(error))))
      return Effect.suspend(() => {
        controller.abort()
        return Effect.promise(() => working.catch(() => {}))
      }).pipe(Effect.interruptible, Effect.timeoutOption(grace), Effect.asVoid)
    })

  const streamed = (stream: Stream.Stream<Said, unknown>) =>
    Stream.runForEach(
      Stream.mapError(stream, broke),
      (piece) => Effect.tryPromise({ try: () => takeOne(piece), catch: broke })
    )

  const stop = Effect.sync(() => controller.abort())
  if (isStream(saying)) return leaving(streamed(saying), stop)
  if (!Effect.isEffect(saying)) return promised(saying)
  return Effect.flatMap(
    // @effect-diagnostics-next-line anyUnknownInErrorContext:off -- what a program's own effect fails with is its own
    leaving(Effect.mapError(saying, broke), stop),
    (value: unknown) => isStream(value) ? leaving(streamed(value), stop) : promised(value)
  )
}
