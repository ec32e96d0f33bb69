/** Asks retrievers within bounds: whatever they do, the run goes on in time, with what the others have found. */
import { Data, Duration, Effect, Layer } from "effect"
import { headOf } from "../../domain/Context.ts"
import { isBlank } from "../../domain/Text.ts"
import { type Found, type Query, type Retrieved, type Retriever, Retrievers } from "../../services/Retrievers.ts"

/** How long one may take without a patience of its own, and at most. */
const usual = Duration.seconds(5)
const longest = Duration.seconds(30)

/** Retrievers of one run that are asked at the same time. */
const concurrency = 8

/** Most texts of one, characters of one text, and characters of all texts of a run together. */
const maxTexts = 64
const maxText = 16 * 1024
const maxAll = 64 * 1024

/** Code of the program broke. */
class Broken extends Data.TaggedError("Broken")<{ readonly cause: unknown }> {}

const broken = (cause: unknown) => new Broken({ cause })

const answerOf = (retriever: Retriever, query: Query): Effect.Effect<Retrieved, Broken> =>
  Effect.suspend(() => {
    const controller = new AbortController()
    return Effect.suspend(() => {
      const answer = retriever.retrieve(query, controller.signal)
      return Effect.isEffect(answer)
        // @effect-diagnostics-next-line anyUnknownInErrorContext:off -- the program's own code fails with anything
        ? Effect.mapError(answer, broken)
        : Effect.tryPromise({ try: () => Promise.resolve(answer), catch: broken })
    }).pipe(Effect.onInterrupt(() => Effect.sync(() => controller.abort())))
  })

/** What it has answered may be anything: its code is no part of this program. */
const textsIn = (answer: unknown): ReadonlyArray<string> =>
  (Array.isArray(answer) ? answer : [answer]).slice(0, maxTexts)
    .filter((text): text is string => typeof text === "string" && !isBlank(text))
    .map((text) => headOf(text.trim(), maxText))

const askedOf = (retriever: Retriever, query: Query): Effect.Effect<Found> =>
  answerOf(retriever, query).pipe(
    // Code that does not stop is left alone.
    Effect.disconnect,
    Effect.timeout(Duration.min(retriever.patience ?? usual, longest)),
    Effect.map((answer) => ({ name: retriever.name, texts: textsIn(answer) })),
    Effect.catchAllCause((cause) =>
      Effect.as(
        Effect.annotateLogs(Effect.logError("A retriever broke, or did not answer in time", cause), {
          retriever: retriever.name
        }),
        { name: retriever.name, texts: [] }
      )
    )
  )

/** As much of what was found as there is room for, the first first. */
const bounded = (found: ReadonlyArray<Found>): ReadonlyArray<Found> => {
  let left = maxAll
  return found.flatMap(({ name, texts }) => {
    const kept = texts.flatMap((text) => {
      const part = headOf(text, left)
      left -= part.length
      return part === "" ? [] : [part]
    })
    return kept.length === 0 ? [] : [{ name, texts: kept }]
  })
}

export const layerWith = (retrievers: ReadonlyArray<Retriever>): Layer.Layer<Retrievers> => {
  const byName = new Map(retrievers.map((one) => [one.name, one]))
  return Layer.succeed(Retrievers, {
    find: (names, query) => {
      const wanted = names.flatMap((name) => byName.get(name) ?? [])
      return wanted.length === 0
        ? Effect.succeed([])
        : Effect.map(Effect.forEach(wanted, (one) => askedOf(one, query), { concurrency }), bounded)
    }
  })
}
