import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { SessionId } from "../../src/domain/Ids.ts"
import { gitSummaryOf } from "../../src/domain/Workspace.ts"
import * as Bubblewrap from "../../src/layers/Workspace/Bubblewrap.ts"
import * as Local from "../../src/layers/Workspace/Local.ts"
import * as Memory from "../../src/layers/Workspace/Memory.ts"
import * as OnlyFiles from "../../src/layers/Workspace/OnlyFiles.ts"
import { Workspace } from "../../src/services/Workspace.ts"
import { workspaceContract } from "../contracts/WorkspaceContract.ts"
import { freshId, freshOwner } from "../support/fixtures.ts"
import { patience } from "../support/Patience.ts"
import { fresh, inFolder, isSandboxed, options, put, sh, someOf, temporary, text } from "../support/workspaces.ts"

workspaceContract("Memory", Memory.layer(options), { runs: false })
workspaceContract("OnlyFiles", inFolder((dir) => OnlyFiles.layer({ ...options, dir, why: "a test says so" })), {
  runs: false
})
workspaceContract("Local", inFolder((dir) => Local.layer({ ...options, dir })), { runs: true })
if (isSandboxed) {
  workspaceContract("Bubblewrap", inFolder((dir) => Bubblewrap.layer({ ...options, dir })), { runs: true })
}

describe("Workspaces on a disk", () => {
  const withLayer = <A, E>(layer: Layer.Layer<Workspace, E>, work: Effect.Effect<A, unknown, Workspace>) =>
    Effect.runPromise(Effect.provide(Effect.orDie(work), Layer.orDie(layer)))

  it("keep their files across a restart, and remove what a killed server has left", async () => {
    await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const dir = yield* temporary
      const [owner, of] = [freshOwner(), someOf()]
      const layer = OnlyFiles.layer({ ...options, dir, why: "" })
      const first = yield* Effect.promise(() =>
        withLayer(
          layer,
          Effect.scoped(Effect.gen(function*() {
            yield* put(yield* fresh(owner, of), "f", "kept")
            return (yield* Effect.flatMap(Workspace, ({ list }) => list(owner)))[0]!.created_at
          }))
        )
      )
      mkdirSync(join(dir, "trash", "old", "d"), { recursive: true })
      writeFileSync(join(dir, "staging", "stale"), "x")
      utimesSync(join(dir, "staging", "stale"), 0, 0)
      writeFileSync(join(dir, "staging", "new"), "x")
      yield* Effect.promise(() =>
        withLayer(
          layer,
          Effect.scoped(Effect.gen(function*() {
            assert.strictEqual(yield* text(yield* fresh(owner, of), "f"), "kept")
            assert.strictEqual((yield* Effect.flatMap(Workspace, ({ list }) => list(owner)))[0]!.created_at, first)
            while (readdirSync(join(dir, "trash")).length > 0) {
              yield* Effect.sleep("20 millis")
            }
            assert.deepStrictEqual(readdirSync(join(dir, "staging")), ["new"])
          }))
        )
      )
    })))
  }, patience(30_000))

  it.skipIf(!isSandboxed)(
    "leave no folder behind when they are removed, however deep it is and whatever its permissions",
    async () => {
      await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
        const dir = yield* temporary
        const owner = freshOwner()
        yield* Effect.promise(() =>
          withLayer(
            Bubblewrap.layer({ ...options, dir }),
            Effect.scoped(Effect.gen(function*() {
              const w = yield* fresh(owner)
              yield* sh(
                w,
                "i=0; while [ $i -lt 300 ]; do mkdir d$i && cd d$i; i=$((i+1)); done; cd /workspace; "
                  + "mkdir -p locked/in; touch locked/in/f; printf x > \"$(printf 'bad\\377name')\"; mkfifo fifo; ln -s / out; chmod 0 locked/in locked"
              )
              yield* w.remove("d0")
              assert.isFalse((yield* w.list("", 100)).entries.some(({ name }) => name === "d0"))
              yield* Effect.flatMap(Workspace, ({ remove }) => remove(owner, w.id))
              while (readdirSync(join(dir, "trash")).length > 0) yield* Effect.sleep("20 millis")
            }))
          )
        )
        assert.deepStrictEqual(readdirSync(join(dir, "owners")), [])
        assert.deepStrictEqual(readdirSync(join(dir, "staging")), [])
        assert.isTrue(existsSync("/etc/passwd"))
      })))
    },
    patience(60_000)
  )

  it("are shared as the policy says: by a user's agents, or by the sessions that name the same one", async () => {
    await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const owner = freshOwner()
      const [one, other] = [someOf(freshId(), "same"), someOf(freshId(), "same")]
      const ids = (isolation: "user" | "session") =>
        Effect.promise(() =>
          withLayer(
            Memory.layer({ ...options, isolation }),
            Effect.scoped(Effect.gen(function*() {
              const all = yield* Effect.forEach([one, other, someOf()], (of) => fresh(owner, of))
              if (isolation === "session") {
                const { sessionRemoved } = yield* Workspace
                yield* sessionRemoved(owner, "s" as SessionId, one, Effect.succeed(true))
                yield* sessionRemoved(owner, "s" as SessionId, one, Effect.succeed(false))
              }
              return [
                all.map(({ id }) => id),
                (yield* Effect.flatMap(Workspace, ({ list }) => list(owner))).length
              ] as const
            }))
          )
        )
      const [[a, b, c], users] = yield* ids("user")
      assert.deepStrictEqual([b, c, users], [a, a, 1])
      const [[d, e, f], sessions] = yield* ids("session")
      assert.strictEqual(d, e)
      assert.notStrictEqual(d, f)
      assert.strictEqual(sessions, 1)
    })))
  })

  it("are forgotten when nobody uses them, and never while somebody does", async () => {
    await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const dir = yield* temporary
      yield* Effect.promise(() =>
        withLayer(
          Local.layer({ ...options, dir, idle: Duration.millis(20) }),
          Effect.scoped(Effect.gen(function*() {
            const [owner, of] = [freshOwner(), someOf()]
            const used = yield* fresh(owner, of)
            const program = yield* used.spawn({ argv: ["/bin/cat"] })
            yield* Effect.scoped(Effect.flatMap(fresh(owner), (w) => put(w, "f", "x")))
            yield* Effect.sleep("200 millis")
            // Who opens it again meets the same state: what one removes, the other knows of.
            const again = yield* fresh(owner, of)
            yield* Effect.flatMap(Workspace, ({ remove }) => remove(owner, again.id))
            assert.strictEqual((yield* program.exit).ended, "deleted")
            assert.strictEqual((yield* Effect.flip(used.stat(""))).code, "workspace_deleted")
          }))
        )
      )
    })))
  }, patience(30_000))

  it("know their repository from git's own words", () => {
    const status = [
      "# branch.oid 0123456789abcdef0123456789abcdef01234567",
      "# branch.head main",
      "# branch.upstream origin/main",
      "# branch.ab +2 -1",
      "1 M. N... 100644 100644 100644 aa bb staged.ts",
      "1 .M N... 100644 100644 100644 aa bb changed.ts",
      "2 RM N... 100644 100644 100644 aa bb R100 new.ts\told.ts",
      "u UU N... 100644 100644 100644 100644 aa bb cc both.ts",
      "? what is new"
    ].join("\n")
    assert.deepStrictEqual(gitSummaryOf(status, " 3 files changed, 10 insertions(+), 1 deletion(-)\n"), {
      branch: "main",
      head: "0123456789abcdef0123456789abcdef01234567",
      ahead: 2,
      behind: 1,
      insertions: 10,
      deletions: 1,
      staged: 2,
      unstaged: 2,
      untracked: 1,
      conflicted: 1
    })
  })
})

describe.skipIf(!isSandboxed)("A server that is killed", () => {
  it("leaves no program running", async () => {
    const left = () => {
      try {
        return execFileSync("pgrep", ["-f", "sleep 98765"], { encoding: "utf8" }).trim()
      } catch {
        return ""
      }
    }
    await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const dir = yield* temporary
      const program = join(import.meta.dirname, "../support/WorkspaceVictim.ts")
      const { spawn } = yield* Effect.promise(() => import("node:child_process"))
      const child = spawn(process.execPath, ["--import", "tsx", program, dir], { stdio: ["ignore", "pipe", "inherit"] })
      yield* Effect.addFinalizer(() => Effect.sync(() => child.kill("SIGKILL")))
      yield* Effect.async<void>((resume) => void child.stdout.on("data", () => resume(Effect.void)))
      assert.notStrictEqual(left(), "")
      child.kill("SIGKILL")
      while (left() !== "") yield* Effect.sleep("50 millis")
    })))
  }, patience(60_000))
})
