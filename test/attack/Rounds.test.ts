/** A thousand programs in each kind of workspace: shells that hide their children, and MCP servers. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Bubblewrap from "../../src/layers/Workspace/Bubblewrap.ts"
import * as Docker from "../../src/layers/Workspace/Docker.ts"
import type { Workspace } from "../../src/services/Workspace.ts"
import { fakeEngine } from "../support/docker/Engine.ts"
import { patience } from "../support/Patience.ts"
import { rounds } from "../support/Rounds.ts"
import { inFolder, isSandboxed, options, temporary } from "../support/workspaces.ts"

const count = Number(process.env["ROUNDS"] ?? 1_000)

const kinds: Readonly<Record<string, Layer.Layer<Workspace, Error>>> = {
  bubblewrap: inFolder((dir) => Bubblewrap.layer({ ...options, dir })),
  docker: Layer.unwrapScoped(
    Effect.zipWith(
      temporary,
      fakeEngine,
      (dir, { address, image }) => Docker.layer({ ...options, dir, address, image, network: "none" })
    )
  )
}

describe.skipIf(!isSandboxed)(`${count} programs that are started and ended at any moment`, () => {
  for (const [kind, layer] of Object.entries(kinds)) {
    it(`leave nothing in ${kind}`, async () => {
      const began = performance.now()
      const left = await Effect.runPromise(Effect.provide(rounds(count), Layer.orDie(layer)))
      process.stdout.write(`${kind}: ${JSON.stringify(left)} in ${Math.round((performance.now() - began) / 1000)} s\n`)
      assert.isAbove(left.seen, 0)
      assert.deepStrictEqual(left.processes, [])
      assert.deepStrictEqual([left.began, left.mounts], [count, 0])
      assert.isBelow(left.open, 20)
    }, patience(1_200_000))
  }
})
