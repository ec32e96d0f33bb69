/**
 * Workspaces on this machine's disk whose programs run as they are, without a sandbox: they can
 * do whatever the server's user can. For one person on a machine of their own.
 */
import { Effect, Layer } from "effect"
import { createHash, randomUUID } from "node:crypto"
import { resolve } from "node:path"
import { pathOf } from "../../domain/Workspace.ts"
import { Workspace } from "../../services/Workspace.ts"
import * as Disk from "./Disk.ts"
import * as Processes from "./Processes.ts"
import { killMarked } from "./ProcessTree.ts"
import { environment, limited, shell } from "./Sandbox.ts"
import * as Shared from "./Shared.ts"

export interface Options extends Shared.Options {
  readonly dir: string
}

const about = "Programs run without a sandbox, and can do whatever the server's user can"

/** The variable by which programs that have left their process group are found again. */
const marker = "STOA_WORKSPACE_PROCESS"

export const make = Effect.fnUntraced(function*({ dir: given, ...options }: Options) {
  const dir = resolve(given)
  const disk = yield* Disk.make({ dir, root: undefined })
  const mark = createHash("sha256").update(dir).digest("hex").slice(0, 16)
  // Nothing ends these with a server that was killed.
  yield* Effect.sync(() => killMarked(`${marker}=${mark}-`))
  return yield* Shared.make({
    ...disk,
    kind: { name: "local", runs: true, about },
    spawn: (owner, key, spawning) => {
      const { command, cwd, limits } = spawning
      const files = disk.filesOf(owner, key)
      const own = `${mark}-${randomUUID()}`
      return Processes.begin({
        file: shell,
        args: limited(limits, command.argv, false),
        env: { ...environment(files), ...command.env, [marker]: own },
        cwd: pathOf(files, cwd),
        killStrays: Effect.sync(() => killMarked(`${marker}=${own}`))
      }, spawning)
    }
  }, options)
})

export const layer = (options: Options): Layer.Layer<Workspace> => Layer.scoped(Workspace, make(options))
