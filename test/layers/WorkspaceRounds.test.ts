import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Bubblewrap from "../../src/layers/Workspace/Bubblewrap.ts"
import { patience } from "../support/Patience.ts"
import { rounds } from "../support/Rounds.ts"
import { inFolder, isSandboxed, options } from "../support/workspaces.ts"

describe.skipIf(!isSandboxed)("Programs that are started and ended at any moment", () => {
  it("leave no process, no open descriptor and no mount", async () => {
    const left = await Effect.runPromise(
      Effect.provide(rounds(24), inFolder((dir) => Bubblewrap.layer({ ...options, dir })))
    )
    assert.isAbove(left.seen, 0)
    assert.deepStrictEqual(left.processes, [])
    assert.deepStrictEqual([left.began, left.mounts], [24, 0])
    // Pools of threads and of the test's own may have opened a few.
    assert.isBelow(left.open, 12)
  }, patience(60_000))
})
