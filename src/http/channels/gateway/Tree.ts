/** Executions that agents have started for other ones: whichever attempt at its input has done so, they hang below the first. */
import { Effect } from "effect"
import type { Run } from "../../../domain/Run.ts"
import { Storage } from "../../../services/Storage.ts"
import type * as Attempts from "./Attempts.ts"
import type { Execution, TreeNode } from "./Shapes.ts"
import * as Usage from "./Usage.ts"

/** Deepest tree of executions, and most that are shown of one. */
const maxDepth = 16
const maxNodes = 500

export const make = (attempts: Effect.Effect.Success<typeof Attempts.make>) =>
  Effect.map(Storage, ({ runs }) => {
    /** The executions above one, the nearest first. */
    const above = Effect.fnUntraced(function*(run: Run) {
      const parents: Array<Run> = []
      for (let child = run; parents.length < maxDepth;) {
        if (child.source !== "agent" || child.source_id === null) break
        const found = yield* Effect.option(runs.get(run.user_id, child.source_id))
        if (found._tag === "None") break
        const parent = yield* attempts.firstOf(found.value)
        if (parents.some(({ id }) => id === parent.id)) break
        parents.push(parent)
        child = parent
      }
      return parents
    })

    const startedBy = ({ id, user_id }: Run) =>
      Effect.map(
        Effect.orDie(
          runs.list(user_id, { limit: maxNodes, cursor: undefined }, { source: "agent", source_id: id }, "oldest")
        ),
        ({ items }) => items
      )

    const childrenOf = (run: Run) =>
      Effect.flatMap(attempts.all(run), (all) => Effect.map(Effect.forEach(all, startedBy), (found) => found.flat()))

    return {
      above,
      rootOf: (run: Run) =>
        Effect.flatMap(
          attempts.firstOf(run),
          (first) => Effect.map(above(first), (parents) => parents.at(-1) ?? first)
        ),
      /** All executions of a tree by depth and age, from one of them on. */
      below: Effect.fnUntraced(function*(root: Run) {
        const all: Array<Run> = [root]
        const seen = new Set<string>([root.id])
        for (let level: ReadonlyArray<Run> = [root], depth = 0; level.length > 0 && depth < maxDepth; depth++) {
          const next: Array<Run> = []
          for (const run of level) {
            if (all.length + next.length >= maxNodes) break
            next.push(...yield* childrenOf(run))
          }
          level = next.filter(({ id }) => !seen.has(id)).slice(0, maxNodes - all.length)
            .toSorted((a, b) => a.id < b.id ? -1 : 1)
          for (const { id } of level) seen.add(id)
          all.push(...level)
        }
        return all
      })
    }
  })

/** Each with what it and all below it have used. */
export const summed = (nodes: ReadonlyArray<Execution>): ReadonlyArray<TreeNode> => {
  const totals = new Map(nodes.map(({ execution_id, usage }) => [execution_id, usage]))
  // The deepest come last: each is added to the one above it when all below it are in.
  for (const { execution_id, parent_execution_id } of nodes.toReversed()) {
    const parent = parent_execution_id === null ? undefined : totals.get(parent_execution_id)
    if (parent !== undefined) totals.set(parent_execution_id!, Usage.add(parent, totals.get(execution_id)!))
  }
  return nodes.map((node) => ({ ...node, total_usage: totals.get(node.execution_id)! }))
}
