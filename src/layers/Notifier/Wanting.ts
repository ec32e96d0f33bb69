/**
 * Knows in memory who has notifications, or tasks whose updates are sent somewhere, so that a run of anybody else costs nothing: asked with each write of the
 * log, it does not wait. Another process's first notification of an owner is known when it tells, or a minute later.
 */
import { Context, Duration, Effect, Layer } from "effect"
import type { UserId } from "../../domain/Ids.ts"
import { Peers } from "../../services/Peers.ts"
import { type Collection, type Owned, Storage } from "../../services/Storage.ts"
import { supervise } from "../Supervise.ts"

/** Owners that are read together, and the pause between two looks at all of them. */
const batch = 500
const lookEvery = Duration.minutes(1)

export class Wanting extends Context.Tag("stoa/layers/Notifier/Wanting")<Wanting, {
  /** Whether somebody may want to be told. One who wanted once may be asked for in vain. */
  readonly has: (owner: UserId) => boolean
  readonly isEmpty: () => boolean
  /** From now on, in all processes. */
  readonly add: (owner: UserId) => Effect.Effect<void>
}>() {}

export const make = Effect.gen(function*() {
  const { a2aPushes, notifications } = yield* Storage
  const peers = yield* Peers
  const owners = new Set<UserId>()

  /** All owners of records of one kind. */
  const ownersIn = <A extends Owned, Columns extends string>({ host }: Collection<A, Columns>) =>
    Effect.gen(function*() {
      let after: UserId | undefined
      do {
        const found: ReadonlyArray<UserId> = yield* host.owners(after, batch)
        for (const owner of found) owners.add(owner)
        after = found.length < batch ? undefined : found.at(-1)
      } while (after !== undefined)
    })

  const load = Effect.zipRight(ownersIn(notifications), ownersIn(a2aPushes))

  // Before the first run is taken up again.
  yield* load
  if (!peers.alone) {
    yield* peers.listen((received) => {
      if (received.type === "notified") owners.add(received.owner)
    })
    const again = load.pipe(
      Effect.catchAllCause((cause) => Effect.logDebug("Notifications cannot be looked at now", cause)),
      Effect.delay(lookEvery),
      Effect.forever
    )
    yield* Effect.forkScoped(supervise("The look at notifications", again))
  }

  return Wanting.of({
    has: (owner) => owners.has(owner),
    isEmpty: () => owners.size === 0,
    add: (owner) =>
      Effect.sync(() => {
        owners.add(owner)
        peers.notify({ type: "notified", owner })
      })
  })
})

export const layer: Layer.Layer<Wanting, never, Storage | Peers> = Layer.scoped(Wanting, make)
