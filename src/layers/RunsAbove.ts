/** The runs above one: that which has handed it its work, the one above that, and so on. */
import { type Context, Effect, Option } from "effect"
import { maxDelegationDepth } from "../domain/Delegation.ts"
import type { UserId } from "../domain/Ids.ts"
import type { Run } from "../domain/Run.ts"
import type { Storage } from "../services/Storage.ts"

/** Most runs that are gone through: each delegation may have been woken by tasks of its own some times. */
const maxSteps = 64

/** The run itself first. A run that a task has woken stands where the run of that task stood. */
export const above = (storage: Context.Tag.Service<Storage>) =>
  Effect.fnUntraced(function*(owner: UserId, first: Run) {
    const { backgroundTasks, runs } = storage
    const chain: Array<Run> = [first]
    let at: Run | undefined = first
    for (let steps = 0; at !== undefined && steps < maxSteps && chain.length <= maxDelegationDepth + 1; steps++) {
      const current: Run = at
      const { source, source_id } = current
      if (source_id === null || (source !== "agent" && source !== "task")) break
      const id: string | undefined = source === "agent"
        ? source_id
        : Option.getOrUndefined(yield* Effect.option(backgroundTasks.get(owner, source_id)))?.run_id
      const next: Run | undefined = id === undefined
        ? undefined
        : Option.getOrUndefined(yield* Effect.option(runs.get(owner, id)))
      if (next !== undefined && source === "agent") chain.push(next)
      at = next
    }
    return chain
  })
