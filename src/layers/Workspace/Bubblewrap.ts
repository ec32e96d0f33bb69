/** Workspaces on this machine's disk whose programs run in a bubblewrap sandbox. */
import { Effect, Layer } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Workspace } from "../../services/Workspace.ts"
import * as Disk from "./Disk.ts"
import * as Processes from "./Processes.ts"
import * as Sandbox from "./Sandbox.ts"
import * as Shared from "./Shared.ts"

export interface Options extends Shared.Options {
  readonly dir: string
}

const about = "Programs run in a bubblewrap sandbox, without network"

/** Fails when a program cannot be run in the sandbox here. */
export const make = Effect.fnUntraced(function*({ dir, ...options }: Options) {
  const disk = yield* Disk.make({ dir, root: Sandbox.root, userOf: Sandbox.userOf })
  const etc = yield* Sandbox.makeEtc(dir)
  yield* Sandbox.trial(etc, options.limits)
  return yield* Shared.make({
    ...disk,
    kind: { name: "bubblewrap", runs: true, about },
    spawn: (owner, key, spawning) =>
      Processes.begin(
        Sandbox.launchOf({
          files: disk.filesOf(owner, key),
          etc,
          cwd: spawning.cwd,
          argv: spawning.command.argv,
          env: spawning.command.env ?? {},
          limits: spawning.limits,
          user: Sandbox.userOf(key)
        }),
        spawning
      )
  }, options)
})

/** Whether the sandbox works here, found out by running something in it. */
export const probe: Effect.Effect<void, Sandbox.NoSandbox> = Effect.acquireUseRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "stoa-probe-"))),
  (dir) =>
    Effect.flatMap(
      Sandbox.makeEtc(dir),
      (etc) => Sandbox.trial(etc, { bytes: 2 ** 30, files: 1000, processes: 64, memory: 2 ** 30, cpuSeconds: 10 })
    ),
  (dir) => Effect.promise(() => rm(dir, { recursive: true, force: true }))
)

export const layer = (options: Options): Layer.Layer<Workspace, Sandbox.NoSandbox> =>
  Layer.scoped(Workspace, make(options))
