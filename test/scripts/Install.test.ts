import { assert, describe, it } from "@effect/vitest"
import { rmSync, writeFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { type Clone, makeClone } from "./FakeNpm.ts"

const withClone = async (use: (clone: Clone) => Promise<void>) => {
  const clone = makeClone()
  try {
    await use(clone)
  } finally {
    clone.remove()
  }
}

const until = async (condition: () => boolean) => {
  while (!condition()) await sleep(10)
}

describe("an install", () => {
  it("that is interrupted five times at random ends in a working clone", () =>
    withClone(async (clone) => {
      const signals = ["SIGINT", "SIGTERM", "SIGKILL", "SIGINT", "SIGKILL"] as const
      const moments: Array<number> = []
      for (const signal of signals) {
        const calls = clone.calls()
        const attempt = clone.install()
        // From before its npm begins to after its end.
        moments.push(Math.round(Math.random() * 350))
        await Promise.race([until(() => clone.calls() > calls), attempt.ended])
        await sleep(moments.at(-1))
        attempt.kill(signal)
        await attempt.ended
      }
      const last = clone.install()
      const told = `interrupted after ${moments.join(", ")} ms`
      assert.strictEqual(await last.ended, 0, `${told}: ${last.output()}`)
      assert.isTrue(clone.isWhole(), told)
      assert.isFalse(clone.has("clash"), told)
    }))

  it("waits for its npm to tidy up when it is interrupted", () =>
    withClone(async (clone) => {
      const attempt = clone.install()
      await until(() => clone.has("node_modules/package-3/package.json"))
      attempt.kill("SIGINT")
      assert.strictEqual(await attempt.ended, 130)
      assert.isFalse(clone.has("busy"), "npm goes on")
      assert.isFalse(clone.has("node_modules/package-3"))
    }))

  it("waits for another one in the same clone, and has nothing to do then", () =>
    withClone(async (clone) => {
      const both = [clone.install(), clone.install()]
      assert.deepStrictEqual(await Promise.all(both.map(({ ended }) => ended)), [0, 0])
      assert.isFalse(clone.has("clash"))
      assert.strictEqual(clone.calls(), 1)
      assert.isTrue(both.some(({ output }) => output().includes("waiting for it")))
    }))

  it("begins only when the npm that a killed one left behind has ended", () =>
    withClone(async (clone) => {
      const killed = clone.install()
      await until(() => clone.has("node_modules/package-0/package.json"))
      killed.kill("SIGKILL")
      await killed.ended
      assert.isTrue(clone.has("busy"))
      assert.strictEqual(await clone.install().ended, 0)
      assert.isFalse(clone.has("clash"))
      assert.isTrue(clone.isWhole())
    }))

  it("is not made again when everything is there, and is when a package is not", () =>
    withClone(async (clone) => {
      assert.strictEqual(await clone.install().ended, 0)
      assert.strictEqual(await clone.install().ended, 0)
      assert.strictEqual(clone.calls(), 1)
      rmSync(clone.path("node_modules/package-5"), { recursive: true })
      assert.strictEqual(await clone.install().ended, 0)
      assert.isTrue(clone.isWhole())
    }))

  it("names the cure when it fails", () =>
    withClone(async (clone) => {
      writeFileSync(clone.path("npm/npm-cli.js"), "process.exit(1)")
      const failed = clone.install()
      assert.strictEqual(await failed.ended, 1)
      assert.include(failed.output(), "node_modules")
    }))
})
