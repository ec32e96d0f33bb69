/** What agents remember, as records of their users. */
import { Clock, Effect, Layer } from "effect"
import { LimitReached, NotFound } from "../../domain/Errors.ts"
import { RecollectionId } from "../../domain/Ids.ts"
import {
  lineOf,
  matchOf,
  maxContent,
  maxRecollections,
  type Recollection,
  relevanceOf
} from "../../domain/Recollection.ts"
import type { DirectCalls } from "../../services/DirectCalls.ts"
import { NewId } from "../../services/NewId.ts"
import { timestampOf } from "../../services/Now.ts"
import { type Of, Recall, type Remembered } from "../../services/Recall.ts"
import { Storage } from "../../services/Storage.ts"
import * as Compacting from "./Compacting.ts"

/** Records that are read together. */
const batch = 200

export const make = Effect.gen(function*() {
  const { recollections, transaction } = yield* Storage
  const newId = yield* NewId
  const compact = yield* Compacting.make

  const stored = Effect.fnUntraced(function*({ agent_id, owner }: Of) {
    const found: Array<Recollection> = []
    let cursor: string | undefined
    do {
      const page = yield* Effect.orDie(recollections.list(owner, { limit: batch, cursor }, { agent_id }))
      found.push(...page.items)
      cursor = page.next_cursor ?? undefined
    } while (cursor !== undefined)
    return found
  })

  const recordOf = (
    { agent_id, owner }: Of,
    id: RecollectionId,
    remembered: Remembered,
    millis: number
  ): Recollection => ({
    ...remembered,
    id,
    user_id: owner,
    agent_id,
    created_at: timestampOf(millis),
    updated_at: timestampOf(millis),
    content: lineOf(remembered.content).slice(0, maxContent)
  })

  const all = (of: Of) =>
    Effect.map(
      Effect.all([stored(of), Clock.currentTimeMillis]),
      ([found, now]) => found.toSorted((a, b) => relevanceOf(b, now) - relevanceOf(a, now))
    )

  const replace = (of: Of, before: ReadonlyArray<Recollection>, after: ReadonlyArray<Remembered>) =>
    transaction(Effect.gen(function*() {
      const millis = yield* Clock.currentTimeMillis
      yield* Effect.forEach(before, ({ id, updated_at }) =>
        recollections.get(of.owner, id).pipe(
          Effect.filterOrFail((now) => now.updated_at === updated_at, () => NotFound.of("Recollection", id)),
          Effect.zipRight(recollections.remove(of.owner, id)),
          Effect.catchTag("NotFound", () => Effect.void)
        ), { discard: true })
      yield* Effect.forEach(
        after,
        (one) =>
          Effect.ignore(recollections.insert(recordOf(of, RecollectionId.make(newId.record(millis)), one, millis))),
        {
          discard: true
        }
      )
    }))

  return Recall.of({
    all,
    replace,
    compact: (of, config, session) => compact({ all, replace }, of, { config, session }),
    save: Effect.fnUntraced(function*(of, id, remembered) {
      const { owner, agent_id } = of
      const record = recordOf(of, id, remembered, yield* Clock.currentTimeMillis)
      const { total } = yield* Effect.orDie(recollections.list(owner, { limit: 1, cursor: undefined }, { agent_id }))
      if (total >= maxRecollections) {
        return yield* new LimitReached({
          code: "too_many_recollections",
          detail: `${total} things are remembered, and ${maxRecollections} may be. Forget some first.`
        })
      }
      return yield* Effect.catchTag(recollections.insert(record), "Conflict", () => recollections.get(owner, id))
    }),
    search: (of, query, limit) =>
      Effect.map(all(of), (found) =>
        found.map((one) => ({ one, match: matchOf(one, query) }))
          .filter(({ match }) => match > 0)
          // The order by what matters stays among those that match alike.
          .toSorted((a, b) => b.match - a.match)
          .slice(0, limit)
          .map(({ one }) => one)),
    forget: Effect.fnUntraced(function*({ agent_id, owner }, id) {
      const found = yield* recollections.get(owner, id)
      if (found.agent_id !== agent_id) return yield* NotFound.of("Recollection", id)
      yield* recollections.remove(owner, id)
    })
  })
})

export const layer: Layer.Layer<Recall, never, DirectCalls | Storage> = Layer.effect(Recall, make)
