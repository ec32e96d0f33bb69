/** What modules of the operator's do to each other: nothing. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import type { UserId } from "../../src/domain/Ids.ts"
import * as HandlerThread from "../../src/layers/HandlerThread.ts"

const root = mkdtempSync(join(tmpdir(), "stoa-handlers-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const moduleOf = (name: string, code: string): HandlerThread.Module => {
  const path = join(root, `${name}.mjs`)
  writeFileSync(path, code)
  return { path, stamp: "1", env: [] }
}

const quick = moduleOf("quick", "export default () => 'quick'")
const hanging = moduleOf("hanging", "export default () => new Promise(() => setInterval(() => {}, 1_000))")
const greedy = moduleOf(
  "greedy",
  "export default () => { const all = []; for (;;) all.push(new Array(1e5).fill(all)) }"
)
const blocked = moduleOf(
  "blocked",
  "import { execSync } from 'node:child_process'\nexport default () => execSync('sleep 4').toString()"
)

const work = (owner: string, module: HandlerThread.Module, timeout = 20_000) => ({
  owner: owner as UserId,
  module,
  timeout,
  call: { args: {}, context: {} }
})

describe("A handler", { timeout: 60_000 }, () => {
  it.live("that hangs keeps no other tool and no other tenant waiting", () =>
    Effect.gen(function*() {
      const { run } = HandlerThread.make(4)
      const hung = yield* Effect.forEach([1, 2, 3, 4], () => Effect.fork(run(work("ada", hanging, 50_000))))
      assert.deepInclude(yield* run(work("bob", quick)), { type: "done", text: "quick" })
      yield* Effect.forEach(hung, Fiber.interrupt, { concurrency: "unbounded" })
      assert.deepInclude(yield* run(work("ada", hanging, 100)), { type: "ended" })
      assert.deepInclude(yield* run(work("ada", hanging, 100)), { type: "ended" })
      assert.deepInclude(yield* run(work("ada", quick)), { type: "done", text: "quick" })
    }))

  it.live("that wants all memory ends alone", () =>
    Effect.gen(function*() {
      const { run } = HandlerThread.make(4)
      const [most, other] = yield* Effect.all([run(work("ada", greedy)), run(work("bob", quick))], { concurrency: 2 })
      assert.strictEqual(most.type, "ended")
      assert.strictEqual(other.text, "quick")
    }))

  it.live("that cannot be ended at once is not waited for, and keeps its place until its end", () =>
    Effect.gen(function*() {
      const { run } = HandlerThread.make(1)
      const started = performance.now()
      assert.strictEqual((yield* run(work("ada", blocked, 1_000))).type, "ended")
      const given = performance.now() - started
      assert.strictEqual((yield* run(work("bob", quick))).text, "quick")
      assert.isBelow(given, 3_800)
      assert.isAbove(performance.now() - started, 3_800)
    }))
})
