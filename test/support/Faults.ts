/** Storage and models that break on demand, in ways that a network cannot be made to. */
import { Context, Effect, Layer } from "effect"
import type { Memories } from "../../src/layers/Host.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import { Models } from "../../src/services/Models.ts"

export interface StorageFaults {
  /** What becomes of the next flushes: not written; written, and the answer lost or late; neither told nor done until `Infinity` is over. */
  append: "fails" | "answer lost" | "answer late" | "hangs" | undefined
  /** Flushes that the fault is for. */
  times: number
}

export const storageFaults = (): StorageFaults => ({ append: undefined, times: 0 })

/** The same storage, with the faults that are set at the time. */
export const faulty = <E, R>(
  storage: Layer.Layer<Memories, E, R>,
  faults: StorageFaults
): Layer.Layer<Memories, E, R> =>
  Layer.map(storage, (context) => {
    const log = Context.get(context, EventLog)
    const append: typeof log.append = (batch) =>
      Effect.suspend(() => {
        if (faults.append === undefined || faults.times === 0) return log.append(batch)
        faults.times--
        switch (faults.append) {
          case "fails":
            return Effect.die(new Error("no space left on device"))
          case "answer lost":
            return Effect.zipRight(log.append(batch), Effect.die(new Error("Connection terminated unexpectedly")))
          case "answer late":
            return Effect.tap(log.append(batch), () => Effect.sleep("200 millis"))
          case "hangs":
            return Effect.never
        }
      })
    return Context.add(context, EventLog, { ...log, append })
  })

/** What the next model call does instead of what it was asked for. */
export interface ModelFaults {
  stream: "hangs" | "throws" | undefined
}

export const faultyModels = <E, R>(models: Layer.Layer<Models, E, R>, faults: ModelFaults): Layer.Layer<Models, E, R> =>
  Layer.map(models, (context) => {
    const inner = Context.get(context, Models)
    const stream: typeof inner.stream = (request, take) =>
      Effect.suspend(() => {
        const fault = faults.stream
        faults.stream = undefined
        return fault === "hangs"
          ? Effect.never
          : fault === "throws"
          ? Effect.die(new TypeError("undefined is not a function"))
          : inner.stream(request, take)
      })
    return Context.add(context, Models, { ...inner, stream })
  })
