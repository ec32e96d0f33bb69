/** A disk of a few megabytes, for tests of what happens when it is full. */
import { Effect, type Scope } from "effect"
import { execFileSync } from "node:child_process"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Mounts one; a defect where that is not allowed. */
export const smallDisk: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const dir = mkdtempSync(join(tmpdir(), "stoa-small-"))
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", dir], { stdio: "ignore" })
    return dir
  }),
  (dir) =>
    Effect.sync(() => {
      execFileSync("umount", ["-l", dir])
      execFileSync("rmdir", [dir])
    })
)

/** Whether it can be mounted here. Where it cannot, its tests are left out and this is said. */
export const mayMount: boolean = await Effect.runPromise(
  Effect.scoped(smallDisk).pipe(Effect.as(true), Effect.catchAllCause(() => Effect.succeed(false)))
)
if (!mayMount) process.stderr.write("The tests of a full disk are left out: they need the right to mount one.\n")
