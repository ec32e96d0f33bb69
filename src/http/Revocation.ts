/** Ends streams whose API key is revoked or expires while they are open, on whichever process that happens. */
import { Effect, Schedule, type Scope } from "effect"
import type { KeyId } from "../domain/Ids.ts"
import type { Principal } from "../domain/Principal.ts"
import type { Auth } from "../services/Auth.ts"

/**
 * Each key is asked for so often. What Storage has read is at most a second old
 * where other processes write too: with that, and the time of a look-up, a
 * stream outlives its key by less than five seconds.
 */
const checkSeconds = 2

/** Most look-ups at once, how long one may take, and how long all of one second may take together. */
const atOnce = 8
const lookTimeout = "1 second"
const roundTimeout = "2 seconds"

interface Stream {
  readonly end: (comment: string) => void
}

interface Held {
  readonly principal: Principal
  readonly streams: Set<Stream>
  /** The second, counted in `checkSeconds`, at which the key is asked for. */
  readonly slot: number
}

export interface Revocation {
  /** Ends the stream when the principal's key is no longer valid; returns a function that stops watching. */
  readonly watch: (principal: Principal, stream: Stream) => () => void
}

const nothing = () => {}

export const make = (auth: typeof Auth.Service): Effect.Effect<Revocation, never, Scope.Scope> =>
  Effect.gen(function*() {
    const held = new Map<KeyId, Held>()
    /** Open while there is a key to ask for: an idle server does nothing. */
    const watching = yield* Effect.makeLatch(false)
    let now = 0
    let next = 0

    const check = ({ principal, streams }: Held) =>
      auth.holds(principal).pipe(
        Effect.timeout(lookTimeout),
        // Storage that does not answer says nothing about the key: it is asked again.
        Effect.catchAllCause((cause) => Effect.as(Effect.logDebug("An API key cannot be looked up", cause), true)),
        Effect.map((holds) => {
          if (!holds) { for (const stream of streams) stream.end("key no longer valid") }
        })
      )

    const tick = Effect.suspend(() => {
      // Nothing comes in between the look and the closing.
      if (held.size === 0) watching.unsafeClose()
      now = (now + 1) % checkSeconds
      const due = [...held.values()].filter(({ slot }) => slot === now)
      return Effect.forEach(due, check, { concurrency: atOnce, discard: true })
    }).pipe(Effect.timeoutOption(roundTimeout))
    yield* Effect.forkScoped(Effect.schedule(Effect.zipRight(watching.await, tick), Schedule.fixed("1 second")))

    return {
      watch: (principal, stream) => {
        const { key_id } = principal
        if (key_id === null) return nothing
        let key = held.get(key_id)
        if (key === undefined) {
          key = { principal, streams: new Set(), slot: next }
          next = (next + 1) % checkSeconds
          held.set(key_id, key)
          watching.unsafeOpen()
        }
        const { streams } = key
        streams.add(stream)
        return () => {
          streams.delete(stream)
          // Another entry may have taken the place of this one.
          if (streams.size === 0 && held.get(key_id)?.streams === streams) held.delete(key_id)
        }
      }
    }
  })
