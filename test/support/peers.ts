/** Processes that share storage in the memory of this one, and hear each other as over a network: soon, and not at once. */
import { Effect, Layer } from "effect"
import { EventLog } from "../../src/services/EventLog.ts"
import type { ModelCall } from "../../src/services/Models.ts"
import { type Notice, Peers, type Received } from "../../src/services/Peers.ts"
import { live } from "./live.ts"

type Listener = (received: Received) => void

export const bus = () => {
  const living = new Map<string, Set<Listener>>()
  let joined = 0
  let looks = 0
  const notify = (self: string) => (notice: Notice) => {
    setImmediate(() => {
      for (const [name, listeners] of living) {
        if (name !== self) { for (const receive of listeners) receive(notice) }
      }
    })
  }
  return {
    /** Nobody sees the process as living, until what is given back is called. */
    hide: (self: string) => {
      const listeners = living.get(self)
      living.delete(self)
      return () => {
        if (listeners !== undefined) living.set(self, listeners)
      }
    },
    /** Times that somebody has asked who lives. */
    looks: () => looks,
    /** One process more: what it is told of the others, and its death as they see it. */
    join: () => {
      const self = `process-${++joined}`
      const listeners = new Set<Listener>()
      living.set(self, listeners)
      const peers = Peers.of({
        self,
        alone: false,
        notify: notify(self),
        listen: (receive) =>
          Effect.asVoid(Effect.acquireRelease(
            Effect.sync(() => listeners.add(receive)),
            () => Effect.sync(() => listeners.delete(receive))
          )),
        living: Effect.sync(() => {
          looks++
          return new Set(living.keys())
        })
      })
      return { self, layer: Layer.succeed(Peers, peers), gone: Effect.sync(() => living.delete(self)) }
    }
  }
}

const buses = new WeakMap<typeof EventLog.Service, ReturnType<typeof bus>>()

/** The bus of those who share a log. */
const busOf = (log: typeof EventLog.Service) => {
  const known = buses.get(log) ?? bus()
  buses.set(log, known)
  return known
}

/** A process on the storage that is there, which hears all others on it. `end` is sudden, and the others know of it. */
export const processOnMemory = Effect.gen(function*() {
  const member = busOf(yield* EventLog).join()
  const asked: Array<ModelCall> = []
  const host = yield* live({
    peers: member.layer,
    stream: (stream) => (call, take) => {
      asked.push(call)
      return stream(call, take)
    }
  })
  return { do: host.do, end: Effect.asVoid(Effect.zipRight(host.end, member.gone)), asked }
})
