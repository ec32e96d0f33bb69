/** Tells hooks what has happened, in fibers of its own: nobody waits for them, and no more is under way than a bound says. */
import { Duration, Effect, FiberSet } from "effect"
import { asking, patience } from "../../services/HookCall.ts"
import type { Hook, Hooking, Telling, Told } from "../../services/Hooks.ts"

/** Most that is told at the same time, by all hooks together. */
const maxTold = 256

/** How long the end of a server waits until all is told, and how long hooks have that are told of it. */
const stopTime = Duration.seconds(2)

export const make = Effect.fnUntraced(function*(hooks: ReadonlyArray<Hook>) {
  const told = yield* FiberSet.make<void>()
  let lost = 0

  const tellOne = <P extends keyof Told>(hook: Hook, point: P, value: Told[P]) => {
    const points: Telling = hook
    const tell = points[point]
    return tell === undefined
      ? Effect.void
      // What a hook that is told answers, or refuses, changes nothing; why it broke is in the log already.
      : Effect.ignore(asking(hook, patience, (signal) => tell(value, signal)))
  }

  const tell: Hooking["tell"] = Effect.fnUntraced(function*(point, value) {
    for (const hook of hooks) {
      if (hook[point] === undefined) continue
      if ((yield* FiberSet.size(told)) < maxTold) {
        if (lost > 0) yield* Effect.logWarning(`Hooks were too slow to be told of ${lost} events`)
        lost = 0
        yield* FiberSet.run(told, tellOne(hook, point, value))
      } else if (lost++ === 0) yield* Effect.logWarning("Hooks are too slow: what they would be told now is lost")
    }
  })

  const stop: Hooking["stop"] = (server) =>
    Effect.zipRight(
      Effect.timeoutOption(Effect.interruptible(FiberSet.awaitEmpty(told)), stopTime),
      Effect.forEach(
        hooks,
        (hook) =>
          hook["server.stop"] === undefined
            ? Effect.void
            : Effect.ignore(asking(hook, stopTime, (signal) => hook["server.stop"]!(server, signal))),
        { concurrency: "unbounded", discard: true }
      )
    )

  return { tell, stop }
})
