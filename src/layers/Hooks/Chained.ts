/** All hooks of a server, one after the other: those of its own program, then the webhooks of its settings. */
import { Effect, Layer, type Scope } from "effect"
import type { Webhook } from "../../domain/Hook.ts"
import { type Hook, type Hooking, Hooks, none } from "../../services/Hooks.ts"
import { Outbound } from "../../services/Outbound.ts"
import * as Asking from "./Asking.ts"
import * as Surrounding from "./Surrounding.ts"
import * as Telling from "./Telling.ts"
import * as Webhooks from "./Webhooks.ts"

export interface Options {
  readonly hooks?: ReadonlyArray<Hook> | undefined
  readonly webhooks?: ReadonlyArray<Webhook> | undefined
}

/** Without hooks it is `none`. */
export const make = (hooks: ReadonlyArray<Hook>): Effect.Effect<Hooking, never, Scope.Scope> =>
  Effect.gen(function*() {
    if (hooks.length === 0) return none
    const points = new Set(
      hooks.flatMap((hook) =>
        Object.entries(hook).flatMap(([name, value]) => typeof value === "function" ? [name] : [])
      )
    )
    const { stop, tell } = yield* Telling.make(hooks)
    return {
      has: (point) => points.has(point),
      ...Asking.make(hooks),
      ...Surrounding.make(hooks, tell),
      tell,
      stop
    }
  })

export const layerWith = ({ hooks = [], webhooks = [] }: Options): Layer.Layer<Hooks, never, Outbound> =>
  Layer.scoped(
    Hooks,
    Effect.flatMap(Outbound, (outbound) => make([...hooks, ...webhooks.map(Webhooks.make(outbound))]))
  )
